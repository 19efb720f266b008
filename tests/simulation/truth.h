#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ingest/log.h"
#include "ingest/position.h"
#include "ingest/row_batch.h"
#include "reference/event.h"
#include "simulation/simulated_log.h"

namespace runledger::simulation {

using ingest::Position;

// What the log holds, read by the reference: the good and the bad events of each partition, in order. And what of them
// has become durable: rows in the warehouse, dead letters in their topic. Knows nothing of how that came about.
class Truth {
 public:
  struct Item {
    Position position;
    bool good = false;
    bool refused = false;  // good, but a column is not: a core row and a letter
    std::string event_id;  // of a good one
    std::string bytes;     // what the letter of one that is not whole holds
  };

  explicit Truth(int32_t partitions) : partitions_(static_cast<size_t>(partitions)) {}

  // The record was appended to the log.
  void OnAppended(int32_t partition, const StoredRecord& record);
  // Rows became durable. Returns what is wrong with them; empty: nothing.
  std::string OnRows(const ingest::RowBatch& rows);
  std::string OnRow(int32_t partition, Position position, const std::string& event_id, bool refused);
  // The place of the event that a dead letter is about, if the warehouse has refused its row.
  std::optional<Position> RefusedByWarehouse(const ingest::OutgoingRecord& letter) const;
  // A dead letter became durable.
  std::string OnLetter(const ingest::OutgoingRecord& letter);
  // The warehouse refused this row: it must have a letter, and only its core may be written.
  void OnRowRefused(int32_t partition, Position position) {
    partitions_[static_cast<size_t>(partition)].refused_by_warehouse.insert(position);
  }
  // Rows and letters are owed from here on: the first commit. Below: nobody ever promised them.
  void OwedFrom(int32_t partition, int64_t offset);
  // Retention deleted events before anybody could write them, and a problem said so.
  void Lost(int32_t partition, int64_t before) { partitions_[static_cast<size_t>(partition)].lost_before = before; }

  // The first event before `position` that is not durable though it is owed; empty: none. Remembers how far it has
  // looked.
  std::string NotDurableBefore(int32_t partition, Position position);
  // The same of the whole log.
  std::string NotDurable(int32_t partition) { return NotDurableBefore(partition, {INT64_MAX, 0}); }

  // What a record may take in memory as rows and dead letters, at most.
  size_t BytesOf(int32_t partition, int64_t offset) const;
  // Good events of a record of which every column is good too.
  std::vector<Position> WholeEventsOf(int32_t partition, int64_t offset) const;
  const std::vector<std::vector<reference::Event>>& events(int32_t partition) const {
    return partitions_[static_cast<size_t>(partition)].by_record;
  }
  int64_t rows() const;
  int64_t letters() const;
  int64_t good_events() const;
  int64_t bad_events() const;

 private:
  struct Partition {
    std::vector<Item> items;
    std::vector<std::vector<reference::Event>> by_record;  // as SimulatedPartition::records
    std::map<Position, bool> rows;                         // and whether it is only a core
    std::map<Position, std::string> letters;               // and their value
    std::set<Position> refused_by_warehouse;
    int64_t owed_from = 0;
    int64_t lost_before = 0;
    size_t durable = 0;  // items before are
  };

  const Item* Find(int32_t partition, Position position) const;
  std::string Missing(const Partition& partition, const Item& item) const;

  std::vector<Partition> partitions_;
};

std::string Text(int32_t partition, Position position);

}  // namespace runledger::simulation
