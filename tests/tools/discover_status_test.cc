#include "tools/runledger/discover_status.h"

#include <gtest/gtest.h>
#include <utime.h>

#include <fstream>

#include "tools/exec_fixture.h"

namespace runledger::tools {
namespace {

using codecs::Status;

DiscoveredStatus Of(const std::string& json) {
  std::istringstream stream(json);
  return DiscoverStatus(stream);
}

TEST(DiscoverStatus, ByTheResultsShape) {
  struct Case {
    const char* json;
    Status status;
    std::optional<int64_t> records;
  };
  for (const Case& c : {
           Case{R"({"records": [{"a": [1, 2]}, {"a": []}]})", Status::kSuccess, 2},
           Case{R"({"records": []})", Status::kNoData, 0},
           Case{R"({"records": [1], "metadata": {"is_empty_report": true}})", Status::kNoData, 1},
           Case{R"({"metadata": {"is_empty_report": true}, "records": [1]})", Status::kNoData, 1},
           Case{R"({"metadata": {"is_empty_report": false}, "records": [1]})", Status::kSuccess, 1},
           Case{R"({"other": {"is_empty_report": true}, "records": [1]})", Status::kSuccess, 1},
           Case{R"({"record_count": 12})", Status::kSuccess, 12},
           Case{R"({"record_count": 0})", Status::kNoData, 0},
           Case{R"({"record_count": -1})", Status::kNoData, -1},
           Case{R"({"records": [1, 2], "record_count": 0})", Status::kSuccess, 2},
           Case{R"({"deep": {"records": [1], "record_count": 5}})", Status::kNoData, 0},
           Case{R"({})", Status::kNoData, 0},
           Case{R"([1, [2, 3], {"records": []}])", Status::kSuccess, 3},
           Case{R"([[], []])", Status::kSuccess, 2},
           Case{R"([])", Status::kNoData, 0},
           Case{R"("text")", Status::kNoData, {}},
           Case{R"(7)", Status::kNoData, {}},
           Case{R"(null)", Status::kNoData, {}},
           Case{R"([1, 2)", Status::kNoData, {}},
           Case{"", Status::kNoData, {}},
           Case{"Traceback (most recent call last)", Status::kNoData, {}},
       }) {
    const DiscoveredStatus found = Of(c.json);
    EXPECT_EQ(found.status, c.status) << c.json;
    EXPECT_EQ(found.records, c.records) << c.json;
  }
}

TEST(DiscoverStatus, TheLastLineAlone) {
  EXPECT_EQ(DiscoverStatusOfLastLine("[]\n[1]\n").status, Status::kSuccess);
  EXPECT_EQ(DiscoverStatusOfLastLine("[1]\n[]").status, Status::kNoData);
  EXPECT_EQ(DiscoverStatusOfLastLine("[1]").records, 1);
  EXPECT_EQ(DiscoverStatusOfLastLine("[1]\r\n \n").status, Status::kSuccess);
  EXPECT_EQ(DiscoverStatusOfLastLine("").status, Status::kNoData);
  EXPECT_EQ(DiscoverStatusOfLastLine("\n\n").status, Status::kNoData);
}

class DiscoverExecTest : public ExecTest {
 protected:
  v1::RunEvent EndOf(const std::vector<std::string>& flags, const std::string& script, int exit_status = 0) {
    std::filesystem::remove(EventsFile());
    Process process(Argv(flags, {"sh", "-c", script}));
    process.CloseInput();
    EXPECT_EQ(process.Wait(), exit_status);
    output_ = process.Output();
    const std::vector<v1::Event> events = Events();
    EXPECT_EQ(events.size(), 2);
    return events.empty() ? v1::RunEvent() : events.back().run();
  }
  std::string output_;
};

TEST_F(DiscoverExecTest, OfTheLastLineOfOutput) {
  v1::RunEvent end = EndOf({"--discover-status"}, "echo asked; echo '{\"records\": [1, 2]}'");
  EXPECT_EQ(end.status(), v1::SUCCESS);
  EXPECT_EQ(end.records_processed(), 2);
  EXPECT_EQ(output_, "asked\n{\"records\": [1, 2]}\n") << "it passes through";
  end = EndOf({"--discover-status"}, "echo '[]'");
  EXPECT_EQ(end.status(), v1::NO_DATA);
  EXPECT_EQ(end.records_processed(), 0);
  EXPECT_EQ(EndOf({"--discover-status"}, "true").status(), v1::NO_DATA);
  EXPECT_EQ(EndOf({"--discover-status"}, "echo '[1]'; exit 3", 3).status(), v1::FAILED);
  EXPECT_EQ(EndOf({}, "echo '[]'").status(), v1::SUCCESS) << "not asked for";
}

TEST_F(DiscoverExecTest, OfAFile) {
  const std::string file = dir_ + "/result.json";
  EXPECT_EQ(EndOf({"--discover-status", file}, "echo '[1]' > " + file).status(), v1::SUCCESS);
  EXPECT_EQ(EndOf({"--discover-status", file}, "echo '[]' > " + file + "; echo '[1]'").status(), v1::NO_DATA);
  // What another run left says nothing of this one.
  std::ofstream(file) << "[1]";
  const utimbuf long_ago = {1'700'000'000, 1'700'000'000};
  ASSERT_EQ(utime(file.c_str(), &long_ago), 0);
  EXPECT_EQ(EndOf({"--discover-status", file}, "true").status(), v1::NO_DATA);
  std::filesystem::remove(file);
  EXPECT_EQ(EndOf({"--discover-status", file}, "true").status(), v1::NO_DATA);
}

}  // namespace
}  // namespace runledger::tools
