#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>

#include "simulation/warehouse.h"

namespace runledger::simulation {
namespace {

namespace fs = std::filesystem;

class SqliteWarehouse : public SharedWarehouse {
 public:
  explicit SqliteWarehouse(World* world) : world_(*world) {
    const fs::path memory = "/dev/shm";
    folder_ = (fs::exists(memory) ? memory : fs::temp_directory_path()) /
              ("runledger-simulation-" + std::to_string(getpid()) + "-" + std::to_string(world->shape.seed));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    world_.own_path = folder_.string() + "/";
  }
  ~SqliteWarehouse() override {
    SetLocked(false);
    sqlite3_close(locker_);
    fs::remove_all(folder_);
  }

  std::string path() const { return folder_ / "history.db"; }

  std::unique_ptr<WarehouseSession> Connect(ingest::RowSinkListener* listener, SessionThread) override;

  // Another process holds the file's lock.
  void SetLocked(bool locked) {
    if (locked == locked_) return;
    if (locker_ == nullptr && sqlite3_open(path().c_str(), &locker_) != SQLITE_OK) return world_.Fail("no locker");
    if (sqlite3_exec(locker_, locked ? "BEGIN IMMEDIATE" : "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK)
      return world_.Fail(std::string("the locker: ") + sqlite3_errmsg(locker_));
    locked_ = locked;
  }

  std::string Check(World* world) override;

 private:
  World& world_;
  fs::path folder_;
  sqlite3* locker_ = nullptr;
  bool locked_ = false;
};

class SqliteConnection : public WarehouseSession {
 public:
  SqliteConnection(SqliteWarehouse* warehouse, World* world, ingest::RowSinkListener* listener)
      : warehouse_(*warehouse), world_(*world), session_(Options(), listener, nullptr) {
    session_.Start().IgnoreError();  // it tries again with each request
  }
  void Process(const std::vector<Request>& group) override {
    warehouse_.SetLocked(world_.Is(Fault::kWarehouseDown));
    session_.SetPageLimit(world_.Is(Fault::kWarehouseFull) ? 1 : 0);
    session_.Process(group);
  }

 private:
  exporters::SqliteOptions Options() const {
    exporters::SqliteOptions options;
    options.path = warehouse_.path();
    options.expiry_days = 0;
    options.busy_timeout_ms = 0;
    options.now_us = [world = &world_] { return world->TrueUs(); };
    return options;
  }

  SqliteWarehouse& warehouse_;
  World& world_;
  exporters::SqliteSession session_;
};

std::unique_ptr<WarehouseSession> SqliteWarehouse::Connect(ingest::RowSinkListener* listener, SessionThread) {
  SetLocked(false);  // the schema is made at the first start, when nothing is wrong yet
  return std::make_unique<SqliteConnection>(this, &world_, listener);
}

std::string SqliteWarehouse::Check(World* world) {
  sqlite3* db = nullptr;
  sqlite3_stmt* rows = nullptr;
  std::string wrong;
  Truth found(world->shape.partitions);
  for (int32_t p = 0; p < world->shape.partitions; ++p) {
    for (const StoredRecord& record : world->log[static_cast<size_t>(p)].records()) found.OnAppended(p, record);
  }
  if (sqlite3_open_v2(path().c_str(), &db, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(db, "SELECT \"partition\", \"offset\", batch_index, event_id, refused FROM events", -1, &rows,
                         nullptr) != SQLITE_OK) {
    wrong = std::string("the file cannot be read: ") + sqlite3_errmsg(db);
  }
  int64_t count = 0;
  while (wrong.empty() && sqlite3_step(rows) == SQLITE_ROW) {
    ++count;
    const Position position{sqlite3_column_int64(rows, 1), sqlite3_column_int(rows, 2)};
    const auto* id = reinterpret_cast<const char*>(sqlite3_column_text(rows, 3));
    wrong = found.OnRow(sqlite3_column_int(rows, 0), position, id != nullptr ? id : "",
                        sqlite3_column_type(rows, 4) != SQLITE_NULL);
  }
  sqlite3_finalize(rows);
  sqlite3_close(db);
  if (wrong.empty() && count != world->truth.rows()) {
    wrong = "the file has " + std::to_string(count) + " rows, and " + std::to_string(world->truth.rows()) +
            " were said to be written";
  }
  return wrong;
}

}  // namespace

std::unique_ptr<SharedWarehouse> MakeSqliteWarehouse(World* world) { return std::make_unique<SqliteWarehouse>(world); }

}  // namespace runledger::simulation
