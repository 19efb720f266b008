#include "ingest/kafka/producer.h"

#include "ingest/kafka/handles.h"
#include "ingest/kafka/metadata.h"

namespace runledger::kafka {

struct Producer::Impl {
  ReportCallback report;
  LogCallback log;
  rd_kafka_t* rk = nullptr;

  ~Impl() {
    if (rk != nullptr) rd_kafka_destroy(rk);
  }

  static void OnReport(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) noexcept {
    auto* impl = static_cast<Impl*>(opaque);
    if (!impl->report) return;
    impl->report({reinterpret_cast<uintptr_t>(message->_private), ToStatus(message->err, "delivery"),
                  message->partition, message->offset});
  }
  static void OnLog(const rd_kafka_t* rk, int level, const char* facility, const char* text) noexcept {
    const auto* impl = static_cast<const Impl*>(rd_kafka_opaque(rk));
    if (impl != nullptr && impl->log) impl->log(level, facility, text);
  }
};

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::~Producer() = default;

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(const Settings& settings, ReportCallback report,
                                                           LogCallback log) {
  Settings all = {{"enable.idempotence", "true"}, {"acks", "all"}, {"linger.ms", "5"}, {"compression.codec", "none"}};
  for (const auto& [name, value] : settings) all[name] = value;
  absl::StatusOr<ConfPtr> conf = MakeConf(all);
  if (!conf.ok()) return conf.status();

  auto impl = std::make_unique<Impl>();
  impl->report = std::move(report);
  impl->log = std::move(log);
  rd_kafka_conf_set_opaque(conf->get(), impl.get());
  rd_kafka_conf_set_dr_msg_cb(conf->get(), &Impl::OnReport);
  rd_kafka_conf_set_log_cb(conf->get(), &Impl::OnLog);
  char error[512];
  impl->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf->get(), error, sizeof error);
  if (impl->rk == nullptr) return absl::InvalidArgumentError(std::string("Kafka producer: ") + error);
  conf->release();  // the client owns it now
  return std::unique_ptr<Producer>(new Producer(std::move(impl)));
}

absl::Status Producer::Produce(const OutgoingMessage& message, uint64_t tag) {
  const std::string topic(message.topic);
  rd_kafka_headers_t* headers = nullptr;
  if (!message.headers.empty()) {
    headers = rd_kafka_headers_new(message.headers.size());
    for (const Header& header : message.headers) {
      rd_kafka_header_add(headers, header.name.data(), static_cast<ssize_t>(header.name.size()), header.value.data(),
                          static_cast<ssize_t>(header.value.size()));
    }
  }
  // The C interface takes pointers to what it will not change.
  const auto pointer = [](const std::optional<std::string_view>& bytes) {
    return !bytes ? nullptr : bytes->empty() ? "" : bytes->data();
  };
  const char* const value = pointer(message.value);
  const char* const key = pointer(message.key);
  const size_t value_size = message.value ? message.value->size() : 0;
  const size_t key_size = message.key ? message.key->size() : 0;
  const rd_kafka_resp_err_t error = rd_kafka_producev(
      impl_->rk, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(message.partition),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(const_cast<char*>(value), value_size),
      RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_TIMESTAMP(message.timestamp_ms), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(static_cast<uintptr_t>(tag))), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && headers != nullptr) rd_kafka_headers_destroy(headers);
  return ToStatus(error, "producing to " + topic);
}

void Producer::Poll(int timeout_ms) { rd_kafka_poll(impl_->rk, timeout_ms); }

absl::Status Producer::Flush(int timeout_ms) {
  if (rd_kafka_flush(impl_->rk, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::UnavailableError(std::to_string(outstanding()) + " messages could not be delivered in time");
}

int Producer::outstanding() const { return rd_kafka_outq_len(impl_->rk); }

absl::StatusOr<int32_t> Producer::PartitionCount(const std::string& topic, int timeout_ms) {
  return kafka::PartitionCount(impl_->rk, topic, timeout_ms);
}

}  // namespace runledger::kafka
