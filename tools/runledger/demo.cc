#include "tools/runledger/demo.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "aggregators/day_verdicts.h"
#include "aggregators/job_policy.h"
#include "codecs/civil_time.h"
#include "exporters/warehouse/sqlite_reader.h"
#include "ingest/kafka/embedded_broker.h"
#include "ingest/kafka/producer.h"
#include "runledger/v1/event.pb.h"
#include "tools/runledger/exec.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/http_client.h"
#include "tools/runledger/instance.h"
#include "tools/runledger/logging.h"
#include "tools/runledger/producer_commands.h"
#include "tools/runledger/serve.h"
#include "tools/runledger/text_table.h"
#include "tools/runledger/wall_clock.h"

namespace runledger::tools {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int kPartitions = 4;
constexpr auto kPatience = 60s;

// The runs of an answer; none: it was no answer.
Json Runs(const Json& answer) { return answer.is_object() ? answer.value("runs", Json::array()) : Json::array(); }

constexpr char kVictim[] = "PlayerGameSummaryProcessor";
constexpr char kDownstream[] = "PlayerDailyCacheProcessor";

struct DemoOptions {
  bool keep = false;
  std::string directory;
  std::string listen = "127.0.0.1:9464";
};

// The incident of a January morning, with its real distances in time. The last moment of the story is now, so that what
// follows it, a real command in real time, fits behind it. Records are stamped with the story's time, and the instance
// takes log time for the time of day (log.clock: log): hours pass in seconds, and four hours are four hours.
class Story {
 public:
  explicit Story(DemoOptions options) : options_(std::move(options)) {}
  ~Story() {
    instance_.reset();  // writes into the directory until then
    std::error_code error;
    if (!options_.keep && own_directory_) std::filesystem::remove_all(directory_, error);
  }

  absl::Status Prepare();
  int Play();

 private:
  // Story time: "15:30:08" of that day, as microseconds since the epoch, moved so that the story ends now.
  int64_t At(int hour, int minute, int second = 0) const {
    return base_us_ + hour * kHour + minute * kMinute + second * kSecond;
  }
  // What the clock on the wall showed.
  std::string Clock(int64_t time_us) const {
    const int64_t s = (time_us - base_us_) / kSecond;
    char text[16];
    std::snprintf(text, sizeof text, "%02d:%02d:%02d", static_cast<int>(s / 3600), static_cast<int>(s / 60 % 60),
                  static_cast<int>(s % 60));
    return text;
  }
  void Say(int64_t time_us, const std::string& text) const {
    std::printf("%s  %s\n", Clock(time_us).c_str(), text.c_str());
    std::fflush(stdout);
  }
  void Head(const std::string& text) const { std::printf("\n%s\n", text.c_str()); }

  void Send(int64_t time_us, const std::string& job, const std::string& run, v1::Status status,
            const std::function<void(v1::RunEvent*)>& more = {});
  // One whole run.
  void Run(int64_t start_us, int64_t seconds, const std::string& job, const std::string& phase, v1::Status status,
           int64_t records);
  // Lets story time pass: something has to be written at that time, and the instance has to have read it.
  bool PassTo(int64_t time_us);
  Json Get(const std::string& path);
  std::map<std::string, double> Metrics();
  void ShowVictim(int64_t time_us);
  void ShowMetrics(const std::map<std::string, double>& before, const std::map<std::string, double>& after);
  int RunRealCommands();
  void ShowHistory();

  DemoOptions options_;
  std::filesystem::path directory_;
  bool own_directory_ = false;
  std::unique_ptr<kafka::EmbeddedBroker> broker_;
  std::unique_ptr<kafka::Producer> producer_;
  Config config_;
  std::unique_ptr<Instance> instance_;
  InstanceAddress address_;
  int64_t base_us_ = 0;
  int events_ = 0;
  std::set<std::string> bad_;
};

absl::Status Story::Prepare() {
  // The story's last moment is 17:53:09.
  base_us_ = WallUs() / kSecond * kSecond - (17 * kHour + 53 * kMinute + 9 * kSecond);

  directory_ = options_.directory;
  if (directory_.empty()) {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
    std::string pattern = (parent / "runledger-demo-XXXXXX").string();
    if (error || mkdtemp(pattern.data()) == nullptr)
      return absl::InternalError(
          "no directory can be made for temporary files (TMPDIR, or /tmp); --directory names one");
    directory_ = pattern;
    own_directory_ = true;
  }
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error || !std::filesystem::is_directory(directory_, error))
    return absl::InvalidArgumentError("--directory " + directory_.string() + ": no directory can be made there" +
                                      (error ? ": " + error.message() : ""));

  auto broker = kafka::EmbeddedBroker::Start();
  if (!broker.ok()) return broker.status();
  broker_ = std::move(*broker);
  for (const auto& [topic, partitions] :
       {std::pair("runledger.events", kPartitions), std::pair("runledger.dead-letters", 1)}) {
    if (absl::Status status = broker_->CreateTopic(topic, partitions); !status.ok()) return status;
  }
  config_.brokers = broker_->bootstrap();
  config_.clock = "log";
  config_.contact_timeout_us = kSecond;
  config_.batch_age_us = 100'000;
  config_.state_dir = (directory_ / "state").string();
  config_.warehouse_path = (directory_ / "history.db").string();
  config_.listen = options_.listen;
  config_.librdkafka = {{"session.timeout.ms", "6000"}, {"log_level", "0"}};
  auto logger = MakeLogger("error");
  auto instance = Instance::Create(config_, logger);
  if (!instance.ok() && options_.listen == DemoOptions().listen) {  // the usual port is taken: any other
    config_.listen = "127.0.0.1:0";
    instance = Instance::Create(config_, logger);
  }
  if (!instance.ok()) return instance.status();
  instance_ = std::move(*instance);
  address_.url = instance_->url();
  if (absl::Status status = instance_->Start(); !status.ok()) return status;

  auto producer =
      kafka::Producer::Create({{"bootstrap.servers", broker_->bootstrap()}, {"log_level", "0"}}, nullptr, nullptr);
  if (!producer.ok()) return producer.status();
  producer_ = std::move(*producer);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const auto reply = HttpGet(address_, "/readyz");
    if (reply.ok() && reply->status == 200) return absl::OkStatus();
    if (std::chrono::steady_clock::now() > end) return absl::DeadlineExceededError("the instance did not become ready");
    if (StopSignalPending()) return absl::CancelledError("the demo was interrupted");
    std::this_thread::sleep_for(20ms);
  }
}

void Story::Send(int64_t time_us, const std::string& job, const std::string& run, v1::Status status,
                 const std::function<void(v1::RunEvent*)>& more) {
  v1::Event event;
  event.set_event_id(run + "/" + std::to_string(++events_));
  event.set_event_time_us(time_us);
  event.set_sequence(events_);
  v1::RunEvent* body = event.mutable_run();
  body->set_job_name(job);
  body->set_run_id(run);
  body->set_status(status);
  body->set_data_date(codecs::DayOf(base_us_) - 1);
  body->set_environment("demo");
  if (more) more(body);
  kafka::OutgoingMessage message;
  message.topic = "runledger.events";
  message.partition = kafka::PartitionFor(kafka::Partitioner::kMurmur2, job, kPartitions);
  message.key = job;
  const std::string value = event.SerializeAsString();
  message.value = value;
  message.timestamp_ms = time_us / 1000;
  producer_->Produce(message, 0).IgnoreError();  // the next PassTo finds out
}

void Story::Run(int64_t start_us, int64_t seconds, const std::string& job, const std::string& phase, v1::Status status,
                int64_t records) {
  const std::string run = job + "_" + Clock(start_us).substr(0, 2) + Clock(start_us).substr(3, 2) + "_" +
                          std::to_string(start_us % 0xffffff);
  const auto describe = [&](v1::RunEvent* body) {
    body->set_phase(phase);
    body->set_started_at_us(start_us);
    body->set_trigger_source("scheduler");
  };
  Send(start_us, job, run, v1::RUNNING, describe);
  Send(start_us + seconds * kSecond, job, run, status, [&](v1::RunEvent* body) {
    describe(body);
    body->set_duration_seconds(static_cast<double>(seconds));
    body->set_records_processed(records);
    if (status == v1::FAILED)
      body->set_errors(
          R"([{"error_type":"BadRequest","error_message":"JSON table encountered too many errors. Rows: 1; errors: 1."}])");
  });
}

Json Story::Get(const std::string& path) {
  const auto reply = HttpGet(address_, path);
  return reply.ok() && reply->status == 200 ? Json::parse(reply->body, nullptr, false) : Json();
}

bool Story::PassTo(int64_t time_us) {
  // Heartbeats of the scheduler itself, so that time is written in the log. Two: on a topic whose times are the
  // producers' a great step forward counts once a second record agrees.
  for (int i = 0; i < 2; ++i) {
    Send(time_us, "WorkflowController", "controller", v1::RUNNING,
         [](v1::RunEvent* body) { body->set_heartbeat(true); });
  }
  if (!producer_->Flush(10'000).ok()) return false;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (StopSignalPending()) return false;
    const Json jobs = Get("/api/v1/jobs");
    if (jobs.is_object() && jobs.value("caught_up", false) && jobs["as_of"].is_string() &&
        codecs::ParseRfc3339(jobs["as_of"].get<std::string>()) >= time_us) {
      return true;
    }
    std::this_thread::sleep_for(20ms);
  }
  bad_.insert("the instance did not follow to " + Clock(time_us));
  return false;
}

std::map<std::string, double> Story::Metrics() {
  std::map<std::string, double> values;
  const auto reply = HttpGet(address_, "/metrics");
  if (!reply.ok()) return values;
  std::istringstream lines(reply->body);
  for (std::string line; std::getline(lines, line);) {
    const size_t blank = line.rfind(' ');
    if (!line.empty() && line[0] != '#' && blank != std::string::npos)
      values[line.substr(0, blank)] = std::atof(line.c_str() + blank);
  }
  return values;
}

void Story::ShowVictim(int64_t time_us) {
  const Json answer = Get(std::string("/api/v1/runs?job=") + kVictim);
  for (const Json& run : Runs(answer)) {
    const auto start = codecs::ParseRfc3339(run["started_at"].get<std::string>());
    const auto as_of = codecs::ParseRfc3339(answer["as_of"].get<std::string>());
    const std::string verdict = run.value("verdict", "");
    const int64_t age_us = start && as_of ? *as_of - *start : 0;
    if (verdict == "stale") {
      Say(time_us,
          aggregators::StaleWarning(kVictim, codecs::ParseDate(run["data_date"].get<std::string>()), age_us,
                                    aggregators::JobPolicy().stale_after_us, run["run_id"].get<std::string>()));
    } else {
      char text[512];
      std::snprintf(text, sizeof text, "runledger says of %s: %s, for %.4f hours", kVictim, verdict.c_str(),
                    static_cast<double>(age_us) / 3.6e9);
      Say(time_us, text);
    }
  }
}

void Story::ShowMetrics(const std::map<std::string, double>& before, const std::map<std::string, double>& after) {
  TextTable table({"what /metrics says of it", "at 15:30:08", "one second later"});
  for (const auto& [series, value] : after) {
    const auto old = before.find(series);
    const bool about = series.find(kVictim) != std::string::npos;
    if (!about || (old != before.end() && old->second == value)) continue;
    const auto text = [](double number) {
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, "%g", number);
      return std::string(buffer);
    };
    table.Add({series, old == before.end() ? "-" : text(old->second), text(value)});
  }
  std::fputs(table.ToString().c_str(), stdout);
}

int Story::RunRealCommands() {
  Head("And now for real: two commands under `runledger exec`, in your own time.");
  int bad = 0;
  const auto run = [&](const std::string& job, std::vector<std::string> command, int wanted) {
    std::printf("$ runledger exec --job %s --", job.c_str());
    for (const std::string& word : command)
      std::printf(" %s", word.find(' ') == std::string::npos ? word.c_str() : ('"' + word + '"').c_str());
    std::printf("\n");
    std::fflush(stdout);
    ExecOptions options;
    options.run.job = job;
    options.run.environment = "demo";
    options.command = std::move(command);
    EventSenderOptions sender_options = SenderOptionsOf(config_);
    sender_options.librdkafka["log_level"] = "0";
    EventSender sender(sender_options);
    const int status = Exec(options, sender);
    std::printf("  exit status %d\n", status);
    if (status != wanted) ++bad;
  };
  run("nightly_report", {"/bin/sh", "-c", "echo counting; ls / | wc -l"}, 0);
  run("nightly_upload", {"/bin/sh", "-c", "echo 'upload refused: quota exceeded' >&2; exit 7"}, 7);
  return bad;
}

void Story::ShowHistory() {
  Head("The history, from the view processor_run_history:");
  auto reader = exporters::SqliteReader::Open(config_.warehouse_path);
  TextTable table({"processor", "status", "started", "seconds", "records", "error"});
  if (reader.ok()) {
    // The newest events may still wait for company in a batch.
    const auto end = std::chrono::steady_clock::now() + kPatience;
    absl::StatusOr<std::vector<exporters::RunRow>> rows;
    const auto has_end = [&](const std::string& job) {
      return std::any_of(rows->begin(), rows->end(),
                         [&](const exporters::RunRow& row) { return row.job_name == job && row.status == "failed"; });
    };
    do {
      rows = (*reader)->Runs({.limit = 20});
    } while (rows.ok() && !has_end("nightly_upload") && !StopSignalPending() &&
             std::chrono::steady_clock::now() < end && (std::this_thread::sleep_for(50ms), true));
    if (rows.ok()) {
      for (const exporters::RunRow& row : *rows) {
        char seconds[32] = "-";
        if (row.duration_seconds) std::snprintf(seconds, sizeof seconds, "%.1f", *row.duration_seconds);
        table.Add({row.job_name, row.status, codecs::FormatRfc3339(row.began_us / kSecond * kSecond).substr(11, 8),
                   seconds, row.records_processed ? std::to_string(*row.records_processed) : "-",
                   row.error_message.value_or("-").substr(0, 60)});
      }
      if (!has_end("nightly_upload")) bad_.insert("the history lacks the failed upload");
    }
  }
  if (table.empty()) bad_.insert("the history is empty");
  std::fputs(table.ToString().c_str(), stdout);
}

int Story::Play() {
  std::printf(
      "runledger demo: an embedded broker with %d partitions, a SQLite warehouse and runledger itself, all in this "
      "process.\n"
      "The incident happened on a January day, 11:00 to 17:53 UTC. Its hours pass in seconds: the log's own time is "
      "the "
      "clock. In the log the day ends now, so what is kept (history, data dates) has today's times.\n",
      kPartitions);
  Head("The morning:");
  const std::string run = std::string(kVictim) + "_20260112_113008_d1cb5a05";
  for (int hour = 11; hour <= 15; ++hour) {
    Run(At(hour, 5), 42, "OddsGameLinesProcessor", "phase_2_raw", v1::SUCCESS, 199);
    if (hour == 11) {
      Run(At(11, 10), 12, "NbacScheduleProcessor", "phase_2_raw", v1::SUCCESS, 1230);
      Say(At(11, 10, 12), "NbacScheduleProcessor and OddsGameLinesProcessor have succeeded");
      Send(At(11, 30, 8), kVictim, run, v1::RUNNING, [&](v1::RunEvent* body) {
        body->set_phase("phase_3_analytics");
        body->set_started_at_us(At(11, 30, 8));
        body->set_trigger_source("pubsub");
      });
      Say(At(11, 30, 8), std::string(kVictim) + " starts, and dies: nobody says that it failed");
      Run(At(11, 45), 5, "NbacInjuryReportProcessor", "phase_2_raw", v1::NO_DATA, 0);
    }
    if (hour == 12) {
      Run(At(12, 15), 3, kDownstream, "phase_4_precompute", v1::SKIPPED, 0);
      Say(At(12, 15, 3), std::string(kDownstream) + " needs it, sees it 'running', and waits");
    }
  }
  Run(At(13, 0), 7, "NbacInjuryReportProcessor", "phase_2_raw", v1::SUCCESS, 12);
  if (!PassTo(At(15, 30, 8))) return kFailed;
  Head("Four hours later, to the second:");
  ShowVictim(At(15, 30, 8));
  const std::map<std::string, double> before = Metrics();
  if (!PassTo(At(15, 30, 9))) return kFailed;
  ShowVictim(At(15, 30, 9));
  const std::map<std::string, double> after = Metrics();
  Head("");
  ShowMetrics(before, after);

  Head("The afternoon:");
  if (!PassTo(At(16, 45))) return kFailed;
  ShowVictim(At(16, 45));
  Say(At(16, 45), "(on that day it was found now, by hand, after an hour and a quarter)");
  Run(At(17, 36), 40, "PlayerShotZoneProcessor", "phase_4_precompute", v1::FAILED, 198);
  Say(At(17, 36, 40), "PlayerShotZoneProcessor fails: one bad row of 199");
  if (!PassTo(At(17, 53))) return kFailed;
  ShowVictim(At(17, 53));
  Run(At(17, 53, 1), 6, kDownstream, "phase_4_precompute", v1::SUCCESS, 103);
  Say(At(17, 53, 7), std::string(kDownstream) + " need not wait for a dead run: it goes on, with 103 records");
  if (!PassTo(At(17, 53, 8))) return kFailed;

  const Json dead = Runs(Get("/api/v1/runs?stale=true"));
  if (dead.size() != 1 || dead[0]["run_id"] != run) bad_.insert("not exactly the dead run is stale");
  if (RunRealCommands() != 0) {  // or Ctrl-C, which such a command takes
    std::printf("THIS SHOULD NOT BE: a command under exec had another exit status than its own\n");
    return kFailed;
  }
  ShowHistory();

  if (options_.keep) {
    Head("Look around: " + instance_->url() + "/ (status page), /metrics, /api/v1/jobs");
    std::printf("Ask: runledger status --url %s; runledger trace d1cb5a05 --warehouse %s\n", instance_->url().c_str(),
                config_.warehouse_path.c_str());
  } else {
    Head("With --keep it stays up, to look around: status page, /metrics, the API, and questions on the command line.");
  }
  for (const std::string& problem : bad_) std::printf("THIS SHOULD NOT BE: %s\n", problem.c_str());
  std::fflush(stdout);
  if (options_.keep) {
    std::printf(
        "\nRunning until Ctrl-C. Send it something: runledger emit --brokers %s --job my_job --status running\n",
        config_.brokers.c_str());
    std::fflush(stdout);
    WaitForSignal();
  }
  return bad_.empty() ? kFine : kFailed;
}

}  // namespace

void AddDemo(CLI::App* app, int* status) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* command = app->add_subcommand(
      "demo", "Play an incident in compressed time: broker, warehouse and instance in this process");
  command->add_flag("--keep", options->keep, "Stay up at the end, until Ctrl-C, and keep the files");
  command->add_option("--directory", options->directory, "Where the warehouse goes; without it a temporary directory");
  command
      ->add_option("--listen", options->listen,
                   "Address of the HTTP server; without this flag a free port where the usual one is taken")
      ->capture_default_str();
  command->callback([=] {
    BlockSignals();
    Story story(*options);
    if (absl::Status prepared = story.Prepare(); !prepared.ok()) {
      std::fprintf(stderr, "runledger: %s\n", std::string(prepared.message()).c_str());
      *status = kFailed;
      return;
    }
    *status = story.Play();
  });
}

}  // namespace runledger::tools
