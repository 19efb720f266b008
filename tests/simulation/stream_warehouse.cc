#include "ingest/stream_rows.h"
#include "simulation/warehouse.h"

namespace runledger::simulation {
namespace {

using ingest::SinkOpened;
using ingest::SubmitResult;

struct Stream {
  int64_t rows = 0;
  bool finalised = false;
};

class StreamWarehouse : public SharedWarehouse {
 public:
  explicit StreamWarehouse(World* world) : world_(*world) {}
  std::unique_ptr<WarehouseSession> Connect(ingest::RowSinkListener* listener, SessionThread) override;
  std::string Check(World*) override { return ""; }  // every row was looked at when it was written

  std::string Create() {
    std::string name = "stream-" + std::to_string(++created_);
    streams_[name];
    return name;
  }
  // How many rows it has; it gets no more.
  int64_t Finalise(const std::string& name) {
    Stream& stream = streams_.at(name);
    stream.finalised = true;
    return stream.rows;
  }
  Stream& stream(const std::string& name) { return streams_.at(name); }

 private:
  World& world_;
  std::map<std::string, Stream> streams_;
  uint64_t created_ = 0;
};

class StreamConnection : public WarehouseSession {
 public:
  StreamConnection(StreamWarehouse* warehouse, World* world, ingest::RowSinkListener* listener)
      : warehouse_(*warehouse), world_(*world), listener_(*listener) {}

  void Process(const std::vector<Request>& group) override {
    for (const Request& request : group) {
      if (request.kind == RequestKind::kOpen) Open(request);
      if (request.kind == RequestKind::kSubmit) Submit(request);
      if (request.kind == RequestKind::kClose) tenants_.erase(request.tenure);
    }
  }

 private:
  struct Tenant {
    std::string stream;
    std::optional<Position> failed_from;
  };

  void Open(const Request& request) {
    SinkOpened opened;
    opened.metadata = request.metadata;
    if (world_.Is(Fault::kWarehouseDown)) {
      opened.status = absl::UnavailableError("the warehouse does not answer");
    } else {
      const int64_t rows = request.metadata.stream.empty() ? 0 : warehouse_.Finalise(request.metadata.stream);
      opened.rows_to_skip = ingest::WrittenEvents(request.metadata, rows);
      ingest::BeginStream(warehouse_.Create(), opened.rows_to_skip, &opened.metadata);
      tenants_[request.tenure] = {opened.metadata.stream, std::nullopt};
    }
    listener_.OnSinkOpened(request.partition, request.tenure, std::move(opened));
  }

  void Submit(const Request& request) {
    SubmitResult result;
    const auto at = tenants_.find(request.tenure);
    const ingest::RowBatch& rows = *request.rows;
    if (at == tenants_.end()) {
      result = {SubmitResult::Kind::kStopped, {}, absl::FailedPreconditionError("not open")};
    } else {
      result = Append(at->second, rows);
      if (result.kind == SubmitResult::Kind::kDone) {
        at->second.failed_from.reset();
      } else if (!at->second.failed_from) {
        at->second.failed_from = rows.from();
      }
    }
    listener_.OnSubmitted(rows.partition(), request.tenure, request.submission, std::move(result));
  }

  SubmitResult Append(const Tenant& tenant, const ingest::RowBatch& rows) {
    if (tenant.failed_from && *tenant.failed_from != rows.from())
      return {SubmitResult::Kind::kStopped, {}, absl::FailedPreconditionError("rows before these were not written")};
    if (world_.Is(Fault::kWarehouseDown) || (world_.Is(Fault::kWarehouseFull) && world_.random.Chance(0.7)))
      return {SubmitResult::Kind::kStopped, {}, absl::UnavailableError("the warehouse takes nothing")};
    Stream& stream = warehouse_.stream(tenant.stream);
    if (stream.finalised) return {SubmitResult::Kind::kFenced, {}, absl::AbortedError("the stream is finalised")};
    SubmitResult result;
    const int32_t partition = rows.partition().partition;
    const int64_t most = world_.random.Between(1, 3);  // the list of bad rows may be short
    for (size_t i = 0; i < rows.size() && static_cast<int64_t>(result.refused.size()) < most; ++i) {
      if (!rows[i].refused.empty() || !world_.bad_rows.contains({partition, rows[i].position})) continue;
      world_.truth.OnRowRefused(partition, rows[i].position);
      result.refused.push_back({i, "column: no"});
    }
    if (!result.refused.empty()) {
      result.kind = SubmitResult::Kind::kRefused;
      return result;
    }
    stream.rows += static_cast<int64_t>(rows.size());
    return result;
  }

  StreamWarehouse& warehouse_;
  World& world_;
  ingest::RowSinkListener& listener_;
  std::map<Tenure, Tenant> tenants_;
};

std::unique_ptr<WarehouseSession> StreamWarehouse::Connect(ingest::RowSinkListener* listener, SessionThread) {
  return std::make_unique<StreamConnection>(this, &world_, listener);
}

}  // namespace

std::unique_ptr<SharedWarehouse> MakeStreamWarehouse(World* world) { return std::make_unique<StreamWarehouse>(world); }

}  // namespace runledger::simulation
