// How many rows does one core take to BigQuery? From events to acknowledged rows, with a service in another process
// that counts them; processor time of this process alone, and what of it is gRPC's and the kernel's: the rest of what
// the same rows take with a service that answers at once, without gRPC.
//
//   bench_bigquery_append [ROWS] [PARTITIONS] [REPETITIONS]

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "codecs/event_decoder.h"
#include "exporters/bigquery/bigquery_sink.h"
#include "exporters/bigquery/row_wire.h"
#include "exporters/bigquery/stream_writer.h"
#include "exporters/http/http_server.h"
#include "fakes/bigquery/fake_bigquery.h"
#include "runledger/v1/event.pb.h"

namespace runledger::bench {
namespace {

using exporters::AppendAnswer;
using exporters::AppendRequest;

constexpr size_t kBatchRows = 5'000;  // as warehouse.batch_rows
constexpr size_t kInFlight = 4;       // as warehouse.in_flight
constexpr int64_t kNowUs = 1'768'217'408'000'000;

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Terminal events whose rows have 1 kB, as BigQuery takes them.
std::vector<std::string> Events(size_t count) {
  std::vector<std::string> events;
  for (size_t i = 0; i < count; ++i) {
    v1::Event event;
    event.set_event_time_us(kNowUs + static_cast<int64_t>(i));
    event.set_event_id("d1cb5a05-4c1f-4a76-9a50-" + std::to_string(100'000'000'000 + i));
    event.set_sequence(3);
    v1::RunEvent& run = *event.mutable_run();
    run.set_job_name("PlayerGameSummaryProcessor");
    run.set_run_id("PlayerGameSummaryProcessor_20260112_113008_" + std::to_string(i));
    run.set_status(v1::SUCCESS);
    run.set_phase("phase_3_analytics");
    run.set_workflow("morning_operations");
    run.set_data_date(20'465);
    run.set_started_at_us(kNowUs);
    run.set_duration_seconds(41.5);
    run.set_records_processed(1'234);
    run.set_records_created(1'200);
    run.set_records_updated(34);
    run.set_trigger_source("pubsub");
    run.set_trigger_message_id("17243029384571623");
    run.set_service("nba-phase3-analytics-processors");
    run.set_revision("nba-phase3-analytics-processors-00036-ldn");
    run.set_environment("prod");
    run.set_dependency_check_passed(true);
    run.set_upstream_dependencies(R"([{"table":"nba_raw.bdl_player_boxscores","status":"ok","age_hours":1.5}])");
    run.set_summary(R"({"players":412,"games":11,"skipped":["a","b"],"text":")" + std::string(460, 'x') + "\"}");
    run.set_attempt(1);
    events.push_back(event.SerializeAsString());
  }
  return events;
}

// Hands batches in, several at once, and waits for all of them. As delivery does: events are checked, and copied into
// batches.
class Owner : public ingest::RowSinkListener {
 public:
  Owner(int32_t partition, const std::vector<std::string>& events)
      : partition_{"runledger.events", partition}, events_(events) {}

  std::shared_ptr<const ingest::RowBatch> Next() {
    auto batch = std::make_shared<ingest::RowBatch>(partition_, 0, ingest::Position{next_, 0});
    codecs::Event event;
    codecs::Rejection rejection;
    for (size_t i = 0; i < kBatchRows; ++i, ++next_) {
      const std::string& wire = events_[static_cast<size_t>(next_) % events_.size()];
      if (!decoder_.Decode(wire, -1, &event, &rejection) || encoder_.Check(event)) std::abort();
      batch->BeginRecord(false, "", {});
      batch->Add({next_, 0}, kNowUs, wire, "");
      batch->ExtendTo({next_ + 1, 0});
    }
    return batch;
  }
  void OnSinkOpened(const ingest::TopicPartition&, ingest::Tenure, ingest::SinkOpened opened) override {
    if (!opened.status.ok()) {
      std::fprintf(stderr, "%s\n", opened.status.ToString().c_str());
      std::_Exit(1);
    }
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void OnSubmitted(const ingest::TopicPartition&, ingest::Tenure, uint64_t, ingest::SubmitResult result) override {
    if (result.kind != ingest::SubmitResult::Kind::kDone) {
      std::fprintf(stderr, "not taken: %s\n", result.status.ToString().c_str());
      std::_Exit(1);
    }
    const std::lock_guard lock(mutex_);
    ++done_;
    changed_.notify_all();
  }
  void WaitOpen() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }
  void WaitFor(uint64_t done) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ >= done; });
  }
  const ingest::TopicPartition& partition() const { return partition_; }

 private:
  const ingest::TopicPartition partition_;
  const std::vector<std::string>& events_;
  const codecs::EventDecoder decoder_{codecs::Limits{}};
  const codecs::RowEncoder encoder_{codecs::SecretNames({"password", "api_key", "token"})};
  int64_t next_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;  // guarded by mutex_
  uint64_t done_ = 0;  // guarded by mutex_
};

// All owners' answers come to one listener.
class Switch : public ingest::RowSinkListener {
 public:
  explicit Switch(std::vector<std::unique_ptr<Owner>>* owners) : owners_(*owners) {}
  void OnSinkOpened(const ingest::TopicPartition& p, ingest::Tenure tenure, ingest::SinkOpened opened) override {
    owners_[static_cast<size_t>(p.partition)]->OnSinkOpened(p, tenure, std::move(opened));
  }
  void OnSubmitted(const ingest::TopicPartition& p, ingest::Tenure tenure, uint64_t submission,
                   ingest::SubmitResult result) override {
    owners_[static_cast<size_t>(p.partition)]->OnSubmitted(p, tenure, submission, std::move(result));
  }

 private:
  std::vector<std::unique_ptr<Owner>>& owners_;
};

// Takes everything, at once.
class Nothing : public exporters::StreamApi {
 public:
  void Create(uint64_t call) override {
    Later([call](exporters::StreamAnswers& a) { a.OnCreated(call, std::string("s")); });
  }
  void Finalise(uint64_t, const std::string&) override {}
  void ReadTail(uint64_t call, const TailQuery&) override {
    Later([call](exporters::StreamAnswers& a) { a.OnTail(call, std::optional<ingest::Position>()); });
  }
  void Connect(uint64_t, const std::string&) override {}
  void Send(uint64_t connection, const AppendRequest& request) override {
    bytes += request.rows->size();
    recent_.push_back(request.rows);  // as long as with a service: memory is not the same at once
    if (recent_.size() > 4 * kInFlight) recent_.pop_front();
    AppendAnswer answer;
    answer.offset = request.offset;
    Later([connection, answer](exporters::StreamAnswers& a) { a.OnAnswer(connection, answer); });
  }
  void Disconnect(uint64_t) override {}
  void Deliver(exporters::StreamAnswers* to) {
    while (!later_.empty()) {
      const auto what = std::move(later_.front());
      later_.pop_front();
      what(*to);
    }
  }
  size_t bytes = 0;

 private:
  void Later(std::function<void(exporters::StreamAnswers&)> what) { later_.push_back(std::move(what)); }
  std::deque<std::function<void(exporters::StreamAnswers&)>> later_;
  std::deque<std::shared_ptr<const exporters::WireBuffer>> recent_;
};

struct Result {
  double seconds = 0;
  double cpu = 0;
  double bytes = 0;
};

Result WithoutService(const std::vector<std::string>& events, size_t rows) {
  Owner owner(0, events);
  Nothing api;
  exporters::RowMaker maker(codecs::RowEncoder(codecs::SecretNames({"password", "api_key", "token"})),
                            [] { return kNowUs; });
  exporters::StreamWriterHooks hooks;
  hooks.on_problem = [](const std::string&) {};
  hooks.on_retries = [](uint64_t) {};
  exporters::StreamWriter writer({}, owner.partition(), 1, &api, &maker, &owner, std::move(hooks), 1);
  writer.SetTime(1);
  writer.Open({}, {});
  api.Deliver(&writer);
  const auto start = std::chrono::steady_clock::now();
  const double cpu = CpuSeconds();
  for (uint64_t i = 0; i < rows / kBatchRows; ++i) {
    writer.Submit(i + 1, owner.Next(), 1);
    api.Deliver(&writer);
  }
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), CpuSeconds() - cpu,
          static_cast<double>(api.bytes)};
}

Result WithService(const std::vector<std::string>& events, size_t rows, size_t partitions, const int (&ports)[2]) {
  std::vector<std::unique_ptr<Owner>> owners;
  for (size_t p = 0; p < partitions; ++p) owners.push_back(std::make_unique<Owner>(static_cast<int32_t>(p), events));
  Switch listener(&owners);
  exporters::BigQueryOptions options;
  options.project = "test-project";
  options.dataset = "runledger";
  options.endpoint = "http://127.0.0.1:" + std::to_string(ports[0]);
  options.rest_endpoint = "http://127.0.0.1:" + std::to_string(ports[1]);
  options.secrets = {"password", "api_key", "token"};
  options.now_us = [] { return kNowUs; };
  exporters::BigQuerySink sink(std::move(options), &listener, nullptr);
  if (!sink.Start().ok()) std::_Exit(1);
  for (size_t p = 0; p < partitions; ++p) sink.Open(owners[p]->partition(), p + 1, {}, {});
  for (const auto& owner : owners) owner->WaitOpen();
  const auto start = std::chrono::steady_clock::now();
  const double cpu = CpuSeconds();
  const uint64_t batches = rows / kBatchRows / partitions;
  for (uint64_t i = 0; i < batches; ++i) {
    for (size_t p = 0; p < partitions; ++p) {
      if (i >= kInFlight) owners[p]->WaitFor(i - kInFlight + 1);
      sink.Submit(p + 1, i + 1, owners[p]->Next());
    }
  }
  for (const auto& owner : owners) owner->WaitFor(batches);
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), CpuSeconds() - cpu, 0};
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(size_t rows, size_t partitions, int repetitions) {
  rows -= rows % (kBatchRows * partitions);
  int told[2];
  int end[2];
  if (pipe(told) != 0 || pipe(end) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) {
    close(end[1]);
    fakes::FakeBigQuery fake({.keep_rows = false});
    fake.Start();
    exporters::HttpOptions http;
    http.listen = "127.0.0.1:0";
    auto rest = exporters::HttpServer::Start(
        std::move(http), {{"POST", "/bigquery/v2/projects/{project}/queries", [&](const exporters::Request& request) {
                             const auto [status, body] = fake.Query(request.body);
                             return exporters::Response{.status = status, .body = body};
                           }}});
    if (!rest.ok()) std::_Exit(1);
    const int ports[2] = {fake.port(), (*rest)->port()};
    if (write(told[1], ports, sizeof ports) != sizeof ports) std::_Exit(1);
    char byte;
    while (read(end[0], &byte, 1) > 0) {
    }
    std::_Exit(0);
  }
  close(end[0]);
  int ports[2];
  if (read(told[0], ports, sizeof ports) != sizeof ports) return 1;

  const std::vector<std::string> events = Events(20'000);
  std::vector<double> ours, all, rate;
  double row_bytes = 0;
  for (int i = 0; i < repetitions; ++i) {
    const Result without = WithoutService(events, rows);
    const Result with = WithService(events, rows, partitions, ports);
    const auto n = static_cast<double>(rows);
    row_bytes = without.bytes / n;
    ours.push_back(without.cpu / n * 1e9);
    all.push_back(with.cpu / n * 1e9);
    rate.push_back(n / with.cpu);
    std::printf("%.0f rows/s of processor time, %.0f rows/s by the wall clock; %.0f ns a row, without gRPC %.0f ns\n",
                rate.back(), n / with.seconds, all.back(), ours.back());
    std::fflush(stdout);
  }
  std::printf("median of %d: %.0f rows/s and core, rows of %.0f bytes; ours %.0f %%, gRPC and the kernel %.0f %%\n",
              repetitions, Median(rate), row_bytes, 100 * Median(ours) / Median(all),
              100 - 100 * Median(ours) / Median(all));
  close(end[1]);
  waitpid(child, nullptr, 0);
  return 0;
}

}  // namespace
}  // namespace runledger::bench

int main(int argc, char** argv) {
  const auto argument = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  return runledger::bench::Main(static_cast<size_t>(argument(1, 1'000'000)), static_cast<size_t>(argument(2, 4)),
                                static_cast<int>(argument(3, 5)));
}
