#include "ingest/kafka/partition_reader.h"

#include "ingest/kafka/handles.h"
#include "ingest/kafka/metadata.h"
#include "ingest/kafka/partition_queue_impl.h"

namespace runledger::kafka {

struct PartitionReader::Impl {
  LogCallback log;
  rd_kafka_t* rk = nullptr;

  ~Impl() {
    if (rk != nullptr) rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  }
  static void OnLog(const rd_kafka_t* rk, int level, const char* facility, const char* text) noexcept {
    const auto* impl = static_cast<const Impl*>(rd_kafka_opaque(rk));
    if (impl != nullptr && impl->log) impl->log(level, facility, text);
  }
};

PartitionReader::PartitionReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PartitionReader::~PartitionReader() = default;

absl::StatusOr<std::unique_ptr<PartitionReader>> PartitionReader::Create(const Settings& settings, LogCallback log) {
  Settings all = settings;
  all.erase("group.instance.id");
  all["enable.auto.commit"] = "false";
  all["enable.auto.offset.store"] = "false";
  all["auto.offset.reset"] = "error";
  // Of each partition, fetched ahead: its queue is left alone for long where rows cannot be written.
  all.try_emplace("queued.max.messages.kbytes", "8192");
  absl::StatusOr<ConfPtr> conf = MakeConf(all);
  if (!conf.ok()) return conf.status();
  auto impl = std::make_unique<Impl>();
  impl->log = std::move(log);
  rd_kafka_conf_set_opaque(conf->get(), impl.get());
  rd_kafka_conf_set_log_cb(conf->get(), &Impl::OnLog);
  char error[512];
  impl->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf->get(), error, sizeof error);
  if (impl->rk == nullptr) return absl::InvalidArgumentError(std::string("Kafka reader: ") + error);
  conf->release();  // the client owns it now
  rd_kafka_poll_set_consumer(impl->rk);
  return std::unique_ptr<PartitionReader>(new PartitionReader(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<PartitionQueue>> PartitionReader::Start(const TopicPartition& partition,
                                                                       int64_t offset) {
  auto queue = PartitionQueue::Impl::Open(impl_->rk, partition);
  const PartitionListPtr list = ListOf(partition, offset);
  if (absl::Status status =
          TakeError(rd_kafka_incremental_assign(impl_->rk, list.get()), "reading " + ToString(partition));
      !status.ok()) {
    return status;
  }
  return queue;
}

absl::Status PartitionReader::Stop(const TopicPartition& partition) {
  const PartitionListPtr list = ListOf(partition);
  return TakeError(rd_kafka_incremental_unassign(impl_->rk, list.get()), "leaving " + ToString(partition));
}

void PartitionReader::Poll() {
  if (rd_kafka_message_t* message = rd_kafka_consumer_poll(impl_->rk, 0)) rd_kafka_message_destroy(message);
}

absl::StatusOr<int64_t> PartitionReader::EndOf(const TopicPartition& partition, int timeout_ms) {
  return LogOffset(impl_->rk, partition, RD_KAFKA_OFFSET_END, timeout_ms);
}

absl::StatusOr<int32_t> PartitionReader::PartitionCount(const std::string& topic, int timeout_ms) {
  return kafka::PartitionCount(impl_->rk, topic, timeout_ms);
}

}  // namespace runledger::kafka
