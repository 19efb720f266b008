#include "tools/runledger/ask_instance.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "codecs/civil_time.h"
#include "tools/runledger/complaint.h"
#include "tools/runledger/config_loader.h"
#include "tools/runledger/exit_status.h"
#include "tools/runledger/text_table.h"

namespace runledger::tools {
namespace {

// Where a program of this machine reaches an instance that listens there. Empty: its port is known only when it runs.
std::string UrlOf(const Config& config) {
  if (!config.advertise.empty()) return config.advertise;
  std::string listen = config.listen;
  if (listen.ends_with(":0")) return {};
  for (const auto& [all, loopback] : {std::pair("0.0.0.0:", "127.0.0.1:"), std::pair("[::]:", "[::1]:")}) {
    if (listen.starts_with(all)) listen = loopback + listen.substr(std::string_view(all).size());
  }
  return (config.tls_cert.empty() ? "http://" : "https://") + listen;
}

}  // namespace

std::optional<Json> Ask(const InstanceAddress& instance, const std::string& path, int* status) {
  InstanceAddress asked = instance;
  auto reply = HttpGet(asked, path);
  Json json = reply.ok() ? Json::parse(reply->body, nullptr, /*allow_exceptions=*/false) : Json();
  // Of a job that another instance has. That one is asked, and its word stands: it does not lead on.
  if (reply.ok() && reply->status == 421 && json.is_object() && json.contains("owner") && json["owner"].is_string()) {
    asked.url = json["owner"].get<std::string>();
    reply = HttpGet(asked, path);
    json = reply.ok() ? Json::parse(reply->body, nullptr, /*allow_exceptions=*/false) : Json();
  }
  if (!reply.ok()) {
    *status = Complain(std::string(reply.status().message()), kUnknown);
    return std::nullopt;
  }
  // What every answer has; another program's JSON has not.
  if (reply->status == 200 && json.is_object() && json.contains("as_of") && json.contains("caught_up")) return json;
  const std::string detail = json.is_object() && json.contains("detail") && json["detail"].is_string()
                                 ? json["detail"].get<std::string>()
                                 : "no answer of runledger: " + Printable(reply->body.substr(0, 200));
  *status = Complain(asked.url + path + " answered " + std::to_string(reply->status) + ": " + detail,
                     reply->status == 404                           ? kBadNews
                     : reply->status >= 500 || reply->status == 421 ? kUnknown
                                                                    : kWrongUse);
  return std::nullopt;
}

std::string Text(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return Printable(value.get<std::string>());
  if (value.is_number_float()) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value.get<double>());
    return text;
  }
  return value.dump();
}

std::optional<int64_t> ParseTime(const Json& value) {
  return value.is_string() ? codecs::ParseRfc3339(value.get<std::string>()) : std::nullopt;
}

// "2026-01-12T11:30:08Z" without its fraction, short enough for a table.
std::string Time(const Json& value) {
  if (!value.is_string()) return "-";
  std::string text = value.get<std::string>();
  if (const size_t dot = text.find('.'); dot != std::string::npos) text = text.substr(0, dot) + "Z";
  if (text.size() == 20) text[10] = ' ', text.pop_back();
  return text;
}

bool IsKnown(const Json& answer) { return answer.value("caught_up", false) && answer.value("complete", true); }

int SayAsOf(const Json& answer) {
  const std::string time = Time(answer["as_of"]);
  if (IsKnown(answer)) {
    std::printf("as of %s UTC\n", time.c_str());
    return kFine;
  }
  if (answer.value("caught_up", false)) {
    std::printf("UNKNOWN: partitions of other instances are left out; as of %s UTC\n", time.c_str());
  } else {
    std::printf("UNKNOWN: the instance has not caught up with its log; what it knows is as of %s UTC\n", time.c_str());
  }
  return kUnknown;
}

void SayProblems(const Json& answer) {
  if (!answer.contains("problems")) return;
  for (const Json& problem : answer["problems"])
    std::printf("PROBLEM %s: %s\n", Text(problem["subject"]).c_str(), Text(problem["text"]).c_str());
}

void AddInstanceFlags(CLI::App* command, InstanceFlags* flags) {
  InstanceAddress* const address = &flags->address;
  command->add_option("--config", flags->config_file,
                      "The instance's configuration file: its address and credentials are taken from there; without it "
                      "RUNLEDGER_CONFIG, else the defaults");
  command->add_option_function<std::string>(
      "--url",
      [flags](const std::string& url) {
        flags->address.url = url;
        flags->url_is_given = true;
      },
      "Address of the running instance, over that of --config; without it RUNLEDGER_URL [" + address->url + "]");
  command->add_option("--ca-file", address->ca_file, "Certificate authority of an https instance");
  command->add_option("--user", address->user, "Basic authentication: user");
  command->add_option("--password", address->password, "Basic authentication: password; without it RUNLEDGER_PASSWORD");
  command->add_option("--token", address->token, "Bearer token; without it RUNLEDGER_TOKEN");
  command->add_flag("--json", flags->json, "Print the answer as JSON");
}

absl::Status FindInstance(InstanceFlags* flags) {
  // Not by the parser: it would read the environment for each command that has the flag, over what another was given.
  Environment environment = ProcessEnvironment();
  if (const std::string& url = environment["RUNLEDGER_URL"]; !flags->url_is_given && !url.empty()) {
    flags->address.url = url;
    flags->url_is_given = true;
  }
  if (flags->address.password.empty()) flags->address.password = environment["RUNLEDGER_PASSWORD"];
  if (flags->address.token.empty()) flags->address.token = environment["RUNLEDGER_TOKEN"];
  while (flags->address.url.ends_with('/')) flags->address.url.pop_back();
  // An address that was given needs no configuration of this place, not even a right one.
  if (flags->config_file.empty() && flags->url_is_given) return absl::OkStatus();
  const auto config = LoadConfigFile(flags->config_file, ProcessEnvironment());
  if (!config.ok()) return absl::InvalidArgumentError(config.status().message());
  InstanceAddress& instance = flags->address;
  if (!flags->url_is_given) instance.url = UrlOf(*config);
  if (instance.url.empty()) {
    return absl::InvalidArgumentError("http.listen is " + config->listen +
                                      ", any free port: --url says which one it is");
  }
  if (instance.token.empty() && instance.user.empty()) {
    instance.token = config->auth_token;
    instance.user = config->auth_user;
    instance.password = instance.password.empty() ? config->auth_password : instance.password;
  }
  return absl::OkStatus();
}

}  // namespace runledger::tools
