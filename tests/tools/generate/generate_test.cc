#include "tools/generate/generate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "reference/decode.h"
#include "reference/fold.h"

namespace runledger::tools {
namespace {

// Keeps everything.
class MemorySink : public Sink {
 public:
  absl::Status Write(const GeneratedRecord& record) override {
    records.push_back(record);
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    finished = true;
    return absl::OkStatus();
  }
  std::vector<GeneratedRecord> records;
  bool finished = false;
};

GenerateOptions Options() {
  GenerateOptions options;
  options.events = 20'000;
  options.jobs = 40;
  options.bad = 0.02;
  options.refused = 0.02;
  return options;
}

std::string Bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::filesystem::path TempFile(const std::string& name) { return std::filesystem::path(testing::TempDir()) / name; }

// What the records say, decoded and folded by the reference.
struct Reading {
  int64_t good = 0;
  std::map<std::string, int64_t> rejected, kinds, refused;
  std::map<std::pair<std::string, std::string>, int64_t> bodies;
  std::map<std::string, reference::JobView> jobs;
  std::map<std::string, int32_t> partition_of;
  bool scattered = false;  // a job in two partitions
};

Reading Read(const std::vector<GeneratedRecord>& records, const GenerateOptions& options) {
  Reading reading;
  std::vector<reference::Fold> folds(static_cast<size_t>(options.partitions), reference::Fold({}, {}));
  const int64_t now_us = options.start_us + options.span_us;
  for (const GeneratedRecord& record : records) {
    const int64_t stamp_us = options.append_time ? now_us : record.timestamp_us / 1000 * 1000;
    const reference::RawRecord raw{record.value ? std::string_view(*record.value) : std::string_view(),
                                   record.value.has_value(), record.headers, stamp_us};
    const reference::Decoded decoded = reference::Decode(raw, {});
    std::vector<reference::Event> events;
    for (const reference::Item& item : decoded.items) {
      if (!item.event) {
        ++reading.rejected[item.refusal.category];
        continue;
      }
      ++reading.good;
      ++reading.kinds[item.event->kind];
      ++reading.bodies[{item.event->body, decoded.framing}];
      if (!item.event->refused.empty()) ++reading.refused[item.event->refused];
      if (item.event->body == "run") {
        const auto [at, fresh] = reading.partition_of.emplace(item.event->job, record.partition);
        reading.scattered = reading.scattered || at->second != record.partition;
      }
      events.push_back(*item.event);
    }
    folds[static_cast<size_t>(record.partition)].Add(stamp_us, options.append_time, events);
  }
  for (const reference::Fold& fold : folds) reading.jobs.merge(fold.Jobs(std::nullopt));
  return reading;
}

void ExpectJob(const std::string& name, const Ledger::Job& job, const reference::JobView& view) {
  EXPECT_EQ(job.started, static_cast<int64_t>(view.started)) << name;
  EXPECT_EQ(job.history_events, static_cast<int64_t>(view.late_events)) << name;
  EXPECT_EQ(job.final[1], static_cast<int64_t>(view.running)) << name;
  std::map<int, int64_t> final;
  for (const reference::Status status : reference::kEnded) {
    EXPECT_EQ(job.finished[static_cast<size_t>(status)], static_cast<int64_t>(view.finished.at(status))) << name;
    final[static_cast<int>(status)] += static_cast<int64_t>(view.finished.at(status));
  }
  std::map<std::pair<int, int>, int64_t> corrected;
  for (const auto& [change, count] : view.corrected) {
    const std::pair<int, int> numbers{static_cast<int>(change.first), static_cast<int>(change.second)};
    corrected[numbers] = static_cast<int64_t>(count);
    final[numbers.first] -= static_cast<int64_t>(count);
    final[numbers.second] += static_cast<int64_t>(count);
  }
  EXPECT_EQ(job.corrected, corrected) << name;
  for (const auto& [status, count] : final) EXPECT_EQ(job.final[static_cast<size_t>(status)], count) << name;
}

class GenerateTest : public testing::TestWithParam<bool> {};

TEST_P(GenerateTest, TheLedgerIsWhatTheReferenceReads) {
  GenerateOptions options = Options();
  options.append_time = GetParam();
  options.seed = options.append_time ? 7 : 8;
  MemorySink sink;
  Ledger ledger;
  ASSERT_TRUE(Generate(options, sink, &ledger).ok());
  EXPECT_TRUE(sink.finished);
  EXPECT_TRUE(ledger.covers_runs);
  const Reading reading = Read(sink.records, options);
  EXPECT_EQ(ledger.records, static_cast<int64_t>(sink.records.size()));
  EXPECT_EQ(ledger.good, reading.good);
  EXPECT_EQ(ledger.good + ledger.rejected(), options.events);
  EXPECT_EQ(ledger.rejected(), 400);
  EXPECT_EQ(ledger.rejected_by_category, reading.rejected);
  EXPECT_EQ(ledger.rows_by_kind, reading.kinds);
  EXPECT_EQ(ledger.events_by_body_and_framing, reading.bodies);
  int64_t refused = 0;
  for (const auto& [column, count] : reading.refused) refused += count;
  EXPECT_EQ(ledger.refused_rows, refused);
  EXPECT_FALSE(reading.scattered);
  ASSERT_EQ(ledger.jobs.size(), reading.jobs.size());
  int64_t history = 0, corrected = 0, running = 0;
  for (const auto& [name, job] : ledger.jobs) {
    ASSERT_EQ(reading.jobs.count(name), 1u) << name;
    EXPECT_EQ(job.partition, reading.partition_of.at(name));
    ExpectJob(name, job, reading.jobs.at(name));
    history += job.history_events;
    corrected += static_cast<int64_t>(job.corrected.size());
    running += job.final[1];
  }
  EXPECT_EQ(ledger.history_events, history);
  // The stream is worth its name: all of these occur.
  EXPECT_GT(history, 0);
  EXPECT_GT(corrected, 0);
  EXPECT_GT(running, 0);
  EXPECT_GT(ledger.refused_kinds.size(), 8u);
  EXPECT_EQ(ledger.rejected_by_category.size(), 5u);
  EXPECT_GT(ledger.bad_kinds.size(), 40u);
  EXPECT_EQ(ledger.rows_by_kind.size(), 7u);
}

INSTANTIATE_TEST_SUITE_P(Timestamps, GenerateTest, testing::Bool(),
                         [](const auto& of) { return of.param ? "AppendTime" : "CreateTime"; });

TEST(Generate, IsTheSameForASeedAndAnotherForAnother) {
  std::map<uint64_t, std::set<std::string>> files;
  for (const uint64_t seed : {1, 1, 2}) {
    GenerateOptions options = Options();
    options.events = 3000;
    options.seed = seed;
    auto sink = FileSink::Create(TempFile("same.bin"));
    ASSERT_TRUE(sink.ok());
    Ledger ledger;
    ASSERT_TRUE(Generate(options, **sink, &ledger).ok());
    files[seed].insert(Bytes(TempFile("same.bin")) + ledger.ToJson());
  }
  EXPECT_EQ(files[1].size(), 1u);
  EXPECT_NE(files[1], files[2]);
}

TEST(Generate, AFileGivesBackWhatWasWritten) {
  GenerateOptions options = Options();
  options.events = 2000;
  MemorySink memory;
  Ledger ledger;
  ASSERT_TRUE(Generate(options, memory, &ledger).ok());
  auto file = FileSink::Create(TempFile("back.bin"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(Generate(options, **file, &ledger).ok());
  auto reader = RecordFileReader::Open(TempFile("back.bin"));
  ASSERT_TRUE(reader.ok());
  GeneratedRecord record;
  for (const GeneratedRecord& expected : memory.records) {
    const absl::StatusOr<bool> more = (*reader)->Next(&record);
    ASSERT_TRUE(more.ok() && *more);
    EXPECT_EQ(record.partition, expected.partition);
    EXPECT_EQ(record.timestamp_us, expected.timestamp_us);
    EXPECT_EQ(record.key, expected.key);
    EXPECT_EQ(record.value, expected.value);
    EXPECT_EQ(record.headers, expected.headers);
  }
  const absl::StatusOr<bool> end = (*reader)->Next(&record);
  EXPECT_TRUE(end.ok() && !*end);
}

TEST(Generate, ADamagedFileIsFoundOut) {
  const std::string path = TempFile("damaged.bin");
  EXPECT_EQ(RecordFileReader::Open(path + ".no").status().code(), absl::StatusCode::kNotFound);
  std::ofstream(path) << "something else";
  EXPECT_EQ(RecordFileReader::Open(path).status().code(), absl::StatusCode::kInvalidArgument);

  GenerateOptions options = Options();
  options.events = 1;
  auto file = FileSink::Create(path);
  ASSERT_TRUE(file.ok());
  Ledger ledger;
  ASSERT_TRUE(Generate(options, **file, &ledger).ok());
  const std::string whole = Bytes(path);
  for (const size_t cut : {1, 10, 100}) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, whole.size() - cut);
    auto reader = RecordFileReader::Open(path);
    ASSERT_TRUE(reader.ok());
    GeneratedRecord record;
    EXPECT_EQ((*reader)->Next(&record).status().code(), absl::StatusCode::kDataLoss) << cut;
  }
}

TEST(Generate, SendsExactlyAsManyEventsAsAskedFor) {
  for (const int64_t events : {1, 2, 3, 5, 17, 100, 999}) {
    GenerateOptions options = Options();
    options.events = events;
    MemorySink sink;
    Ledger ledger;
    ASSERT_TRUE(Generate(options, sink, &ledger).ok());
    EXPECT_EQ(ledger.good + ledger.rejected(), events);
    const Reading reading = Read(sink.records, options);
    EXPECT_EQ(reading.good, ledger.good);
  }
}

TEST(Generate, TheLedgerSaysWhenItDoesNotKnowTheRuns) {
  GenerateOptions options = Options();
  options.events = 100;
  options.span_us = int64_t{48} * 3600 * 1'000'000;
  MemorySink sink;
  Ledger ledger;
  ASSERT_TRUE(Generate(options, sink, &ledger).ok());
  EXPECT_FALSE(ledger.covers_runs);
  const auto json = nlohmann::json::parse(ledger.ToJson());
  EXPECT_FALSE(json["covers_runs"]);
  EXPECT_FALSE(json["jobs"].begin()->contains("started"));
  options.append_time = false;
  ASSERT_TRUE(Generate(options, sink, &ledger).ok());
  EXPECT_TRUE(ledger.covers_runs);
}

TEST(Generate, NamesAnOptionThatIsOutOfRange) {
  struct Case {
    const char* word;
    void (*spoil)(GenerateOptions*);
  };
  for (const Case& c :
       {Case{"events", [](GenerateOptions* o) { o->events = 0; }},
        Case{"jobs", [](GenerateOptions* o) { o->jobs = 0; }},
        Case{"partitions", [](GenerateOptions* o) { o->partitions = 0; }},
        Case{"partitioner", [](GenerateOptions* o) { o->partitioner = kafka::Partitioner::kNone; }},
        Case{"span", [](GenerateOptions* o) { o->span_us = 5; }},
        Case{"rate", [](GenerateOptions* o) { o->rate = -1; }}, Case{"late", [](GenerateOptions* o) { o->late = 1.5; }},
        Case{"framing", [](GenerateOptions* o) {
               o->framing = {0, 0, 0, 0};
             }}}) {
    GenerateOptions options = Options();
    c.spoil(&options);
    MemorySink sink;
    Ledger ledger;
    const absl::Status status = Generate(options, sink, &ledger);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.word;
    EXPECT_NE(std::string(status.message()).find(c.word), std::string::npos) << status;
    EXPECT_TRUE(sink.records.empty());
  }
}

TEST(Generate, StopsWhereTheSinkDoes) {
  class FullSink : public MemorySink {
    absl::Status Write(const GeneratedRecord& record) override {
      if (records.size() == 3) return absl::ResourceExhaustedError("full");
      return MemorySink::Write(record);
    }
  } sink;
  Ledger ledger;
  EXPECT_EQ(Generate(Options(), sink, &ledger).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(sink.records.size(), 3u);
  EXPECT_FALSE(sink.finished);
}

}  // namespace
}  // namespace runledger::tools
