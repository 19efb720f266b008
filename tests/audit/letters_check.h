#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "audit/log_reader.h"
#include "audit/report.h"
#include "reference/decode.h"

namespace runledger::audit {

// The dead letters that must be there: one identity for each event that is refused, whole or in its row.
class LettersCheck {
 public:
  LettersCheck(std::string topic, Report* report) : topic_(std::move(topic)), report_(*report) {}

  // What decoding the record gave.
  void Expect(const LogRecord& record, const reference::Decoded& decoded);
  // The next record of the dead-letter topic.
  void Found(const LogRecord& letter);
  // All dead letters have been seen: which are missing?
  void Finish();

  int64_t expected() const { return static_cast<int64_t>(letters_.size()); }

 private:
  using Identity = std::tuple<int32_t, int64_t, int32_t>;  // partition, offset, index
  struct Letter {
    std::string category;
    std::string value;  // of an event among others: it alone
    bool has_value = true;
    std::string event_id;     // of a refused row: its event, in whatever packing
    size_t record_value = 0;  // hash of the whole record's value
    bool json = false;        // what the record holds is JSON, not protobuf
    std::optional<std::string> key;
    std::vector<std::pair<std::string, std::string>> headers;
    int64_t times = 0;
  };

  void CheckLetter(const std::string& where, const LogRecord& found, const Letter& letter);

  const std::string topic_;
  Report& report_;
  std::map<Identity, Letter> letters_;
  int64_t found_ = 0;
};

}  // namespace runledger::audit
