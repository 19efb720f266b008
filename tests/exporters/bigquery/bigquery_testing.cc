#include "exporters/bigquery/bigquery_testing.h"

#include <chrono>

#include "runledger/v1/event.pb.h"

// gRPC's resolver leaves a few bytes of c-ares behind when a process ends.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier): the sanitizer's own name
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares"; }

namespace runledger::exporters {

BigQueryTest::BigQueryTest(fakes::FakeBigQuery::Options fake) : fake_(std::move(fake)) {
  fake_.Start();
  HttpOptions options;
  options.listen = "127.0.0.1:0";
  auto server = HttpServer::Start(
      std::move(options),
      {{"POST", "/bigquery/v2/projects/{project}/queries",
        [this](const Request& request) {
          const auto [status, body] = fake_.Query(request.body);
          return Response{.status = status, .content_type = "application/json", .body = body};
        }},
       {"GET", "/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}", [this](const Request&) {
          const auto [status, body] = fake_.Table();
          return Response{.status = status, .content_type = "application/json", .body = body};
        }}});
  EXPECT_TRUE(server.ok()) << server.status();
  rest_ = std::move(*server);
}

BigQueryOptions BigQueryTest::Options() {
  BigQueryOptions options;
  options.project = "test-project";
  options.dataset = "runledger";
  options.endpoint = fake_.endpoint();
  options.rest_endpoint = rest_->url();
  options.retry_us = 1'000;
  options.retry_max_us = 50'000;
  options.now_us = [] { return int64_t{1'768'217'408'000'000}; };
  options.on_problem = [this](const std::string& text) {
    const std::lock_guard lock(problems_mutex_);
    problem_ = text;
    problems_changed_.notify_all();
  };
  return options;
}

std::unique_ptr<BigQuerySink> BigQueryTest::NewSink(ingest::RowSinkListener* listener, BigQueryOptions options) {
  auto sink = std::make_unique<BigQuerySink>(std::move(options), listener, &metrics_);
  const absl::Status started = sink->Start();
  EXPECT_TRUE(started.ok()) << started;
  return sink;
}

std::vector<std::string> BigQueryTest::Events(int64_t count, int64_t bad, size_t padding) {
  std::vector<std::string> events;
  for (int64_t i = 0; i < count; ++i) {
    v1::Event event;
    event.set_event_id("e" + std::to_string(i));
    event.set_event_time_us(1'768'217'408'000'000 + i);
    v1::RunEvent& run = *event.mutable_run();
    run.set_job_name("job");
    run.set_run_id("run-" + std::to_string(i));
    run.set_status(v1::FAILED);
    run.set_data_date(-3);
    run.set_duration_seconds(1.5);
    run.set_alert_sent(false);
    run.set_records_processed(0);
    if (bad > 0 && i % bad == bad - 1) run.set_error_message("this one is bad");
    if (padding > 0) run.set_skip_reason(std::string(padding, 'x'));
    events.push_back(event.SerializeAsString());
  }
  return events;
}

void BigQueryTest::ExpectEachOnce(int64_t events, const std::map<int64_t, std::string>& refused) {
  std::map<int64_t, int64_t> seen;
  std::map<std::string, int64_t> last;
  for (const fakes::FakeBigQuery::Row& row : fake_.rows()) {
    ++seen[row.offset];
    EXPECT_EQ(row.event_id, "e" + std::to_string(row.offset));
    EXPECT_EQ(row.topic, "t");
    EXPECT_EQ(!row.refused.empty(), refused.contains(row.offset)) << row.offset << " " << row.refused;
    const auto at = last.emplace(row.stream, row.offset - 1).first;
    EXPECT_EQ(row.offset, at->second + 1) << row.stream;
    at->second = row.offset;
  }
  for (int64_t i = 0; i < events; ++i) EXPECT_EQ(seen[i], 1) << "event " << i;
  EXPECT_EQ(seen.size(), static_cast<size_t>(events));
  EXPECT_THAT(fake_.violations(), testing::IsEmpty());
}

std::string BigQueryTest::WaitForProblem(const std::function<bool(const std::string&)>& there) {
  std::unique_lock lock(problems_mutex_);
  problems_changed_.wait_for(lock, std::chrono::seconds(60), [&] { return there(problem_); });
  return problem_;
}

}  // namespace runledger::exporters
