#include "codecs/json.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "codecs/json_sax.h"
#include "codecs/plain_json.h"

namespace runledger::codecs {
namespace {

std::string NormalizeKey(std::string_view key) {
  std::string out;
  for (char c : key) {
    if (c == '_' || c == '-') continue;
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return out;
}

// A tree of the text; discarded() if it is no JSON.
nlohmann::json ParseTree(std::string_view text) {
  if (text.find('\0') != std::string_view::npos)
    return nlohmann::json(nlohmann::json::value_t::discarded);  // see ParseJson
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// Only looks.
class JsonChecker : public JsonSax {
 public:
  using JsonSax::JsonSax;
};

// Copies what it reads and leaves out members named like a secret.
class SecretRemover : public JsonSax {
 public:
  SecretRemover(const SecretNames& secrets, std::string* out)
      : JsonSax(kMaxJsonColumnDepth), secrets_(secrets), writer_(out) {}

 protected:
  bool OnKey(std::string_view key) override {
    if (skipping()) return true;
    if (secrets_.Matches(key)) {
      skip_from_ = depth();
    } else {
      writer_.Key(key);
    }
    return true;
  }
  bool OnScalar(const JsonScalar& value) override {
    if (skipping()) return EndSkipped();
    writer_.Scalar(value);
    return true;
  }
  bool OnOpen(bool object) override {
    if (!skipping()) writer_.Open(object);
    return true;
  }
  bool OnClose(bool object) override {
    if (skipping()) return EndSkipped();
    writer_.Close(object);
    return true;
  }

 private:
  bool skipping() const { return skip_from_ >= 0; }
  bool EndSkipped() {
    if (depth() == skip_from_) skip_from_ = -1;
    return true;
  }

  const SecretNames& secrets_;
  JsonTextWriter writer_;
  int skip_from_ = -1;  // depth of the object whose member is left out; -1 = none
};

}  // namespace

std::string JsonError(std::string_view text, int max_depth, bool* too_deep) {
  if (too_deep != nullptr) *too_deep = false;
  if (max_depth >= kPlainJsonNesting && IsPlainJson(text)) return {};
  JsonChecker checker(max_depth);
  const bool ok = ParseJson(text, &checker);
  if (too_deep != nullptr) *too_deep = checker.too_deep();
  return ok ? std::string() : checker.error();
}

bool IsJson(std::string_view text, int max_depth) {
  if (max_depth >= kPlainJsonNesting && IsPlainJson(text)) return true;
  JsonChecker checker(max_depth);
  return ParseJson(text, &checker);
}

SecretNames::SecretNames(const std::vector<std::string>& names) {
  for (const std::string& name : names) names_.push_back(NormalizeKey(name));
  std::sort(names_.begin(), names_.end());
}

bool SecretNames::Matches(std::string_view key) const {
  return std::binary_search(names_.begin(), names_.end(), NormalizeKey(key));
}

std::string RemoveSecrets(std::string_view text, const SecretNames& secrets) {
  std::string out;
  out.reserve(text.size());
  SecretRemover remover(secrets, &out);
  ParseJson(text, &remover);
  return out;
}

std::string WrapErrors(std::string_view text) {
  const auto wrapped = [](std::string_view message) {
    std::string out = "{\"error_message\":";
    AppendJsonString(message, &out);
    return out + "}";
  };
  const auto blank = [](std::string_view message) { return message.find_first_not_of(" \t\r\n") == message.npos; };
  const auto alone = [&](std::string_view message) { return blank(message) ? "" : "[" + wrapped(message) + "]"; };
  const nlohmann::json value = ParseTree(text);
  if (value.is_discarded()) return alone(text);
  if (value.is_string()) return alone(value.get_ref<const std::string&>());
  if (value.is_object()) return "[" + std::string(text) + "]";
  if (!value.is_array()) return std::string(text);
  if (std::none_of(value.begin(), value.end(), [](const auto& element) { return element.is_string(); }))
    return std::string(text);
  std::string out = "[";
  size_t index = 0;
  for (std::string_view element : SplitJsonArray(text)) {
    const nlohmann::json& parsed = value[index++];
    if (parsed.is_string() && blank(parsed.get_ref<const std::string&>())) continue;
    if (out.size() > 1) out += ',';
    out += parsed.is_string() ? wrapped(parsed.get_ref<const std::string&>()) : std::string(element);
  }
  return out + "]";
}

FirstError FirstOfErrors(std::string_view wrapped) {
  FirstError first;
  const nlohmann::json value = ParseTree(wrapped);
  if (!value.is_array() || value.empty() || !value[0].is_object()) return first;
  const auto text = [&](const char* name) {
    const auto found = value[0].find(name);
    return found != value[0].end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  first.type = text("error_type");
  first.message = text("error_message");
  return first;
}

void AppendJsonString(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20) {
          *out += "\\u00";
          out->push_back(kHex[static_cast<uint8_t>(c) >> 4]);
          out->push_back(kHex[c & 15]);
        } else {
          out->push_back(c);
        }
    }
  }
  out->push_back('"');
}

std::vector<std::string_view> SplitJsonArray(std::string_view text) {
  std::vector<std::string_view> elements;
  int depth = 0;
  size_t start = std::string_view::npos;  // of the element being read
  size_t end = 0;                         // after its last character that is no white space
  const auto finish = [&] {
    if (start != std::string_view::npos) elements.push_back(text.substr(start, end - start));
    start = std::string_view::npos;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (depth == 1 && (c == ',' || c == ']')) {
      finish();
      if (c == ']') break;
      continue;
    }
    if (depth >= 1 && start == std::string_view::npos) start = i;
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    }
    end = i + 1;
  }
  return elements;
}

}  // namespace runledger::codecs
