// Puts records of any bytes into a topic, and shows what a topic holds byte for byte: for tests in Python.
//
//   raw_records produce BROKERS TOPIC FILE    the records of a file as tools/generate/sink.h describes it, in order
//   raw_records dump BROKERS TOPIC            one JSON line a record; key, value and header values in base64, null:
//   none
//   raw_records delete BROKERS TOPIC          deletes the topic
//   raw_records grow BROKERS TOPIC N          gives the topic more partitions, N in all
//
// Exit status: 0 done, 1 failed (the reason on standard error), 2 wrong use.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "audit/log_reader.h"
#include "ingest/kafka/admin.h"
#include "tools/generate/sink.h"

namespace runledger {
namespace {

std::string Base64(std::string_view bytes) { return absl::Base64Escape({bytes.data(), bytes.size()}); }

absl::Status Produce(const std::string& brokers, const std::string& topic, const std::string& path) {
  auto reader = tools::RecordFileReader::Open(path);
  if (!reader.ok()) return reader.status();
  // Only the broker's own limit counts.
  const kafka::Settings settings = {{"bootstrap.servers", brokers}, {"message.max.bytes", "100000000"}};
  auto sink = tools::KafkaSink::Create(settings, topic, 1);
  // A topic that was just made is not known to every broker at once.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (absl::IsNotFound(sink.status()) && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    sink = tools::KafkaSink::Create(settings, topic, 1);
  }
  if (!sink.ok()) return sink.status();
  tools::GeneratedRecord record;
  while (true) {
    const absl::StatusOr<bool> more = (*reader)->Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) return (*sink)->Finish();
    if (absl::Status status = (*sink)->Write(record); !status.ok()) return status;
  }
}

absl::Status Dump(const std::string& brokers, const std::string& topic) {
  return audit::ReadTopic(brokers, topic, [](const audit::LogRecord& record) {
    nlohmann::json line = {{"partition", record.partition},
                           {"offset", record.offset},
                           {"key", nullptr},
                           {"value", nullptr},
                           {"headers", nlohmann::json::array()}};
    if (record.key) line["key"] = Base64(*record.key);
    if (record.has_value) line["value"] = Base64(record.value);
    for (const auto& [name, value] : record.headers) line["headers"].push_back({name, Base64(value)});
    std::puts(line.dump().c_str());
  });
}

int Main(const std::vector<std::string>& arguments) {
  absl::Status status = absl::InvalidArgumentError(
      "use: produce BROKERS TOPIC FILE, or dump BROKERS TOPIC, or delete BROKERS TOPIC, or grow BROKERS TOPIC N");
  if (arguments.size() == 4 && arguments[0] == "produce") status = Produce(arguments[1], arguments[2], arguments[3]);
  if (arguments.size() == 3 && arguments[0] == "dump") status = Dump(arguments[1], arguments[2]);
  if (arguments.size() == 3 && arguments[0] == "delete")
    status = kafka::DeleteTopic({{"bootstrap.servers", arguments[1]}}, arguments[2], 15'000);
  if (arguments.size() == 4 && arguments[0] == "grow")
    status = kafka::AddPartitions({{"bootstrap.servers", arguments[1]}}, arguments[2], std::atoi(arguments[3].c_str()),
                                  15'000);
  if (status.ok()) return 0;
  std::fprintf(stderr, "raw_records: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace
}  // namespace runledger

int main(int argc, char** argv) { return runledger::Main({argv + 1, argv + argc}); }
