#include "ingest/kafka/admin.h"

#include <memory>

#include "ingest/kafka/handles.h"

namespace runledger::kafka {
namespace {

struct ClientDeleter {
  void operator()(rd_kafka_t* rk) const { rd_kafka_destroy(rk); }
};
using ClientPtr = std::unique_ptr<rd_kafka_t, ClientDeleter>;

absl::StatusOr<ClientPtr> MakeClient(const Settings& settings) {
  absl::StatusOr<ConfPtr> conf = MakeConf(settings);
  if (!conf.ok()) return conf.status();
  // What it would print on standard error stands in the status too.
  rd_kafka_conf_set_log_cb(conf->get(), nullptr);
  char error[512];
  ClientPtr rk(rd_kafka_new(RD_KAFKA_PRODUCER, conf->get(), error, sizeof error));
  if (rk == nullptr) return absl::InvalidArgumentError(std::string("Kafka client: ") + error);
  conf->release();  // the client owns it now
  return rk;
}

struct OptionsDeleter {
  void operator()(rd_kafka_AdminOptions_t* options) const { rd_kafka_AdminOptions_destroy(options); }
};
using OptionsPtr = std::unique_ptr<rd_kafka_AdminOptions_t, OptionsDeleter>;

OptionsPtr MakeOptions(rd_kafka_t* rk, rd_kafka_admin_op_t op, int timeout_ms) {
  OptionsPtr options(rd_kafka_AdminOptions_new(rk, op));
  char error[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, error, sizeof error);
  return options;
}

// Waits for the answer to an admin request.
absl::StatusOr<EventPtr> WaitFor(rd_kafka_queue_t* queue, int timeout_ms, const std::string& what) {
  EventPtr event(rd_kafka_queue_poll(queue, timeout_ms + 1000));
  if (event == nullptr) return absl::UnavailableError(what + ": no answer in time");
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return ToStatus(rd_kafka_event_error(event.get()), what + " (" + rd_kafka_event_error_string(event.get()) + ")");
  }
  return event;
}

}  // namespace

absl::Status CreateTopics(const Settings& client, const std::vector<NewTopic>& topics, int timeout_ms) {
  absl::StatusOr<ClientPtr> rk = MakeClient(client);
  if (!rk.ok()) return rk.status();
  struct NewTopicDeleter {
    void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
  };
  std::vector<std::unique_ptr<rd_kafka_NewTopic_t, NewTopicDeleter>> owned;
  std::vector<rd_kafka_NewTopic_t*> raw;
  for (const NewTopic& topic : topics) {
    char error[256];
    owned.emplace_back(
        rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, error, sizeof error));
    if (owned.back() == nullptr) return absl::InvalidArgumentError("topic " + topic.name + ": " + error);
    for (const auto& [name, value] : topic.config)
      rd_kafka_NewTopic_set_config(owned.back().get(), name.c_str(), value.c_str());
    raw.push_back(owned.back().get());
  }
  const QueuePtr queue(rd_kafka_queue_new(rk->get()));
  const OptionsPtr options = MakeOptions(rk->get(), RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms);
  rd_kafka_CreateTopics(rk->get(), raw.data(), raw.size(), options.get(), queue.get());
  absl::StatusOr<EventPtr> event = WaitFor(queue.get(), timeout_ms, "creating topics");
  if (!event.ok()) return event.status();
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) continue;
    const char* text = rd_kafka_topic_result_error_string(results[i]);
    return ToStatus(error, std::string("creating topic ") + rd_kafka_topic_result_name(results[i]) +
                               (text != nullptr ? std::string(" (") + text + ")" : ""));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TopicConfig(const Settings& client, const std::string& topic, const std::string& name,
                                        int timeout_ms) {
  absl::StatusOr<ClientPtr> rk = MakeClient(client);
  if (!rk.ok()) return rk.status();
  struct ResourceDeleter {
    void operator()(rd_kafka_ConfigResource_t* resource) const { rd_kafka_ConfigResource_destroy(resource); }
  };
  const std::unique_ptr<rd_kafka_ConfigResource_t, ResourceDeleter> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  rd_kafka_ConfigResource_t* raw[] = {resource.get()};
  const QueuePtr queue(rd_kafka_queue_new(rk->get()));
  const OptionsPtr options = MakeOptions(rk->get(), RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
  rd_kafka_DescribeConfigs(rk->get(), raw, 1, options.get(), queue.get());
  absl::StatusOr<EventPtr> event = WaitFor(queue.get(), timeout_ms, "configuration of topic " + topic);
  if (!event.ok()) return event.status();
  size_t count = 0;
  const rd_kafka_ConfigResource_t** results =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event->get()), &count);
  if (count != 1) return absl::NotFoundError("topic " + topic + " does not exist");
  if (rd_kafka_ConfigResource_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return ToStatus(rd_kafka_ConfigResource_error(results[0]), "configuration of topic " + topic);
  }
  size_t entries = 0;
  const rd_kafka_ConfigEntry_t** entry = rd_kafka_ConfigResource_configs(results[0], &entries);
  for (size_t i = 0; i < entries; ++i) {
    if (name == rd_kafka_ConfigEntry_name(entry[i])) {
      const char* value = rd_kafka_ConfigEntry_value(entry[i]);
      return std::string(value != nullptr ? value : "");
    }
  }
  return absl::NotFoundError("topic " + topic + " has no setting " + name);
}

}  // namespace runledger::kafka
