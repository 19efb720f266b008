#include "tools/runledger/run_reporter.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "codecs/hash.h"
#include "codecs/json.h"
#include "codecs/limits.h"
#include "codecs/row.h"
#include "codecs/utf8.h"
#include "runledger/v1/event.pb.h"
#include "tools/runledger/json_object.h"

namespace runledger::tools {
namespace {

constexpr int kNoExitStatus = -1;

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// A value that nobody typed for us, as the column takes it.
std::string Fitting(const std::string& value, std::string_view column) {
  const size_t limit = codecs::EventColumns()[codecs::EventColumnIndex(column)].max_bytes;
  return std::string(codecs::Utf8Prefix(codecs::Utf8OrReplacement(value), limit));
}

std::string UserName() {
  for (const char* name : {"USER", "LOGNAME"}) {
    if (std::string user = Variable(name); !user.empty()) return user;
  }
  passwd entry;
  passwd* found = nullptr;
  std::vector<char> buffer(16 << 10);
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return std::to_string(geteuid());
}

std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0) return "";
  return name;
}

}  // namespace

RunReporter::RunReporter(const RunDescription& run, int64_t now_us)
    : run_(run), row_(std::make_unique<v1::Event>()), decoder_(codecs::Limits()) {
  if (run_.run_id.empty()) run_.run_id = MakeRunId(run_.job, now_us);
  if (run_.parent_job.empty() && run_.parent_run_id.empty()) {
    run_.parent_job = Fitting(Variable("RUNLEDGER_JOB"), "parent_job");
    run_.parent_run_id = Fitting(Variable("RUNLEDGER_RUN_ID"), "parent_run_id");
  }
  Describe();
}

RunReporter::~RunReporter() = default;

void RunReporter::Describe() {
  row_->set_backfill(run_.backfill);
  v1::RunEvent& row = *row_->mutable_run();
  row.set_job_name(run_.job);
  row.set_run_id(run_.run_id);
  if (run_.attempt) row.set_attempt(*run_.attempt);
  if (run_.kind) row.set_kind(static_cast<v1::Kind>(*run_.kind));
  if (run_.data_date) row.set_data_date(*run_.data_date);
  const auto set = [&row](std::string* (v1::RunEvent::*field)(), const std::string& value) {
    if (!value.empty()) *(row.*field)() = value;
  };
  set(&v1::RunEvent::mutable_phase, run_.phase);
  set(&v1::RunEvent::mutable_workflow, run_.workflow);
  set(&v1::RunEvent::mutable_trigger_source, run_.trigger_source);
  set(&v1::RunEvent::mutable_trigger_message_id, run_.trigger_message_id);
  set(&v1::RunEvent::mutable_triggered_by, run_.triggered_by);
  set(&v1::RunEvent::mutable_source, run_.source);
  set(&v1::RunEvent::mutable_environment, run_.environment);
  set(&v1::RunEvent::mutable_version, run_.version);
  set(&v1::RunEvent::mutable_parent_job, run_.parent_job);
  set(&v1::RunEvent::mutable_parent_run_id, run_.parent_run_id);
  if (!run_.opts.empty())
    row.set_opts(codecs::RemoveSecrets(JsonObject(run_.opts).Text(), codecs::SecretNames(run_.secrets)));
  SetAttributes(kNoExitStatus);
}

absl::Status RunReporter::Check() {
  for (const std::string* text :
       {&run_.job, &run_.run_id, &run_.phase, &run_.workflow, &run_.trigger_source, &run_.trigger_message_id,
        &run_.triggered_by, &run_.source, &run_.environment, &run_.version, &run_.parent_job, &run_.parent_run_id}) {
    if (!codecs::IsUtf8(*text))
      return absl::InvalidArgumentError("'" + codecs::Utf8OrReplacement(*text) + "' is not UTF-8");
  }
  row_->set_event_time_us(1);
  row_->mutable_run()->set_status(v1::RUNNING);
  if (!Decode()) return absl::InvalidArgumentError(rejection_.text);
  const codecs::ColumnRefusal refusal = codecs::RowEncoder(codecs::SecretNames()).Check(event_);
  return refusal ? absl::InvalidArgumentError(codecs::RefusalText(refusal)) : absl::OkStatus();
}

void RunReporter::LookAround() {
  v1::RunEvent& row = *row_->mutable_run();
  if (const std::string host = HostName(); !host.empty()) row.set_execution_host(Fitting(host, "execution_host"));
  if (run_.triggered_by.empty()) row.set_triggered_by(Fitting(UserName(), "triggered_by"));
  if (const std::string service = Variable("K_SERVICE"); !service.empty()) row.set_service(Fitting(service, "service"));
  if (const std::string revision = Variable("K_REVISION"); !revision.empty())
    row.set_revision(Fitting(revision, "revision"));
}

void RunReporter::SetStart(int64_t started_at_us) { row_->mutable_run()->set_started_at_us(started_at_us); }

void RunReporter::SetPid(pid_t pid) {
  pid_ = pid;
  SetAttributes(kNoExitStatus);
}

void RunReporter::SetAttributes(int exit_status) {
  JsonObject object(run_.attributes);
  const auto append = [&](std::string_view name, int value) {
    const bool given = std::any_of(run_.attributes.begin(), run_.attributes.end(),
                                   [&](const auto& pair) { return pair.first == name; });
    if (!given) object.Add(name, std::to_string(value));
  };
  if (pid_ > 0) append("pid", pid_);
  if (exit_status != kNoExitStatus) append("exit_status", exit_status);
  if (!object.empty()) row_->mutable_run()->set_attributes(object.Text());
}

const codecs::Event& RunReporter::Running(int64_t now_us) {
  row_->mutable_run()->set_status(v1::RUNNING);
  return Finish("running", now_us);
}

const codecs::Event& RunReporter::Heartbeat(int64_t now_us) {
  row_->mutable_run()->set_status(v1::RUNNING);
  row_->mutable_run()->set_heartbeat(true);
  return Finish("heartbeat-" + std::to_string(++heartbeats_), now_us);
}

const codecs::Event& RunReporter::End(int64_t now_us, const RunOutcome& outcome) {
  v1::RunEvent& row = *row_->mutable_run();
  row.clear_heartbeat();
  row.set_status(static_cast<v1::Status>(outcome.status));
  row.set_duration_seconds(outcome.duration_seconds);
  row.set_completed_at_us(std::max(now_us, last_time_us_));
  SetAttributes(outcome.exit_status);
  if (outcome.records) row.set_records_processed(*outcome.records);
  if (!outcome.error_type.empty()) {
    JsonObject error;
    error.AddText("error_type", outcome.error_type);
    error.AddText("error_message", outcome.error_message);
    row.set_errors("[" + error.Text() + "]");
  }
  return Finish("end", now_us);
}

const codecs::Event& RunReporter::Finish(std::string_view name, int64_t now_us) {
  // The wall clock may be set back meanwhile; the order of a run's events is not.
  last_time_us_ = std::max(now_us, last_time_us_);
  row_->set_event_time_us(last_time_us_);
  row_->set_sequence(row_->sequence() + 1);
  // A run id that the caller gave may be that of several jobs.
  std::string run = run_.job + "/" + run_.run_id + "/" + std::to_string(run_.attempt.value_or(0));
  constexpr size_t kRoomForName = 64;
  if (run.size() + kRoomForName > codecs::EventColumns()[codecs::EventColumnIndex("event_id")].max_bytes) {
    run = codecs::Hex(codecs::HashBytes(run));
  }
  row_->set_event_id(run + "/" + std::string(name));
  Decode();  // Check found the description good, and the rest is made here
  return event_;
}

bool RunReporter::Decode() {
  constexpr int64_t kNoRecordTime = -1;
  wire_ = row_->SerializeAsString();
  return decoder_.Decode(wire_, kNoRecordTime, &event_, &rejection_);
}

}  // namespace runledger::tools
