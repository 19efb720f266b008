#include "tools/runledger/emit_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "codecs/bindings.h"
#include "codecs/civil_time.h"
#include "codecs/json.h"
#include "tools/runledger/exec_options.h"
#include "tools/runledger/json_object.h"

namespace runledger::tools {
namespace {

// A flag that is a member of the event or of its run under another name.
struct Alias {
  const char* flag;
  const char* member;
  const char* type;
  const char* help;
};

constexpr Alias kEventFlags[] = {
    {"--event-id", "event_id", "TEXT", "Id of the event; the same id again is the same event [a hash]"},
    {"--event-time", "event_time", "TIME", "When it happened, e.g. 2026-01-12T11:30:08Z [now]"},
    {"--sequence", "sequence", "NUMBER", "Place of the event among those of its run, rising"},
};

constexpr Alias kRunFlags[] = {
    {"--job", "job_name", "TEXT", "Name of the job"},
    {"--run-id", "run_id", "TEXT", "Id of the run [made up and printed]"},
    {"--status", "status", "WORD",
     "running, success, no_data, partial, skipped, failed, aborted, or what others call these"},
    {"--attempt", "attempt", "NUMBER", "1 for the first try of this run, 2 for the second"},
    {"--kind", "kind", "KIND", "processor, scraper or prediction [processor]"},
    {"--phase", "phase", "TEXT", "Phase that the job belongs to"},
    {"--workflow", "workflow", "TEXT", "Workflow that the run belongs to"},
    {"--date", "data_date", "DATE", "Date being processed, e.g. 2026-01-12"},
    {"--started-at", "started_at", "TIME", "Start of the run"},
    {"--duration", "duration_seconds", "SECONDS", "How long it took"},
    {"--records-processed", "records_processed", "NUMBER", "Records read"},
    {"--error", "errors", "TEXT", "What went wrong: a text, or JSON [{\"error_type\": ..., \"error_message\": ...}]"},
    {"--trigger-source", "trigger_source", "TEXT", "pubsub, scheduler, manual, api, ..."},
    {"--trigger-message-id", "trigger_message_id", "TEXT", "Message that triggered the run"},
    {"--triggered-by", "triggered_by", "TEXT", "Who or what triggered it"},
    {"--source", "source", "TEXT", "CONTROLLER, MANUAL, SCHEDULER, RECOVERY, ..."},
    {"--environment", "environment", "TEXT", "prod, dev, local, ..."},
    {"--job-version", "version", "TEXT", "Version of the job's code"},
    {"--parent-job", "parent_job", "TEXT", "Job that started this one [RUNLEDGER_JOB]"},
    {"--parent-run-id", "parent_run_id", "TEXT", "Its run [RUNLEDGER_RUN_ID]"},
};

void AddAliases(CLI::App* app, const Alias* begin, const Alias* end, TextPairs* pairs) {
  for (const Alias* alias = begin; alias != end; ++alias) {
    const std::string member = alias->member;
    app->add_option_function<std::string>(
           alias->flag, [pairs, member](const std::string& text) { pairs->emplace_back(member, text); }, alias->help)
        ->type_name(alias->type);
  }
}

const std::string* Find(const TextPairs& pairs, std::string_view name) {
  const auto at = std::find_if(pairs.rbegin(), pairs.rend(), [&](const auto& pair) { return pair.first == name; });
  return at == pairs.rend() ? nullptr : &at->second;
}

// The value as JSON, as the field's column wants it.
absl::StatusOr<std::string> FieldJson(const std::string& name, const std::string& value,
                                      const codecs::FieldBinding& field) {
  switch (codecs::EventColumns()[field.column].type) {
    case codecs::ColumnType::kJson:
      return codecs::IsJson(value) ? value : JsonQuoted(value);
    case codecs::ColumnType::kBool:
      if (value == "true" || value == "false") return value;
      return absl::InvalidArgumentError(name + "=" + value + ": true or false is wanted");
    default:
      return JsonQuoted(value);  // numbers, times and dates are read from texts too
  }
}

}  // namespace

void AddEmitOptions(CLI::App* app, EmitOptions* options) {
  app->footer("Usage: runledger emit --job NAME --status STATUS [FLAGS]\n       runledger emit < EVENTS.jsonl");
  AddAliases(app, std::begin(kRunFlags), std::end(kRunFlags), &options->fields);
  app->add_flag_function(
      "--heartbeat", [options](int64_t) { options->fields.emplace_back("heartbeat", "true"); },
      "A sign of life of the run");
  AddPairsFlag(app, "--set", "Any other column of a run, e.g. output_table=games; may be repeated", &options->fields);
  AddPairsFlag(app, "--opt", "An option of the run, into `opts`; may be repeated", &options->opts);
  AddPairsFlag(app, "--attribute", "Anything else to be known of the run, into `attributes`; may be repeated",
               &options->attributes);
  AddAliases(app, std::begin(kEventFlags), std::end(kEventFlags), &options->event);
  app->add_flag("--backfill", options->backfill,
                "The run, or every line, is history: it makes rows, and counts nowhere else");
  AddDurationFlag(app, "--flush-timeout", "How long to wait for the log", &options->flush_timeout);
  app->add_flag("--json", options->json, "Print as JSON what became of the events");
}

absl::StatusOr<FlagEvent> EventOfFlags(const EmitOptions& options, int64_t now_us) {
  const std::string* const job = Find(options.fields, "job_name");
  if (job == nullptr || job->empty()) return absl::InvalidArgumentError("--job is missing");
  FlagEvent result;
  TextPairs fields = options.fields;
  if (const std::string* const run_id = Find(options.fields, "run_id")) {
    result.run_id = *run_id;
  } else {
    result.made_run_id = true;
    result.run_id = MakeRunId(*job, now_us);
    fields.emplace_back("run_id", result.run_id);
  }
  const char* const parent_job = std::getenv("RUNLEDGER_JOB");
  const char* const parent_run = std::getenv("RUNLEDGER_RUN_ID");
  const bool told = Find(fields, "parent_job") != nullptr || Find(fields, "parent_run_id") != nullptr;
  // An event that a command sends about its own run has no other parent.
  if (parent_job != nullptr && parent_run != nullptr && !told && (*job != parent_job || result.run_id != parent_run)) {
    fields.emplace_back("parent_job", parent_job);
    fields.emplace_back("parent_run_id", parent_run);
  }

  JsonObject run;
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto& [name, value] = fields[i];
    const codecs::FieldBinding* const field = codecs::BindingsOf(codecs::Body::kRun).Find(name);
    if (field == nullptr)
      return absl::InvalidArgumentError("a run has no column " + name + "; --attribute " + name +
                                        "=... keeps it all the same");
    const bool again = std::any_of(fields.begin() + static_cast<ptrdiff_t>(i) + 1, fields.end(),
                                   [&](const auto& later) { return later.first == name; });
    if (again) continue;
    const absl::StatusOr<std::string> json = FieldJson(name, value, *field);
    if (!json.ok()) return json.status();
    run.Add(name, *json);
  }
  if (!options.opts.empty()) run.Add("opts", JsonObject(options.opts).Text());
  if (!options.attributes.empty()) run.Add("attributes", JsonObject(options.attributes).Text());

  JsonObject event;
  if (Find(options.event, "event_time") == nullptr) event.Add("event_time_us", std::to_string(now_us));
  for (const auto& [name, value] : options.event) event.AddText(name, value);
  event.Add("run", run.Text());
  result.json = event.Text();
  return result;
}

}  // namespace runledger::tools
