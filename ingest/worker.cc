#include "ingest/worker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <limits>
#include <system_error>

#include "codecs/record_decoder.h"

namespace runledger::ingest {
namespace {

constexpr size_t kDrainMax = 1'000;  // records in one go
constexpr int64_t kTickUs = 50'000;  // deadlines of delivery are looked at this often
constexpr size_t kMaxQuestions = 256;

int64_t ReadClock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1000;
}

// -1: none, also where no microseconds can say it.
int64_t TimestampUs(const kafka::MessageView& message) {
  constexpr int64_t kMaxMs = std::numeric_limits<int64_t>::max() / 1000;
  const bool some = message.timestamp_type != kafka::TimestampType::kNone;
  return some && message.timestamp_ms >= 0 && message.timestamp_ms <= kMaxMs ? message.timestamp_ms * 1000 : -1;
}

}  // namespace

Moment MachineClock::Now() const { return {ReadClock(CLOCK_BOOTTIME), ReadClock(CLOCK_REALTIME)}; }

Worker::Worker(std::string name, const Clock* clock, OwnMetrics* metrics)
    : name_(std::move(name)), clock_(clock), metrics_(metrics), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    close(wake_fd_);
    throw;
  }
  pthread_setname_np(thread_.native_handle(), name_.substr(0, 15).c_str());
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
  thread_.join();
  // The client holds the queues too, and would go on writing to that descriptor, whosever it is by then.
  for (auto& [partition, slot] : slots_) {
    for (const auto& queue : slot.queues)
      if (queue != nullptr) queue->WakeOn(-1);
  }
  slots_.clear();
  close(wake_fd_);
}

void Worker::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);  // full means that it is awake already
}

bool Worker::Ask(std::function<void()> question) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || questions_.size() >= kMaxQuestions) return false;
    questions_.push_back(std::move(question));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
  return true;
}

void Worker::Add(std::unique_ptr<Delivery> delivery, std::string topic_label) {
  const TopicPartition partition = delivery->partition();
  Slot& slot = slots_[partition];
  slot.delivery = std::move(delivery);
  slot.topic = std::move(topic_label);
  load_.store(static_cast<int>(slots_.size()), std::memory_order_relaxed);
}

Delivery* Worker::Find(const TopicPartition& partition, Tenure tenure) {
  const auto at = slots_.find(partition);
  if (at == slots_.end() || at->second.delivery == nullptr || at->second.delivery->tenure() != tenure) return nullptr;
  return at->second.delivery.get();
}

void Worker::SetQueue(const TopicPartition& partition, Tenure tenure, Reader reader,
                      std::unique_ptr<kafka::PartitionQueue> queue) {
  if (Find(partition, tenure) == nullptr) return;
  std::unique_ptr<kafka::PartitionQueue>& held = slots_[partition].queues[static_cast<size_t>(reader)];
  if (held != nullptr) held->WakeOn(-1);
  held = std::move(queue);
  if (held != nullptr) held->WakeOn(wake_fd_);
}

void Worker::Remove(const TopicPartition& partition, Tenure tenure) {
  if (Find(partition, tenure) == nullptr) return;
  for (Reader reader : {Reader::kFold, Reader::kRows}) SetQueue(partition, tenure, reader, nullptr);
  ReportCounts(slots_[partition]);
  slots_.erase(partition);
  load_.store(static_cast<int>(slots_.size()), std::memory_order_relaxed);
}

void Worker::RunTasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

void Worker::Run() {
  int64_t ticked_us = 0;
  for (;;) {
    RunTasks();
    bool worked = false;
    for (auto& [partition, slot] : slots_) {
      worked = DrainOnce(slot, Reader::kFold) || worked;
      worked = DrainOnce(slot, Reader::kRows) || worked;
      worked = slot.delivery->Continue(clock_->Now()) || worked;
    }

    const Moment now = clock_->Now();
    if (now.mono_us - ticked_us >= kTickUs) {
      ticked_us = now.mono_us;
      for (auto& [partition, slot] : slots_) {
        slot.delivery->OnTime(now);
        ReportCounts(slot);
      }
    }
    std::function<void()> question;
    bool more = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (!questions_.empty()) {
        question = std::move(questions_.front());
        questions_.pop_front();
      }
      more = !tasks_.empty() || !questions_.empty();
    }
    if (question) question();
    if (!worked && !more) Wait(static_cast<int>(kTickUs / 1000));
  }
}

void Worker::Wait(int timeout_ms) {
  pollfd wake{wake_fd_, POLLIN, 0};
  poll(&wake, 1, timeout_ms);
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof count);
}

// One batch of one partition. False if there was nothing, or nothing is wanted.
bool Worker::DrainOnce(Slot& slot, Reader reader) {
  kafka::PartitionQueue* queue = slot.queues[static_cast<size_t>(reader)].get();
  if (queue == nullptr || !slot.delivery->Wants(reader)) return false;
  queue->Drain(kDrainMax, 0, &batch_);
  const auto messages = batch_.messages();
  records_.clear();
  for (const kafka::MessageView& message : messages) {
    Record& record = records_.emplace_back();
    record.offset = message.offset;
    record.timestamp_us = TimestampUs(message);
    record.timestamp_kind = message.timestamp_type == kafka::TimestampType::kLogAppendTime
                                ? aggregators::TimestampKind::kAppendTime
                                : aggregators::TimestampKind::kCreateTime;
    record.has_key = message.has_key;
    record.has_value = message.has_value;
    record.key = message.key;
    record.value = message.value;
    record.headers = message.headers;
  }
  const Moment now = clock_->Now();
  if (!records_.empty()) slot.delivery->OnRecords(reader, records_, now);
  if (batch_.end_of_log().has_value()) slot.delivery->OnReadToEnd(reader, *batch_.end_of_log(), now);
  const absl::Status error = batch_.error();
  batch_.Clear();  // at once: it holds whole fetch buffers
  if (!error.ok()) slot.delivery->OnReadError(reader, error, now);
  return !records_.empty();
}

void Worker::ReportCounts(Slot& slot) {
  const Delivery::Counts counts = slot.delivery->TakeCounts();
  for (size_t framing = 0; framing < counts.events.size(); ++framing) {
    for (size_t body = 0; body < codecs::kAllBodies.size(); ++body) {
      if (counts.events[framing][body] == 0) continue;
      metrics_->events
          .Add({{"topic", slot.topic},
                {"body", std::string(codecs::BodyName(codecs::kAllBodies[body]))},
                {"framing", std::string(codecs::FramingName(static_cast<codecs::Framing>(framing)))}})
          .Increment(static_cast<double>(counts.events[framing][body]));
    }
  }
  for (codecs::Category category : codecs::kAllCategories) {
    const std::string name(codecs::CategoryName(category));
    const auto i = static_cast<size_t>(category);
    if (counts.rejected[i] > 0)
      metrics_->events_rejected.Add({{"category", name}}).Increment(static_cast<double>(counts.rejected[i]));
    if (counts.rows.dead_letters[i] > 0) {
      metrics_->dead_letters.Add({{"category", name}}).Increment(static_cast<double>(counts.rows.dead_letters[i]));
    }
  }
  if (counts.rows.truncated_letters > 0)
    metrics_->dead_letters_truncated.Add({}).Increment(static_cast<double>(counts.rows.truncated_letters));
  if (counts.violations > 0)
    metrics_->partition_violations.Add({{"topic", slot.topic}}).Increment(static_cast<double>(counts.violations));
  if (counts.rows.retries > 0)
    metrics_->warehouse_retries.Add({{"table", "events"}}).Increment(static_cast<double>(counts.rows.retries));
}

}  // namespace runledger::ingest
