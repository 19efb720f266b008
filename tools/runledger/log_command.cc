#include "tools/runledger/log_command.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "ingest/commit_metadata.h"
#include "ingest/kafka/admin.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/log_flags.h"
#include "tools/runledger/topics.h"
#include "tools/runledger/wall_clock.h"

namespace runledger::tools {
namespace {

constexpr int kTimeoutMs = 15'000;

struct Flags {
  LogFlags log;
  int32_t partition = -1;
  std::string from = "earliest";
  bool dry_run = false;
};

absl::StatusOr<int64_t> FirstOffset(const std::string& from, const kafka::LogRange& range) {
  if (from == "earliest") return range.start;
  if (from == "latest") return range.end;
  int64_t offset = 0;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), offset);
  if (error != std::errc() || end != from.data() + from.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--from: \"", from, "\" is neither earliest nor latest nor an offset"));
  }
  if (offset < range.start || offset > range.end) {
    return absl::InvalidArgumentError(
        absl::StrCat("--from: the log holds ", range.start, " to ", range.end, ", not ", offset));
  }
  return offset;
}

absl::Status Accept(const Flags& flags) {
  const auto config = flags.log.Load();
  if (!config.ok()) return absl::InvalidArgumentError(config.status().message());
  const kafka::TopicPartition partition{config->topics.front().name, flags.partition};
  const kafka::Settings client = ConnectionSettings(*config);
  const auto range = kafka::RangeOf(client, partition, kTimeoutMs);
  if (!range.ok()) return range.status();
  const auto offset = FirstOffset(flags.from, *range);
  if (!offset.ok()) return offset.status();
  const auto committed = kafka::GroupOffset(client, config->group, partition, kTimeoutMs);
  if (!committed.ok()) return committed.status();
  const auto old = ingest::CommitMetadata::Decode(committed->metadata);
  if (!old.ok()) return old.status();

  // What the old log left says nothing of the new one, but the number that tells them apart. Deleting a topic deletes
  // its commits too, and that number with them: the time is greater than any that was used before.
  ingest::CommitMetadata metadata;
  metadata.log_epoch = std::max(old->log_epoch + 1, WallUs() / 1'000'000);
  metadata.counted_from = *offset;
  const auto text = metadata.Encode();
  if (!text.ok()) return text.status();
  if (!flags.dry_run) {
    const absl::Status set = kafka::SetGroupOffset(client, config->group, {partition, *offset, *text}, kTimeoutMs);
    if (!set.ok()) return set;
  }
  std::printf("%s of group %s: committed %s of log epoch %lld; %s %lld of epoch %lld. The log holds %lld to %lld\n",
              ToString(partition).c_str(), config->group.c_str(),
              committed->offset < 0 ? "nothing" : std::to_string(committed->offset).c_str(),
              static_cast<long long>(old->log_epoch), flags.dry_run ? "would become" : "becomes",
              static_cast<long long>(*offset), static_cast<long long>(metadata.log_epoch),
              static_cast<long long>(range->start), static_cast<long long>(range->end));
  if (committed->offset > *offset && committed->offset <= range->end) {
    std::printf(
        "If this is the log that was read before, its records from %lld to %lld %s a second time, with the new "
        "epoch; --from %lld goes on where it was\n",
        static_cast<long long>(*offset), static_cast<long long>(committed->offset),
        flags.dry_run ? "would become rows" : "become rows", static_cast<long long>(committed->offset));
  }
  return absl::OkStatus();
}

}  // namespace

void AddLog(CLI::App* app, int* status) {
  CLI::App* log = app->add_subcommand("log", "Decide about a log that is not the one that was read before");
  log->require_subcommand(1);
  auto flags = std::make_shared<Flags>();
  CLI::App* accept = log->add_subcommand(
      "accept",
      "Take a partition's log as a new one: rows and state begin at --from. Stop the group's instances first");
  flags->log.Add(accept);
  accept->add_option("--partition", flags->partition, "The partition")->required()->check(CLI::Range(0, 1'000'000));
  accept->add_option("--from", flags->from, "earliest, latest or an offset")->capture_default_str();
  accept->add_flag("--dry-run", flags->dry_run, "Say what would be done, and do nothing");
  accept->callback([=] {
    const absl::Status done = Accept(*flags);
    if (done.ok()) {
      *status = kFine;
      return;
    }
    std::fprintf(stderr, "runledger: %s\n", std::string(done.message()).c_str());
    *status = absl::IsInvalidArgument(done) ? kWrongUse : kFailed;
  });
}

}  // namespace runledger::tools
