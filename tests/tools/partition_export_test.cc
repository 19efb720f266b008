#include "tools/runledger/partition_export.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace runledger::tools {
namespace {

// So many rows of one long column.
class FakeHistory : public exporters::History {
 public:
  explicit FakeHistory(int rows) : rows_(rows) {}
  absl::StatusOr<exporters::Answer> Ask(const exporters::BoundQuery&) override {
    return absl::UnimplementedError("not asked here");
  }
  absl::Status ReadPartition(int32_t day, const TakeRow& take) override {
    EXPECT_EQ(day, 20'465);
    std::vector<exporters::AnswerValue> row(exporters::ExportColumns().size());
    for (int i = 0; i < rows_; ++i) {
      row[2] = "topic " + std::to_string(i) + std::string(900, 'x');
      if (absl::Status status = take(row); !status.ok()) return status;
    }
    return end_;
  }
  absl::Status end_;

 private:
  const int rows_;
};

class PartitionExport : public testing::Test {
 protected:
  PartitionExport() {
    std::string name = (std::filesystem::temp_directory_path() / "runledger-export-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/day.json";
  }
  ~PartitionExport() override { std::filesystem::remove_all(directory_); }

  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  size_t Files() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory_)) ++count;
    return count;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(PartitionExport, ALineARow) {
  FakeHistory history(1'000);
  const auto rows = ExportPartition(&history, 20'465, {.path = path_, .zstd = false});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, 1'000);
  const std::string text = Read(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1'000);
  EXPECT_EQ(text.substr(0, 20), R"({"topic":"topic 0xxx)");
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(Files(), 1u);
}

TEST_F(PartitionExport, CompressedItIsTheSame) {
  FakeHistory history(1'000);
  ASSERT_TRUE(ExportPartition(&history, 20'465, {.path = path_, .zstd = false}).ok());
  ASSERT_TRUE(ExportPartition(&history, 20'465, {.path = path_ + ".zst", .zstd = true}).ok());
  const std::string plain = Read(path_);
  const std::string compressed = Read(path_ + ".zst");
  EXPECT_LT(compressed.size(), plain.size() / 4);
  std::string inflated(plain.size() + 1, '\0');
  const size_t size = ZSTD_decompress(inflated.data(), inflated.size(), compressed.data(), compressed.size());
  ASSERT_FALSE(ZSTD_isError(size)) << ZSTD_getErrorName(size);
  inflated.resize(size);
  EXPECT_EQ(inflated, plain);
}

TEST_F(PartitionExport, AnEmptyPartitionIsAnEmptyFile) {
  FakeHistory history(0);
  EXPECT_EQ(ExportPartition(&history, 20'465, {.path = path_, .zstd = false}).value_or(-1), 0);
  EXPECT_EQ(Read(path_), "");
}

TEST_F(PartitionExport, AFailureLeavesWhatWasThere) {
  std::ofstream(path_) << "the export of yesterday";
  FakeHistory history(1'000);
  history.end_ = absl::UnavailableError("the warehouse went away");
  const auto rows = ExportPartition(&history, 20'465, {.path = path_, .zstd = false});
  EXPECT_EQ(rows.status().message(), "the warehouse went away");
  EXPECT_EQ(Read(path_), "the export of yesterday");
  EXPECT_EQ(Files(), 1u);
}

// What is there and no file stays what it is: its reader gets the rows.
TEST_F(PartitionExport, IntoAPipe) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  std::string text;
  std::thread reader([&] { text = Read(path_); });
  FakeHistory history(1'000);
  EXPECT_EQ(ExportPartition(&history, 20'465, {.path = path_, .zstd = false}).value_or(-1), 1'000);
  reader.join();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1'000);
  EXPECT_TRUE(std::filesystem::is_fifo(path_));
  EXPECT_EQ(Files(), 1u);
}

TEST_F(PartitionExport, ALinkStaysOneAndPermissionsStay) {
  std::ofstream(path_) << "yesterday's";
  std::filesystem::permissions(path_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const std::string link = directory_ + "/latest.json";
  std::filesystem::create_symlink("day.json", link);
  FakeHistory history(3);
  EXPECT_EQ(ExportPartition(&history, 20'465, {.path = link, .zstd = false}).value_or(-1), 3);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  const std::string text = Read(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::remove(path_);
  EXPECT_TRUE(absl::IsInvalidArgument(ExportPartition(&history, 20'465, {.path = link, .zstd = false}).status()));
}

// Each is whole: which of them stays is nobody's business.
TEST_F(PartitionExport, TwoAtOnceToOneName) {
  std::vector<std::thread> exports;
  for (const bool zstd : {true, false}) {
    exports.emplace_back([this, zstd] {
      FakeHistory history(2'000);
      EXPECT_EQ(ExportPartition(&history, 20'465, {.path = path_, .zstd = zstd}).value_or(-1), 2'000);
    });
  }
  for (std::thread& one : exports) one.join();
  std::string text = Read(path_);
  if (text.substr(0, 4) == "\x28\xb5\x2f\xfd") {
    std::string inflated(4 << 20, '\0');
    const size_t size = ZSTD_decompress(inflated.data(), inflated.size(), text.data(), text.size());
    ASSERT_FALSE(ZSTD_isError(size)) << ZSTD_getErrorName(size);
    text = inflated.substr(0, size);
  }
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2'000);
  EXPECT_EQ(Files(), 1u);
}

TEST_F(PartitionExport, NoSuchDirectory) {
  FakeHistory history(1);
  const auto rows = ExportPartition(&history, 20'465, {.path = directory_ + "/none/day.json", .zstd = false});
  EXPECT_TRUE(absl::IsInvalidArgument(rows.status())) << rows.status();
}

}  // namespace
}  // namespace runledger::tools
