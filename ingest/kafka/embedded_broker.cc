#include "ingest/kafka/embedded_broker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "ingest/kafka/handles.h"

namespace runledger::kafka {

struct EmbeddedBroker::Impl {
  rd_kafka_t* rk = nullptr;  // the mock cluster lives within a client
  rd_kafka_mock_cluster_t* cluster = nullptr;

  ~Impl() {
    if (cluster != nullptr) rd_kafka_mock_cluster_destroy(cluster);
    if (rk != nullptr) rd_kafka_destroy(rk);
  }
};

EmbeddedBroker::EmbeddedBroker(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)), bootstrap_(rd_kafka_mock_cluster_bootstraps(impl_->cluster)) {}
EmbeddedBroker::~EmbeddedBroker() = default;

absl::StatusOr<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::Start() {
  absl::StatusOr<ConfPtr> conf = MakeConf({{"log_level", "0"}});
  if (!conf.ok()) return conf.status();
  auto impl = std::make_unique<Impl>();
  char error[512];
  impl->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf->get(), error, sizeof error);
  if (impl->rk == nullptr) return absl::InternalError(std::string("embedded broker: ") + error);
  conf->release();  // the client owns it now
  impl->cluster = rd_kafka_mock_cluster_new(impl->rk, 1);
  if (impl->cluster == nullptr) return absl::InternalError("embedded broker: the mock cluster did not start");
  return std::unique_ptr<EmbeddedBroker>(new EmbeddedBroker(std::move(impl)));
}

absl::Status EmbeddedBroker::CreateTopic(const std::string& topic, int partitions) {
  return ToStatus(rd_kafka_mock_topic_create(impl_->cluster, topic.c_str(), partitions, 1), "topic " + topic);
}

void EmbeddedBroker::SetDown() { rd_kafka_mock_broker_set_down(impl_->cluster, 1); }
void EmbeddedBroker::SetUp() { rd_kafka_mock_broker_set_up(impl_->cluster, 1); }

}  // namespace runledger::kafka
