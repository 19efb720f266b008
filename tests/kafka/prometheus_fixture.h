#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace runledger::test {

// One series of an instant query's answer.
struct PrometheusSample {
  std::map<std::string, std::string> labels;  // "__name__" among them
  double value = 0;
};

// A real Prometheus (Debian's package) that scrapes the given targets, on a free port of 127.0.0.1. It ends with this
// object, or with the thread that made it. One thread at a time.
class TestPrometheus {
 public:
  struct Options {
    std::vector<std::string> targets = {};  // "127.0.0.1:9464"
    std::string metrics_path = "/metrics";
    std::string scrape_interval = "1s";
    std::string rules = {};  // content of a rules file; empty: none
    std::vector<std::string> flags = {};
  };

  // Waits until it is ready. Unavailable: it is not installed.
  static absl::StatusOr<std::unique_ptr<TestPrometheus>> Start(const Options& options);
  ~TestPrometheus();
  TestPrometheus(const TestPrometheus&) = delete;
  TestPrometheus& operator=(const TestPrometheus&) = delete;

  const std::string& address() const { return address_; }  // "127.0.0.1:34567"

  // Instant query at the server's own time. A scalar is one sample without labels.
  absl::StatusOr<std::vector<PrometheusSample>> Query(const std::string& promql) const;
  // The only sample of a query; NotFound if there is none, FailedPrecondition if there are more.
  absl::StatusOr<double> QueryValue(const std::string& promql) const;
  // Asks again until `done` is content with the answer. DeadlineExceeded says the last answer.
  absl::Status WaitFor(const std::string& promql, const std::function<bool(const std::vector<PrometheusSample>&)>& done,
                       std::chrono::milliseconds timeout) const;

 private:
  TestPrometheus(std::string directory, std::string address, pid_t pid)
      : directory_(std::move(directory)), address_(std::move(address)), pid_(pid) {}

  std::string directory_;
  std::string address_;
  pid_t pid_;
};

// GET over plain HTTP with a time limit; the body if the status is 200. Unavailable: no connection.
absl::StatusOr<std::string> HttpGet(const std::string& url);

}  // namespace runledger::test
