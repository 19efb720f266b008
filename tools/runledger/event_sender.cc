#include "tools/runledger/event_sender.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace runledger::tools {
namespace {

using std::chrono::steady_clock;

int MillisecondsUntil(EventSink::Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

kafka::Settings ClientSettings(const EventSenderOptions& options) {
  kafka::Settings settings = {{"bootstrap.servers", options.brokers},
                              {"linger.ms", std::to_string(options.linger.count())},
                              {"message.timeout.ms", std::to_string(options.message_timeout.count())},
                              {"queue.buffering.max.messages", std::to_string(options.queue_events)},
                              {"queue.buffering.max.kbytes", std::to_string(options.queue_kbytes)}};
  // The client's names of the partitioners that kafka::PartitionFor knows.
  if (options.partitioner == kafka::Partitioner::kMurmur2) settings["partitioner"] = "murmur2";
  if (options.partitioner == kafka::Partitioner::kCrc32) settings["partitioner"] = "consistent";
  for (const auto& [name, value] : options.librdkafka) settings[name] = value;
  return settings;
}

}  // namespace

std::string_view MessageKey(const codecs::Event& event, bool keyed_by_job) {
  switch (event.body) {
    case codecs::Body::kRun:
      return keyed_by_job ? event.run.job_name : event.run.run_id;
    case codecs::Body::kDecision:
      return event.other.workflow;
    case codecs::Body::kExpected:
      // Of a job it is matched with the job's runs, which are where the job has its home.
      return event.other.job_name.empty() ? event.other.workflow : event.other.job_name;
    case codecs::Body::kVerdict:
      return event.other.verdict_subject;
    case codecs::Body::kCleanup:
      return event.id;  // matched with nothing
  }
  return event.id;
}

EventSender::EventSender(EventSenderOptions options, Report report)
    : options_(std::move(options)), report_(std::move(report)) {}

EventSender::~EventSender() {
  stop_.store(true, std::memory_order_relaxed);  // orders nothing else
  if (thread_.joinable()) thread_.join();
}

absl::Status EventSender::Send(const codecs::Event& event) {
  return SendMessage({options_.topic, MessageKey(event, options_.keyed_by_job), event.wire, kEventContentType}, 0);
}

absl::Status EventSender::SendMessage(const EventMessage& message, uint64_t tag) {
  Start();
  std::unique_lock lock(mutex_);
  if (!broken_.ok()) return broken_;
  if (producer_ == nullptr) {
    const auto size = static_cast<int64_t>(message.key.size() + message.value.size());
    if (waiting_.size() >= static_cast<size_t>(options_.queue_events) ||
        (waiting_bytes_ + size) / 1024 >= options_.queue_kbytes) {
      return absl::ResourceExhaustedError("the client is not ready yet");
    }
    waiting_.push_back({std::string(message.topic), std::string(message.key), std::string(message.value),
                        std::string(message.content_type), tag});
    waiting_bytes_ += size;
    ++taken_;
    return absl::OkStatus();
  }
  lock.unlock();
  producer_->Poll(0);  // reports take room until they are heard
  const absl::Status status = Produce(producer_.get(), message, tag);
  if (status.ok()) ++taken_;
  return status;
}

void EventSender::Hear() {
  kafka::Producer* const producer = taken_ == 0 ? nullptr : Client(steady_clock::now());
  if (producer != nullptr) producer->Poll(0);
}

absl::Status EventSender::broken() {
  const std::lock_guard lock(mutex_);
  return broken_;
}

absl::Status EventSender::WaitForRoom(Deadline deadline) {
  if (kafka::Producer* const producer = Client(deadline)) {
    const uint64_t reported = acknowledged_ + failed_;
    if (reported == taken_) return absl::OkStatus();
    while (steady_clock::now() < deadline) {
      producer->Poll(MillisecondsUntil(deadline));
      if (acknowledged_ + failed_ > reported) return absl::OkStatus();
    }
  }
  return absl::DeadlineExceededError(Trouble());
}

FlushResult EventSender::Flush(Deadline deadline) {
  FlushResult result;
  if (kafka::Producer* const producer = taken_ == 0 ? nullptr : Client(deadline)) {
    // What is not reported in time is counted below.
    producer->Flush(MillisecondsUntil(deadline)).IgnoreError();
  }
  result.acknowledged = acknowledged_;
  result.undelivered = taken_ - acknowledged_;
  if (result.undelivered > 0) result.reason = failed_ > 0 ? failure_ : Trouble();
  return result;
}

void EventSender::Start() {
  if (thread_.joinable()) return;
  try {
    thread_ = std::thread([this] { Connect(); });
  } catch (const std::system_error& error) {
    const std::lock_guard lock(mutex_);
    broken_ = absl::ResourceExhaustedError(std::string("no thread for the Kafka client: ") + error.what());
  }
}

void EventSender::Connect() {
  absl::StatusOr<std::unique_ptr<kafka::Producer>> made = kafka::Producer::Create(
      ClientSettings(options_), [this](const kafka::DeliveryReport& report) { OnReport(report); },
      [this](int level, std::string_view facility, std::string_view text) { OnLog(level, facility, text); });
  {
    const std::lock_guard lock(mutex_);
    if (made.ok()) {
      producer_ = std::move(*made);
      for (const Waiting& message : waiting_) {
        // They were let in by the client's own limits, so what it refuses it would always refuse.
        const absl::Status status =
            Produce(producer_.get(), {message.topic, message.key, message.value, message.content_type}, message.tag);
        if (!status.ok()) refused_.push_back({message.tag, status, -1, -1});
      }
      waiting_.clear();
    } else {
      broken_ = made.status();
    }
  }
  made_.notify_all();
  if (made.ok()) AskForTopic();
}

// A client that connects before it has heard of a topic learns about it only at its next look, up to a second later.
// Asking makes it look at once; short questions, so that the destructor does not wait long. A client that cannot
// connect now knows the topic when it can.
void EventSender::AskForTopic() {
  constexpr int kQuestions = 20;
  constexpr int kTimeoutMs = 100;
  for (int i = 0; i < kQuestions && !stop_.load(std::memory_order_relaxed); ++i) {
    const absl::StatusOr<int32_t> partitions = producer_->PartitionCount(options_.topic, kTimeoutMs);
    if (partitions.ok()) return;
    if (!absl::IsUnavailable(partitions.status())) {
      OnLog(3, "TOPIC", std::string(partitions.status().message()));
      return;
    }
  }
}

kafka::Producer* EventSender::Client(Deadline deadline) {
  std::unique_lock lock(mutex_);
  made_.wait_until(lock, deadline, [this] { return producer_ != nullptr || !broken_.ok(); });
  for (const kafka::DeliveryReport& report : std::exchange(refused_, {})) OnReport(report);
  return producer_.get();
}

absl::Status EventSender::Produce(kafka::Producer* producer, const EventMessage& message, uint64_t tag) {
  kafka::OutgoingMessage outgoing;
  outgoing.topic = message.topic;
  outgoing.key = message.key;
  outgoing.value = message.value;
  outgoing.headers = {{"content-type", message.content_type}};
  return producer->Produce(outgoing, tag);
}

void EventSender::OnReport(const kafka::DeliveryReport& report) {
  if (report.status.ok()) {
    ++acknowledged_;
  } else if (failed_++ == 0) {
    failure_ = std::string(report.status.message());
  }
  if (report_ && report.tag != 0) report_(report.tag, report.status);
}

void EventSender::OnLog(int level, std::string_view facility, std::string_view text) {
  constexpr int kWarning = 4;  // syslog
  // "1/1 brokers are down" (ERROR) follows on the line that says why.
  if (level > kWarning || facility == "ERROR") return;
  if (const size_t thread = text.find("]: "); text.starts_with("[thrd:") && thread != text.npos)
    text.remove_prefix(thread + 3);
  const std::lock_guard lock(trouble_mutex_);
  trouble_ = text;
}

std::string EventSender::Trouble() {
  {
    const std::lock_guard lock(mutex_);
    if (!broken_.ok()) return std::string(broken_.message());
  }
  const std::lock_guard lock(trouble_mutex_);
  return trouble_.empty() ? "no answer from " + options_.brokers + " in time" : trouble_;
}

}  // namespace runledger::tools
