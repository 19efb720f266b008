#include "ingest/row_batch.h"

#include <cstring>

namespace runledger::ingest {
namespace {

constexpr uint32_t kNoKey = UINT32_MAX;

void PutNumber(std::string* out, uint32_t number) {
  char raw[sizeof number];
  std::memcpy(raw, &number, sizeof raw);
  out->append(raw, sizeof raw);
}

void PutText(std::string* out, std::string_view text) {
  PutNumber(out, static_cast<uint32_t>(text.size()));
  *out += text;
}

uint32_t TakeNumber(std::string_view* from) {
  uint32_t number;
  std::memcpy(&number, from->data(), sizeof number);
  from->remove_prefix(sizeof number);
  return number;
}

std::string_view TakeText(std::string_view* from, uint32_t size) {
  const std::string_view text = from->substr(0, size);
  from->remove_prefix(size);
  return text;
}

}  // namespace

void RowBatch::BeginRecord(bool has_key, std::string_view key, std::span<const kafka::Header> headers) {
  origin_ = bytes_.size();
  if (has_key) {
    PutText(&bytes_, key);
  } else {
    PutNumber(&bytes_, kNoKey);
  }
  PutNumber(&bytes_, static_cast<uint32_t>(headers.size()));
  for (const kafka::Header& header : headers) {
    PutText(&bytes_, header.name);
    PutText(&bytes_, header.value);
  }
}

void RowBatch::Add(const Position& position, int64_t log_time_us, std::string_view event, std::string_view refused) {
  rows_.push_back({position, log_time_us, bytes_.size(), origin_, static_cast<uint32_t>(event.size()),
                   static_cast<uint32_t>(refused.size())});
  bytes_ += event;
  bytes_ += refused;
}

RowBatch::Row RowBatch::operator[](size_t i) const {
  const Stored& row = rows_[i];
  const std::string_view bytes = std::string_view(bytes_).substr(row.at, size_t{row.event_size} + row.refused_size);
  return {row.position, row.log_time_us, bytes.substr(0, row.event_size), bytes.substr(row.event_size)};
}

RowBatch::Origin RowBatch::OriginOf(size_t i) const {
  std::string_view rest = std::string_view(bytes_).substr(rows_[i].origin);
  Origin origin;
  const uint32_t key_size = TakeNumber(&rest);
  origin.has_key = key_size != kNoKey;
  if (origin.has_key) origin.key = TakeText(&rest, key_size);
  const uint32_t headers = TakeNumber(&rest);
  for (uint32_t h = 0; h < headers; ++h) {
    const std::string_view name = TakeText(&rest, TakeNumber(&rest));
    const std::string_view value = TakeText(&rest, TakeNumber(&rest));
    origin.headers.push_back({name, value});
  }
  return origin;
}

}  // namespace runledger::ingest
