#include "ingest/kafka/admin.h"

#include <cstring>
#include <memory>

#include "ingest/kafka/handles.h"
#include "ingest/kafka/metadata.h"

namespace runledger::kafka {
namespace {

struct ClientDeleter {
  void operator()(rd_kafka_t* rk) const { rd_kafka_destroy(rk); }
};
using ClientPtr = std::unique_ptr<rd_kafka_t, ClientDeleter>;

absl::StatusOr<ClientPtr> MakeClient(const Settings& settings, rd_kafka_type_t type = RD_KAFKA_PRODUCER) {
  absl::StatusOr<ConfPtr> conf = MakeConf(settings);
  if (!conf.ok()) return conf.status();
  // What it would print on standard error stands in the status too.
  rd_kafka_conf_set_log_cb(conf->get(), nullptr);
  char error[512];
  ClientPtr rk(rd_kafka_new(type, conf->get(), error, sizeof error));
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

// A consumer of a group that it never joins: it can read and set what the group has committed.
absl::StatusOr<ClientPtr> MakeOutsider(Settings client, const std::string& group) {
  client["group.id"] = group;
  client["enable.auto.commit"] = "false";
  return MakeClient(client, RD_KAFKA_CONSUMER);
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

absl::Status DeleteTopic(const Settings& client, const std::string& topic, int timeout_ms) {
  absl::StatusOr<ClientPtr> rk = MakeClient(client);
  if (!rk.ok()) return rk.status();
  struct RequestDeleter {
    void operator()(rd_kafka_DeleteTopic_t* request) const { rd_kafka_DeleteTopic_destroy(request); }
  };
  const std::unique_ptr<rd_kafka_DeleteTopic_t, RequestDeleter> request(rd_kafka_DeleteTopic_new(topic.c_str()));
  rd_kafka_DeleteTopic_t* requests[] = {request.get()};
  const OptionsPtr options = MakeOptions(rk->get(), RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout_ms);
  const QueuePtr queue(rd_kafka_queue_new(rk->get()));
  rd_kafka_DeleteTopics(rk->get(), requests, 1, options.get(), queue.get());
  absl::StatusOr<EventPtr> event = WaitFor(queue.get(), timeout_ms, "deleting topic " + topic);
  if (!event.ok()) return event.status();
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "deleting topic " + topic);
  }
  return absl::OkStatus();
}

absl::Status AddPartitions(const Settings& client, const std::string& topic, int32_t partitions, int timeout_ms) {
  absl::StatusOr<ClientPtr> rk = MakeClient(client);
  if (!rk.ok()) return rk.status();
  struct RequestDeleter {
    void operator()(rd_kafka_NewPartitions_t* request) const { rd_kafka_NewPartitions_destroy(request); }
  };
  char error[512] = "";
  const std::unique_ptr<rd_kafka_NewPartitions_t, RequestDeleter> request(
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<size_t>(partitions), error, sizeof error));
  if (request == nullptr) return absl::InvalidArgumentError(error);
  rd_kafka_NewPartitions_t* requests[] = {request.get()};
  const OptionsPtr options = MakeOptions(rk->get(), RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, timeout_ms);
  const QueuePtr queue(rd_kafka_queue_new(rk->get()));
  rd_kafka_CreatePartitions(rk->get(), requests, 1, options.get(), queue.get());
  absl::StatusOr<EventPtr> event = WaitFor(queue.get(), timeout_ms, "adding partitions to topic " + topic);
  if (!event.ok()) return event.status();
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t failed = rd_kafka_topic_result_error(results[i]);
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(failed, "adding partitions to topic " + topic);
  }
  return absl::OkStatus();
}

absl::StatusOr<CommittedOffset> GroupOffset(const Settings& client, const std::string& group,
                                            const TopicPartition& partition, int timeout_ms) {
  absl::StatusOr<ClientPtr> rk = MakeOutsider(client, group);
  if (!rk.ok()) return rk.status();
  const PartitionListPtr list = ListOf(partition);
  const rd_kafka_resp_err_t error = rd_kafka_committed(rk->get(), list.get(), timeout_ms);
  const rd_kafka_topic_partition_t& found = list->elems[0];
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "reading the offset of group " + group);
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(found.err, "reading the offset of group " + group);
  CommittedOffset offset{partition, found.offset >= 0 ? found.offset : kOffsetUnknown, ""};
  if (found.metadata != nullptr) offset.metadata.assign(static_cast<const char*>(found.metadata), found.metadata_size);
  return offset;
}

absl::Status SetGroupOffset(const Settings& client, const std::string& group, const CommittedOffset& offset,
                            int timeout_ms) {
  absl::StatusOr<ClientPtr> rk = MakeClient(client);
  if (!rk.ok()) return rk.status();
  PartitionListPtr list = ListOf(offset.partition);
  rd_kafka_topic_partition_t& element = list->elems[0];
  element.offset = offset.offset;
  element.metadata = strdup(offset.metadata.c_str());  // freed with the list
  element.metadata_size = offset.metadata.size();
  struct RequestDeleter {
    void operator()(rd_kafka_AlterConsumerGroupOffsets_t* request) const {
      rd_kafka_AlterConsumerGroupOffsets_destroy(request);
    }
  };
  const std::unique_ptr<rd_kafka_AlterConsumerGroupOffsets_t, RequestDeleter> request(
      rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), list.get()));
  rd_kafka_AlterConsumerGroupOffsets_t* requests[] = {request.get()};
  const OptionsPtr options = MakeOptions(rk->get(), RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, timeout_ms);
  const QueuePtr queue(rd_kafka_queue_new(rk->get()));
  rd_kafka_AlterConsumerGroupOffsets(rk->get(), requests, 1, options.get(), queue.get());
  const std::string what = "setting the offset of group " + group;
  absl::StatusOr<EventPtr> event = WaitFor(queue.get(), timeout_ms, what);
  if (!event.ok()) return event.status();
  size_t count = 0;
  const rd_kafka_group_result_t** results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
      rd_kafka_event_AlterConsumerGroupOffsets_result(event->get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_error_t* error = rd_kafka_group_result_error(results[i]);
    rd_kafka_resp_err_t code = error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
    const rd_kafka_topic_partition_list_t* partitions = rd_kafka_group_result_partitions(results[i]);
    for (int p = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && partitions != nullptr && p < partitions->cnt; ++p)
      code = partitions->elems[p].err;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP) {
      return absl::FailedPreconditionError("group " + group + " has members: stop its instances first");
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(code, what);
  }
  return absl::OkStatus();
}

absl::StatusOr<LogRange> RangeOf(const Settings& client, const TopicPartition& partition, int timeout_ms) {
  absl::StatusOr<ClientPtr> rk = MakeClient(client);
  if (!rk.ok()) return rk.status();
  const auto start = LogOffset(rk->get(), partition, RD_KAFKA_OFFSET_BEGINNING, timeout_ms);
  if (!start.ok()) return start.status();
  const auto end = LogOffset(rk->get(), partition, RD_KAFKA_OFFSET_END, timeout_ms);
  if (!end.ok()) return end.status();
  return LogRange{*start, *end};
}

}  // namespace runledger::kafka
