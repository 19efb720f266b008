#include "tools/runledger/spool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace runledger::tools {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

SpoolTarget Target() { return {"kafka-1:9092,kafka-2:9092", "runledger.events", kafka::Partitioner::kCrc32, "a/b"}; }

// What is read of a file.
struct Content {
  std::vector<std::pair<std::string, std::string>> events;
  std::string damage;
};

Content ReadAll(SpoolReader* reader) {
  Content content;
  for (SpooledMessage message; reader->Next(&message);)
    content.events.emplace_back(std::string(message.key), std::string(message.value));
  content.damage = reader->damage();
  return content;
}

class SpoolTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "runledger-spool-XXXXXX";
    root_ = mkdtemp(name.data());
    directory_ = root_ + "/state/runledger/spool";
  }
  void TearDown() override { fs::remove_all(root_); }

  // A closed file with events "job", "<text>-0" ...
  static void Write(Spool* spool, const std::string& text, int events) {
    auto writer = spool->Begin(Target());
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (int i = 0; i < events; ++i) ASSERT_TRUE((*writer)->Append({"job", text + "-" + std::to_string(i)}).ok());
    ASSERT_TRUE((*writer)->Sync().ok());
  }
  static std::vector<std::string> Waiting(Spool* spool) {
    EXPECT_TRUE(spool->Open(true).ok());
    std::vector<std::string> names;
    const auto listing = spool->List();
    EXPECT_TRUE(listing.ok()) << listing.status();
    for (const Spool::File& file : listing->waiting) names.push_back(file.name);
    return names;
  }
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }
  std::string Bytes(const std::string& name) const {
    std::ifstream file(PathOf(name), std::ios::binary);
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  void Put(const std::string& name, const std::string& bytes) const {
    std::ofstream(PathOf(name), std::ios::binary | std::ios::trunc) << bytes;
  }
  // Reads the file as it is now.
  Content Read(const std::string& name) const {
    Spool spool(directory_, kMiB);
    EXPECT_TRUE(spool.Open(false).ok());
    auto reader = spool.Take(name);
    EXPECT_TRUE(reader.ok() && *reader != nullptr) << name;
    return reader.ok() && *reader != nullptr ? ReadAll(reader->get()) : Content();
  }

  std::string root_;
  std::string directory_;
};

constexpr char kFirst[] = "000000000001.events";

TEST_F(SpoolTest, WhatIsWrittenIsRead) {
  Spool spool(directory_, kMiB);
  EXPECT_TRUE(absl::IsNotFound(spool.Open(false)));
  Write(&spool, "a", 3);
  Write(&spool, "b", 1);
  ASSERT_THAT(Waiting(&spool), ElementsAre(kFirst, "000000000002.events"));
  auto reader = spool.Take(kFirst);
  ASSERT_TRUE(reader.ok() && *reader != nullptr);
  EXPECT_EQ((*reader)->target(), Target());
  const Content content = ReadAll(reader->get());
  EXPECT_THAT(content.events, ElementsAre(std::pair("job", "a-0"), std::pair("job", "a-1"), std::pair("job", "a-2")));
  EXPECT_EQ(content.damage, "");
  ASSERT_TRUE((*reader)->Remove().ok());
  Write(&spool, "c", 1);  // behind those that are there
  EXPECT_THAT(Waiting(&spool), ElementsAre("000000000002.events", "000000000003.events"));
}

TEST_F(SpoolTest, AFileCutShortAnywhereHoldsWholeEventsOrNothing) {
  Spool spool(directory_, kMiB);
  Write(&spool, "some text", 3);
  const std::string whole = Bytes(kFirst);
  const Content all = Read(kFirst);
  ASSERT_EQ(all.events.size(), 3);
  size_t most = 0;
  for (size_t size = 0; size <= whole.size(); ++size) {
    Put(kFirst, whole.substr(0, size));
    const Content content = Read(kFirst);
    EXPECT_EQ(content.damage, "") << size;
    ASSERT_LE(content.events.size(), all.events.size()) << size;
    EXPECT_TRUE(std::equal(content.events.begin(), content.events.end(), all.events.begin())) << size;
    EXPECT_GE(content.events.size(), most) << size;
    most = content.events.size();

    // With room behind it that was reserved, as a crash of the machine leaves it.
    Put(kFirst, whole.substr(0, size) + std::string(10'000, '\0'));
    const Content reserved = Read(kFirst);
    EXPECT_EQ(reserved.events, content.events) << size;
  }
  EXPECT_EQ(most, 3);
}

TEST_F(SpoolTest, AChangedByteIsNoticedWhereverItIs) {
  Spool spool(directory_, kMiB);
  Write(&spool, "text", 3);
  const std::string whole = Bytes(kFirst);
  const Content all = Read(kFirst);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int mask : {0x01, 0x80}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ mask);
      Put(kFirst, changed);
      const Content content = Read(kFirst);
      EXPECT_NE(content.damage, "") << at;
      ASSERT_LT(content.events.size(), all.events.size()) << at;
      EXPECT_TRUE(std::equal(content.events.begin(), content.events.end(), all.events.begin())) << at;
    }
  }
}

TEST_F(SpoolTest, ASpoolIsNeverLargerThanItsLimit) {
  Spool spool(directory_, 200'000);
  auto one = spool.Begin(Target());
  auto other = spool.Begin(Target());
  ASSERT_TRUE(one.ok() && other.ok());
  const std::string value(1'000, 'x');
  absl::Status status;
  int taken = 0;
  while ((status = (taken % 2 == 0 ? *one : *other)->Append({"k", value})).ok()) ++taken;
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("spool.max_bytes"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory_));
  EXPECT_GT(taken, 100);
  EXPECT_LE(spool.List()->bytes, 200'000);
  EXPECT_TRUE(absl::IsFailedPrecondition(spool.Begin(Target()).status()));

  // What was taken is there, and when it is gone there is room again.
  ASSERT_TRUE((*one)->Sync().ok());
  one->reset();
  other->reset();
  EXPECT_EQ(Read(kFirst).events.size() + Read("000000000002.events").events.size(), static_cast<size_t>(taken));
  for (const std::string& name : Waiting(&spool)) ASSERT_TRUE((*spool.Take(name))->Remove().ok());
  EXPECT_TRUE((*spool.Begin(Target()))->Append({"k", value}).ok());
}

TEST_F(SpoolTest, ManySmallFilesCountAsWholeBlocks) {
  Spool spool(directory_, 10 * 4'096);
  for (int i = 0; i < 10; ++i) Write(&spool, "x", 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(spool.Begin(Target()).status()));
}

mode_t ModeOf(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

TEST_F(SpoolTest, ItIsTheUsersAlone) {
  Spool spool(directory_, kMiB);
  const mode_t before = umask(0);
  Write(&spool, "a", 1);
  umask(before);
  EXPECT_EQ(ModeOf(directory_), 0700);
  EXPECT_EQ(ModeOf(root_ + "/state"), 0700);
  EXPECT_EQ(ModeOf(PathOf(kFirst)), 0600);
  EXPECT_EQ(ModeOf(PathOf("lock")), 0600);
}

TEST_F(SpoolTest, ADirectoryThatOthersMayChangeIsRefused) {
  fs::create_directories(directory_);
  for (const mode_t mode : {0770, 0707, 0777}) {
    chmod(directory_.c_str(), mode);
    Spool spool(directory_, kMiB);
    const absl::Status status = spool.Begin(Target()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("others may write there"));
  }
  chmod(directory_.c_str(), 0755);
  Spool spool(directory_, kMiB);
  EXPECT_TRUE(spool.Begin(Target()).ok());
}

TEST_F(SpoolTest, ADirectoryOfSomebodyElseIsRefused) {
  const bool root = geteuid() == 0;
  if (root) {
    fs::create_directories(directory_);
    chmod(directory_.c_str(), 0700);
    ASSERT_EQ(chown(directory_.c_str(), 65'534, 65'534), 0);
  }
  Spool spool(root ? directory_ : "/", kMiB);  // the root directory is not ours either
  const absl::Status status = spool.Open(true);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("belongs to user"));
}

TEST_F(SpoolTest, LinksAreNotFollowed) {
  fs::create_directories(root_ + "/elsewhere");
  fs::create_directories(root_ + "/state/runledger");
  fs::create_directory_symlink(root_ + "/elsewhere", directory_);
  Spool linked(directory_, kMiB);
  EXPECT_THAT(std::string(linked.Open(true).message()), HasSubstr("symbolic link"));
  EXPECT_TRUE(fs::is_empty(root_ + "/elsewhere"));

  fs::remove(directory_);
  Spool spool(directory_, kMiB);
  Write(&spool, "good", 1);
  const std::string precious = root_ + "/precious";
  std::ofstream(precious) << "do not touch";
  fs::create_symlink(precious, PathOf("000000000002.events"));
  EXPECT_FALSE(spool.Take("000000000002.events").ok());
  fs::remove(PathOf("lock"));
  fs::create_symlink(precious, PathOf("lock"));
  EXPECT_FALSE(spool.Begin(Target()).ok());
  std::ifstream file(precious);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "do not touch");
}

TEST_F(SpoolTest, AFileIsTakenOnceItsWriterIsGone) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    Spool spool(directory_, kMiB);
    auto writer = spool.Begin(Target());
    const bool ok = writer.ok() && (*writer)->Append({"job", "1"}).ok() && (*writer)->Sync().ok();
    if (write(ready[1], ok ? "y" : "n", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  Spool spool(directory_, kMiB);
  ASSERT_THAT(Waiting(&spool), ElementsAre(kFirst));
  const auto held = spool.Take(kFirst);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(*held, nullptr);
  EXPECT_EQ(ReadAll(spool.Look(kFirst)->get()).events.size(), 1);

  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  auto taken = spool.Take(kFirst);
  ASSERT_TRUE(taken.ok() && *taken != nullptr);
  const Content content = ReadAll(taken->get());
  EXPECT_EQ(content.events.size(), 1);
  EXPECT_EQ(content.damage, "");
  EXPECT_EQ(*spool.Take(kFirst), nullptr) << "two have it";
  close(ready[0]);
  close(ready[1]);
}

TEST_F(SpoolTest, ManyProcessesAtOnce) {
  constexpr int kProcesses = 8, kFiles = 20, kEvents = 5;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    Spool spool(directory_, 4 * kMiB);
    for (int f = 0; f < kFiles; ++f) {
      auto writer = spool.Begin(Target());
      if (!writer.ok()) _exit(1);
      for (int e = 0; e < kEvents; ++e) {
        const std::string value = std::to_string((p * kFiles + f) * kEvents + e);
        if (!(*writer)->Append({"k", value}).ok()) _exit(2);
      }
      if (!(*writer)->Sync().ok()) _exit(3);
    }
    _exit(0);
  }
  // Meanwhile somebody takes what is free.
  Spool spool(directory_, 4 * kMiB);
  std::set<std::string> seen;
  size_t events = 0;
  const auto drain = [&] {
    for (const std::string& name : Waiting(&spool)) {
      auto reader = spool.Take(name);
      ASSERT_TRUE(reader.ok()) << reader.status();
      if (*reader == nullptr) continue;
      const Content content = ReadAll(reader->get());
      EXPECT_EQ(content.damage, "");
      EXPECT_EQ(content.events.size(), kEvents) << name << ": taken while it was being written";
      for (const auto& [key, value] : content.events) seen.insert(value);
      events += content.events.size();
      ASSERT_TRUE((*reader)->Remove().ok());
    }
  };
  for (const pid_t child : children) {
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) drain();
    EXPECT_EQ(status, 0);
  }
  drain();
  EXPECT_EQ(events, static_cast<size_t>(kProcesses * kFiles * kEvents));
  EXPECT_EQ(seen.size(), events);
}

TEST_F(SpoolTest, WhatIsSetAsideBlocksNothingAndStillCounts) {
  Spool spool(directory_, kMiB);
  Write(&spool, "a", 1);
  ASSERT_TRUE((*spool.Take(kFirst))->SetAside("damaged").ok());
  const auto listing = spool.List();
  EXPECT_TRUE(listing->waiting.empty());
  ASSERT_EQ(listing->set_aside.size(), 1);
  EXPECT_EQ(listing->set_aside[0].name, "000000000001.events.damaged");
  EXPECT_EQ(listing->bytes, 4'096);
  Write(&spool, "b", 1);
  EXPECT_THAT(Waiting(&spool), ElementsAre("000000000002.events"));
}

TEST(SpoolNames, Clusters) {
  EXPECT_TRUE(SameCluster("a:9092", "a:9092"));
  EXPECT_TRUE(SameCluster("a", "b:1, A:9092"));
  EXPECT_TRUE(SameCluster("SASL_SSL://a:9092", "a:9092"));
  EXPECT_TRUE(SameCluster("[::1]:9092", "[::1]"));
  EXPECT_FALSE(SameCluster("a:9092", "a:9093"));
  EXPECT_FALSE(SameCluster("a:9092", "b:9092"));
  EXPECT_FALSE(SameCluster("", ""));
}

TEST(SpoolNames, Directory) {
  const std::string setting = "${XDG_STATE_HOME}/runledger/spool";
  setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(SpoolDirectory(setting), "/state/runledger/spool");
  setenv("XDG_STATE_HOME", "relative", 1);
  setenv("HOME", "/home/u", 1);
  EXPECT_EQ(SpoolDirectory(setting), "/home/u/.local/state/runledger/spool");
  unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(SpoolDirectory(setting), "/home/u/.local/state/runledger/spool");
  EXPECT_EQ(SpoolDirectory("/var/spool/runledger"), "/var/spool/runledger");
  EXPECT_EQ(SpoolDirectory(""), "");
}

}  // namespace
}  // namespace runledger::tools
