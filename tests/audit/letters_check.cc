#include "audit/letters_check.h"

#include <algorithm>
#include <cstdlib>
#include <functional>

namespace runledger::audit {
namespace {

constexpr const char* kAbout = "dead letters";
constexpr const char* kJsonEvent = "application/json";
constexpr const char* kProtobufEvent = "application/x-protobuf; messageType=runledger.v1.Event";

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string HeaderOf(const Headers& headers, const std::string& name) {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? "" : found->second;
}

std::optional<int64_t> NumberOf(const Headers& headers, const std::string& name) {
  const std::string text = HeaderOf(headers, name);
  char* end = nullptr;
  const int64_t number = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') return std::nullopt;
  return number;
}

std::string Where(int32_t partition, int64_t offset, int32_t index) {
  return "partition " + std::to_string(partition) + " offset " + std::to_string(offset) + " index " +
         std::to_string(index);
}

// The event that a value is, in whatever packing, has this id.
bool HoldsEvent(std::string_view value, const std::string& event_id) {
  const reference::Decoded decoded = reference::Decode({value, true, {}, -1}, {});
  return decoded.items.size() == 1 && decoded.items[0].event && decoded.items[0].event->id == event_id;
}

}  // namespace

void LettersCheck::Expect(const LogRecord& record, const reference::Decoded& decoded) {
  for (const reference::Item& item : decoded.items) {
    const bool row = item.event && !item.event->refused.empty();
    if (item.event && !row) continue;
    Letter letter;
    letter.category = row ? "schema" : item.refusal.category;
    letter.value = row ? item.event->bytes : item.bytes;
    letter.has_value = record.has_value;
    letter.record_value = std::hash<std::string_view>()(record.value);
    letter.json = decoded.framing == "json";
    if (row) letter.event_id = item.event->id;
    if (record.key) letter.key = std::string(*record.key);
    letter.headers = record.headers;
    letters_[{record.partition, record.offset, item.index}] = std::move(letter);
  }
}

void LettersCheck::Found(const LogRecord& found) {
  report_.Checked(kAbout);
  const std::string place = "dead letter " + std::to_string(found.partition) + "/" + std::to_string(found.offset);
  if (HeaderOf(found.headers, "runledger-topic") != topic_) return;  // of another topic
  const auto partition = NumberOf(found.headers, "runledger-partition");
  const auto offset = NumberOf(found.headers, "runledger-offset");
  const auto index = NumberOf(found.headers, "runledger-index");
  if (!partition || !offset || !index) return report_.Differs(kAbout, place + " does not say where it comes from");
  const std::string where = Where(static_cast<int32_t>(*partition), *offset, static_cast<int32_t>(*index));
  const auto expected = letters_.find({static_cast<int32_t>(*partition), *offset, static_cast<int32_t>(*index)});
  if (expected == letters_.end()) {
    return report_.Differs("dead letters of good events", where + ": " + HeaderOf(found.headers, "runledger-category") +
                                                              ", " + HeaderOf(found.headers, "runledger-reason"));
  }
  ++expected->second.times;
  CheckLetter(where, found, expected->second);
}

void LettersCheck::CheckLetter(const std::string& where, const LogRecord& found, const Letter& letter) {
  const auto differs = [&](const std::string& text) { report_.Differs(kAbout, where + ": " + text); };
  const std::string category = HeaderOf(found.headers, "runledger-category");
  if (category != letter.category) {
    differs("category is " + category + ", should be " + letter.category + " (" +
            HeaderOf(found.headers, "runledger-reason") + ")");
  }
  if (HeaderOf(found.headers, "runledger-reason").empty()) differs("it gives no reason");
  if (!reference::TimeOfText(HeaderOf(found.headers, "runledger-first-seen")))
    differs("runledger-first-seen is no time");
  if (NumberOf(found.headers, "runledger-attempts").value_or(0) < 1) differs("runledger-attempts is no count");
  const bool same = found.has_value == letter.has_value && found.value == letter.value;
  const bool same_event = !letter.event_id.empty() && found.has_value && HoldsEvent(found.value, letter.event_id);
  if (!same && !same_event) {
    differs("the value is not whole: " + std::to_string(found.value.size()) + " bytes, should be " +
            std::to_string(letter.value.size()));
  }
  if (found.key != letter.key) differs("the key is another");
  // An event taken out of a record says what it is now, and keeps what the record said under other names.
  const bool taken_out = std::hash<std::string_view>()(found.value) != letter.record_value;
  for (const auto& [name, value] : letter.headers) {
    const std::string kept = taken_out && name.starts_with("content-") ? "runledger-original-" + name : name;
    if (HeaderOf(found.headers, kept) != value) differs("header " + name + " of the record is gone");
  }
  if (!taken_out) return;
  if (HeaderOf(found.headers, "content-type") != (letter.json ? kJsonEvent : kProtobufEvent))
    differs("content-type is not that of one event: " + HeaderOf(found.headers, "content-type"));
  if (!HeaderOf(found.headers, "content-encoding").empty()) differs("one event is not compressed, but says so");
}

void LettersCheck::Finish() {
  int64_t again = 0;
  std::map<std::string, int64_t> by_category;
  for (const auto& [identity, letter] : letters_) {
    ++by_category[letter.category];
    if (letter.times > 1) again += letter.times - 1;
    if (letter.times > 0) continue;
    const auto& [partition, offset, index] = identity;
    report_.Differs("dead letters that are missing", Where(partition, offset, index) + ": " + letter.category);
  }
  std::string categories;
  for (const auto& [category, count] : by_category) categories += " " + category + " " + std::to_string(count) + ",";
  report_.Note(std::to_string(letters_.size()) + " dead letters expected:" + categories + " and " +
               std::to_string(again) + " came again");
}

}  // namespace runledger::audit
