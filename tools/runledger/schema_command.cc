#include "tools/runledger/schema_command.h"

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "exporters/warehouse/sqlite_schema_file.h"
#include "tools/runledger/bigquery_warehouse.h"
#include "tools/runledger/complaint.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/history_flags.h"

namespace runledger::tools {
namespace {

// FailedPrecondition: what is there is not as it must be, and nothing of it may be changed. That is an answer.
int ComplainOfSchema(const absl::Status& status) {
  if (!absl::IsFailedPrecondition(status)) return Complain(status);
  return Complain(std::string(status.message()), kBadNews);
}

absl::Status NoWarehouse() { return absl::InvalidArgumentError("warehouse.kind is none: there is no schema"); }

absl::StatusOr<std::vector<std::string>> Pending(const Config& config) {
  if (config.warehouse_kind == "sqlite") return exporters::SqliteSchemaDiff(config.warehouse_path);
  if (config.warehouse_kind == "bigquery") return BigQueryDiff(config);
  return NoWarehouse();
}

absl::StatusOr<std::vector<std::string>> Bring(const Config& config) {
  if (config.warehouse_kind == "bigquery") return ApplyToBigQuery(config);
  absl::StatusOr<std::vector<std::string>> pending = Pending(config);
  if (!pending.ok()) return pending;
  if (absl::Status done = exporters::SqliteSchemaApply(config.warehouse_path); !done.ok()) return done;
  return pending;
}

void Say(const std::vector<std::string>& changes) {
  for (const std::string& change : changes) std::printf("%s;\n", change.c_str());
}

int Print(const Config& config) {
  if (config.warehouse_kind == "none") return Complain(NoWarehouse());
  const absl::StatusOr<std::string> text =
      config.warehouse_kind == "bigquery" ? BigQueryText(config) : exporters::SqliteSchemaText();
  if (!text.ok()) return Complain(text.status());
  std::fputs(text->c_str(), stdout);
  return kFine;
}

int Diff(const Config& config) {
  const auto pending = Pending(config);
  if (!pending.ok()) return ComplainOfSchema(pending.status());
  Say(*pending);
  if (pending->empty()) std::printf("nothing to do: the warehouse is as it should be\n");
  return pending->empty() ? kFine : kBadNews;
}

int Apply(const Config& config) {
  const auto done = Bring(config);
  if (!done.ok()) return ComplainOfSchema(done.status());
  Say(*done);
  std::printf("%zu change(s) made\n", done->size());
  return kFine;
}

}  // namespace

void AddSchema(CLI::App* app, int* status) {
  CLI::App* schema = app->add_subcommand("schema", "The warehouse's tables and views");
  schema->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* statuses, int (*run)(const Config&)) {
    auto flags = std::make_shared<HistoryFlags>();
    CLI::App* command = schema->add_subcommand(name, help);
    command->footer(statuses);
    flags->AddTo(command);
    command->callback([=] {
      const auto config = flags->Load();
      *status = config.ok() ? run(*config) : Complain(config.status());
    });
  };
  add("print", "Print it as SQL for an empty warehouse", "Exit status: 0 printed; 2 wrong use or configuration",
      &Print);
  add("diff", "Print what `apply` would do",
      "Exit status: 0 nothing; 1 something, or what `apply` would refuse; 2 wrong use or configuration; 3 the "
      "warehouse "
      "cannot be reached or read",
      &Diff);
  add("apply", "Make what is missing: tables, nullable columns, views. Everything else is refused, by table and column",
      "Exit status: 0 done; 1 refused, and nothing was changed; 2 wrong use or configuration; 3 the warehouse cannot "
      "be "
      "reached or read, or not everything was done",
      &Apply);
}

}  // namespace runledger::tools
