#include <algorithm>

#include "codecs/events_table.h"
#include "codecs/wire.h"
#include "exporters/bigquery/stream_writer.h"
#include "simulation/warehouse.h"

namespace runledger::simulation {
namespace {

using exporters::AppendAnswer;
using exporters::AppendRequest;
using exporters::StorageError;
using exporters::StreamAnswers;
using exporters::StreamFailure;

struct SentRow {
  int32_t partition = 0;
  Position position;
  std::string event_id;
  bool refused = false;
};

// A request's rows as the service reads them.
std::vector<SentRow> ReadRows(std::string_view entries) {
  static const auto kField = [](const char* name) { return static_cast<uint32_t>(codecs::EventColumnIndex(name)) + 1; };
  static const uint32_t kPartition = kField("partition"), kOffset = kField("offset"), kIndex = kField("batch_index"),
                        kId = kField("event_id"), kRefused = kField("refused");
  std::vector<SentRow> rows;
  codecs::WireReader entry(entries);
  while (entry.Next()) {
    SentRow row;
    codecs::WireReader field(entry.bytes());
    while (field.Next()) {
      if (field.field() == kPartition) row.partition = static_cast<int32_t>(field.int64());
      if (field.field() == kOffset) row.position.offset = field.int64();
      if (field.field() == kIndex) row.position.index = static_cast<int32_t>(field.int64());
      if (field.field() == kId) row.event_id = std::string(field.bytes());
      if (field.field() == kRefused) row.refused = true;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

StreamFailure Failure(absl::StatusCode code, const char* text, StorageError error = StorageError::kNone) {
  return {absl::Status(code, text), error};
}

// The service: streams, and the rows that are in the table. What reaches it has its effect, whoever has died since.
class BigQueryWarehouse : public SharedWarehouse {
 public:
  explicit BigQueryWarehouse(World* world) : world_(*world) {}
  std::unique_ptr<WarehouseSession> Connect(ingest::RowSinkListener* listener, SessionThread thread) override;
  std::string Check(World*) override { return ""; }  // every row was looked at when it was written

  bool Fails(double chance) { return !world_.calm && world_.random.Chance(chance); }

  absl::StatusOr<std::string> Create() {
    if (world_.Is(Fault::kWarehouseDown)) return absl::UnavailableError("the warehouse does not answer");
    const std::string name = "stream-" + std::to_string(++created_);
    streams_[name];
    if (Fails(0.05)) return absl::UnavailableError("the answer is lost");
    return name;
  }

  StreamFailure Finalise(const std::string& name, int64_t* rows) {
    if (world_.Is(Fault::kWarehouseDown)) return Failure(absl::StatusCode::kUnavailable, "down");
    if (Fails(0.05)) streams_.erase(name);  // it has expired
    const auto at = streams_.find(name);
    if (at == streams_.end()) return Failure(absl::StatusCode::kNotFound, "no such stream", StorageError::kStream);
    at->second.finalised = true;
    *rows = at->second.rows;
    if (Fails(0.05)) return Failure(absl::StatusCode::kUnavailable, "the answer is lost");
    return {};
  }

  absl::StatusOr<std::optional<Position>> Tail(int32_t partition, const Position& from) {
    if (world_.Is(Fault::kWarehouseDown) || Fails(0.05)) return absl::UnavailableError("the query fails");
    const std::set<Position>& rows = table_[partition];
    if (rows.empty() || *rows.rbegin() < from) return std::optional<Position>();
    return std::optional(*rows.rbegin());
  }

  // Judges a request and appends its rows. False: the connection ends with `answer->failure`, and there is no answer.
  bool Append(const AppendRequest& request, AppendAnswer* answer) {
    const auto end = [&](StreamFailure failure) {
      answer->failure = std::move(failure);
      return false;
    };
    const auto refuse = [&](StreamFailure failure) {
      answer->failure = std::move(failure);
      return true;
    };
    if (world_.Is(Fault::kWarehouseDown)) return end(Failure(absl::StatusCode::kUnavailable, "down"));
    if (Fails(0.03)) return end(Failure(absl::StatusCode::kUnavailable, "the request is lost"));
    if (Fails(0.003)) streams_.erase(request.stream);
    const auto at = streams_.find(request.stream);
    if (at == streams_.end()) return end(Failure(absl::StatusCode::kNotFound, "no such stream", StorageError::kStream));
    Stream& stream = at->second;
    if (stream.finalised)
      return refuse(Failure(absl::StatusCode::kFailedPrecondition, "finalised", StorageError::kStream));
    if ((world_.Is(Fault::kWarehouseFull) && world_.random.Chance(0.7)) || Fails(0.02))
      return refuse(Failure(absl::StatusCode::kResourceExhausted, "throttled"));
    if (Fails(0.02)) return refuse(Failure(absl::StatusCode::kAborted, "aborted"));
    if (request.offset < stream.rows)
      return refuse(Failure(absl::StatusCode::kAlreadyExists, "it is there", StorageError::kOffsetExists));
    if (request.offset > stream.rows)
      return refuse(Failure(absl::StatusCode::kOutOfRange, "a gap", StorageError::kOffsetGap));
    const std::vector<SentRow> rows = ReadRows(request.rows->view());
    if (FindBad(rows, answer)) return true;
    for (const SentRow& row : rows) {
      world_.Fail(world_.truth.OnRow(row.partition, row.position, row.event_id, row.refused));
      table_[row.partition].insert(row.position);
    }
    stream.rows += static_cast<int64_t>(rows.size());
    if (Fails(0.04)) return end(Failure(absl::StatusCode::kUnavailable, "the answer is lost"));
    if (Fails(0.02)) return refuse(Failure(absl::StatusCode::kInternal, "it says no, and has them"));
    answer->offset = request.offset;
    return true;
  }

 private:
  struct Stream {
    int64_t rows = 0;
    bool finalised = false;
  };

  bool FindBad(const std::vector<SentRow>& rows, AppendAnswer* answer) {
    std::vector<size_t> bad;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].refused && world_.bad_rows.contains({rows[i].partition, rows[i].position})) bad.push_back(i);
    }
    if (bad.empty()) return false;
    answer->failure = Failure(absl::StatusCode::kInvalidArgument, "bad rows");
    const auto named = static_cast<size_t>(world_.random.Between(0, 3));  // the list may be short, or empty
    for (size_t i = 0; i < std::min(named, bad.size()); ++i)
      answer->bad_rows.push_back({static_cast<int64_t>(bad[i]), "column: no"});
    // A row that stands alone needs no name.
    const size_t found = rows.size() == 1 ? 1 : answer->bad_rows.size();
    for (size_t i = 0; i < found; ++i) world_.truth.OnRowRefused(rows[bad[i]].partition, rows[bad[i]].position);
    return true;
  }

  World& world_;
  std::map<std::string, Stream> streams_;
  std::map<int32_t, std::set<Position>> table_;
  uint64_t created_ = 0;
};

// What a writer asks, carried to the service and back through simulated time.
class SimulatedApi : public exporters::StreamApi {
 public:
  using Answer = std::function<void(std::function<void(StreamAnswers&)>)>;  // on the writer's thread, if it still runs
  SimulatedApi(BigQueryWarehouse* warehouse, World* world, SessionThread thread, Answer answer)
      : warehouse_(*warehouse), world_(*world), thread_(std::move(thread)), answer_(std::move(answer)) {}

  void Create(uint64_t call) override {
    Ask([call, &w = warehouse_] {
      return [call, stream = w.Create()](StreamAnswers& to) { to.OnCreated(call, stream); };
    });
  }
  void Finalise(uint64_t call, const std::string& stream) override {
    Ask([call, stream, &w = warehouse_] {
      int64_t rows = 0;
      const StreamFailure failure = w.Finalise(stream, &rows);
      return [call, failure, rows](StreamAnswers& to) { to.OnFinalised(call, failure, rows); };
    });
  }
  void ReadTail(uint64_t call, const TailQuery& query) override {
    Ask([call, query, &w = warehouse_] {
      return [call, last = w.Tail(query.partition.partition, query.from)](StreamAnswers& to) { to.OnTail(call, last); };
    });
  }
  void Connect(uint64_t connection, const std::string&) override {
    wire_ = std::make_shared<Wire>();
    (void)connection;
  }
  void Send(uint64_t connection, const AppendRequest& request) override {
    wire_->to_us = std::max(wire_->to_us, world_.scheduler.now_us() + world_.About(kNetwork));
    world_.scheduler.At(
        wire_->to_us, [=, wire = wire_, &w = warehouse_, &world = world_, thread = thread_, answer_to = answer_] {
          if (wire->ended) return;
          AppendAnswer answer;
          const bool answered = w.Append(request, &answer);
          wire->ended = !answered || w.Fails(0.02);
          wire->from_us = std::max(wire->from_us, world.scheduler.now_us() + world.About(kNetwork));
          const bool ended = wire->ended;
          thread.run(wire->from_us - world.scheduler.now_us(), [=] {
            answer_to([=](StreamAnswers& to) {
              if (answered) to.OnAnswer(connection, answer);
              if (ended) {
                to.OnDisconnected(connection,
                                  answered ? Failure(absl::StatusCode::kUnavailable, "draining") : answer.failure);
              }
            });
          });
        });
  }
  void Disconnect(uint64_t) override {}  // what is on its way arrives all the same

 private:
  struct Wire {
    int64_t to_us = 0;
    int64_t from_us = 0;
    bool ended = false;
  };
  template <typename Work>
  void Ask(Work work) {
    world_.scheduler.In(world_.About(kNetwork), [work, &world = world_, thread = thread_, answer = answer_] {
      thread.run(world.About(kNetwork), [reply = work(), answer] { answer(reply); });
    });
  }

  BigQueryWarehouse& warehouse_;
  World& world_;
  const SessionThread thread_;
  const Answer answer_;
  std::shared_ptr<Wire> wire_;
};

// The writers of one process: the real ones.
class BigQuerySession : public WarehouseSession {
 public:
  BigQuerySession(BigQueryWarehouse* warehouse, World* world, ingest::RowSinkListener* listener, SessionThread thread)
      : warehouse_(*warehouse),
        world_(*world),
        listener_(*listener),
        thread_(std::move(thread)),
        maker_(codecs::RowEncoder(codecs::SecretNames{}), [world] { return world->TrueUs(); }) {
    options_.request_bytes = size_t{256} << 10;
    options_.in_flight_requests = 4;
    options_.retry_us = kSecond;
    options_.retry_max_us = kMinute;
    options_.answer_timeout_us = 5 * kMinute;
  }

  void Process(const std::vector<Request>& group) override {
    for (const Request& request : group) {
      if (request.kind == RequestKind::kClose) {
        if (const auto at = tenants_.find(request.tenure); at != tenants_.end()) {
          at->second.writer->Close();
          tenants_.erase(at);
        }
        continue;
      }
      auto at = tenants_.find(request.tenure);
      if (at == tenants_.end()) {
        if (request.kind == RequestKind::kSubmit) {
          listener_.OnSubmitted(request.rows->partition(), request.tenure, request.submission,
                                {ingest::SubmitResult::Kind::kStopped, {}, absl::FailedPreconditionError("not open")});
          continue;
        }
        at = Make(request.partition, request.tenure);
      }
      at->second.writer->SetTime(world_.scheduler.now_us());
      if (request.kind == RequestKind::kOpen) at->second.writer->Open(request.committed, request.metadata);
      if (request.kind == RequestKind::kSubmit)
        at->second.writer->Submit(request.submission, request.rows, world_.scheduler.now_us());
      Arm(request.tenure, &at->second);
    }
  }

 private:
  struct Tenant {
    std::unique_ptr<SimulatedApi> api;
    std::unique_ptr<exporters::StreamWriter> writer;
    int64_t armed_us = INT64_MAX;
  };

  std::map<Tenure, Tenant>::iterator Make(const TopicPartition& partition, Tenure tenure) {
    Tenant tenant;
    tenant.api = std::make_unique<SimulatedApi>(&warehouse_, &world_, thread_,
                                                [this, tenure](const std::function<void(StreamAnswers&)>& answer) {
                                                  With(tenure, [&](exporters::StreamWriter& w) { answer(w); });
                                                });
    exporters::StreamWriterHooks hooks;
    hooks.on_problem = [](const std::string&) {};
    hooks.on_retries = [](uint64_t) {};
    tenant.writer = std::make_unique<exporters::StreamWriter>(options_, partition, tenure, tenant.api.get(), &maker_,
                                                              &listener_, std::move(hooks), tenure);
    return tenants_.emplace(tenure, std::move(tenant)).first;
  }

  void With(Tenure tenure, const std::function<void(exporters::StreamWriter&)>& what) {
    const auto at = tenants_.find(tenure);
    if (at == tenants_.end()) return;
    at->second.writer->SetTime(world_.scheduler.now_us());
    what(*at->second.writer);
    Arm(tenure, &at->second);
    thread_.flush();
  }

  void Arm(Tenure tenure, Tenant* tenant) {
    const int64_t due_us = tenant->writer->NextDue();
    if (due_us >= tenant->armed_us) return;
    tenant->armed_us = due_us;
    thread_.run(std::max<int64_t>(due_us - world_.scheduler.now_us(), 1'000), [this, tenure] {
      const auto at = tenants_.find(tenure);
      if (at == tenants_.end()) return;
      at->second.armed_us = INT64_MAX;
      With(tenure, [](exporters::StreamWriter& w) { w.OnTime(); });
    });
  }

  BigQueryWarehouse& warehouse_;
  World& world_;
  ingest::RowSinkListener& listener_;
  const SessionThread thread_;
  exporters::StreamWriterOptions options_;
  exporters::RowMaker maker_;
  std::map<Tenure, Tenant> tenants_;
};

std::unique_ptr<WarehouseSession> BigQueryWarehouse::Connect(ingest::RowSinkListener* listener, SessionThread thread) {
  return std::make_unique<BigQuerySession>(this, &world_, listener, std::move(thread));
}

}  // namespace

std::unique_ptr<SharedWarehouse> MakeBigQueryWarehouse(World* world) {
  return std::make_unique<BigQueryWarehouse>(world);
}

}  // namespace runledger::simulation
