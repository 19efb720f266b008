#pragma once

#include "ingest/kafka/consumer.h"
#include "ingest/kafka/handles.h"

namespace runledger::kafka {

struct PartitionQueue::Impl {
  QueuePtr queue;
  TopicPartition partition;

  // The partition's own fetch queue. Not forwarded to the client's common one; set before the partition is assigned, it
  // stays so.
  static std::unique_ptr<PartitionQueue> Open(rd_kafka_t* rk, const TopicPartition& partition) {
    auto impl = std::make_unique<Impl>();
    impl->partition = partition;
    impl->queue.reset(rd_kafka_queue_get_partition(rk, partition.topic.c_str(), partition.partition));
    rd_kafka_queue_forward(impl->queue.get(), nullptr);
    return std::unique_ptr<PartitionQueue>(new PartitionQueue(std::move(impl)));
  }
};

}  // namespace runledger::kafka
