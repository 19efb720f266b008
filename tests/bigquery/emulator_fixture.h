#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/status/status.h"

// A BigQuery emulator for tests (tests/bigquery/emulator).
namespace runledger::test {

// Base of suites that need one: one for the suite. Where it cannot be had the tests are skipped with a line that
// tools/test counts; under CI=true they fail.
class EmulatorTest : public ::testing::Test {
 public:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

 protected:
  void SetUp() override;

  static constexpr char kProject[] = "test-project";
  static const std::string& rest_url() { return rest_url_; }  // "http://127.0.0.1:34567"
  static const std::string& grpc_address() { return grpc_address_; }
  // A name that no other dataset of the run has.
  static std::string FreshDataset();

 private:
  static std::string directory_;
  static std::string rest_url_;
  static std::string grpc_address_;
  static absl::Status unavailable_;
};

}  // namespace runledger::test
