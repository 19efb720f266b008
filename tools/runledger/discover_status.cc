#include "tools/runledger/discover_status.h"

#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace runledger::tools {
namespace {

// Looks at a document as it passes: what is deeper than it has to be is not kept.
class ResultReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Value(); }
  bool boolean(bool value) override {
    if (depth_ == 2 && in_metadata_ && key_ == "is_empty_report") is_empty_ = value;
    return Value();
  }
  bool number_integer(number_integer_t value) override { return Number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return Number(value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Number(value >= 9e18 ? INT64_MAX : value > 0 ? static_cast<int64_t>(value) : 0);
  }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool start_object(std::size_t) override {
    Value();
    in_metadata_ = depth_ == 1 && is_object_ && key_ == "metadata";
    if (depth_++ == 0) is_object_ = true;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    // Within an element of a list nothing is looked for.
    if (depth_ <= 2) key_ = name;
    if (depth_ == 1) in_metadata_ = false;
    return true;
  }
  bool start_array(std::size_t) override {
    Value();
    if (depth_ == 0) is_list_ = true;
    if (depth_ == 0 || (depth_ == 1 && is_object_ && key_ == "records")) {
      in_records_ = true;
      records_ = 0;
      records_depth_ = depth_ + 1;
    }
    ++depth_;
    return true;
  }
  bool end_array() override {
    if (depth_ == records_depth_) in_records_ = false;
    --depth_;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  DiscoveredStatus Result() const {
    DiscoveredStatus result;
    if (is_list_ || is_object_) result.records = records_ ? *records_ : record_count_.value_or(0);
    if (result.records.value_or(0) > 0 && !is_empty_) result.status = codecs::Status::kSuccess;
    return result;
  }

 private:
  bool Value() {
    if (in_records_ && depth_ == records_depth_) ++*records_;
    return true;
  }
  bool Number(int64_t value) {
    if (depth_ == 1 && is_object_ && key_ == "record_count") record_count_ = value;
    return Value();
  }

  int depth_ = 0;  // objects and lists around what comes
  int records_depth_ = -1;
  std::string key_;
  bool is_object_ = false, is_list_ = false;  // the document
  bool in_metadata_ = false, in_records_ = false;
  bool is_empty_ = false;
  std::optional<int64_t> records_, record_count_;
};

}  // namespace

DiscoveredStatus DiscoverStatus(std::istream& json) {
  ResultReader reader;
  return nlohmann::json::sax_parse(json, &reader) ? reader.Result() : DiscoveredStatus();
}

DiscoveredStatus DiscoverStatusOfFile(const std::string& path, int64_t not_before_us) {
  struct stat about = {};
  if (stat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return {};
  const int64_t changed_us = int64_t{about.st_mtim.tv_sec} * 1'000'000 + about.st_mtim.tv_nsec / 1'000;
  // File systems take the time from a clock of their own, which may be some milliseconds behind, or count whole
  // seconds.
  constexpr int64_t kCoarseUs = 1'000'000;
  if (changed_us < not_before_us - kCoarseUs) return {};
  std::ifstream file(path, std::ios::binary);
  return file ? DiscoverStatus(file) : DiscoveredStatus();
}

DiscoveredStatus DiscoverStatusOfLastLine(const std::string& text) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  if (end == text.npos) return {};
  const size_t before = text.find_last_of('\n', end);
  std::istringstream line(text.substr(before == text.npos ? 0 : before + 1, end - (before == text.npos ? -1 : before)));
  return DiscoverStatus(line);
}

}  // namespace runledger::tools
