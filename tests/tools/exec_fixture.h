#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "codecs/record_decoder.h"
#include "runledger/v1/event.pb.h"
#include "tools/process.h"

namespace runledger::tools {

inline constexpr char kWrapper[] = EXEC_WRAPPER;
inline constexpr char kChild[] = EXEC_CHILD;

// What the events of a test's file are. Fails the test if the pipeline would refuse one.
inline std::vector<v1::Event> ReadEvents(const std::string& path) {
  struct Visitor : codecs::EventVisitor {
    void OnEvent(int32_t, const codecs::Event& event) override { EXPECT_FALSE(event.refused) << event.refused.column; }
    void OnRejected(int32_t, const codecs::Rejection& rejection, std::string_view, bool) override {
      ADD_FAILURE() << rejection.text;
    }
  } visitor;
  codecs::RecordDecoder decoder(codecs::Limits(), codecs::Framing::kProtobuf);
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  const std::string bytes = all.str();
  std::vector<v1::Event> events;
  for (size_t at = 0; at + sizeof(uint32_t) <= bytes.size();) {
    uint32_t size = 0;
    std::memcpy(&size, bytes.data() + at, sizeof size);
    at += sizeof size;
    if (at + size > bytes.size()) break;  // still being written
    const std::string_view wire = std::string_view(bytes).substr(at, size);
    decoder.Decode({.value = wire}, &visitor);
    EXPECT_TRUE(events.emplace_back().ParseFromArray(wire.data(), static_cast<int>(wire.size())));
    at += size;
  }
  return events;
}

class ExecTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "runledger-exec-XXXXXX";
    dir_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string EventsFile() const { return dir_ + "/events"; }
  std::vector<v1::Event> Events() const { return ReadEvents(EventsFile()); }
  std::vector<std::string> Argv(const std::vector<std::string>& flags, const std::vector<std::string>& command) const {
    std::vector<std::string> argv = {kWrapper, "--job", "Games", "--events", EventsFile()};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.emplace_back("--");
    argv.insert(argv.end(), command.begin(), command.end());
    return argv;
  }
  // The only error of the last event.
  static nlohmann::json Error(const v1::Event& event) {
    const nlohmann::json errors = nlohmann::json::parse(event.run().errors());
    EXPECT_EQ(errors.size(), 1);
    return errors.at(0);
  }
  static std::string Message(const v1::Event& event) { return Error(event).at("error_message"); }
  // Waits for that many events.
  std::vector<v1::Event> WaitForEvents(size_t count) const {
    while (true) {
      std::vector<v1::Event> events = Events();
      if (events.size() >= count) return events;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::string dir_;
};

}  // namespace runledger::tools
