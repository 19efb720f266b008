#pragma once

#include <deque>
#include <string>
#include <vector>

#include "ingest/log.h"
#include "ingest/row_sink.h"
#include "ingest/snapshot_store.h"

namespace runledger::fakes {

// A log that keeps what it was asked for and answers nothing: the test does.
class RecordingLog : public ingest::Log {
 public:
  struct Start {
    ingest::Reader reader;
    int64_t offset;
  };
  struct CommitRequest {
    uint64_t id;
    ingest::Position position;
    ingest::CommitMetadata metadata;
  };
  struct ProduceRequest {
    uint64_t id;
    ingest::OutgoingRecord record;
  };

  void StartReading(const ingest::TopicPartition&, ingest::Tenure, ingest::Reader reader, int64_t offset) override {
    starts.push_back({reader, offset});
  }
  void StopReading(const ingest::TopicPartition&, ingest::Tenure, ingest::Reader) override { ++stops; }
  void Commit(const ingest::TopicPartition&, ingest::Tenure, uint64_t commit, const ingest::Position& position,
              const ingest::CommitMetadata& metadata) override {
    commits.push_back({commit, position, metadata});
  }
  void Produce(const ingest::TopicPartition&, ingest::Tenure, uint64_t message,
               ingest::OutgoingRecord record) override {
    letters.push_back({message, std::move(record)});
  }
  void Release(const ingest::TopicPartition&, ingest::Tenure) override { ++releases; }

  std::vector<Start> starts;
  std::vector<CommitRequest> commits;
  std::vector<ProduceRequest> letters;
  int releases = 0;
  int stops = 0;
};

// A warehouse that keeps what it was asked for and answers nothing.
class RecordingSink : public ingest::RowSink {
 public:
  struct Submission {
    uint64_t id;
    std::shared_ptr<const ingest::RowBatch> rows;
  };
  void Open(const ingest::TopicPartition&, ingest::Tenure, const ingest::Position& committed,
            const ingest::CommitMetadata& metadata) override {
    opens.push_back(committed);
    opened_with.push_back(metadata);
  }
  void Submit(ingest::Tenure, uint64_t submission, std::shared_ptr<const ingest::RowBatch> rows) override {
    submissions.push_back({submission, std::move(rows)});
  }
  void Close(const ingest::TopicPartition&, ingest::Tenure) override { ++closes; }

  std::vector<ingest::Position> opens;
  std::vector<ingest::CommitMetadata> opened_with;
  std::vector<Submission> submissions;
  int closes = 0;
};

class RecordingSnapshots : public ingest::SnapshotStore {
 public:
  struct Save {
    uint64_t id;
    ingest::SnapshotIdentity identity;
    std::string bytes;
    bool finished = false;
    bool aborted = false;
  };
  void Load(const ingest::TopicPartition&, ingest::Tenure, const std::string&, int64_t, const std::string& pointer,
            const ingest::Position& before) override {
    loads.push_back(pointer);
    loads_before.push_back(before);
  }
  void Begin(ingest::Tenure, uint64_t save, const ingest::SnapshotIdentity& identity) override {
    saves.push_back({save, identity, {}});
  }
  void Append(const ingest::TopicPartition&, ingest::Tenure, uint64_t, std::string bytes) override {
    saves.back().bytes += bytes;
  }
  void Finish(const ingest::TopicPartition&, ingest::Tenure, uint64_t) override { saves.back().finished = true; }
  void Abort(const ingest::TopicPartition&, ingest::Tenure, uint64_t) override { saves.back().aborted = true; }
  bool Wants() const override { return wants; }
  void Committed(const ingest::TopicPartition&, ingest::Tenure, const std::string& pointer) override {
    committed.push_back(pointer);
  }

  std::vector<std::string> loads;
  std::vector<ingest::Position> loads_before;
  std::vector<Save> saves;
  std::vector<std::string> committed;  // pointers of accepted commits
  bool wants = true;
};

}  // namespace runledger::fakes
