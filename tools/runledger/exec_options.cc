#include "tools/runledger/exec_options.h"

#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>

#include "codecs/civil_time.h"
#include "codecs/status.h"
#include "tools/runledger/cli_flags.h"
#include "tools/runledger/units.h"

namespace runledger::tools {
namespace {

void AddRunFlags(CLI::App* app, RunDescription* run) {
  app->add_option("--job", run->job, "Name of the job")->required();
  app->add_option("--run-id", run->run_id, "Id of the run [JOB_YYYYMMDD_HHMMSS_xxxxxxxx]");
  app->add_option("--attempt", run->attempt, "1 for the first try of this run, 2 for the second")
      ->check(CLI::Range(0, INT32_MAX));
  AddParsedFlag(app, "--kind", "KIND", "processor, scraper or prediction [processor]",
                "processor, scraper or prediction",
                [run](const std::string& text) { return (run->kind = codecs::KindFromWord(text)).has_value(); });
  app->add_option("--phase", run->phase, "Phase that the job belongs to");
  app->add_option("--workflow", run->workflow, "Workflow that the run belongs to");
  AddParsedFlag(app, "--date", "DATE", "Date being processed", "a date such as 2026-01-12",
                [run](const std::string& text) { return (run->data_date = codecs::ParseDate(text)).has_value(); });
  app->add_option("--trigger-source", run->trigger_source, "pubsub, scheduler, manual, api, ...");
  app->add_option("--trigger-message-id", run->trigger_message_id, "Message that triggered the run");
  app->add_option("--triggered-by", run->triggered_by, "Who or what triggered it [the user]");
  app->add_option("--source", run->source, "CONTROLLER, MANUAL, SCHEDULER, RECOVERY, ...");
  app->add_option("--environment", run->environment, "prod, dev, local, ...");
  app->add_option("--job-version", run->version, "Version of the job's code");
  app->add_option("--parent-job", run->parent_job, "Job that started this one [RUNLEDGER_JOB]");
  app->add_option("--parent-run-id", run->parent_run_id, "Its run [RUNLEDGER_RUN_ID]");
  AddPairsFlag(app, "--opt", "An option of the run, into `opts`; may be repeated", &run->opts);
  AddPairsFlag(app, "--attribute", "Anything else to be known of the run, into `attributes`; may be repeated",
               &run->attributes);
  app->add_flag("--backfill", run->backfill, "The run is history: it makes rows, and counts nowhere else");
}

}  // namespace

void AddExecOptions(CLI::App* app, ExecOptions* options) {
  app->footer("Usage: runledger exec --job NAME [FLAGS] -- COMMAND [ARGUMENTS]");
  AddRunFlags(app, &options->run);
  AddDurationFlag(app, "--heartbeat", "How often to say that the run goes on; 0: never", &options->heartbeat);
  AddParsedFlag(app, "--stderr-tail", "SIZE",
                "How much of the end of standard error goes into the errors of a run that failed [8KiB]",
                "a size of at most " + FormatSize(kMaxStderrTail), [options](const std::string& text) {
                  const std::optional<int64_t> size = ParseSize(text);
                  if (!size || *size > static_cast<int64_t>(kMaxStderrTail)) return false;
                  options->stderr_tail_bytes = static_cast<size_t>(*size);
                  return true;
                });
  app->add_flag_function(
      "--no-capture", [options](int64_t) { options->capture_stderr = false; },
      "Leave standard error alone: the command keeps the terminal, its failures have no text");
  app->add_option_function<std::string>(
         "--discover-status",
         [options](const std::string& file) {
           options->discover_status = true;
           options->result_file = file;
         },
         "Success only if the command found something, else no_data: by the JSON in this file, or without a file by "
         "the "
         "last line of its standard output (an object with records or record_count, or a list)")
      ->type_name("[FILE]")
      ->expected(0, 1);
  AddDurationFlag(app, "--flush-timeout", "How long to wait for the log after the command has ended",
                  &options->flush_timeout);
}

CommandLine SplitCommandLine(int argc, const char* const* argv) {
  CommandLine line;
  int i = 1;
  for (; i < argc && std::string_view(argv[i]) != "--"; ++i) line.ours.emplace_back(argv[i]);
  for (++i; i < argc; ++i) line.command.emplace_back(argv[i]);
  return line;
}

std::string MakeRunId(const std::string& job, int64_t now_us) {
  uint32_t random = 0;
  if (getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random))
    random = static_cast<uint32_t>(now_us);
  const auto seconds = static_cast<time_t>(now_us / 1'000'000);
  tm utc = {};
  gmtime_r(&seconds, &utc);
  char text[64];
  const size_t size = std::strftime(text, sizeof text, "_%Y%m%d_%H%M%S", &utc);
  std::snprintf(text + size, sizeof text - size, "_%08x", random);
  return job + text;
}

}  // namespace runledger::tools
