#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "aggregators/shard.h"
#include "audit/audit.h"
#include "codecs/record_decoder.h"
#include "tools/generate/generate.h"

namespace runledger::audit {

// What a run of runledger leaves behind, made in one process from codecs and aggregators alone: saved scrapes, a
// warehouse file and dead letters, for a generated log. The audit must find nothing in it, and everything that a test
// spoils in it.
class FakeRun {
 public:
  // Files go below `directory`. `scrapes`: how many to take on the way; the last is taken at the end.
  FakeRun(const tools::GenerateOptions& options, const std::filesystem::path& directory, int scrapes);
  ~FakeRun();

  // Checks everything that it left behind.
  absl::Status Audit(Report* report);

  // To be spoiled.
  struct Letter {
    std::optional<std::string> key;
    std::optional<std::string> value;
    std::vector<std::pair<std::string, std::string>> headers;
  };
  std::vector<Letter>& letters() { return letters_; }
  std::filesystem::path scrape(int number) const;
  void Sql(const std::string& statement);

 private:
  class Visitor;
  struct Partition {
    std::unique_ptr<aggregators::Shard> shard;
    int64_t next_offset = 0;
  };

  void Write(const tools::GeneratedRecord& record);
  void TakeScrape(int number, bool judged);
  std::string TextOfJobs(const std::string& place, const aggregators::ShardBlock& block, bool judged) const;

  const tools::GenerateOptions options_;
  const std::filesystem::path directory_;
  std::vector<tools::GeneratedRecord> log_;
  std::map<int32_t, Partition> partitions_;
  std::vector<Letter> letters_;
  struct Database;
  std::unique_ptr<Database> database_;
  codecs::RecordDecoder decoder_{codecs::Limits{}, codecs::Framing::kAuto};
};

}  // namespace runledger::audit
