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
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ingest/anchored_clock.h"
#include "ingest/delivery.h"
#include "ingest/fleet.h"
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

  friend bool operator==(const TopicOptions&, const TopicOptions&) = default;
};

// Writes what a client of librdkafka logs to `logger`, as of `client`.
kafka::LogCallback LogCallbackTo(std::shared_ptr<spdlog::logger> logger, const char* client);

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
                 private DeliveryListener,
                 private Fleet {
 public:
  struct Parts {
    std::shared_ptr<const aggregators::JobPolicies> policies;                  // to begin with
    std::shared_ptr<const aggregators::WorkflowPolicies> workflows = nullptr;  // nullptr: the defaults
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
  // Other settings of jobs and workflows, for all partitions from now on. Any thread.
  void SetPolicies(std::shared_ptr<const aggregators::JobPolicies> policies,
                   std::shared_ptr<const aggregators::WorkflowPolicies> workflows);
  // See AnchoredClock::Earliest. Any thread.
  int64_t EarliestTime() const;
  // See AnchoredClock::TimeToDeleteBy; by log.clock: log it is the clock's. Any thread.
  std::optional<int64_t> TimeToDeleteBy() const;
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
    std::optional<kafka::CommittedOffset> accepted;  // the newest commit that the group has
    int commits_in_flight = 0;
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
  void OnWarehouseBegunAnew(const TopicPartition& partition, const Position& committed) override;
  void OnStateLost(const TopicPartition& partition) override;
  void OnBrokerTime(const TopicPartition& partition, const BrokerTime& told) override;
  void OnCircuit(const TopicPartition& partition, bool open) override;

  // Fleet: called on any thread.
  absl::StatusOr<std::vector<PartitionOwner>> Owners() override;
  std::optional<size_t> PartitionCount() const override;
  std::optional<std::vector<TopicPartition>> HomesOf(std::string_view job) const override;
  void NotePartitionCount(const std::string& topic, int32_t count);

  void RunGroup();
  // The group thread: makes sure that the group counts on this instance, before it must be doubted.
  void KeepContact();
  // The group has answered something that was asked at `asked_us`.
  void NoteContact(int64_t asked_us);
  void RunContact();
  // The contact thread: both clocks as they are.
  Moment ObserveClock();
  // What that moment is worth as a time for the watermark of a partition; nothing: not known.
  std::optional<int64_t> TimeFor(const TopicPartition& partition);
  // The contact thread: asks how many partitions the topics of these have, and tells their deliveries. Those of a topic
  // that nobody answered for are left out of what it returns: while homes are not known, neither is what is complete.
  std::vector<TopicPartition> AskPartitions(const std::vector<TopicPartition>& partitions,
                                            const std::map<TopicPartition, Tenure>& tenures);
  // The contact thread: what the circuits of all partitions come to.
  void ShowCircuits();
  void NoteAnswers(size_t asked, size_t silent, int64_t* all_answered_us);
  // Thread: the group's or the contact's. An empty text: the log answers.
  void SetLogProblem(const std::string& text);
  void OnFatal(const std::string& text);
  void GiveUp(const std::vector<TopicPartition>& partitions, bool lost);
  void GiveUpStale(const std::vector<TopicPartition>& assigned);
  void RunProducer();
  void PostToGroup(std::function<void()> task);
  // Runs what was posted; waits at most so long for the first.
  bool RunGroupTasks(int timeout_ms);  // true if there were any
  // Runs `use` with the delivery on its worker's thread, if it is still there.
  void ToDelivery(const TopicPartition& partition, Tenure tenure, std::function<void(Delivery&, const Moment&)> use);
  void Take(const TopicPartition& partition, Assignment assignment);
  bool GroupIsNew(const std::string& topic, int32_t partitions, const std::vector<kafka::CommittedOffset>& committed);
  void StartFoldReader(const TopicPartition& partition, Tenure tenure, int64_t offset);
  void StartRowsReader(const TopicPartition& partition, Tenure tenure, int64_t offset);
  void StopRowsReader(const TopicPartition& partition, Tenure tenure);
  std::optional<Owned> FindOwned(const TopicPartition& partition, Tenure tenure) const;
  static void GiveQueue(const Owned& owned, const TopicPartition& partition, Reader reader,
                        std::unique_ptr<kafka::PartitionQueue> queue);
  // Takes a queue away from the worker and waits until it is gone: then nobody drains it.
  static void TakeQueue(const Owned& owned, const TopicPartition& partition, Reader reader);
  void DropFromWorker(const TopicPartition& partition, const Owned& owned);
  struct Policies {
    std::shared_ptr<const aggregators::JobPolicies> jobs;
    std::shared_ptr<const aggregators::WorkflowPolicies> workflows;
  };
  Policies PoliciesNow() const;
  Worker* LeastLoaded();
  const TopicOptions& TopicOf(const std::string& name) const;
  kafka::LogCallback LogTo(const char* client) const { return LogCallbackTo(parts_.logger, client); }
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
  std::map<std::string, int32_t> known_counts_;      // contact thread

  struct CommitTag {
    TopicPartition partition;
    Tenure tenure;
    uint64_t commit;  // 0: nobody waits for the answer, see KeepContact
    int64_t sent_us;
    kafka::CommittedOffset what;
  };
  int64_t session_timeout_us_ = 0;
  bool keeping_contact_ = false;              // group thread: such a commit is not answered yet
  int64_t keep_contact_at_us_ = 0;            // group thread
  std::atomic<bool> ask_for_contact_{false};  // set by the group thread, taken by the contact thread: nothing to commit
  uint64_t next_tag_ = 1;                     // group thread
  std::map<uint64_t, CommitTag> commits_;     // group thread

  struct LetterTag {
    TopicPartition partition;
    Tenure tenure;
    uint64_t message;
  };
  std::mutex letters_mutex_;
  uint64_t next_letter_ = 1;               // guarded by letters_mutex_
  std::map<uint64_t, LetterTag> letters_;  // guarded by letters_mutex_

  mutable std::mutex fleet_mutex_;
  std::map<std::string, int32_t> fleet_counts_;  // guarded by fleet_mutex_: partitions of each topic
  std::mutex owners_mutex_;
  std::vector<PartitionOwner> owners_;  // guarded by owners_mutex_: as the group told last
  int64_t owners_asked_us_ = 0;         // guarded by owners_mutex_

  mutable std::mutex policies_mutex_;
  Policies policies_;  // guarded by policies_mutex_: as they are now

  std::mutex log_problem_mutex_;
  std::string log_problem_;  // guarded by log_problem_mutex_
  std::string last_error_;   // guarded by log_problem_mutex_: of the consumer since the log answered last

  std::mutex circuits_mutex_;
  std::set<TopicPartition> open_circuits_;  // guarded by circuits_mutex_

  mutable std::mutex clock_mutex_;
  AnchoredClock anchored_;     // guarded by clock_mutex_
  std::string clock_problem_;  // contact thread: as it was told last

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
