#include "simulation/truth.h"

#include <algorithm>
#include <cstdlib>

#include "ingest/dead_letter.h"
#include "reference/decode.h"

namespace runledger::simulation {
namespace {

// The event that a dead letter is about.
std::pair<int32_t, Position> PlaceOf(const ingest::OutgoingRecord& letter) {
  const auto number = [&](std::string_view name) {
    for (const auto& [header, value] : letter.headers) {
      if (header == name) return std::strtoll(value.c_str(), nullptr, 10);
    }
    return -1LL;
  };
  return {static_cast<int32_t>(number(ingest::kDeadLetterPartition)),
          {number(ingest::kDeadLetterOffset), static_cast<int32_t>(number(ingest::kDeadLetterIndex))}};
}

}  // namespace

std::string Text(int32_t partition, Position position) {
  return "partition " + std::to_string(partition) + " at " + ingest::ToString(position);
}

void Truth::OnAppended(int32_t partition, const StoredRecord& stored) {
  Partition& p = partitions_[static_cast<size_t>(partition)];
  const tools::GeneratedRecord& record = stored.record;
  const reference::Decoded decoded = reference::Decode(
      {record.value ? *record.value : std::string_view(), record.value.has_value(), record.headers, stored.stamp_us},
      {});
  std::vector<reference::Event>& events = p.by_record.emplace_back();
  for (const reference::Item& item : decoded.items) {
    Item& kept = p.items.emplace_back();
    kept.position = {stored.offset, item.index};
    kept.good = item.event.has_value();
    if (item.event) {
      kept.event_id = item.event->id;
      kept.refused = !item.event->refused.empty();
      kept.bytes = item.event->bytes;
      events.push_back(*item.event);
    } else {
      kept.bytes = item.bytes;
    }
  }
}

size_t Truth::BytesOf(int32_t partition, int64_t offset) const {
  constexpr size_t kPlace = 300;  // of an event: where it stands, and its letter's headers
  const std::vector<Item>& items = partitions_[static_cast<size_t>(partition)].items;
  size_t bytes = 0;
  const auto first = std::lower_bound(items.begin(), items.end(), Position{offset, 0},
                                      [](const Item& item, Position wanted) { return item.position < wanted; });
  for (auto at = first; at != items.end() && at->position.offset == offset; ++at) {
    const bool whole = at->good && !at->refused;
    bytes += kPlace + at->bytes.size() * (whole ? 1 : 2);
  }
  return bytes;
}

std::vector<Position> Truth::WholeEventsOf(int32_t partition, int64_t offset) const {
  const std::vector<Item>& items = partitions_[static_cast<size_t>(partition)].items;
  std::vector<Position> positions;
  for (auto at = items.rbegin(); at != items.rend() && at->position.offset >= offset; ++at) {
    if (at->position.offset == offset && at->good && !at->refused) positions.push_back(at->position);
  }
  return positions;
}

const Truth::Item* Truth::Find(int32_t partition, Position position) const {
  const std::vector<Item>& items = partitions_[static_cast<size_t>(partition)].items;
  const auto at = std::lower_bound(items.begin(), items.end(), position,
                                   [](const Item& item, Position wanted) { return item.position < wanted; });
  return at == items.end() || at->position != position ? nullptr : &*at;
}

std::string Truth::OnRows(const ingest::RowBatch& rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const ingest::RowBatch::Row row = rows[i];
    reference::Refusal refusal;
    const std::optional<reference::Event> event = reference::DecodeEvent(row.event, -1, {}, &refusal);
    if (!event) return "a row is no event: " + refusal.why;
    std::string wrong = OnRow(rows.partition().partition, row.position, event->id, !row.refused.empty());
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string Truth::OnRow(int32_t partition, Position position, const std::string& event_id, bool refused) {
  Partition& p = partitions_[static_cast<size_t>(partition)];
  const Item* item = Find(partition, position);
  if (item == nullptr || !item->good) return "a row of what is no good event: " + Text(partition, position);
  if (item->event_id != event_id) return "a row of another event: " + Text(partition, position) + " " + event_id;
  if (!p.rows.emplace(position, refused).second)
    return "an event is twice in the warehouse: " + Text(partition, position);
  const bool by_warehouse = p.refused_by_warehouse.contains(position);
  if (refused != (item->refused || by_warehouse))
    return std::string(refused ? "a whole event has only its core in the warehouse: " : "a refused row was written: ") +
           Text(partition, position);
  if (by_warehouse && !p.letters.contains(position))
    return "a refused row was replaced before its dead letter was durable: " + Text(partition, position);
  return "";
}

std::optional<Position> Truth::RefusedByWarehouse(const ingest::OutgoingRecord& letter) const {
  const auto [partition, position] = PlaceOf(letter);
  if (partition < 0 || static_cast<size_t>(partition) >= partitions_.size() ||
      !partitions_[static_cast<size_t>(partition)].refused_by_warehouse.contains(position))
    return std::nullopt;
  return position;
}

std::string Truth::OnLetter(const ingest::OutgoingRecord& letter) {
  const auto [partition, position] = PlaceOf(letter);
  if (partition < 0 || static_cast<size_t>(partition) >= partitions_.size()) return "a dead letter of no partition";
  Partition& p = partitions_[static_cast<size_t>(partition)];
  const Item* item = Find(partition, position);
  const bool by_warehouse = p.refused_by_warehouse.contains(position);
  if (item == nullptr || (item->good && !item->refused && !by_warehouse))
    return "a dead letter of what is good: " + Text(partition, position);
  const std::string value = letter.value.value_or("");
  if (!item->good && value != item->bytes) return "a dead letter is not whole: " + Text(partition, position);
  const auto [at, first] = p.letters.emplace(position, value);
  // By the warehouse's word it is the event as it was to be written, by the column's the event as it came.
  if (!first && !by_warehouse && at->second != value)
    return "two dead letters of one event differ: " + Text(partition, position);
  return "";
}

void Truth::OwedFrom(int32_t partition, int64_t offset) {
  Partition& p = partitions_[static_cast<size_t>(partition)];
  p.owed_from = offset;
}

std::string Truth::Missing(const Partition& p, const Item& item) const {
  if (item.position.offset < std::max(p.owed_from, p.lost_before)) return "";
  if (item.good && !p.rows.contains(item.position)) return "has no row";
  if (!item.good || item.refused || p.refused_by_warehouse.contains(item.position)) {
    if (!p.letters.contains(item.position)) return "has no dead letter";
  }
  return "";
}

std::string Truth::NotDurableBefore(int32_t partition, Position position) {
  Partition& p = partitions_[static_cast<size_t>(partition)];
  for (; p.durable < p.items.size() && p.items[p.durable].position < position; ++p.durable) {
    const std::string missing = Missing(p, p.items[p.durable]);
    if (!missing.empty()) return Text(partition, p.items[p.durable].position) + " " + missing;
  }
  return "";
}

int64_t Truth::rows() const {
  int64_t count = 0;
  for (const Partition& p : partitions_) count += static_cast<int64_t>(p.rows.size());
  return count;
}

int64_t Truth::letters() const {
  int64_t count = 0;
  for (const Partition& p : partitions_) count += static_cast<int64_t>(p.letters.size());
  return count;
}

int64_t Truth::good_events() const {
  int64_t count = 0;
  for (const Partition& p : partitions_)
    count += std::count_if(p.items.begin(), p.items.end(), [](const Item& i) { return i.good; });
  return count;
}

int64_t Truth::bad_events() const {
  int64_t count = 0;
  for (const Partition& p : partitions_)
    count += std::count_if(p.items.begin(), p.items.end(), [](const Item& i) { return !i.good; });
  return count;
}

}  // namespace runledger::simulation
