#include "tools/runledger/partition_export.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

namespace runledger::tools {
namespace {

constexpr size_t kBuffer = size_t{256} << 10;

absl::Status Failed(const std::string& path, const char* doing) {
  return absl::UnavailableError(path + ": " + doing + ": " + std::strerror(errno));
}

struct ContextFree {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// Bytes to a file, compressed or not, buffered.
class Output {
 public:
  Output(std::FILE* file, std::string name, bool zstd) : file_(file), name_(std::move(name)) {
    if (!zstd) return;
    context_.reset(ZSTD_createCCtx());
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    compressed_.resize(ZSTD_CStreamOutSize());
  }

  absl::Status Append(const std::string& line) {
    pending_ += line;
    pending_ += '\n';
    return pending_.size() < kBuffer ? absl::OkStatus() : Flush(ZSTD_e_continue);
  }
  absl::Status Finish() {
    if (absl::Status status = Flush(ZSTD_e_end); !status.ok()) return status;
    return std::fflush(file_) == 0 ? absl::OkStatus() : Failed(name_, "writing");
  }

 private:
  absl::Status Write(const char* data, size_t size) {
    return std::fwrite(data, 1, size, file_) == size ? absl::OkStatus() : Failed(name_, "writing");
  }

  absl::Status Flush(ZSTD_EndDirective directive) {
    if (context_ == nullptr) {
      absl::Status status = Write(pending_.data(), pending_.size());
      pending_.clear();
      return status;
    }
    ZSTD_inBuffer in{pending_.data(), pending_.size(), 0};
    while (true) {
      ZSTD_outBuffer out{compressed_.data(), compressed_.size(), 0};
      const size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
      if (ZSTD_isError(left)) return absl::InternalError(name_ + ": zstd: " + ZSTD_getErrorName(left));
      if (absl::Status status = Write(compressed_.data(), out.pos); !status.ok()) return status;
      if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) break;
    }
    pending_.clear();
    return absl::OkStatus();
  }

  std::FILE* const file_;
  const std::string name_;
  std::unique_ptr<ZSTD_CCtx, ContextFree> context_;
  std::string pending_;
  std::vector<char> compressed_;
};

absl::StatusOr<int64_t> WriteRows(exporters::History* history, int32_t day, Output* output) {
  const std::vector<exporters::AnswerColumn> columns = exporters::ExportColumns();
  int64_t rows = 0;
  absl::Status status = history->ReadPartition(day, [&](const std::vector<exporters::AnswerValue>& row) {
    ++rows;
    return output->Append(exporters::JsonLine(columns, row, /*nulls=*/false));
  });
  if (status.ok()) status = output->Finish();
  if (!status.ok()) return status;
  return rows;
}

// To a file that has no name yet: it gets its own once it is whole and on disk.
absl::StatusOr<int64_t> WriteNewFile(exporters::History* history, int32_t day, const std::string& path, mode_t mode,
                                     bool zstd) {
  std::string unfinished = path + ".unfinished-XXXXXX";  // its own: another export may be writing the same
  const int fd = mkostemp(unfinished.data(), O_CLOEXEC);
  std::FILE* const file = fd < 0 ? nullptr : fdopen(fd, "w");
  if (file == nullptr)
    return absl::InvalidArgumentError("--output: " + std::string(Failed(unfinished, "opening").message()));
  Output output(file, unfinished, zstd);
  absl::StatusOr<int64_t> rows = WriteRows(history, day, &output);
  if (rows.ok() && (fchmod(fd, mode) != 0 || fsync(fd) != 0)) rows = Failed(unfinished, "writing it to disk");
  if (std::fclose(file) != 0 && rows.ok()) rows = Failed(unfinished, "closing");
  if (rows.ok() && std::rename(unfinished.c_str(), path.c_str()) != 0) rows = Failed(path, "renaming");
  if (!rows.ok()) unlink(unfinished.c_str());
  return rows;
}

// To what is there and no file: a pipe, a terminal, a device. It cannot be replaced and has no end.
absl::StatusOr<int64_t> WriteInto(exporters::History* history, int32_t day, const std::string& path, bool zstd) {
  std::FILE* const file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return absl::InvalidArgumentError("--output: " + std::string(Failed(path, "opening").message()));
  Output output(file, path, zstd);
  absl::StatusOr<int64_t> rows = WriteRows(history, day, &output);
  if (std::fclose(file) != 0 && rows.ok()) rows = Failed(path, "closing");
  return rows;
}

// The permissions of a file that is made anew.
mode_t UsualMode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

absl::StatusOr<int64_t> ExportPartition(exporters::History* history, int32_t day, const ExportOptions& options) {
  if (options.path.empty()) {
    Output output(stdout, "standard output", options.zstd);
    return WriteRows(history, day, &output);
  }
  struct stat there {};
  if (stat(options.path.c_str(), &there) != 0) {
    if (lstat(options.path.c_str(), &there) == 0)
      return absl::InvalidArgumentError("--output: " + options.path + ": a link to a file that is not there");
    return WriteNewFile(history, day, options.path, UsualMode(), options.zstd);
  }
  if (S_ISDIR(there.st_mode)) return absl::InvalidArgumentError("--output: " + options.path + ": is a directory");
  if (!S_ISREG(there.st_mode)) return WriteInto(history, day, options.path, options.zstd);
  std::error_code error;
  const std::string file = std::filesystem::canonical(options.path, error).string();  // not the link: what it names
  if (error) return absl::InvalidArgumentError("--output: " + options.path + ": " + error.message());
  return WriteNewFile(history, day, file, there.st_mode & 07777, options.zstd);
}

}  // namespace runledger::tools
