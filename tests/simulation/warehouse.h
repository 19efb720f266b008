#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exporters/warehouse/sqlite_session.h"
#include "ingest/row_sink.h"
#include "simulation/world.h"

struct sqlite3;

namespace runledger::simulation {

using Request = exporters::SqliteSession::Request;
using RequestKind = exporters::SqliteSession::RequestKind;

// One instance's connection to the warehouse: carries out requests at once and tells the listener.
class WarehouseSession {
 public:
  virtual ~WarehouseSession() = default;
  virtual void Process(const std::vector<Request>& group) = 0;
};

// Of the process that a session belongs to.
struct SessionThread {
  // Runs it after a time, while the process lives and does not stand still.
  std::function<void(int64_t delay_us, std::function<void()> what)> run;
  // What the listener was told outside of Process is on its way to the deliveries.
  std::function<void()> flush;
};

// The warehouse that all instances share, and that no crash touches.
class SharedWarehouse {
 public:
  virtual ~SharedWarehouse() = default;
  virtual std::unique_ptr<WarehouseSession> Connect(ingest::RowSinkListener* listener, SessionThread thread) = 0;
  // Rows of it that are not what the truth has, and the other way round; empty: none.
  virtual std::string Check(World* world) = 0;
};

// The SQLite file, through the code that runs in production.
std::unique_ptr<SharedWarehouse> MakeSqliteWarehouse(World* world);
// Streams as in BigQuery's Storage Write API: rows go to the end of a stream that only its owner knows; a stream that
// is finalised takes no more, and tells how many rows it has.
std::unique_ptr<SharedWarehouse> MakeStreamWarehouse(World* world);
// BigQuery's Storage Write API with its faults, through the writers that run in production.
std::unique_ptr<SharedWarehouse> MakeBigQueryWarehouse(World* world);

}  // namespace runledger::simulation
