#include "ingest/kafka_snapshots.h"

#include <utility>

#include "ingest/snapshot_loader.h"
#include "ingest/snapshot_saver.h"

namespace runledger::ingest {

struct KafkaSnapshots::Impl {
  const Options options;
  SnapshotSaver saver;
  SnapshotLoader loader;  // it tells the saver what it found

  Impl(Options given, SnapshotListener* listener, std::shared_ptr<spdlog::logger> logger)
      : options(std::move(given)),
        saver(options, listener, logger,
              [this](const TopicPartition& partition, Tenure tenure) { loader.Confirmed(partition, tenure); }),
        loader(options, listener, logger, &saver) {}
};

KafkaSnapshots::KafkaSnapshots(Options options, SnapshotListener* listener, std::shared_ptr<spdlog::logger> logger)
    : impl_(std::make_unique<Impl>(std::move(options), listener, std::move(logger))) {}

KafkaSnapshots::~KafkaSnapshots() { Stop(); }

absl::Status KafkaSnapshots::Start() {
  if (absl::Status started = impl_->saver.Start(); !started.ok()) return started;
  return impl_->loader.Start();
}

void KafkaSnapshots::Stop() {
  impl_->loader.Stop();
  impl_->saver.Stop();
}

void KafkaSnapshots::Load(const TopicPartition& partition, Tenure tenure, const std::string& cluster_id,
                          int64_t log_epoch, const std::string& pointer, const Position& before) {
  impl_->loader.Load({partition, tenure, cluster_id, log_epoch, pointer, before, std::chrono::steady_clock::now()});
}

void KafkaSnapshots::Begin(Tenure tenure, uint64_t save, const SnapshotIdentity& identity) {
  impl_->saver.Begin(tenure, save, identity);
}

void KafkaSnapshots::Append(const TopicPartition& partition, Tenure tenure, uint64_t save, std::string bytes) {
  impl_->saver.Append(partition, tenure, save, std::move(bytes));
}

void KafkaSnapshots::Finish(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  impl_->saver.Finish(partition, tenure, save);
}

void KafkaSnapshots::Abort(const TopicPartition& partition, Tenure tenure, uint64_t save) {
  impl_->saver.Abort(partition, tenure, save);
}

bool KafkaSnapshots::Wants() const { return !impl_->saver.full(); }

void KafkaSnapshots::Committed(const TopicPartition& partition, Tenure tenure, const std::string& pointer) {
  impl_->saver.Committed(partition, tenure, pointer);
}

}  // namespace runledger::ingest
