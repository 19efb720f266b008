#include "ingest/pipeline.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "fakes/memory_sink.h"
#include "ingest/kafka/embedded_broker.h"
#include "ingest/kafka/producer.h"
#include "runledger/v1/event.pb.h"

namespace runledger::ingest {
namespace {

using namespace std::chrono_literals;

// Waits for a condition; a limit only so that a failing test ends.
template <typename Condition>
bool Eventually(Condition condition, std::chrono::seconds limit = 60s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

std::string RunEvent(const std::string& job, const std::string& run, v1::Status status, int64_t time_us) {
  v1::Event event;
  event.set_event_id(job + run + std::to_string(status));
  event.set_event_time_us(time_us);
  event.mutable_run()->set_job_name(job);
  event.mutable_run()->set_run_id(run);
  event.mutable_run()->set_status(status);
  return event.SerializeAsString();
}

// The machine's clocks, set forward or back by hand.
class SetClock : public Clock {
 public:
  Moment Now() const override {
    const int64_t passed = passed_us.load();  // once: both clocks go on together
    Moment now = machine_.Now();
    now.mono_us += passed;
    now.wall_us += passed + set_us.load();
    return now;
  }
  std::atomic<int64_t> passed_us{0};  // the machine slept
  std::atomic<int64_t> set_us{0};     // of the wall clock alone

 private:
  MachineClock machine_;
};

class PipelineTest : public testing::Test {
 protected:
  static constexpr int64_t kSessionUs = 15'000'000;  // longer than a busy machine keeps anybody waiting

  void SetUp() override {
    auto broker = kafka::EmbeddedBroker::Start();
    ASSERT_TRUE(broker.ok()) << broker.status();
    broker_ = std::move(*broker);
    ASSERT_TRUE(broker_->CreateTopic("runledger.events", 4).ok());
    ASSERT_TRUE(broker_->CreateTopic("runledger.dead-letters", 1).ok());
    auto producer = kafka::Producer::Create({{"bootstrap.servers", broker_->bootstrap()}}, nullptr, nullptr);
    ASSERT_TRUE(producer.ok()) << producer.status();
    producer_ = std::move(*producer);
  }

  void Send(const std::string& job, const std::string& value) {
    kafka::OutgoingMessage message;
    message.topic = "runledger.events";
    message.partition = kafka::PartitionFor(kafka::Partitioner::kMurmur2, job, 4);
    message.key = job;
    message.value = value;
    ASSERT_TRUE(producer_->Produce(message, 0).ok());
  }

  std::unique_ptr<Pipeline> Start() {
    PipelineOptions options;
    options.brokers = broker_->bootstrap();
    options.librdkafka = {{"session.timeout.ms", std::to_string(kSessionUs / 1'000)}};
    options.topics = {{.name = "runledger.events"}};
    options.delivery.commit_interval_us = 100'000;
    options.delivery.rows.batch_age_us = 50'000;
    options.delivery.rows.held_bytes = held_bytes_;
    options.delivery.rows.retry_max_us = 200'000;
    options.workers = 2;
    auto pipeline = Pipeline::Create(options, {.policies = policies_,
                                               .encoder = encoder_,
                                               .directory = &directory_,
                                               .metrics = &metrics_,
                                               .clock = &clock_,
                                               .logger = logger_});
    EXPECT_TRUE(pipeline.ok()) << pipeline.status();
    sink_.SetListener((*pipeline)->row_sink_listener());
    snapshots_ = std::make_unique<NoSnapshots>((*pipeline)->snapshot_listener());
    EXPECT_TRUE((*pipeline)->Start(&sink_, snapshots_.get()).ok());
    return std::move(*pipeline);
  }

  uint64_t Sum(uint64_t aggregators::JobBlock::*field) {
    uint64_t sum = 0;
    for (const PartitionView& view : directory_.List()) {
      const auto block = view.shard->Read();
      for (const aggregators::JobBlock& job : block->jobs) sum += job.*field;
    }
    return sum;
  }

  size_t held_bytes_ = 64 << 20;
  std::unique_ptr<kafka::EmbeddedBroker> broker_;
  std::unique_ptr<kafka::Producer> producer_;
  std::shared_ptr<aggregators::JobPolicies> policies_ = std::make_shared<aggregators::JobPolicies>();
  std::shared_ptr<codecs::RowEncoder> encoder_ = std::make_shared<codecs::RowEncoder>(codecs::SecretNames());
  PartitionDirectory directory_;
  OwnMetrics metrics_;
  bool AllCaughtUp() {
    const std::vector<PartitionView> views = directory_.List();
    return views.size() == 4 && std::all_of(views.begin(), views.end(), [](const PartitionView& view) {
             return view.shard->Read()->positions.caught_up;
           });
  }
  bool NoneCaughtUp() {
    const std::vector<PartitionView> views = directory_.List();
    return views.size() == 4 && std::none_of(views.begin(), views.end(), [](const PartitionView& view) {
             return view.shard->Read()->positions.caught_up;
           });
  }
  std::string ProblemOf(const std::string& subject) {
    for (const Problem& problem : directory_.Problems()) {
      if (problem.subject == subject) return problem.text;
    }
    return {};
  }

  SetClock clock_;
  std::shared_ptr<spdlog::logger> logger_ =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  fakes::MemorySink sink_;
  std::unique_ptr<NoSnapshots> snapshots_;
};

TEST_F(PipelineTest, EventsBecomeStateAndRows) {
  const int64_t now = clock_.Now().wall_us;
  for (int i = 0; i < 100; ++i) {
    const std::string job = "job-" + std::to_string(i % 7);
    Send(job, RunEvent(job, std::to_string(i), v1::RUNNING, now - 2'000'000));
    if (i % 2 == 0) Send(job, RunEvent(job, std::to_string(i), v1::SUCCESS, now - 1'000'000));
  }
  Send("job-1", "no protobuf \xff");
  ASSERT_TRUE(producer_->Flush(60'000).ok());

  auto pipeline = Start();
  EXPECT_TRUE(Eventually([&] { return sink_.rows() == 150; })) << sink_.rows();
  EXPECT_TRUE(Eventually([&] { return Sum(&aggregators::JobBlock::started) == 100; }))
      << Sum(&aggregators::JobBlock::started);
  EXPECT_TRUE(Eventually([&] { return Sum(&aggregators::JobBlock::running) == 50; }));
  EXPECT_TRUE(Eventually([&] {
    for (const PartitionView& view : directory_.List()) {
      if (!view.shard->Read()->positions.caught_up) return false;
    }
    return true;
  }));
  EXPECT_TRUE(directory_.Ready());
  pipeline->Stop();
  EXPECT_TRUE(directory_.List().empty());

  // Again: the state is rebuilt from the log, no row is written twice.
  auto second = Start();
  EXPECT_TRUE(Eventually([&] { return directory_.List().size() == 4 && directory_.Ready(); }));
  EXPECT_TRUE(Eventually([&] { return Sum(&aggregators::JobBlock::started) == 100; }));
  Send("job-3", RunEvent("job-3", "new", v1::RUNNING, now));
  ASSERT_TRUE(producer_->Flush(60'000).ok());
  EXPECT_TRUE(Eventually([&] { return sink_.rows() == 151; })) << sink_.rows();
  second->Stop();
  EXPECT_EQ(sink_.rows(), 151);
}

TEST_F(PipelineTest, AWallClockThatIsSetMakesNoVerdict) {
  constexpr int64_t kHourUs = int64_t{3'600} * 1'000'000;
  const int64_t began = clock_.Now().wall_us;
  Send("job-1", RunEvent("job-1", "open", v1::RUNNING, began));
  ASSERT_TRUE(producer_->Flush(60'000).ok());
  auto pipeline = Start();
  ASSERT_TRUE(Eventually([&] { return AllCaughtUp() && Sum(&aggregators::JobBlock::running) == 1; }));
  const auto watermark = [&] {
    int64_t latest = aggregators::kNever;
    for (const PartitionView& view : directory_.List())
      latest = std::max(latest, view.shard->Read()->positions.watermark_us);
    return latest;
  };

  for (const int64_t set : {9 * kHourUs, -9 * kHourUs}) {  // a run is stale after four hours
    clock_.set_us = set;
    EXPECT_TRUE(Eventually([&] { return NoneCaughtUp(); }));
    EXPECT_NE(ProblemOf(kClockProblem).find("log.clock_step"), std::string::npos) << ProblemOf(kClockProblem);
    EXPECT_LT(watermark(), began + kHourUs);
    clock_.set_us = 0;
    EXPECT_TRUE(Eventually([&] { return AllCaughtUp() && ProblemOf(kClockProblem).empty(); }));
  }
  EXPECT_EQ(Sum(&aggregators::JobBlock::stale), 0);

  // Nobody but the wall clock says anything for long (this broker stamps nothing): the earlier time is told.
  clock_.set_us = 9 * kHourUs;
  EXPECT_TRUE(Eventually([&] { return NoneCaughtUp(); }));
  clock_.passed_us = AnchoredClock::kPatienceUs;
  EXPECT_TRUE(Eventually([&] { return AllCaughtUp(); }));
  EXPECT_TRUE(Eventually([&] { return watermark() > began + AnchoredClock::kPatienceUs; }));
  EXPECT_LT(watermark(), began + kHourUs);
  EXPECT_EQ(Sum(&aggregators::JobBlock::stale), 0);

  // The machine slept: that is time that has passed.
  clock_.set_us = 0;
  clock_.passed_us = 9 * kHourUs;
  EXPECT_TRUE(Eventually([&] { return Sum(&aggregators::JobBlock::stale) == 1; }));
  pipeline->Stop();
}

TEST_F(PipelineTest, WithoutContactWithTheGroupNothingIsShown) {
  auto pipeline = Start();
  ASSERT_TRUE(Eventually([&] { return AllCaughtUp() && directory_.Ready(); }));
  broker_->SetDown();
  clock_.passed_us = kSessionUs + 1'000'000;
  EXPECT_TRUE(directory_.List().empty()) << "whatever the threads have noticed so far";
  EXPECT_FALSE(directory_.Ready());
  EXPECT_TRUE(Eventually([&] { return !ProblemOf(kLogProblem).empty(); }));
  broker_->SetUp();
  EXPECT_TRUE(Eventually([&] { return AllCaughtUp() && directory_.Ready() && ProblemOf(kLogProblem).empty(); }));
  pipeline->Stop();
}

// Nothing is written and nothing is to be committed: the group is asked all the same, for three session timeouts.
TEST_F(PipelineTest, AQuietInstanceStaysInContact) {
  auto pipeline = Start();
  ASSERT_TRUE(Eventually([&] { return AllCaughtUp() && directory_.Ready(); }));
  constexpr int64_t kStepUs = kSessionUs / 3 + 1'000'000;
  for (int64_t passed_us = kStepUs; passed_us < 3 * kSessionUs; passed_us += kStepUs) {
    const int64_t before_us = directory_.contact_until_us();
    clock_.passed_us = passed_us;
    ASSERT_TRUE(Eventually([&] {
      EXPECT_EQ(directory_.List().size(), 4);
      EXPECT_TRUE(directory_.Ready());
      return directory_.contact_until_us() > before_us + kStepUs / 2;
    })) << passed_us;
  }
  pipeline->Stop();
}

TEST_F(PipelineTest, WhileTheWarehouseIsDownTheStateGoesOnAndNothingIsLost) {
  held_bytes_ = 20'000;
  sink_.SetDown(true);
  auto pipeline = Start();
  const int64_t now = clock_.Now().wall_us;
  constexpr int kEvents = 4'000;
  for (int i = 0; i < kEvents; ++i) {
    const std::string job = "job-" + std::to_string(i % 7);
    Send(job, RunEvent(job, std::to_string(i), v1::RUNNING, now));
  }
  ASSERT_TRUE(producer_->Flush(60'000).ok());
  EXPECT_TRUE(Eventually([&] { return Sum(&aggregators::JobBlock::started) == kEvents; }))
      << Sum(&aggregators::JobBlock::started);
  EXPECT_EQ(sink_.rows(), 0);
  EXPECT_TRUE(Eventually([&] { return !directory_.Problems().empty(); }));
  sink_.SetDown(false);
  EXPECT_TRUE(Eventually([&] { return sink_.rows() == kEvents; })) << sink_.rows();
  EXPECT_TRUE(Eventually([&] { return directory_.Problems().empty(); }));
  pipeline->Stop();
  for (int p = 0; p < 4; ++p) {
    int64_t next = 0;
    for (const auto& batch : sink_.batches({"runledger.events", p})) {
      for (size_t i = 0; i < batch->size(); ++i) EXPECT_EQ((*batch)[i].position.offset, next++) << "partition " << p;
    }
  }
}

}  // namespace
}  // namespace runledger::ingest
