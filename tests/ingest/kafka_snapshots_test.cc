// Snapshots in a topic of a real broker: what is saved and committed is found, and nothing else is; what is not needed
// any more goes, and nothing that is needed.
#include "ingest/kafka_snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "fakes/snapshot_answers.h"
#include "ingest/kafka/admin.h"
#include "ingest/kafka/producer.h"
#include "ingest/snapshot_reader.h"
#include "kafka/broker_fixture.h"

namespace runledger::ingest {
namespace {

using fakes::SnapshotAnswers;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using namespace std::chrono_literals;

const TopicPartition kPartition{"runs", 3};
constexpr int kTimeoutMs = 30'000;
constexpr auto kPatience = 120s;
const Position kEnd{int64_t{1} << 40, 0};

// One process: a store and what it says.
struct Process {
  SnapshotAnswers answers;
  std::ostringstream log;
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
  std::unique_ptr<KafkaSnapshots> store;
  Tenure tenure = 1;
  uint64_t next_save = 1;
  TopicPartition partition = kPartition;

  absl::StatusOr<Snapshot> Load(const std::string& pointer, const Position& before = kEnd,
                                const std::string& cluster = "here", int64_t epoch = 1) {
    store->Load(partition, tenure, cluster, epoch, pointer, before);
    return answers.Loaded();
  }
  SnapshotIdentity At(int64_t offset) const {
    return {.cluster_id = "here",
            .partition = partition,
            .log_epoch = 1,
            .position = {offset, 0},
            .before_time_ms = offset * 10,
            .before_hash = "00ff"};
  }
  // As Delivery does it: no more while the store is full.
  uint64_t Hand(int64_t offset, const std::string& bytes, int* waits = nullptr) {
    const uint64_t save = next_save++;
    store->Begin(tenure, save, At(offset));
    for (size_t at = 0; at < bytes.size(); at += 256'000) {
      for (; !store->Wants(); std::this_thread::yield()) {
        if (waits != nullptr) ++*waits;
      }
      store->Append(partition, tenure, save, bytes.substr(at, 256'000));
    }
    return save;
  }
  absl::StatusOr<SavedSnapshot> Save(int64_t offset, const std::string& bytes) {
    const uint64_t save = Hand(offset, bytes);
    store->Finish(partition, tenure, save);
    return answers.Saved(save);
  }
  std::string SavedAt(int64_t offset, const std::string& bytes) {
    const auto saved = Save(offset, bytes);
    EXPECT_TRUE(saved.ok()) << saved.status();
    return saved.ok() ? saved->pointer : "";
  }
  void Committed(const std::string& pointer) { store->Committed(partition, tenure, pointer); }
  // Ends it; what it said.
  std::string End() {
    store.reset();
    return log.str();
  }
};

// Bytes that zstd cannot make small.
std::string State(uint32_t seed, size_t size = 3'000'000) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (size_t at = 0; at + 8 <= size; at += 8) {
    const uint64_t number = random();
    std::memcpy(bytes.data() + at, &number, 8);
  }
  return bytes;
}

class KafkaSnapshotsOnBroker : public test::BrokerTest {
 public:
  static void SetUpTestSuite() {
    StartBroker({.properties = {"log.cleaner.backoff.ms=200", "log.retention.check.interval.ms=500"}});
  }

 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    if (!has_broker()) return;
    MakeTopic(FreshName("snapshots"), {});
  }
  // Until the broker knows it.
  void MakeTopic(const std::string& topic, const kafka::Settings& more, int partitions = 1) {
    topic_ = topic;
    kafka::Settings config = {{"cleanup.policy", "compact"}};
    for (const auto& [name, value] : more) config[name] = value;
    ASSERT_EQ(broker().CreateTopic(topic_, partitions, config), absl::OkStatus());
    const auto reader = SnapshotReader::Create(broker().client(), topic_, "group", {});
    ASSERT_TRUE(reader.ok());
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!(*reader)->Ends(kTimeoutMs).ok()) ASSERT_LT(std::chrono::steady_clock::now(), end);
  }

  KafkaSnapshots::Options Options() const {
    KafkaSnapshots::Options options;
    options.topic = topic_;
    options.group = "group";
    options.client = broker().client();
    options.sweep_delay = 100ms;
    options.ask_timeout = 30s;  // it is asked once where a tenure begins
    return options;
  }
  std::unique_ptr<Process> Start(Tenure tenure, std::optional<KafkaSnapshots::Options> options = {}) {
    auto process = std::make_unique<Process>();
    process->tenure = tenure;
    process->store = std::make_unique<KafkaSnapshots>(options.value_or(Options()), &process->answers, process->logger);
    EXPECT_EQ(process->store->Start(), absl::OkStatus());
    return process;
  }
  // What a new process finds.
  absl::StatusOr<Snapshot> LoadAnew(const std::string& pointer) { return Start(99)->Load(pointer); }

  // Chunks that are there and not deleted, by id: how many.
  std::map<std::string, size_t> Live() const {
    auto reader = SnapshotReader::Create(broker().client(), topic_, "group", {});
    EXPECT_TRUE(reader.ok());
    std::set<std::pair<std::string, int32_t>> live;
    const auto ends = (*reader)->Ends(kTimeoutMs);
    EXPECT_TRUE(ends.ok()) << ends.status();
    for (size_t i = 0; i < ends->size(); ++i) {
      if ((*ends)[i] == 0) continue;
      const absl::Status scanned = (*reader)->Scan(static_cast<int32_t>(i), (*ends)[i], {60s, [] { return false; }},
                                                   [&](const ChunkKey& key, int64_t, bool deleted) {
                                                     if (deleted) {
                                                       live.erase({key.id, key.chunk});
                                                     } else {
                                                       live.insert({key.id, key.chunk});
                                                     }
                                                   });
      EXPECT_EQ(scanned, absl::OkStatus());
    }
    std::map<std::string, size_t> by_id;
    for (const auto& [id, chunk] : live) ++by_id[id];
    return by_id;
  }
  std::vector<std::string> LiveIds() const {
    std::vector<std::string> ids;
    for (const auto& [id, chunks] : Live()) ids.push_back(id);
    return ids;
  }
  static std::string IdOf(const std::string& pointer) { return SnapshotPointer::Decode(pointer)->id; }
  // Until the chunks that are left are those of `ids`.
  ::testing::AssertionResult LeavesOnly(std::vector<std::string> ids) const {
    std::sort(ids.begin(), ids.end());
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (LiveIds() != ids) {
      if (std::chrono::steady_clock::now() > end)
        return ::testing::AssertionFailure() << "left: " << ::testing::PrintToString(LiveIds());
    }
    return ::testing::AssertionSuccess();
  }
  // Deletes one chunk.
  void Delete(const std::string& pointer, int32_t chunk) {
    const auto producer = kafka::Producer::Create(broker().client(), {}, {});
    ASSERT_TRUE(producer.ok());
    const std::string key = ChunkKey{"group", kPartition, IdOf(pointer), chunk}.Encode();
    kafka::OutgoingMessage message;
    message.topic = topic_;
    message.partition = 0;
    message.key = key;
    ASSERT_EQ((*producer)->Produce(message, 0), absl::OkStatus());
    ASSERT_EQ((*producer)->Flush(kTimeoutMs), absl::OkStatus());
  }
  // Deletes all records before `offset`.
  void DeleteBefore(int64_t offset) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", broker().bootstrap().c_str(), nullptr, 0);
    rd_kafka_t* rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
    rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic_.c_str(), 0)->offset = offset;
    rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_queue_t* queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteRecords(rk, &request, 1, nullptr, queue);
    rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kTimeoutMs);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
  }

  std::string topic_;
};

TEST_F(KafkaSnapshotsOnBroker, WhatOneProcessSavesAnotherFinds) {
  KafkaSnapshots::Options options = Options();
  options.on_its_way_bytes = 4 << 20;
  auto process = Start(1, options);
  EXPECT_TRUE(absl::IsNotFound(process->Load("").status()));
  const std::string state = State(1, 40'000'000);
  int waits = 0;
  const uint64_t save = process->Hand(500, state, &waits);
  process->store->Finish(kPartition, process->tenure, save);
  const auto saved = process->answers.Saved(save);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_GT(waits, 0) << "a store that takes everything at once is not bounded";
  EXPECT_GE(saved->bytes, 40'000'000);
  const auto pointer = SnapshotPointer::Decode(saved->pointer);
  ASSERT_TRUE(pointer.ok());
  EXPECT_GE(pointer->chunks, 45);
  process->End();
  const auto found = LoadAnew(saved->pointer);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->identity, Process().At(500));
  EXPECT_TRUE(found->bytes == state);
}

TEST_F(KafkaSnapshotsOnBroker, OnlyTheCommittedOneExists) {
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string pointer = process->SavedAt(500, State(1));
  auto next = Start(2);
  EXPECT_TRUE(absl::IsNotFound(next->Load("").status())) << "saved, but not committed";
  auto other = Start(3);
  ASSERT_TRUE(other->Load(pointer).ok());
  EXPECT_TRUE(absl::IsNotFound(other->Load(pointer, {500, 0}).status())) << "an older one is wanted";
  EXPECT_THAT(other->End(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(Start(4)->Load(pointer, {400, 0}).status()));
}

TEST_F(KafkaSnapshotsOnBroker, ForeignOnesArePassedOverWithAWord) {
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string pointer = process->SavedAt(500, State(1));
  const auto refuses = [&](Process* by, const absl::StatusOr<Snapshot>& answer, const std::string& word) {
    EXPECT_TRUE(absl::IsNotFound(answer.status())) << answer.status();
    EXPECT_THAT(by->End(), HasSubstr(word));
  };
  auto a = Start(2);
  refuses(a.get(), a->Load(pointer, kEnd, "elsewhere"), "of cluster here");
  auto b = Start(2);
  refuses(b.get(), b->Load(pointer, kEnd, "here", 2), "of epoch 1");
  auto c = Start(2);
  c->partition = {"runs", 4};
  refuses(c.get(), c->Load(pointer), "chunks are missing");
  auto d = Start(2);
  refuses(d.get(), d->Load("000001-00000000000000000005"), "does not point to a snapshot");
  auto options = Options();
  options.group = "another";
  auto e = Start(2, options);
  refuses(e.get(), e->Load(pointer), "chunks are missing");
}

TEST_F(KafkaSnapshotsOnBroker, ATornOneIsPassedOver) {
  MakeTopic(FreshName("compacting"),
            {{"segment.bytes", "1100000"}, {"min.cleanable.dirty.ratio", "0.01"}, {"delete.retention.ms", "0"}});
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string torn = process->SavedAt(500, State(1, 6'000'000));
  const std::string whole = process->SavedAt(600, State(2, 6'000'000));
  Delete(torn, 3);
  // The broker compacts when it likes; what it is given meanwhile closes segments.
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (int64_t offset = 700;; ++offset) {
    auto reader = Start(2);
    const auto found = reader->Load(torn);
    if (!found.ok()) {
      EXPECT_TRUE(absl::IsNotFound(found.status()));
      EXPECT_THAT(reader->End(), HasSubstr("1 of its 7 chunks are missing"));
      break;
    }
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "the broker does not compact";
    process->SavedAt(offset, State(3, 2'000'000));
  }
  const auto found = LoadAnew(whole);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->bytes == State(2, 6'000'000)) << "what nobody deleted survives compaction";
}

TEST_F(KafkaSnapshotsOnBroker, WhatTheLogDoesNotHoldIsNotWaitedFor) {
  MakeTopic(FreshName("cut"), {{"cleanup.policy", "compact,delete"}});  // records of others cannot be deleted
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string pointer = process->SavedAt(500, State(1));
  const std::string later = process->SavedAt(600, State(2));
  DeleteBefore(SnapshotPointer::Decode(pointer)->last);
  auto reader = Start(2);
  EXPECT_TRUE(absl::IsNotFound(reader->Load(pointer).status()));
  EXPECT_THAT(reader->End(), HasSubstr("does not hold offsets"));
  EXPECT_TRUE(LoadAnew(later).ok());
  // Behind the end: the topic was made again.
  SnapshotPointer beyond = *SnapshotPointer::Decode(later);
  beyond.first += 1'000;
  beyond.last += 1'000;
  EXPECT_TRUE(absl::IsNotFound(LoadAnew(beyond.Encode()).status()));
  beyond = *SnapshotPointer::Decode(later);
  beyond.last += 1'000;
  EXPECT_TRUE(absl::IsNotFound(LoadAnew(beyond.Encode()).status()));
}

TEST_F(KafkaSnapshotsOnBroker, WithoutTheTopicNothingIsFoundAndNothingSavedAndItIsSaid) {
  topic_ = FreshName("absent");
  auto process = Start(1);
  EXPECT_TRUE(absl::IsNotFound(process->Load("k1/0/1/2/1/0123456789abcdef").status()));
  const auto saved = process->Save(500, State(1));
  EXPECT_FALSE(saved.ok());
  EXPECT_THAT(std::string(saved.status().message()), HasSubstr("does not exist"));
  // Once it is there it is used.
  MakeTopic(topic_, {}, 3);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  absl::StatusOr<SavedSnapshot> again = absl::UnknownError("");
  while (!again.ok() && std::chrono::steady_clock::now() < end) again = process->Save(500, State(1));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(LoadAnew(again->pointer).ok());
}

TEST_F(KafkaSnapshotsOnBroker, ATopicThatTakesNoChunksSaysWhichSettingIsTooSmall) {
  MakeTopic(FreshName("small"), {{"max.message.bytes", "10000"}});
  auto process = Start(1);
  process->Load("").IgnoreError();
  const auto saved = process->Save(500, State(1));
  EXPECT_THAT(std::string(saved.status().message()), HasSubstr("max.message.bytes of topic " + topic_));
}

TEST_F(KafkaSnapshotsOnBroker, ABrokerThatGoesInTheMiddleIsWaitedFor) {
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string state = State(1, 20'000'000);
  const uint64_t save = process->Hand(500, state.substr(0, 5'000'000));
  ASSERT_EQ(broker().Kill(), absl::OkStatus());
  for (size_t at = 5'000'000; at < state.size(); at += 1'000'000)
    process->store->Append(kPartition, process->tenure, save, state.substr(at, 1'000'000));
  process->store->Finish(kPartition, process->tenure, save);
  EXPECT_FALSE(process->answers.has_saved(save));
  ASSERT_EQ(broker().Restart(), absl::OkStatus());
  const auto saved = process->answers.Saved(save);
  ASSERT_TRUE(saved.ok()) << saved.status();
  // And a reader that comes while it is away.
  ASSERT_EQ(broker().Kill(), absl::OkStatus());
  auto reader = Start(2);
  reader->store->Load(kPartition, 2, "here", 1, saved->pointer, kEnd);
  ASSERT_EQ(broker().Restart(), absl::OkStatus());
  const auto found = reader->answers.Loaded();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->bytes == state);
}

TEST_F(KafkaSnapshotsOnBroker, ALoadThatWaitsEndsWithTheStoreAndOneThatWaitedLongEnoughEnds) {
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string pointer = process->SavedAt(500, State(1));
  ASSERT_EQ(broker().Pause(), absl::OkStatus());
  auto options = Options();
  options.load_patience = 1s;
  options.ask_timeout = 1s;
  auto impatient = Start(2, options);
  EXPECT_TRUE(absl::IsNotFound(impatient->Load(pointer).status()));
  auto patient = Start(3);
  patient->store->Load(kPartition, 3, "here", 1, pointer, kEnd);
  patient->End();  // returns
  ASSERT_EQ(broker().Resume(), absl::OkStatus());
  EXPECT_TRUE(LoadAnew(pointer).ok());
}

TEST_F(KafkaSnapshotsOnBroker, ThePredecessorsGoesWhenThePointerToTheNextIsCommittedAndNotBefore) {
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string first = process->SavedAt(500, State(1));
  process->Committed(first);
  auto next = Start(2);
  ASSERT_TRUE(next->Load(first).ok());
  next->Committed(first);
  const std::string second = next->SavedAt(600, State(2));
  const std::string third = next->SavedAt(700, State(3));
  EXPECT_THAT(LiveIds(), UnorderedElementsAre(IdOf(first), IdOf(second), IdOf(third)));
  EXPECT_TRUE(LoadAnew(first).ok()) << "a crash now finds it";
  next->Committed(second);  // the third one came while that commit was in flight
  EXPECT_TRUE(LeavesOnly({IdOf(second), IdOf(third)}));
  next->Committed(third);
  EXPECT_TRUE(LeavesOnly({IdOf(third)}));
  next->Committed(third);
  next->End();
  EXPECT_THAT(LiveIds(), ElementsAre(IdOf(third)));
  EXPECT_TRUE(LoadAnew(third).ok());
}

TEST_F(KafkaSnapshotsOnBroker, WhatIsGivenUpIsDeleted) {
  auto process = Start(1);
  process->Load("").IgnoreError();
  const std::string kept = process->SavedAt(500, State(1));
  const uint64_t unfinished = process->Hand(600, State(2));
  process->store->Abort(kPartition, process->tenure, unfinished);
  EXPECT_TRUE(LeavesOnly({IdOf(kept)}));
  const std::string whole = process->SavedAt(700, State(3));
  process->store->Abort(kPartition, process->tenure, process->next_save - 1);  // its answer was on its way
  EXPECT_TRUE(LeavesOnly({IdOf(kept)}));
  // Under a later tenure of the same process the earlier one's half is given up.
  process->Hand(800, State(4));
  process->tenure = 2;
  ASSERT_TRUE(process->Load(kept).ok());
  EXPECT_TRUE(LeavesOnly({IdOf(kept)}));
  process->End();
  EXPECT_THAT(LiveIds(), ElementsAre(IdOf(kept)));
}

TEST_F(KafkaSnapshotsOnBroker, WhatACrashedOwnerNeverCommittedIsFoundAndDeletedByItsSuccessor) {
  auto crashed = Start(1);
  crashed->Load("").IgnoreError();
  const std::string committed = crashed->SavedAt(500, State(1));
  crashed->Committed(committed);
  const std::string orphan = crashed->SavedAt(600, State(2));
  // Others' are theirs.
  auto another = Start(1);
  another->partition = {"runs", 4};
  another->Load("").IgnoreError();
  const std::string others = another->SavedAt(10, State(3));
  auto options = Options();
  options.group = "another";
  auto elsewhere = Start(1, options);
  elsewhere->Load("").IgnoreError();
  const std::string of_another_group = elsewhere->SavedAt(10, State(4));

  auto next = Start(2);
  ASSERT_TRUE(next->Load(committed).ok());
  EXPECT_THAT(LiveIds(), UnorderedElementsAre(IdOf(committed), IdOf(orphan), IdOf(others)));
  next->Committed(committed);
  EXPECT_TRUE(LeavesOnly({IdOf(committed), IdOf(others)}));
  EXPECT_TRUE(LoadAnew(committed).ok());
  options.sweep_delay = 1h;
  EXPECT_TRUE(Start(9, options)->Load(of_another_group).ok());
}

TEST_F(KafkaSnapshotsOnBroker, AZombieCannotHarmWhatItsSuccessorCommitted) {
  auto options = Options();
  options.sweep_delay = 3s;  // it is still to look for orphans when it hangs
  auto predecessor = Start(1);
  predecessor->Load("").IgnoreError();
  const std::string zeroth = predecessor->SavedAt(400, State(9));
  auto zombie = Start(1, options);
  ASSERT_TRUE(zombie->Load(zeroth).ok());
  zombie->Committed(zeroth);
  const std::string first = zombie->SavedAt(500, State(1));
  zombie->Committed(first);
  const uint64_t half = zombie->Hand(550, State(5));  // it hangs here, and loses the partition

  auto owner = Start(2);
  ASSERT_TRUE(owner->Load(first).ok());
  owner->Committed(first);
  const std::string second = owner->SavedAt(600, State(2));
  owner->Committed(second);

  // It wakes: finishes, saves another, looks for orphans, and ends. Its commits are refused, so it never hears of one.
  zombie->store->Finish(kPartition, zombie->tenure, half);
  const auto finished = zombie->answers.Saved(half);
  ASSERT_TRUE(finished.ok());
  const std::string third = zombie->SavedAt(700, State(3));
  const auto until = std::chrono::steady_clock::now() + 4s;
  while (std::chrono::steady_clock::now() < until) zombie->SavedAt(800, State(4, 100'000));
  zombie->store->Abort(kPartition, zombie->tenure, zombie->next_save - 1);
  zombie->End();

  const auto found = LoadAnew(second);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->bytes == State(2));
  // What it left is cleared away by the next one.
  auto next = Start(3);
  ASSERT_TRUE(next->Load(second).ok());
  next->Committed(second);
  EXPECT_TRUE(LeavesOnly({IdOf(second)}));
  EXPECT_TRUE(LoadAnew(second).ok());
}

}  // namespace
}  // namespace runledger::ingest
