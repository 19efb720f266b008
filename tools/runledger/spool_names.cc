#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tools/runledger/spool.h"

// Where a spool is, and which log its events are for.

namespace runledger::tools {
namespace {

std::vector<std::string> Servers(const std::string& brokers) {
  std::vector<std::string> servers;
  for (size_t at = 0; at <= brokers.size();) {
    const size_t comma = std::min(brokers.find(',', at), brokers.size());
    std::string server;
    for (const char c : brokers.substr(at, comma - at)) {
      if (c != ' ') server += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    if (const size_t scheme = server.find("://"); scheme != server.npos) server.erase(0, scheme + 3);
    const size_t colon = server.rfind(':');
    if (colon == server.npos || server.find(']', colon) != server.npos) server += ":9092";  // as the client does
    if (server != ":9092") servers.push_back(server);
    at = comma + 1;
  }
  return servers;
}

}  // namespace

bool SameCluster(const std::string& brokers, const std::string& others) {
  const std::vector<std::string> servers = Servers(brokers);
  const std::vector<std::string> known = Servers(others);
  return std::any_of(servers.begin(), servers.end(), [&](const std::string& server) {
    return std::find(known.begin(), known.end(), server) != known.end();
  });
}

std::string SpoolDirectory(const std::string& setting) {
  constexpr std::string_view kVariable = "${XDG_STATE_HOME}";
  if (!setting.starts_with(kVariable)) return setting;
  const std::string rest = setting.substr(kVariable.size());
  const auto absolute = [](const char* path) { return path != nullptr && *path == '/'; };
  if (const char* const state = std::getenv("XDG_STATE_HOME"); absolute(state)) return state + rest;
  if (const char* const home = std::getenv("HOME"); absolute(home)) return std::string(home) + "/.local/state" + rest;
  passwd entry;
  passwd* found = nullptr;
  std::vector<char> buffer(16 << 10);
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
      absolute(found->pw_dir))
    return std::string(found->pw_dir) + "/.local/state" + rest;
  return "";
}

}  // namespace runledger::tools
