#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/delivery.h"
#include "ingest/kafka/consumer.h"
#include "ingest/kafka/partition_reader.h"
#include "ingest/kafka/producer.h"
#include "ingest/own_metrics.h"
#include "ingest/partition_directory.h"
#include "ingest/worker.h"

namespace runledger::ingest {

// One topic that is read. Entry of log.topics.
struct TopicOptions {
  std::string name;
  bool own = true;           // runledger may write events of its own into it
  bool keyed_by_job = true;  // key: job, else by run id
  kafka::Partitioner partitioner = kafka::Partitioner::kMurmur2;
  codecs::Framing framing = codecs::Framing::kAuto;
};

struct PipelineOptions {
  std::string brokers;
  std::string group = "runledger";
  std::string instance_id;  // group.instance.id, for static membership; empty: none
  kafka::Settings librdkafka;
  std::vector<TopicOptions> topics;
  DeliveryOptions delivery;  // framing and partitioner come from the topic
  aggregators::ShardOptions shard;
  int workers = 1;
  int64_t revoke_timeout_us = 10'000'000;  // how long a partition that goes may wait for answers
};

// Everything that stands outside delivery in production: the group membership and its thread, the workers, the
// producer, and the thread that asks leaders for the ends of their logs. Carries requests out and answers back in.
//
//   group thread     polls the consumer: rebalances, commits; starts and stops partitions
//   worker threads   drain, fold, make rows (Worker)
//   contact thread   asks for log starts and ends
//   producer thread  hears what became of dead letters
//
// Create, Start, Stop from one thread.
class Pipeline : private Log,
                 private RowSinkListener,
                 private SnapshotListener,
                 private kafka::Consumer::Listener,
                 private DeliveryListener {
 public:
  struct Parts {
    std::shared_ptr<const aggregators::JobPolicies> policies;
    std::shared_ptr<const codecs::RowEncoder> encoder;
    PartitionDirectory* directory = nullptr;
    OwnMetrics* metrics = nullptr;
    const Clock* clock = nullptr;
    std::shared_ptr<spdlog::logger> logger;
    // The Kafka client has given up for good, with the reason: nothing more will be read. The group's thread; must not
    // block. May be empty.
    std::function<void(const std::string&)> on_fatal;
  };

  // InvalidArgument: a setting of librdkafka is wrong. `parts` must outlive the pipeline.
  static absl::StatusOr<std::unique_ptr<Pipeline>> Create(PipelineOptions options, Parts parts);
  // A pipeline that was not stopped ends as after a crash.
  ~Pipeline() override;

  // Where the warehouse's answers go. Any thread.
  RowSinkListener* row_sink_listener() { return this; }
  SnapshotListener* snapshot_listener() { return this; }
  // `sink` may be nullptr (no warehouse); both must outlive the pipeline.
  absl::Status Start(RowSink* sink, SnapshotStore* snapshots);
  // Gives the partitions back: no new work, drain, commit. Returns when the group has let go.
  void Stop();

 private:
  static constexpr int kLeaderTimeoutMs = 2'000;  // for an answer of a partition's leader
  struct Owned {
    Tenure tenure = 0;
    Worker* worker = nullptr;
    bool started = false;  // assigned to the consumer
    int64_t start_offset = kafka::kOffsetUnknown;
    bool rows_reading = false;  // rows have a reader of their own
    bool released = false;
  };

  Pipeline(PipelineOptions options, Parts parts);

  // Log: called on worker threads.
  void StartReading(const TopicPartition& partition, Tenure tenure, Reader reader, int64_t offset) override;
  void StopReading(const TopicPartition& partition, Tenure tenure, Reader reader) override;
  void Commit(const TopicPartition& partition, Tenure tenure, uint64_t commit, const Position& position,
              const CommitMetadata& metadata) override;
  void Produce(const TopicPartition& on_behalf_of, Tenure tenure, uint64_t message, OutgoingRecord record) override;
  void Release(const TopicPartition& partition, Tenure tenure) override;
  // RowSinkListener: called on the sink's threads.
  void OnSinkOpened(const TopicPartition& partition, Tenure tenure, SinkOpened opened) override;
  void OnSubmitted(const TopicPartition& partition, Tenure tenure, uint64_t submission, SubmitResult result) override;
  void OnSnapshotLoaded(const TopicPartition& partition, Tenure tenure, absl::StatusOr<Snapshot> snapshot) override;
  void OnSnapshotSaved(const TopicPartition& partition, Tenure tenure, uint64_t save,
                       absl::StatusOr<SavedSnapshot> saved) override;
  // kafka::Consumer::Listener: called on the group thread.
  void OnAssigned(const std::vector<TopicPartition>& partitions) override;
  void OnRevoked(const std::vector<TopicPartition>& partitions, bool lost) override;
  void OnCommitted(uint64_t tag, const absl::Status& status) override;
  void OnError(const absl::Status& status) override;
  // DeliveryListener: called on worker threads.
  void OnProblem(const TopicPartition& partition, const std::string& text) override;
  void OnShardReplaced(const TopicPartition& partition, std::shared_ptr<aggregators::Shard> shard) override;
  void OnStateLost(const TopicPartition& partition) override;

  void RunGroup();
  void RunContact();
  void NoteAnswers(size_t asked, size_t silent, int64_t* all_answered_us);
  // Thread: the group's or the contact's. An empty text: the log answers.
  void SetLogProblem(const std::string& text);
  void OnFatal(const std::string& text);
  void GiveUp(const std::vector<TopicPartition>& partitions, bool lost);
  void RunProducer();
  void PostToGroup(std::function<void()> task);
  // Runs what was posted; waits at most so long for the first.
  void RunGroupTasks(int timeout_ms);
  // Runs `use` with the delivery on its worker's thread, if it is still there.
  void ToDelivery(const TopicPartition& partition, Tenure tenure, std::function<void(Delivery&, const Moment&)> use);
  void Take(const TopicPartition& partition, Assignment assignment);
  void StartFoldReader(const TopicPartition& partition, Tenure tenure, int64_t offset);
  void StartRowsReader(const TopicPartition& partition, Tenure tenure, int64_t offset);
  void StopRowsReader(const TopicPartition& partition, Tenure tenure);
  std::optional<Owned> FindOwned(const TopicPartition& partition, Tenure tenure) const;
  static void GiveQueue(const Owned& owned, const TopicPartition& partition, Reader reader,
                        std::unique_ptr<kafka::PartitionQueue> queue);
  // Takes a queue away from the worker and waits until it is gone: then nobody drains it.
  static void TakeQueue(const Owned& owned, const TopicPartition& partition, Reader reader);
  void DropFromWorker(const TopicPartition& partition, const Owned& owned);
  Worker* LeastLoaded();
  const TopicOptions& TopicOf(const std::string& name) const;
  kafka::LogCallback LogTo(const char* client) const;
  kafka::Settings ConsumerSettings() const;

  const PipelineOptions options_;
  const Parts parts_;
  RowSink* sink_ = nullptr;
  SnapshotStore* snapshots_ = nullptr;

  std::unique_ptr<kafka::Consumer> consumer_;
  std::unique_ptr<kafka::PartitionReader> rows_reader_;  // made when first wanted
  std::unique_ptr<kafka::Producer> producer_;
  std::vector<std::unique_ptr<Worker>> workers_;  // gone before the consumer: they hold its queues

  std::mutex group_mutex_;
  std::condition_variable group_wake_;
  std::vector<std::function<void()>> group_tasks_;  // guarded by group_mutex_

  mutable std::mutex owned_mutex_;
  std::map<TopicPartition, Owned> owned_;            // written by the group thread, guarded by owned_mutex_
  Tenure next_tenure_ = 1;                           // group thread
  std::string cluster_id_;                           // group thread
  std::map<std::string, int32_t> partition_counts_;  // group thread

  struct CommitTag {
    TopicPartition partition;
    Tenure tenure;
    uint64_t commit;
  };
  uint64_t next_tag_ = 1;                  // group thread
  std::map<uint64_t, CommitTag> commits_;  // group thread

  struct LetterTag {
    TopicPartition partition;
    Tenure tenure;
    uint64_t message;
  };
  std::mutex letters_mutex_;
  uint64_t next_letter_ = 1;               // guarded by letters_mutex_
  std::map<uint64_t, LetterTag> letters_;  // guarded by letters_mutex_

  std::mutex log_problem_mutex_;
  std::string log_problem_;  // guarded by log_problem_mutex_
  std::string last_error_;   // guarded by log_problem_mutex_: of the consumer since the log answered last

  std::mutex contact_mutex_;
  std::condition_variable contact_wake_;
  bool contact_now_ = false;                // guarded by contact_mutex_
  bool stopping_ = false;                   // guarded by contact_mutex_
  std::atomic<bool> fatal_{false};          // set by the group thread for good; read by the contact thread
  std::atomic<bool> stop_group_{false};     // set by Stop, read by the group thread; a flag that orders nothing else
  std::atomic<bool> stop_producer_{false};  // likewise for the producer thread

  std::thread group_thread_;
  std::thread contact_thread_;
  std::thread producer_thread_;
};

}  // namespace runledger::ingest
