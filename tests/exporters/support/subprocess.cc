#include "exporters/support/subprocess.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

extern char** environ;

namespace runledger::exporters {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

}  // namespace

ProcessResult RunProcess(const std::vector<std::string>& command, const std::string& input) {
  ProcessResult result;
  // Files instead of pipes: neither side can wait for the other.
  const File in(std::tmpfile());
  const File out(std::tmpfile());
  std::fwrite(input.data(), 1, input.size(), in.get());
  std::rewind(in.get());

  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return result;

  int status = 0;
  waitpid(pid, &status, 0);
  result.started = true;
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::rewind(out.get());
  char buffer[4096];
  for (size_t size; (size = std::fread(buffer, 1, sizeof(buffer), out.get())) > 0;) result.output.append(buffer, size);
  return result;
}

bool MayBeSkipped() {
  const char* ci = std::getenv("CI");
  return ci == nullptr || std::string_view(ci) != "true";
}

}  // namespace runledger::exporters
