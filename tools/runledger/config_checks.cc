#include "tools/runledger/config_checks.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "absl/strings/str_split.h"
#include "codecs/views.h"
#include "exporters/http/listen_socket.h"
#include "ingest/kafka/consumer.h"

namespace runledger::tools {
namespace {

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// The known name that is closest to a misspelt one; empty if none is close.
std::string NearestName(const std::string& name, const std::vector<std::string>& known) {
  std::string nearest;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

// host or host:port, separated by commas.
void CheckBrokers(const std::string& brokers, const EntryProblem& problem) {
  const std::vector<std::string> all = absl::StrSplit(brokers, ',', absl::SkipEmpty());
  if (all.empty()) problem("log.brokers", "log.brokers \"" + brokers + "\" names no broker, e.g. localhost:9092");
  for (const std::string& broker : all) {
    const size_t colon = broker.rfind(':');
    if (colon == broker.npos || broker.ends_with(']')) continue;  // without a port; [::1]
    const std::string port = broker.substr(colon + 1);
    int number = 0;
    const auto [at, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || at != port.data() + port.size() || number < 1 || number > 65'535)
      problem("log.brokers", "log.brokers: \"" + broker + "\" is not host:port with a port from 1 to 65535");
  }
}

std::string_view HostOf(std::string_view url) {
  const size_t scheme = url.find("://");
  return url.substr(scheme == url.npos ? 0 : scheme + 3);
}

void CheckBigQuery(const Config& config, const EntryProblem& problem) {
  if (config.bigquery_project.empty())
    problem("warehouse.kind", "warehouse.kind is bigquery and warehouse.project is empty");
  // The service's own rule: letters, digits and underscores.
  const auto is_dataset = [](const std::string& name) {
    return !name.empty() && name.size() <= 1024 &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == name.npos;
  };
  if (!is_dataset(config.bigquery_dataset))
    problem("warehouse.dataset", "warehouse.dataset \"" + config.bigquery_dataset + "\" is no name of a dataset");
  std::vector<std::string> known;
  for (const codecs::View& view : codecs::Views()) known.push_back("warehouse.views." + std::string(view.name));
  for (const auto& [view, dataset] : config.bigquery_views) {
    const std::string path = "warehouse.views." + view;
    if (std::find(known.begin(), known.end(), path) == known.end()) problem(path, UnknownKey(path, known));
    if (!is_dataset(dataset)) problem(path, path + ": \"" + dataset + "\" is no name of a dataset");
  }
  const std::pair<const char*, const std::string*> addresses[] = {
      {"warehouse.endpoint", &config.bigquery_endpoint}, {"warehouse.rest_endpoint", &config.bigquery_rest_endpoint}};
  for (const auto& [key, address] : addresses) {
    if ((!address->starts_with("https://") && !address->starts_with("http://")) || address->ends_with('/'))
      problem(key, std::string(key) + " \"" + *address +
                       "\" is not https://host or http://host:port, without a / at the end");
  }
  if (HostOf(config.bigquery_endpoint).starts_with("bigquery.") ||
      HostOf(config.bigquery_rest_endpoint).starts_with("bigquerystorage."))
    problem("warehouse.endpoint",
            "warehouse.endpoint \"" + config.bigquery_endpoint + "\" and warehouse.rest_endpoint \"" +
                config.bigquery_rest_endpoint +
                "\" look swapped: the first is the Storage Write API (gRPC), the second the REST API");
}

void CheckState(const Config& config, const EntryProblem& problem) {
  const std::string& topic = config.state_kafka_topic;
  if (topic.empty()) return;
  if (const std::string wrong = TopicNameProblem("state.kafka_topic", topic); !wrong.empty())
    problem("state.kafka_topic", wrong);
  if (!config.state_dir.empty())
    problem("state.dir", "state.dir and state.kafka_topic are both set: snapshots go to one of them");
  const auto is_topic = [&](const ingest::TopicOptions& read) { return read.name == topic; };
  if (topic == config.dead_letter_topic || std::any_of(config.topics.begin(), config.topics.end(), is_topic))
    problem("state.kafka_topic",
            "state.kafka_topic " + topic + " must be a topic of its own, not one of events or dead letters");
}

void CheckLog(const Config& config, const EntryProblem& problem) {
  if (config.brokers.empty()) problem("log.brokers", "log.brokers is empty");
  if (config.group.empty()) problem("log.group", "log.group is empty");
  if (const std::string wrong = TopicNameProblem("log.dead_letter_topic", config.dead_letter_topic); !wrong.empty())
    problem("log.dead_letter_topic", wrong);
  for (const ingest::TopicOptions& topic : config.topics) {
    if (topic.name == config.dead_letter_topic)
      problem("log.dead_letter_topic",
              "log.dead_letter_topic " + topic.name + " is among log.topics: it would feed itself");
  }
  // Each alone, so that all of them are told.
  for (const auto& [name, value] : config.librdkafka) {
    const std::string path = "log.librdkafka." + name;
    for (const auto& [other, ours] : {std::pair("group.id", "log.group"),
                                      {"group.instance.id", "log.instance_id"},
                                      {"bootstrap.servers", "log.brokers"},
                                      {"metadata.broker.list", "log.brokers"}}) {
      if (name == other) problem(path, path + " cannot be set: write " + ours);
    }
    for (const absl::Status& status :
         {kafka::CheckSettings({{name, value}}), kafka::Consumer::CheckSettings({{name, value}})}) {
      if (!status.ok()) problem(path, std::string(status.message()));
    }
  }
}

}  // namespace

std::string TopicNameProblem(const std::string& key, const std::string& name) {
  const bool legal =
      !name.empty() && name.size() <= 249 && name != "." && name != ".." &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == std::string::npos;
  return legal ? std::string()
               : key + ": \"" + name + "\" is no name of a topic (1 to 249 letters, digits, '.', '_', '-')";
}

std::string UnknownKey(const std::string& key, const std::vector<std::string>& known) {
  const std::string nearest = NearestName(key, known);
  return "unknown key " + key + (nearest.empty() ? "" : "; did you mean " + nearest + "?");
}

void CheckConfig(const Config& config, const EntryProblem& problem) {
  CheckLog(config, problem);
  CheckState(config, problem);
  if (!config.time_zone.empty() && !aggregators::TimeZone::Load(config.time_zone).ok())
    problem("time_zone", "time_zone: there is no time zone '" + config.time_zone + "'; write e.g. America/New_York");
  if (!exporters::IsListenAddress(config.listen))
    problem("http.listen", "http.listen: \"" + config.listen + "\" is not address:port, e.g. 127.0.0.1:9464");
  if (config.warehouse_kind == "sqlite" &&
      (config.warehouse_path == ":memory:" || config.warehouse_path.starts_with("file:")))
    problem("warehouse.path", "warehouse.path \"" + config.warehouse_path +
                                  "\" is not the path of a file: rows would be gone with the process");
  if (config.warehouse_kind == "sqlite" && config.warehouse_path.empty())
    problem("warehouse.kind", "warehouse.kind is sqlite and warehouse.path is empty");
  if (config.warehouse_kind == "bigquery") CheckBigQuery(config, problem);
  if (!config.spool_dir.empty() && config.spool_dir.find("${XDG_STATE_HOME}") != 0 && config.spool_dir[0] != '/')
    problem("spool.dir", "spool.dir \"" + config.spool_dir +
                             "\" is no absolute path: commands are started anywhere, and must find it again");
  if (config.tls_cert.empty() != config.tls_key.empty()) problem("http.tls", "http.tls needs both cert and key");
  CheckBrokers(config.brokers, problem);
  if (config.auth_user.empty() != config.auth_password.empty())
    problem("http.auth", "http.auth needs both user and password");
  if (config.expiry_us % (int64_t{86'400} * 1'000'000) != 0)
    problem("warehouse.expiry", "warehouse.expiry takes whole days, e.g. 90d");
}

}  // namespace runledger::tools
