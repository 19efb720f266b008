#include "ingest/local_snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <vector>

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

// Waits for the store's answers.
class Answers : public SnapshotListener {
 public:
  void OnSnapshotLoaded(const TopicPartition&, Tenure, absl::StatusOr<Snapshot> snapshot) override {
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(snapshot);
    wake_.notify_all();
  }
  void OnSnapshotSaved(const TopicPartition&, Tenure, uint64_t, absl::StatusOr<SavedSnapshot> saved) override {
    const std::lock_guard lock(mutex_);
    saved_ = std::move(saved);
    wake_.notify_all();
  }
  absl::StatusOr<Snapshot> Loaded() { return Take(&loaded_); }
  absl::StatusOr<SavedSnapshot> Saved() { return Take(&saved_); }

 private:
  template <typename T>
  T Take(std::optional<T>* from) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return from->has_value(); });
    T taken = std::move(**from);
    from->reset();
    return taken;
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<absl::StatusOr<Snapshot>> loaded_;
  std::optional<absl::StatusOr<SavedSnapshot>> saved_;
};

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
  void Open() {
    auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
    store_ = std::make_unique<LocalSnapshots>(directory_, &answers_, logger);
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
    return answers_.Saved();
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
  std::string log() {
    store_.reset();  // all has been said
    return log_.str();
  }

  std::string directory_;
  std::ostringstream log_;
  Answers answers_;
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

TEST_F(LocalSnapshotsTest, WhatACrashOrAnAbortLeavesIsNoSnapshot) {
  store_->Begin(kTenure, 1, At(100));
  store_->Append(kPartition, kTenure, 1, State(5));
  store_->Abort(kPartition, kTenure, 1);
  EXPECT_TRUE(absl::IsNotFound(Load().status()));
  EXPECT_THAT(Files(), IsEmpty());
  // As after a crash: half a file under its unfinished name.
  std::ofstream(directory_ + "/runs-3/000001-00000000000000000050.snapshot.part") << "half";
  EXPECT_TRUE(absl::IsNotFound(Load().status()));
  ASSERT_TRUE(Save(At(200), "state").ok());
  EXPECT_THAT(Files(), SizeIs(1)) << "swept away";
}

TEST_F(LocalSnapshotsTest, WhatCannotBeWrittenIsAnErrorThatNamesTheFile) {
  fs::create_directories(directory_);
  std::ofstream(directory_ + "/runs-3") << "a file where the folder should be";
  const auto saved = Save(At(100), "state");
  ASSERT_FALSE(saved.ok());
  EXPECT_THAT(std::string(saved.status().message()), HasSubstr("runs-3"));
  LocalSnapshots nowhere(directory_ + "/runs-3/below", &answers_, std::make_shared<spdlog::logger>("none"));
  const absl::Status started = nowhere.Start();
  EXPECT_FALSE(started.ok());
  EXPECT_THAT(std::string(started.message()), HasSubstr("state.dir"));
}

}  // namespace
}  // namespace runledger::ingest
