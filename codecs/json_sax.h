#pragma once

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "codecs/json.h"
#include "codecs/utf8.h"

namespace runledger::codecs {

// A JSON value that is no object and no array.
struct JsonScalar {
  enum Type { kNull, kBool, kInteger, kFloat, kString };
  Type type = kNull;
  std::string_view text;  // the digits as they came, "true", "null", or the unescaped string
  int64_t integer = 0;    // of kInteger within int64
  bool fits_int64 = false;
  double number = 0;  // of kInteger and kFloat
  bool boolean = false;
};

// Writes JSON without white space, from pieces that arrive in order.
class JsonTextWriter {
 public:
  explicit JsonTextWriter(std::string* out) : out_(out) {}

  void Key(std::string_view key) {
    Comma();
    AppendJsonString(key, out_);
    out_->push_back(':');
    after_key_ = true;
  }
  void Scalar(const JsonScalar& value) {
    Comma();
    if (value.type == JsonScalar::kString) {
      AppendJsonString(value.text, out_);
    } else {
      out_->append(value.text);
    }
  }
  void Open(bool object) {
    Comma();
    out_->push_back(object ? '{' : '[');
    first_ = true;
  }
  void Close(bool object) {
    out_->push_back(object ? '}' : ']');
    first_ = false;
  }

 private:
  void Comma() {
    if (!first_ && !after_key_) out_->push_back(',');
    first_ = false;
    after_key_ = false;
  }

  std::string* out_;
  bool first_ = true;
  bool after_key_ = false;
};

// Receives a JSON text piece by piece from ParseJson and keeps count of its depth. Derive and override what is wanted;
// return false from a hook to stop. Not for public headers: it brings nlohmann in.
class JsonSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonSax(int max_depth) : max_depth_(max_depth) {}

  bool too_deep() const { return too_deep_; }
  const std::string& error() const { return error_; }
  friend bool ParseJson(std::string_view text, JsonSax* sax);
  // Containers that are open. While OnOpen and OnClose run, the container itself is not counted.
  int depth() const { return depth_; }

 protected:
  virtual bool OnKey(std::string_view) { return true; }
  virtual bool OnScalar(const JsonScalar&) { return true; }
  virtual bool OnOpen(bool /*object*/) { return true; }
  virtual bool OnClose(bool /*object*/) { return true; }
  bool Fail(std::string why) {
    error_ = std::move(why);
    return false;
  }

 private:
  bool null() final { return OnScalar({.type = JsonScalar::kNull, .text = "null"}); }
  bool boolean(bool value) final {
    return OnScalar({.type = JsonScalar::kBool, .text = value ? "true" : "false", .boolean = value});
  }
  bool number_integer(number_integer_t value) final {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return OnScalar({.type = JsonScalar::kInteger,
                     .text = {digits, static_cast<size_t>(end - digits)},
                     .integer = value,
                     .fits_int64 = true,
                     .number = static_cast<double>(value)});
  }
  bool number_unsigned(number_unsigned_t value) final {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return OnScalar({.type = JsonScalar::kInteger,
                     .text = {digits, static_cast<size_t>(end - digits)},
                     .integer = static_cast<int64_t>(value),
                     .fits_int64 = value <= static_cast<uint64_t>(INT64_MAX),
                     .number = static_cast<double>(value)});
  }
  bool number_float(number_float_t value, const string_t& text) final {
    return OnScalar({.type = JsonScalar::kFloat, .text = text, .number = value});
  }
  bool string(string_t& value) final { return OnScalar({.type = JsonScalar::kString, .text = value}); }
  bool binary(binary_t&) final { return false; }
  bool key(string_t& value) final { return OnKey(value); }
  bool start_object(size_t) final { return Open(true); }
  bool start_array(size_t) final { return Open(false); }
  bool end_object() final { return Close(true); }
  bool end_array() final { return Close(false); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) final {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..." without the library's own prefix.
    const std::string_view what = e.what();
    const size_t colon = what.find("column");
    // It quotes what it last read, malformed bytes included.
    error_ =
        colon == std::string_view::npos ? "at byte " + std::to_string(position) : Utf8OrReplacement(what.substr(colon));
    return false;
  }
  bool Open(bool object) {
    if (depth_ >= max_depth_) {
      too_deep_ = true;
      return Fail("it is nested deeper than " + std::to_string(max_depth_) + " levels");
    }
    if (!OnOpen(object)) return false;
    ++depth_;
    return true;
  }
  bool Close(bool object) {
    --depth_;
    return OnClose(object);
  }

  const int max_depth_;
  int depth_ = 0;
  bool too_deep_ = false;
  std::string error_;
};

// False if the text is no JSON or a hook said no; sax->error() then has the reason. Never throws.
inline bool ParseJson(std::string_view text, JsonSax* sax) {
  // nlohmann takes a NUL for the end and never looks at what stands behind it.
  if (text.find('\0') != std::string_view::npos) return sax->Fail("it holds a NUL character");
  nlohmann::json_sax<nlohmann::json>* const base = sax;
  return nlohmann::json::sax_parse(text.begin(), text.end(), base, nlohmann::json::input_format_t::json,
                                   /*strict=*/true);
}

}  // namespace runledger::codecs
