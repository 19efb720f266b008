#include "kafka/prometheus_fixture.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "kafka/peer.h"

namespace runledger::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr long kRequestTimeoutMs = 10'000;
constexpr milliseconds kStartTimeout{60'000};
constexpr milliseconds kPause{100};

size_t Append(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

struct CurlDeleter {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
using CurlPtr = std::unique_ptr<CURL, CurlDeleter>;

CurlPtr MakeCurl() {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  return CurlPtr(kReady == CURLE_OK ? curl_easy_init() : nullptr);
}

std::string Escape(const std::string& text) {
  const CurlPtr curl = MakeCurl();
  char* const escaped = curl_easy_escape(curl.get(), text.c_str(), static_cast<int>(text.size()));
  std::string copy(escaped != nullptr ? escaped : "");
  curl_free(escaped);
  return copy;
}

std::string Configuration(const TestPrometheus::Options& options, const std::string& directory) {
  std::string text = "global:\n  scrape_interval: " + options.scrape_interval +
                     "\n  scrape_timeout: " + options.scrape_interval +
                     "\n  evaluation_interval: " + options.scrape_interval + "\n";
  if (!options.rules.empty()) text += "rule_files: ['" + directory + "/rules.yml']\n";
  text += "scrape_configs:\n  - job_name: runledger\n    metrics_path: " + options.metrics_path +
          "\n    static_configs:\n      - targets: [";
  for (size_t i = 0; i < options.targets.size(); ++i) text += (i > 0 ? ", '" : "'") + options.targets[i] + "'";
  return text + "]\n";
}

// Starts the program; it is killed when the calling thread ends. -1 if it cannot be started.
pid_t Spawn(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent went before the line above
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  execvp(argv[0], argv.data());
  _exit(127);
}

std::string Describe(const absl::StatusOr<std::vector<PrometheusSample>>& answer) {
  if (!answer.ok()) return answer.status().ToString();
  std::ostringstream text;
  text << answer->size() << " series";
  for (size_t i = 0; i < answer->size() && i < 5; ++i) {
    text << (i == 0 ? ": " : ", ") << '{';
    for (const auto& [name, value] : (*answer)[i].labels) text << name << "=\"" << value << "\" ";
    text << "} " << (*answer)[i].value;
  }
  return text.str();
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const std::string& url) {
  const CurlPtr curl = MakeCurl();
  if (curl == nullptr) return absl::InternalError("libcurl does not start");
  std::string body;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, kRequestTimeoutMs);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // peers are on this machine
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) return absl::UnavailableError(url + ": " + curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return absl::InternalError(url + ": HTTP status " + std::to_string(status) + ": " + body);
  return body;
}

absl::StatusOr<std::unique_ptr<TestPrometheus>> TestPrometheus::Start(const Options& options) {
  const std::string directory = MakeTempDir("prometheus");
  std::ofstream(directory + "/prometheus.yml") << Configuration(options, directory);
  if (!options.rules.empty()) std::ofstream(directory + "/rules.yml") << options.rules;
  std::string address = "127.0.0.1:" + std::to_string(FreePort());
  std::vector<std::string> command = {"prometheus", "--config.file=" + directory + "/prometheus.yml",
                                      "--storage.tsdb.path=" + directory + "/data", "--web.listen-address=" + address};
  command.insert(command.end(), options.flags.begin(), options.flags.end());
  const std::string log = directory + "/log";
  const pid_t pid = Spawn(command, log);
  if (pid < 0) return absl::InternalError("fork failed");
  std::unique_ptr<TestPrometheus> started(new TestPrometheus(directory, std::move(address), pid));

  const auto deadline = steady_clock::now() + kStartTimeout;
  while (!HttpGet("http://" + started->address_ + "/-/ready").ok()) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) {
      started->pid_ = -1;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return absl::UnavailableError("prometheus cannot be started: run tools/install tests");
      }
      std::ostringstream text;
      text << std::ifstream(log).rdbuf();
      return absl::InternalError("prometheus ended at start: " + text.str());
    }
    if (steady_clock::now() > deadline) return absl::InternalError("prometheus was not ready in time");
    std::this_thread::sleep_for(kPause);
  }
  return started;
}

TestPrometheus::~TestPrometheus() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  RemoveTree(directory_);
}

absl::StatusOr<std::vector<PrometheusSample>> TestPrometheus::Query(const std::string& promql) const {
  absl::StatusOr<std::string> body = HttpGet("http://" + address_ + "/api/v1/query?query=" + Escape(promql));
  if (!body.ok()) return body.status();
  const nlohmann::json answer = nlohmann::json::parse(*body, nullptr, /*allow_exceptions=*/false);
  const auto bad = [&] { return absl::InternalError("query " + promql + ": " + *body); };
  if (!answer.is_object() || answer.value("status", "") != "success") return bad();
  const nlohmann::json& data = answer["data"];
  // A value is [time, "text"].
  const auto number = [](const nlohmann::json& value) {
    return std::strtod(value[1].get_ref<const std::string&>().c_str(), nullptr);
  };
  std::vector<PrometheusSample> samples;
  if (data["resultType"] == "scalar") {
    samples.push_back({{}, number(data["result"])});
    return samples;
  }
  if (data["resultType"] != "vector") return bad();
  for (const nlohmann::json& series : data["result"]) {
    samples.push_back({series["metric"].get<std::map<std::string, std::string>>(), number(series["value"])});
  }
  return samples;
}

absl::StatusOr<double> TestPrometheus::QueryValue(const std::string& promql) const {
  const absl::StatusOr<std::vector<PrometheusSample>> samples = Query(promql);
  if (!samples.ok()) return samples.status();
  if (samples->empty()) return absl::NotFoundError("no series: " + promql);
  if (samples->size() > 1) return absl::FailedPreconditionError(promql + ": " + Describe(samples));
  return samples->front().value;
}

absl::Status TestPrometheus::WaitFor(const std::string& promql,
                                     const std::function<bool(const std::vector<PrometheusSample>&)>& done,
                                     milliseconds timeout) const {
  const auto deadline = steady_clock::now() + timeout;
  for (;;) {
    const absl::StatusOr<std::vector<PrometheusSample>> answer = Query(promql);
    if (answer.ok() && done(*answer)) return absl::OkStatus();
    if (steady_clock::now() > deadline) return absl::DeadlineExceededError(promql + ": " + Describe(answer));
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace runledger::test
