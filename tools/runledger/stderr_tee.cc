#include "tools/runledger/stderr_tee.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "codecs/utf8.h"

namespace runledger::tools {
namespace {

constexpr size_t kChunk = size_t{64} << 10;  // what a pipe holds

void Close(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

// Writes everything, waiting where `out` was made non-blocking by whoever shares it. False with errno.
bool WriteAll(int out, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(out, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable = {out, POLLOUT, 0};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// A descriptor beyond the standard ones, which may have been closed when we started.
int MoveUp(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  close(fd);
  return moved;
}

}  // namespace

void Tail::Append(std::string_view bytes) {
  cut_ |= bytes_.size() + bytes.size() > capacity_;
  if (bytes.size() >= capacity_) {
    bytes_.assign(bytes.substr(bytes.size() - capacity_));
    return;
  }
  bytes_.append(bytes);
  if (bytes_.size() > capacity_) bytes_.erase(0, bytes_.size() - capacity_);
}

std::string Tail::Lines() const {
  std::string_view text = bytes_;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  if (cut_) {
    if (const size_t line = text.find('\n'); line != text.npos) {
      text.remove_prefix(line + 1);
    } else {  // within a line: at least not within a letter
      size_t letter = 0;
      while (letter < 3 && letter < text.size() && (static_cast<unsigned char>(text[letter]) & 0xC0) == 0x80) ++letter;
      text.remove_prefix(letter);
    }
  }
  std::string lines = codecs::Utf8OrReplacement(text);
  for (size_t at = lines.find('\0'); at != lines.npos; at = lines.find('\0', at)) lines.replace(at, 1, "\uFFFD");
  return lines;
}

struct StderrTee::State {
  State(int out_fd, size_t tail_bytes) : out(out_fd), tail(tail_bytes) {}
  ~State() {
    Close(&read_end);
    Close(&write_end);
    Close(&wake);
    Close(&drained);
  }

  void Run();
  bool ReadChunk(std::string* chunk);

  const int out;
  int write_end = -1;
  int wake = -1;     // eventfd: Finish was called
  int drained = -1;  // eventfd: the thread is done

  std::mutex mutex;
  int read_end = -1;      // non-blocking; guarded by mutex
  Tail tail;              // guarded by mutex
  bool finished = false;  // guarded by mutex
  std::string rest;       // read by Finish, written by the thread; guarded by mutex
};

// False at the end: of the stream, or because Finish has read what was left.
bool StderrTee::State::ReadChunk(std::string* chunk) {
  chunk->resize(kChunk);
  const std::lock_guard lock(mutex);
  if (finished) return false;
  const ssize_t got = read(read_end, chunk->data(), chunk->size());
  chunk->resize(got > 0 ? static_cast<size_t>(got) : 0);
  tail.Append(*chunk);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void StderrTee::State::Run() {
  sigset_t all;  // a reader that went away shows as EPIPE
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  std::string chunk;
  bool pass_on = true;
  pollfd waits[2] = {{read_end, POLLIN, 0}, {wake, POLLIN, 0}};
  while (true) {
    poll(waits, 2, -1);
    if (!ReadChunk(&chunk)) break;
    if (!pass_on || WriteAll(out, chunk)) continue;
    pass_on = false;  // e.g. a full disk: the command goes on all the same
    if (errno == EPIPE) {
      const std::lock_guard lock(mutex);
      Close(&read_end);
      finished = true;
    }
  }
  {
    const std::lock_guard lock(mutex);
    chunk = std::exchange(rest, {});
  }
  if (pass_on) WriteAll(out, chunk);
  eventfd_write(drained, 1);
}

absl::StatusOr<std::unique_ptr<StderrTee>> StderrTee::Create(int out, size_t tail_bytes) {
  auto state = std::make_shared<State>(out, tail_bytes);
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) == 0) {
    state->read_end = MoveUp(ends[0]);
    state->write_end = MoveUp(ends[1]);
    state->wake = MoveUp(eventfd(0, EFD_CLOEXEC));
    state->drained = MoveUp(eventfd(0, EFD_CLOEXEC));
  }
  if (state->read_end < 0 || state->write_end < 0 || state->wake < 0 || state->drained < 0 ||
      fcntl(state->read_end, F_SETFL, O_NONBLOCK) != 0) {
    return absl::ResourceExhaustedError(std::string("a pipe for standard error: ") + std::strerror(errno));
  }
  try {
    std::thread([state] { state->Run(); }).detach();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(std::string("a thread for standard error: ") + error.what());
  }
  return std::unique_ptr<StderrTee>(new StderrTee(std::move(state)));
}

StderrTee::StderrTee(std::shared_ptr<State> state) : state_(std::move(state)) {}
StderrTee::~StderrTee() {
  CloseWriteEnd();
  {
    const std::lock_guard lock(state_->mutex);
    state_->finished = true;
  }
  eventfd_write(state_->wake, 1);
}

int StderrTee::write_end() const { return state_->write_end; }
int StderrTee::drained_fd() const { return state_->drained; }

void StderrTee::CloseWriteEnd() { Close(&state_->write_end); }

void StderrTee::LeaveReader() {
  const std::lock_guard lock(state_->mutex);
  if (state_->read_end < 0) return;
  pollfd end = {state_->read_end, POLLIN, 0};
  if (poll(&end, 1, 0) > 0 && (end.revents & POLLHUP) != 0 && (end.revents & POLLIN) == 0) return;  // nobody holds it
  if (fork() != 0) return;  // the caller; if it failed, those who are left lose their standard error
  // From here on only what a signal handler may call: other threads held locks that nobody will ever release.
  setsid();
  dup2(state_->read_end, STDIN_FILENO);
  if (state_->out != STDERR_FILENO) dup2(state_->out, STDERR_FILENO);
  close(STDOUT_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  fcntl(STDIN_FILENO, F_SETFL, 0);  // it may block
  signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  char chunk[4096];
  while (true) {
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || !WriteAll(STDERR_FILENO, {chunk, static_cast<size_t>(got)})) _exit(0);
  }
}

std::string StderrTee::Finish() {
  std::string lines;
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->finished) {
      // What the pipe holds now is all that the command can have left in it.
      int left = 0;
      if (ioctl(state_->read_end, FIONREAD, &left) != 0) left = 0;
      state_->rest.resize(static_cast<size_t>(std::max(left, 0)));
      const ssize_t got = read(state_->read_end, state_->rest.data(), state_->rest.size());
      state_->rest.resize(got > 0 ? static_cast<size_t>(got) : 0);
      state_->tail.Append(state_->rest);
      state_->finished = true;
    }
    lines = state_->tail.Lines();
  }
  eventfd_write(state_->wake, 1);
  return lines;
}

}  // namespace runledger::tools
