#include "bench/peers/bare_consumer.h"

#include <librdkafka/rdkafka.h>
#include <xxhash.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/stopwatch.h"

namespace runledger::bench {
namespace {

constexpr int kTimeoutMs = 30'000;
constexpr size_t kBatch = 1'000;
// When none of a thread's queues had anything; librdkafka fills them from its own thread.
constexpr auto kPause = std::chrono::microseconds(500);

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const {
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
  }
};
struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
struct ListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using ClientPtr = std::unique_ptr<rd_kafka_t, ClientDeleter>;
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;
using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDeleter>;

absl::Status Failed(rd_kafka_resp_err_t error, const char* doing) {
  return absl::InternalError(absl::StrCat(doing, ": ", rd_kafka_err2str(error)));
}

absl::StatusOr<ClientPtr> Connect(const std::string& brokers) {
  char text[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const std::pair<const char*, const char*> settings[] = {{"bootstrap.servers", brokers.c_str()},
                                                          {"group.id", "bench-bare"},
                                                          {"enable.auto.commit", "false"},
                                                          {"enable.partition.eof", "true"}};
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return absl::InvalidArgumentError(text);
    }
  }
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
  if (client == nullptr) {
    rd_kafka_conf_destroy(conf);
    return absl::InternalError(text);
  }
  rd_kafka_poll_set_consumer(client);
  return ClientPtr(client);
}

absl::StatusOr<int> PartitionsOf(rd_kafka_t* client, const std::string& topic) {
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle, &metadata, kTimeoutMs);
  rd_kafka_topic_destroy(handle);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(error, "metadata");
  const int partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
  rd_kafka_metadata_destroy(metadata);
  if (partitions == 0) return absl::NotFoundError(absl::StrCat("no topic ", topic));
  return partitions;
}

// What one thread read.
struct Share {
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint64_t hash = 0;
  absl::Status status;
};

uint64_t HashOfWhole(const rd_kafka_message_t* message) {
  uint64_t hash = XXH3_64bits(message->payload, message->len);
  rd_kafka_headers_t* headers = nullptr;  // the message's own
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return hash;
  const char* name;
  const void* value;
  size_t size;
  for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    hash += XXH3_64bits(value, size);
  }
  return hash;
}

// Takes from these queues until each has reported its partition's end.
void Drain(std::vector<rd_kafka_queue_t*> queues, Look look, const std::atomic<bool>& stop, Share* share) {
  std::vector<rd_kafka_message_t*> batch(kBatch);
  while (!queues.empty() && !stop.load(std::memory_order_relaxed)) {
    bool any = false;
    for (size_t q = 0; q < queues.size();) {
      const ssize_t count = rd_kafka_consume_batch_queue(queues[q], 0, batch.data(), kBatch);
      bool ended = false;
      for (ssize_t i = 0; i < count; ++i) {
        rd_kafka_message_t* message = batch[static_cast<size_t>(i)];
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
          ++share->messages;
          share->bytes += message->len;
          if (look == Look::kWhole) share->hash += HashOfWhole(message);
        } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
          ended = true;
        } else {
          share->status = Failed(message->err, "consume");
        }
        rd_kafka_message_destroy(message);
      }
      if (!share->status.ok()) return;
      any = any || count > 0;
      if (ended) {
        queues.erase(queues.begin() + static_cast<std::ptrdiff_t>(q));
      } else {
        ++q;
      }
    }
    if (!any) std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

absl::StatusOr<Reading> ReadBare(const std::string& brokers, const std::string& topic, int threads, Look look) {
  absl::StatusOr<ClientPtr> client = Connect(brokers);
  if (!client.ok()) return client.status();
  const absl::StatusOr<int> partitions = PartitionsOf(client->get(), topic);
  if (!partitions.ok()) return partitions.status();

  ListPtr list(rd_kafka_topic_partition_list_new(*partitions));
  std::vector<QueuePtr> queues;
  std::vector<std::vector<rd_kafka_queue_t*>> of_thread(static_cast<size_t>(threads));
  for (int p = 0; p < *partitions; ++p) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    queues.emplace_back(rd_kafka_queue_get_partition(client->get(), topic.c_str(), p));
    rd_kafka_queue_forward(queues.back().get(), nullptr);
    of_thread[static_cast<size_t>(p % threads)].push_back(queues.back().get());
  }

  const Stopwatch watch;
  if (const rd_kafka_resp_err_t error = rd_kafka_assign(client->get(), list.get());
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Failed(error, "assign");
  }
  std::atomic<bool> stop{false};
  std::vector<Share> shares(static_cast<size_t>(threads));
  std::vector<std::thread> running;
  for (size_t t = 0; t < shares.size(); ++t) {
    running.emplace_back([&, t] {
      Share share;  // on this thread's stack: no cache line is shared
      Drain(of_thread[t], look, stop, &share);
      if (!share.status.ok()) stop = true;
      shares[t] = std::move(share);
    });
  }
  for (std::thread& thread : running) thread.join();
  Reading reading{watch.wall_seconds(), watch.cpu_seconds(), 0, 0, 0};
  for (const Share& share : shares) {
    if (!share.status.ok()) return share.status;
    reading.messages += share.messages;
    reading.value_bytes += share.bytes;
    reading.hash += share.hash;
  }
  return reading;
}

}  // namespace runledger::bench
