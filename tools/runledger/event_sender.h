#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "ingest/kafka/producer.h"
#include "ingest/kafka/types.h"
#include "tools/runledger/event_sink.h"

namespace runledger::tools {

// To which topic events go, and how.
struct EventSenderOptions {
  std::string brokers;
  std::string topic = "runledger.events";
  bool keyed_by_job = true;  // log.topics[].key: by job name, else by run id
  kafka::Partitioner partitioner = kafka::Partitioner::kMurmur2;
  kafka::Settings librdkafka;  // goes over all that follows from the other members
  std::chrono::milliseconds linger{0};
  // How long one event is tried for; 0: for as long as the sender lives.
  std::chrono::milliseconds message_timeout{0};
  // Events on their way, at most; beyond, there is no room.
  int32_t queue_events = 10'000;
  int32_t queue_kbytes = 32 * 1024;
};

// A message as it is sent, whatever it was made of.
struct EventMessage {
  std::string_view topic;
  std::string_view key;
  std::string_view value;
  std::string_view content_type;
};

// What `content-type` says of an event that is sent alone.
inline constexpr char kEventContentType[] = "application/x-protobuf; messageType=runledger.v1.Event";

// The log as an EventSink: one Kafka message an event, from an idempotent producer, keyed and partitioned as the
// topic's contract says (the client's own partitioner of the same name, so that nothing waits for the number of
// partitions and a topic that grows is followed).
//
// Making one does nothing: the client is made, and connects, on a thread of its own at the first Send. One thread at a
// time, as every EventSink. The destructor drops what was not delivered; it waits for a name look-up that is under way,
// so a process that must end at once ends without it.
class EventSender : public EventSink {
 public:
  //
  // `report`: what became of a message that was given a tag; called within Send, Hear, WaitForRoom and Flush.
  using Report = std::function<void(uint64_t tag, const absl::Status& status)>;
  explicit EventSender(EventSenderOptions options, Report report = {});
  ~EventSender() override;

  absl::Status Send(const codecs::Event& event) override;
  // As Send; the topic may be another one than the options'.
  absl::Status SendMessage(const EventMessage& message, uint64_t tag);
  // Takes the reports that are there, without waiting.
  void Hear();
  // Not OK: there is no client and never will be, and why.
  absl::Status broken();
  // What the client last complained of, as a sentence.
  std::string Trouble();
  const EventSenderOptions& options() const { return options_; }

  absl::Status WaitForRoom(Deadline deadline) override;
  FlushResult Flush(Deadline deadline) override;

 private:
  struct Waiting {
    std::string topic;
    std::string key;
    std::string value;
    std::string content_type;
    uint64_t tag = 0;
  };

  void Start();
  void Connect();
  void AskForTopic();
  // Waits for the client. nullptr: not there yet, or never.
  kafka::Producer* Client(Deadline deadline);
  static absl::Status Produce(kafka::Producer* producer, const EventMessage& message, uint64_t tag);
  void OnReport(const kafka::DeliveryReport& report);
  void OnLog(int level, std::string_view facility, std::string_view text);

  const EventSenderOptions options_;
  const Report report_;

  // The caller's thread, within Send, WaitForRoom and Flush.
  uint64_t taken_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t failed_ = 0;
  std::string failure_;  // of the first that failed

  std::mutex trouble_mutex_;
  std::string trouble_;  // what the client last complained of; guarded by trouble_mutex_, for its threads report it

  std::mutex mutex_;
  std::condition_variable made_;
  std::unique_ptr<kafka::Producer> producer_;   // guarded by mutex_; once made it stays until the destructor
  absl::Status broken_;                         // why none can be made; guarded by mutex_
  std::vector<Waiting> waiting_;                // until there is one; guarded by mutex_
  int64_t waiting_bytes_ = 0;                   // guarded by mutex_
  std::vector<kafka::DeliveryReport> refused_;  // those of `waiting_` that it did not take; guarded by mutex_

  std::atomic<bool> stop_{false};  // set by the destructor, read by thread_; a flag that orders nothing else
  std::thread thread_;
};

// The key of an event's message: its job or its run, of the other kinds the workflow that they are matched by, of a
// job's expected run the job.
std::string_view MessageKey(const codecs::Event& event, bool keyed_by_job);

}  // namespace runledger::tools
