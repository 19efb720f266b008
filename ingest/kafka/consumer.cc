#include "ingest/kafka/consumer.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "ingest/kafka/handles.h"
#include "ingest/kafka/metadata.h"
#include "ingest/kafka/partition_queue_impl.h"

namespace runledger::kafka {
namespace {

// Whatever the user sets, these hold: the design of delivery rests on them.
constexpr std::pair<const char*, const char*> kFixed[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},
    {"enable.partition.eof", "true"},
};

constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"session.timeout.ms", "45000"},  // Consumer::kDefaultSessionTimeoutMs
    {"fetch.wait.max.ms", "100"},     // how long a quiet partition keeps the others of its broker waiting
    {"isolation.level", "read_committed"},
};

// Where librdkafka 2.0.2 finds late that it cannot use a configuration (TLS files), it has freed the interceptors in
// it; freeing what is still the caller's would free them again. Any thread.
void KeepForever(ConfPtr conf) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<ConfPtr>();
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(conf));
}

PartitionListPtr ToList(const std::vector<TopicPartition>& partitions, int64_t offset = kOffsetUnknown) {
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const TopicPartition& p : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition)->offset = offset;
  }
  return list;
}

std::vector<TopicPartition> FromList(const rd_kafka_topic_partition_list_t& list) {
  std::vector<TopicPartition> partitions;
  for (int i = 0; i < list.cnt; ++i) partitions.push_back({list.elems[i].topic, list.elems[i].partition});
  return partitions;
}

}  // namespace

struct MessageBatch::Raw {
  struct Range {
    size_t begin = 0;
    size_t size = 0;
  };

  std::vector<rd_kafka_message_t*> messages;
  std::vector<rd_kafka_headers_t*> lists;  // that `headers` point into
  std::vector<Header> headers;
  std::vector<Range> headers_of;  // by message: its own, or those of the one before it

  ~Raw() { Destroy(); }
  void Destroy() {
    for (rd_kafka_message_t* message : messages) rd_kafka_message_destroy(message);
    for (rd_kafka_headers_t* list : lists) rd_kafka_headers_destroy(list);
    messages.clear();
    lists.clear();
    headers.clear();
    headers_of.clear();
  }

  // The list that librdkafka makes of a message's headers takes three allocations. Most records carry the same headers
  // as the one before, so it goes at once, while they are cheap to give back.
  Range TakeHeaders(rd_kafka_message_t* message) {
    rd_kafka_headers_t* list = nullptr;
    if (rd_kafka_message_detach_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    const Range own{headers.size(), rd_kafka_header_cnt(list)};
    const char* name;
    const void* value;
    size_t size;
    for (size_t i = 0; rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      headers.push_back(
          {name, value == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(value), size)});
    }
    const Range before = headers_of.empty() ? Range{} : headers_of.back();
    const auto at = [this](size_t i) { return headers.begin() + static_cast<std::ptrdiff_t>(i); };
    if (before.size == own.size && std::equal(at(own.begin), headers.end(), at(before.begin))) {
      headers.resize(own.begin);
      rd_kafka_headers_destroy(list);
      return before;
    }
    lists.push_back(list);
    return own;
  }
};

MessageBatch::MessageBatch() : raw_(std::make_unique<Raw>()) {}
MessageBatch::~MessageBatch() = default;

void MessageBatch::Clear() {
  messages_.clear();
  error_ = absl::OkStatus();
  end_of_log_.reset();
  raw_->Destroy();
}

PartitionQueue::PartitionQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PartitionQueue::~PartitionQueue() = default;

void PartitionQueue::WakeOn(int fd) {
  static constexpr uint64_t kOne = 1;
  rd_kafka_queue_io_event_enable(impl_->queue.get(), fd, &kOne, sizeof kOne);
}

void PartitionQueue::Drain(size_t max, int timeout_ms, MessageBatch* batch) {
  batch->Clear();
  MessageBatch::Raw& raw = *batch->raw_;
  raw.messages.resize(max);
  const ssize_t count = rd_kafka_consume_batch_queue(impl_->queue.get(), timeout_ms, raw.messages.data(), max);
  raw.messages.resize(count > 0 ? static_cast<size_t>(count) : 0);
  for (rd_kafka_message_t* message : raw.messages) {
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      batch->end_of_log_ = message->offset;
      continue;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      batch->error_ =
          ToStatus(message->err, ToString(impl_->partition) + " at offset " + std::to_string(message->offset));
      continue;
    }
    MessageView& view = batch->messages_.emplace_back();
    view.offset = message->offset;
    rd_kafka_timestamp_type_t type;
    view.timestamp_ms = rd_kafka_message_timestamp(message, &type);
    view.timestamp_type = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? TimestampType::kLogAppendTime
                          : type == RD_KAFKA_TIMESTAMP_CREATE_TIME   ? TimestampType::kCreateTime
                                                                     : TimestampType::kNone;
    view.has_key = message->key != nullptr;
    view.has_value = message->payload != nullptr;
    if (view.has_key) view.key = {static_cast<const char*>(message->key), message->key_len};
    if (view.has_value) view.value = {static_cast<const char*>(message->payload), message->len};
    raw.headers_of.push_back(raw.TakeHeaders(message));
  }
  for (size_t i = 0; i < batch->messages_.size(); ++i) {  // only now do the headers stand still
    batch->messages_[i].headers = {raw.headers.data() + raw.headers_of[i].begin, raw.headers_of[i].size};
  }
}

namespace {

// Kafka's numbers of requests to the group's coordinator.
constexpr int16_t kJoinGroup = 11;
constexpr int16_t kHeartbeat = 12;
constexpr int16_t kLeaveGroup = 13;
constexpr char kInterceptor[] = "joining";

struct HeldCommit {
  PartitionListPtr offsets;
  uint64_t tag = 0;
};

}  // namespace

struct Consumer::Impl {
  Listener* listener = nullptr;
  LogCallback log;
  rd_kafka_t* rk = nullptr;
  QueuePtr commits;  // answers to commits
  // Of the strategies that are set; they are all eager or all cooperative. librdkafka is not asked: the answer is a
  // null pointer where the group has been left already, as it may be when Close() has partitions revoked.
  bool eager = false;
  bool subscribed = false;
  bool ever_assigned = false;
  int session_timeout_ms = 0;
  bool closed = false;
  std::atomic<bool> silent{false};  // set by the destructor on the polling thread, read by the client's too: from then
                                    // on the listener may be half destroyed; orders nothing else
  std::set<TopicPartition> assigned;  // under an eager protocol the whole assignment is set each time
  // A broker serves one request of a connection after the other. While it holds a member's JoinGroup back, until all
  // others have joined too, a commit waits behind it, and comes with the generation that is over by then: refused, and
  // librdkafka 2.0.2 takes that for the loss of all partitions. So commits wait here instead. Set on librdkafka's
  // threads, read by the polling thread; it orders nothing else. A commit that was handed over before this was set, and
  // that librdkafka's main thread takes up after it has made the request, still comes too late; nothing tells of the
  // request before it is sent.
  std::atomic<bool> joining{false};
  std::vector<HeldCommit> held;  // polling thread

  ~Impl() {
    commits.reset();
    if (rk != nullptr) rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  }

  // The rebalance callback gets the configuration's opaque, the commit callback the commit's own: the client finds us.
  static void OnCommit(rd_kafka_t* rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                       void* tag) noexcept {
    auto* impl = static_cast<Impl*>(rd_kafka_opaque(rk));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && list != nullptr) {
      for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) error = list->elems[i].err;
    }
    if (impl->silent) return;
    impl->listener->OnCommitted(static_cast<uint64_t>(reinterpret_cast<uintptr_t>(tag)),
                                impl->Describe(error, "committing"));
  }

  static rd_kafka_resp_err_t OnNew(rd_kafka_t* rk, const rd_kafka_conf_t*, void* opaque, char*, size_t) noexcept {
    return rd_kafka_interceptor_add_on_request_sent(rk, kInterceptor, &Impl::OnRequestSent, opaque);
  }
  static rd_kafka_resp_err_t OnRequestSent(rd_kafka_t*, int, const char*, int32_t, int16_t api_key, int16_t, int32_t,
                                           size_t, void* opaque) noexcept {
    auto* impl = static_cast<Impl*>(opaque);
    if (api_key == kJoinGroup) impl->joining.store(true, std::memory_order_relaxed);
    if (api_key == kHeartbeat || api_key == kLeaveGroup) impl->joining.store(false, std::memory_order_relaxed);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }

  absl::Status SendCommit(const rd_kafka_topic_partition_list_t* list, uint64_t tag) {
    return Describe(rd_kafka_commit_queue(rk, list, commits.get(), &Impl::OnCommit,
                                          reinterpret_cast<void*>(static_cast<uintptr_t>(tag))),
                    "committing");
  }
  void SendHeldCommits() {
    if (held.empty() || joining.load(std::memory_order_relaxed)) return;
    for (const HeldCommit& commit : std::exchange(held, {})) {
      const absl::Status status = SendCommit(commit.offsets.get(), commit.tag);
      if (!status.ok() && !silent) listener->OnCommitted(commit.tag, status);
    }
  }
  // Of partitions that are somebody else's now.
  void DropHeldCommits(const std::vector<TopicPartition>& partitions) {
    std::vector<uint64_t> dropped;
    std::erase_if(held, [&](const HeldCommit& commit) {
      for (int i = 0; i < commit.offsets->cnt; ++i) {
        const rd_kafka_topic_partition_t& each = commit.offsets->elems[i];
        if (std::find(partitions.begin(), partitions.end(), TopicPartition{each.topic, each.partition}) ==
            partitions.end())
          continue;
        dropped.push_back(commit.tag);
        return true;
      }
      return false;
    });
    for (const uint64_t tag : dropped) {
      if (!silent) listener->OnCommitted(tag, absl::FailedPreconditionError("committing: the partition was given up"));
    }
  }

  static void OnRebalance(rd_kafka_t* rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                          void* opaque) noexcept {
    auto* impl = static_cast<Impl*>(opaque);
    impl->joining.store(false, std::memory_order_relaxed);  // it has joined, or has to begin anew
    if (impl->silent) {
      impl->AnswerForListener(error, list);
      return;
    }
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      impl->ever_assigned = true;
      impl->listener->OnAssigned(FromList(*list));
      return;
    }
    if (error != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
      impl->listener->OnError(ToStatus(error, "rebalance"));
      if (impl->eager) rd_kafka_assign(rk, nullptr);
      return;
    }
    impl->listener->OnRevoked(FromList(*list), rd_kafka_assignment_lost(rk) != 0);
  }
  static void OnError(rd_kafka_t*, int error, const char* reason, void* opaque) noexcept {
    auto* impl = static_cast<Impl*>(opaque);
    if (!impl->silent) impl->listener->OnError(impl->Describe(static_cast<rd_kafka_resp_err_t>(error), reason));
  }
  // The group waits for an answer to a rebalance, whoever gives it.
  void AnswerForListener(rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t* list) {
    if (eager) {
      rd_kafka_assign(rk, nullptr);
    } else if (error == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
      TakeError(rd_kafka_incremental_unassign(rk, list), "closing").IgnoreError();  // it is going away in any case
    } else if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      TakeError(rd_kafka_incremental_assign(rk, list), "closing").IgnoreError();  // it is asked to give them back next
    }
  }
  // "Fatal" says only that the client gave up; what for is kept apart.
  absl::Status Describe(rd_kafka_resp_err_t error, const char* reason) const {
    if (error != RD_KAFKA_RESP_ERR__FATAL) return ToStatus(error, reason);
    char text[512] = "";
    return ToStatus(rd_kafka_fatal_error(rk, text, sizeof text), text);
  }
  static void OnLog(const rd_kafka_t* rk, int level, const char* facility, const char* text) noexcept {
    const auto* impl = static_cast<const Impl*>(rd_kafka_opaque(rk));
    if (impl != nullptr && impl->log && !impl->silent) impl->log(level, facility, text);
  }
};

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::Status Consumer::CheckSettings(const Settings& settings) {
  for (const auto& [name, value] : kFixed) {
    if (const auto given = settings.find(name); given != settings.end() && given->second != value) {
      return absl::InvalidArgumentError("log.librdkafka." + given->first +
                                        " cannot be set: positions are runledger's own, it is always " + value);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Consumer>> Consumer::Create(const Settings& settings, Listener* listener,
                                                           LogCallback log) {
  Settings all;
  for (const auto& [name, value] : kDefaults) all[name] = value;
  for (const auto& [name, value] : settings) all[name] = value;
  if (absl::Status status = CheckSettings(settings); !status.ok()) return status;
  for (const auto& [name, value] : kFixed) all[name] = value;
  absl::StatusOr<ConfPtr> conf = MakeConf(all);
  if (!conf.ok()) return conf.status();

  auto impl = std::make_unique<Impl>();
  impl->listener = listener;
  impl->log = std::move(log);
  impl->eager = all["partition.assignment.strategy"].find("cooperative") == std::string::npos;
  impl->session_timeout_ms = std::atoi(all["session.timeout.ms"].c_str());  // MakeConf has taken it as a number
  rd_kafka_conf_set_opaque(conf->get(), impl.get());
  rd_kafka_conf_set_rebalance_cb(conf->get(), &Impl::OnRebalance);
  rd_kafka_conf_set_error_cb(conf->get(), &Impl::OnError);
  rd_kafka_conf_set_log_cb(conf->get(), &Impl::OnLog);
  rd_kafka_conf_interceptor_add_on_new(conf->get(), kInterceptor, &Impl::OnNew, impl.get());
  char error[512];
  impl->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf->get(), error, sizeof error);
  if (impl->rk == nullptr) {
    KeepForever(*std::move(conf));
    return absl::InvalidArgumentError(std::string("Kafka consumer: ") + error);
  }
  conf->release();  // the client owns it now
  rd_kafka_poll_set_consumer(impl->rk);
  impl->commits.reset(rd_kafka_queue_new(impl->rk));
  return std::unique_ptr<Consumer>(new Consumer(std::move(impl)));
}

Consumer::~Consumer() {
  impl_->silent = true;
  Close();
  // Between the group's answer that it is a member and its first assignment, librdkafka 2.0.2 aborts not only when such
  // a member closes, but also when it is destroyed: the state of its assignor is not there yet. It lives on until the
  // process ends, without a word.
  if (impl_->subscribed && !impl_->ever_assigned) impl_.release();
}

void Consumer::Close() {
  if (impl_->closed) return;
  impl_->closed = true;
  // librdkafka 2.0.2 can crash when a cooperative member closes before its first assignment: see the destructor. The
  // group finds out by its session timeout.
  if (impl_->ever_assigned) rd_kafka_consumer_close(impl_->rk);
}

absl::Status Consumer::Subscribe(const std::vector<std::string>& topics) {
  impl_->subscribed = true;
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(topics.size())));
  for (const std::string& topic : topics)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  return ToStatus(rd_kafka_subscribe(impl_->rk, list.get()), "subscribing");
}

int Consumer::session_timeout_ms() const { return impl_->session_timeout_ms; }

bool Consumer::Fatal() const {
  char text[1];
  return rd_kafka_fatal_error(impl_->rk, text, sizeof text) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

void Consumer::Poll(int timeout_ms) {
  ServeCommits(0);
  // Records come through the partitions' own queues; what arrives here is an error that concerns no partition.
  rd_kafka_message_t* message = rd_kafka_consumer_poll(impl_->rk, timeout_ms);
  if (message == nullptr) return;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* text = rd_kafka_message_errstr(message);
    impl_->listener->OnError(impl_->Describe(message->err, text != nullptr ? text : "consumer"));
  }
  rd_kafka_message_destroy(message);
}

bool Consumer::eager() const { return impl_->eager; }

absl::Status Consumer::Assign(const std::vector<PartitionOffset>& starts) {
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(starts.size())));
  for (const PartitionOffset& start : starts) {
    rd_kafka_topic_partition_list_add(list.get(), start.partition.topic.c_str(), start.partition.partition)->offset =
        start.offset;
    impl_->assigned.insert(start.partition);
  }
  if (!impl_->eager) return TakeError(rd_kafka_incremental_assign(impl_->rk, list.get()), "assigning");
  return ToStatus(rd_kafka_assign(impl_->rk, list.get()), "assigning");
}

absl::Status Consumer::Unassign(const std::vector<TopicPartition>& partitions) {
  for (const TopicPartition& partition : partitions) impl_->assigned.erase(partition);
  impl_->DropHeldCommits(partitions);
  const absl::Status status =
      impl_->eager ? ToStatus(rd_kafka_assign(impl_->rk, nullptr), "unassigning")
                   : TakeError(rd_kafka_incremental_unassign(impl_->rk, ToList(partitions).get()), "unassigning");
  // While it closes, the group may have been left before the listener was asked: then nothing is left to be given back.
  return impl_->closed ? absl::OkStatus() : status;
}

absl::Status Consumer::Restart(const PartitionOffset& start) {
  // Not a seek: after an offset out of range librdkafka 2.0.2 takes one, answers that all is well, and reads nothing.
  const std::string what = "restarting " + ToString(start.partition);
  if (impl_->eager)
    return absl::FailedPreconditionError(what + ": needs partition.assignment.strategy cooperative-sticky");
  const PartitionListPtr list = ToList({start.partition}, start.offset);
  absl::Status given_up = TakeError(rd_kafka_incremental_unassign(impl_->rk, list.get()), what);
  if (!given_up.ok()) return given_up;
  return TakeError(rd_kafka_incremental_assign(impl_->rk, list.get()), what);
}

std::unique_ptr<PartitionQueue> Consumer::OpenQueue(const TopicPartition& partition) {
  return PartitionQueue::Impl::Open(impl_->rk, partition);
}

absl::StatusOr<std::vector<CommittedOffset>> Consumer::Committed(const std::vector<TopicPartition>& partitions,
                                                                 int timeout_ms) {
  PartitionListPtr list = ToList(partitions);
  const rd_kafka_resp_err_t error = rd_kafka_committed(impl_->rk, list.get(), timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "reading committed offsets");
  std::vector<CommittedOffset> offsets;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& found = list->elems[i];
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return ToStatus(found.err, "committed offset of " + std::string(found.topic));
    CommittedOffset& offset = offsets.emplace_back();
    offset.partition = {found.topic, found.partition};
    offset.offset = found.offset >= 0 ? found.offset : kOffsetUnknown;
    if (found.metadata != nullptr)
      offset.metadata.assign(static_cast<const char*>(found.metadata), found.metadata_size);
  }
  return offsets;
}

absl::Status Consumer::Commit(const std::vector<CommittedOffset>& offsets, uint64_t tag) {
  PartitionListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const CommittedOffset& offset : offsets) {
    rd_kafka_topic_partition_t* entry =
        rd_kafka_topic_partition_list_add(list.get(), offset.partition.topic.c_str(), offset.partition.partition);
    entry->offset = offset.offset;
    if (offset.metadata.empty()) continue;
    entry->metadata_size = offset.metadata.size();
    entry->metadata = rd_kafka_mem_malloc(nullptr, offset.metadata.size());  // freed with the list
    std::memcpy(entry->metadata, offset.metadata.data(), offset.metadata.size());
  }
  if (impl_->joining.load(std::memory_order_relaxed)) {
    impl_->held.push_back({std::move(list), tag});
    return absl::OkStatus();
  }
  return impl_->SendCommit(list.get(), tag);
}

void Consumer::ServeCommits(int timeout_ms) {
  impl_->SendHeldCommits();
  rd_kafka_queue_poll_callback(impl_->commits.get(), timeout_ms);
}

namespace {

// librdkafka takes the two logical offsets where it takes a time, and asks each leader once for all its partitions.
std::vector<PartitionOffset> AskLeaders(rd_kafka_t* rk, const std::vector<TopicPartition>& partitions, int64_t which,
                                        int timeout_ms) {
  std::vector<PartitionOffset> answers;
  if (partitions.empty()) return answers;
  PartitionListPtr list = ToList(partitions, which);
  const rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(rk, list.get(), timeout_ms);
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& answer = list->elems[i];
    const bool known =
        error == RD_KAFKA_RESP_ERR_NO_ERROR && answer.err == RD_KAFKA_RESP_ERR_NO_ERROR && answer.offset >= 0;
    answers.push_back({{answer.topic, answer.partition}, known ? answer.offset : kOffsetUnknown});
  }
  return answers;
}

}  // namespace

std::vector<PartitionOffset> Consumer::EndOffsets(const std::vector<TopicPartition>& partitions, int timeout_ms) {
  return AskLeaders(impl_->rk, partitions, RD_KAFKA_OFFSET_END, timeout_ms);
}

std::vector<PartitionOffset> Consumer::StartOffsets(const std::vector<TopicPartition>& partitions, int timeout_ms) {
  return AskLeaders(impl_->rk, partitions, RD_KAFKA_OFFSET_BEGINNING, timeout_ms);
}

absl::StatusOr<int32_t> Consumer::PartitionCount(const std::string& topic, int timeout_ms) {
  return kafka::PartitionCount(impl_->rk, topic, timeout_ms);
}

absl::Status Consumer::RefreshTopics(int timeout_ms) {
  const rd_kafka_metadata_t* raw = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(impl_->rk, 1, nullptr, &raw, timeout_ms);
  const MetadataPtr metadata(raw);
  return ToStatus(error, "metadata of all topics");
}

std::string Consumer::ClusterId(int timeout_ms) {
  char* id = rd_kafka_clusterid(impl_->rk, timeout_ms);
  if (id == nullptr) return {};
  std::string copy(id);
  rd_kafka_mem_free(impl_->rk, id);
  return copy;
}

}  // namespace runledger::kafka
