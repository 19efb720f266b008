#include <array>
#include <bit>
#include <cstring>
#include <string_view>

#include "tools/generate/sink.h"

namespace runledger::tools {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kHead = "runledger generate 1\n";
constexpr uint32_t kNothing = UINT32_MAX;
constexpr uint32_t kLargest = 256 << 20;

template <typename T>
void Put(T number, std::string* out) {
  char raw[sizeof number];
  std::memcpy(raw, &number, sizeof raw);
  out->append(raw, sizeof raw);
}

// Takes numbers and texts from the front; after the first that is not there everything is nothing.
class Taker {
 public:
  explicit Taker(std::string_view from) : from_(from) {}

  template <typename T>
  T Number() {
    T number{};
    const std::string_view raw = Bytes(sizeof number);
    if (ok_) std::memcpy(&number, raw.data(), sizeof number);
    return number;
  }
  std::string_view Bytes(size_t size) {
    ok_ = ok_ && size <= from_.size();
    if (!ok_) return {};
    const std::string_view bytes = from_.substr(0, size);
    from_.remove_prefix(size);
    return bytes;
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && from_.empty(); }

 private:
  std::string_view from_;
  bool ok_ = true;
};

uint32_t SizeOf(const std::optional<std::string>& bytes) {
  return bytes ? static_cast<uint32_t>(bytes->size()) : kNothing;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::Create(const std::string& path) {
  std::unique_ptr<FileSink> sink(new FileSink(path));
  sink->out_.open(path, std::ios::binary | std::ios::trunc);
  if (!sink->out_) return absl::PermissionDeniedError("cannot write " + path);
  sink->out_ << kHead;
  return sink;
}

absl::Status FileSink::Write(const GeneratedRecord& record) {
  buffer_.clear();
  Put(uint32_t{0}, &buffer_);
  Put(record.partition, &buffer_);
  Put(record.timestamp_us, &buffer_);
  Put(SizeOf(record.key), &buffer_);
  Put(SizeOf(record.value), &buffer_);
  Put(static_cast<uint32_t>(record.headers.size()), &buffer_);
  if (record.key) buffer_ += *record.key;
  if (record.value) buffer_ += *record.value;
  for (const auto& [name, value] : record.headers) {
    Put(static_cast<uint32_t>(name.size()), &buffer_);
    Put(static_cast<uint32_t>(value.size()), &buffer_);
    buffer_ += name;
    buffer_ += value;
  }
  const auto rest = static_cast<uint32_t>(buffer_.size() - sizeof(uint32_t));
  std::memcpy(buffer_.data(), &rest, sizeof rest);
  out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  return out_ ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write on to " + path_ + "; is the disk full?");
}

absl::Status FileSink::Finish() {
  out_.close();
  return out_ ? absl::OkStatus() : absl::ResourceExhaustedError("cannot finish " + path_ + "; is the disk full?");
}

absl::StatusOr<std::unique_ptr<RecordFileReader>> RecordFileReader::Open(const std::string& path) {
  std::unique_ptr<RecordFileReader> reader(new RecordFileReader(path));
  reader->in_.open(path, std::ios::binary);
  if (!reader->in_) return absl::NotFoundError("cannot read " + path);
  std::array<char, kHead.size()> head{};
  reader->in_.read(head.data(), head.size());
  if (std::string_view(head.data(), head.size()) != kHead) {
    return absl::InvalidArgumentError(path + " is no file of generated records");
  }
  return reader;
}

absl::StatusOr<bool> RecordFileReader::Next(GeneratedRecord* record) {
  const absl::Status damaged = absl::DataLossError(path_ + " is damaged or ends within a record");
  uint32_t size = 0;
  in_.read(reinterpret_cast<char*>(&size), sizeof size);
  if (in_.eof() && in_.gcount() == 0) return false;
  if (!in_ || size > kLargest) return damaged;
  buffer_.resize(size);
  in_.read(buffer_.data(), size);
  if (!in_) return damaged;

  Taker taker(buffer_);
  record->partition = taker.Number<int32_t>();
  record->timestamp_us = taker.Number<int64_t>();
  const auto key = taker.Number<uint32_t>();
  const auto value = taker.Number<uint32_t>();
  const auto headers = taker.Number<uint32_t>();
  record->key.reset();
  record->value.reset();
  if (key != kNothing) record->key = std::string(taker.Bytes(key));
  if (value != kNothing) record->value = std::string(taker.Bytes(value));
  record->headers.clear();
  for (uint32_t i = 0; i < headers && taker.ok(); ++i) {
    const auto name_size = taker.Number<uint32_t>();
    const auto value_size = taker.Number<uint32_t>();
    const std::string_view name = taker.Bytes(name_size);
    record->headers.emplace_back(name, taker.Bytes(value_size));
  }
  if (!taker.done()) return damaged;
  return true;
}

}  // namespace runledger::tools
