#include "ingest/local_snapshots.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <vector>

#include "fakes/snapshot_answers.h"

// Snapshots in real files: what is saved is found again, and what is damaged or another's is named and passed over.

namespace runledger::ingest {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const TopicPartition kPartition{"runs", 3};
constexpr Tenure kTenure = 7;
constexpr int64_t kEnd = int64_t{1} << 40;

class LocalSnapshotsTest : public testing::Test {
 protected:
  LocalSnapshotsTest() {
    std::string pattern = (fs::temp_directory_path() / "snapshots-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    Open();
  }
  ~LocalSnapshotsTest() override {
    store_.reset();
    fs::remove_all(directory_);
  }
  void Open(const std::string& group = "g") {
    auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
    store_ = std::make_unique<LocalSnapshots>(LocalSnapshots::Options{.directory = directory_, .group = group},
                                              &answers_, logger);
    ASSERT_TRUE(store_->Start().ok());
  }

  static SnapshotIdentity At(int64_t offset) {
    return {.cluster_id = "here",
            .partition = kPartition,
            .log_epoch = 1,
            .position = {offset, 0},
            .before_time_ms = offset * 10,
            .before_hash = "00ff"};
  }
  // Some hundred KiB that zstd cannot make small.
  static std::string State(uint32_t seed) {
    std::mt19937 random(seed);
    std::string bytes(300'000, '\0');
    std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
    return bytes;
  }
  absl::StatusOr<SavedSnapshot> Save(const SnapshotIdentity& identity, const std::string& bytes) {
    store_->Begin(kTenure, 1, identity);
    for (size_t at = 0; at < bytes.size(); at += 70'000)
      store_->Append(kPartition, kTenure, 1, bytes.substr(at, 70'000));
    store_->Finish(kPartition, kTenure, 1);
    return answers_.Saved(1);
  }
  absl::StatusOr<Snapshot> Load(int64_t before = kEnd, const std::string& cluster = "here", int64_t epoch = 1) {
    store_->Load(kPartition, kTenure, cluster, epoch, "", {before, 0});
    return answers_.Loaded();
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory_)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  std::string folder() const { return directory_ + "/g/here/runs-3"; }
  std::string log() {
    store_.reset();  // all has been said
    return log_.str();
  }

  std::string directory_;
  std::ostringstream log_;
  fakes::SnapshotAnswers answers_;
  std::unique_ptr<LocalSnapshots> store_;
};

TEST_F(LocalSnapshotsTest, WhatIsSavedIsFoundByAnotherProcess) {
  const std::string state = State(1);
  const auto saved = Save(At(100), state);
  ASSERT_TRUE(saved.ok()) << saved.status();
  ASSERT_THAT(Files(), SizeIs(1));
  EXPECT_EQ(saved->bytes, static_cast<int64_t>(fs::file_size(Files()[0])));
  store_.reset();
  Open();
  const auto loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->identity, At(100));
  EXPECT_EQ(loaded->bytes, state);
}

TEST_F(LocalSnapshotsTest, TheTwoNewestAreKeptAndAnOlderOneCanBeAskedFor) {
  for (int64_t offset : {100, 9'000, 20'000}) ASSERT_TRUE(Save(At(offset), State(2)).ok());
  EXPECT_THAT(Files(), SizeIs(2));
  EXPECT_EQ(Load()->identity.position.offset, 20'000);
  EXPECT_EQ(Load(20'000)->identity.position.offset, 9'000);
  EXPECT_TRUE(absl::IsNotFound(Load(9'000).status()));
}

TEST_F(LocalSnapshotsTest, TornAndDamagedOnesArePassedOverForTheOlder) {
  ASSERT_TRUE(Save(At(100), State(3)).ok());
  ASSERT_TRUE(Save(At(200), State(4)).ok());
  const fs::path newest = Files()[1];
  const uintmax_t size = fs::file_size(newest);
  // Every kind of cut: none, in the head, in the state, in the checksum.
  for (const uintmax_t left : {uintmax_t{0}, uintmax_t{20}, size / 2, size - 10, size - 1}) {
    fs::copy_file(newest, newest.string() + ".whole", fs::copy_options::overwrite_existing);
    fs::resize_file(newest, left);
    const auto loaded = Load();
    ASSERT_TRUE(loaded.ok()) << left;
    EXPECT_EQ(loaded->identity.position.offset, 100) << left;
    fs::rename(newest.string() + ".whole", newest);
  }
  ASSERT_EQ(Load()->identity.position.offset, 200) << "whole again";
  std::fstream file(newest, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(size / 2));
  const char old = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(size / 2));
  file.put(static_cast<char>(old ^ 1));
  file.close();
  EXPECT_EQ(Load()->identity.position.offset, 100) << "one bit is wrong";
  EXPECT_THAT(log(), HasSubstr("is passed over"));
}

TEST_F(LocalSnapshotsTest, AnothersSnapshotIsNotTaken) {
  ASSERT_TRUE(Save(At(100), "state").ok());
  EXPECT_TRUE(absl::IsNotFound(Load(kEnd, "elsewhere").status()));
  EXPECT_TRUE(absl::IsNotFound(Load(kEnd, "here", 2).status()));
  const std::string said = log();
  EXPECT_THAT(said, HasSubstr("of cluster here"));
  EXPECT_THAT(said, HasSubstr("epoch 1"));
}

TEST_F(LocalSnapshotsTest, GroupsAndClustersShareADirectory) {
  const std::vector<std::string> groups = {
      "g", "h", "../g", "g/here", ".", "", std::string(300, 'x'), std::string(300, 'x') + "y"};
  for (size_t i = 0; i < groups.size(); ++i) {
    Open(groups[i]);
    for (int64_t more : {0, 1, 2}) {  // each more than is kept
      SnapshotIdentity identity = At(100 * static_cast<int64_t>(i) + more);
      ASSERT_TRUE(Save(identity, "state").ok());
      identity.cluster_id = "there";
      identity.position.offset += 50;
      ASSERT_TRUE(Save(identity, "state").ok());
    }
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    Open(groups[i]);
    const int64_t offset = 100 * static_cast<int64_t>(i);
    EXPECT_EQ(Load()->identity.position.offset, offset + 2) << groups[i];
    EXPECT_EQ(Load(offset + 2)->identity.position.offset, offset + 1) << groups[i];
    EXPECT_EQ(Load(kEnd, "there")->identity.position.offset, offset + 52) << groups[i];
  }
  EXPECT_THAT(Files(), SizeIs(groups.size() * 4));
}

TEST_F(LocalSnapshotsTest, WhatAnEarlierVersionLeftIsReadNamedAndLeftAlone) {
  ASSERT_TRUE(Save(At(100), "old").ok());
  fs::rename(folder(), directory_ + "/runs-3");
  for (const char* group : {"g", "h"}) {
    Open(group);
    const auto loaded = Load();
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->bytes, "old");
  }
  ASSERT_TRUE(Save(At(200), "of h").ok());
  EXPECT_EQ(Load()->bytes, "of h") << "the own one is before it";
  Open("g");
  EXPECT_EQ(Load()->bytes, "old");
  EXPECT_THAT(Files(), SizeIs(2));
  const std::string said = log();
  EXPECT_THAT(said, HasSubstr(directory_ + "/runs-3/000001-00000000000000000100.snapshot is of an earlier version"));
  EXPECT_THAT(said, HasSubstr("group g go to " + folder()));
}

TEST_F(LocalSnapshotsTest, OneOfANewerVersionIsNamed) {
  ASSERT_TRUE(Save(At(100), "state").ok());
  const fs::path path = Files()[0];
  std::string bytes;
  {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  const std::string version = "\"runledger_snapshot\":1";
  ASSERT_NE(bytes.find(version), std::string::npos);
  bytes.replace(bytes.find(version), version.size(), "\"runledger_snapshot\":9");
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_TRUE(absl::IsNotFound(Load().status()));
  EXPECT_THAT(log(), HasSubstr("version"));
}

TEST_F(LocalSnapshotsTest, AFirstLineOfOtherTypesIsPassedOver) {
  ASSERT_TRUE(Save(At(100), "state").ok());
  for (const char* line : {R"({"runledger_snapshot":"1"})", R"({"runledger_snapshot":null})",
                           R"({"runledger_snapshot":1,"cluster":7})", R"({"runledger_snapshot":1})", "[]", "1"}) {
    std::ofstream(folder() + "/000001-00000000000000000200.snapshot", std::ios::binary) << line << "\nstate";
    const auto loaded = Load();
    ASSERT_TRUE(loaded.ok()) << line;
    EXPECT_EQ(loaded->identity.position.offset, 100) << line;
  }
}

TEST_F(LocalSnapshotsTest, WhatIsNoFileIsNotReadAndHoldsUpNothing) {
  ASSERT_TRUE(Save(At(100), "state").ok());
  ASSERT_EQ(mkfifo((folder() + "/000001-00000000000000000200.snapshot").c_str(), 0600), 0);
  fs::create_directory(folder() + "/000001-00000000000000000300.snapshot");
  const auto loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->identity.position.offset, 100);
}

TEST_F(LocalSnapshotsTest, WhatACrashOrAnAbortLeavesIsNoSnapshot) {
  store_->Begin(kTenure, 1, At(100));
  store_->Append(kPartition, kTenure, 1, State(5));
  store_->Abort(kPartition, kTenure, 1);
  EXPECT_TRUE(absl::IsNotFound(Load().status()));
  EXPECT_THAT(Files(), IsEmpty());
  // As after a crash: half a file under its unfinished name.
  std::ofstream(folder() + "/000001-00000000000000000050.snapshot.part") << "half";
  EXPECT_TRUE(absl::IsNotFound(Load().status()));
  ASSERT_TRUE(Save(At(200), "state").ok());
  EXPECT_THAT(Files(), SizeIs(1)) << "swept away";
}

TEST_F(LocalSnapshotsTest, WhatCannotBeWrittenIsAnErrorThatNamesTheFile) {
  fs::create_directories(fs::path(folder()).parent_path());
  std::ofstream(folder()) << "a file where the folder should be";
  const auto saved = Save(At(100), "state");
  ASSERT_FALSE(saved.ok());
  EXPECT_THAT(std::string(saved.status().message()), HasSubstr("runs-3"));
  LocalSnapshots nowhere({.directory = folder() + "/below", .group = "g"}, &answers_,
                         std::make_shared<spdlog::logger>("none"));
  const absl::Status started = nowhere.Start();
  EXPECT_FALSE(started.ok());
  EXPECT_THAT(std::string(started.message()), HasSubstr("state.dir"));
}

}  // namespace
}  // namespace runledger::ingest
