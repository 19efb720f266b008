#include "ingest/row_batch.h"

#include <algorithm>
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

// Whether these are stored there. Most records of a topic carry the same.
bool SameHeaders(const char* stored, std::span<const kafka::Header> headers) {
  const auto number = [&stored] {
    uint32_t value;
    std::memcpy(&value, stored, sizeof value);
    stored += sizeof value;
    return value;
  };
  const auto same = [&](std::string_view text) {
    const uint32_t size = number();
    const char* const at = stored;
    stored += size;
    return size == text.size() && std::memcmp(at, text.data(), size) == 0;
  };
  if (number() != headers.size()) return false;
  return std::all_of(headers.begin(), headers.end(),
                     [&](const kafka::Header& header) { return same(header.name) && same(header.value); });
}

}  // namespace

void RowBatch::BeginRecord(bool has_key, std::string_view key, std::span<const kafka::Header> headers) {
  key_ = static_cast<uint32_t>(bytes_.size());
  if (has_key) {
    PutText(&bytes_, key);
  } else {
    PutNumber(&bytes_, kNoKey);
  }
  if (has_headers_ && SameHeaders(bytes_.data() + headers_, headers)) return;
  headers_ = static_cast<uint32_t>(bytes_.size());
  has_headers_ = true;
  PutNumber(&bytes_, static_cast<uint32_t>(headers.size()));
  for (const kafka::Header& header : headers) {
    PutText(&bytes_, header.name);
    PutText(&bytes_, header.value);
  }
}

void RowBatch::Add(const Position& position, int64_t log_time_us, std::string_view event, std::string_view refused) {
  // In place: a copy would wait until its narrow writes, and all before them, are in the cache.
  Stored& row = rows_.emplace_back();
  row.position = position;
  row.log_time_us = log_time_us;
  row.at = static_cast<uint32_t>(bytes_.size());
  row.key = key_;
  row.headers = headers_;
  row.event_size = static_cast<uint32_t>(event.size());
  row.refused_size = static_cast<uint32_t>(refused.size());
  bytes_ += event;
  bytes_ += refused;
}

RowBatch::Row RowBatch::operator[](size_t i) const {
  const Stored& row = rows_[i];
  const std::string_view bytes = std::string_view(bytes_).substr(row.at, size_t{row.event_size} + row.refused_size);
  return {row.position, row.log_time_us, bytes.substr(0, row.event_size), bytes.substr(row.event_size)};
}

RowBatch::Origin RowBatch::OriginOf(size_t i) const {
  std::string_view rest = std::string_view(bytes_).substr(rows_[i].key);
  Origin origin;
  const uint32_t key_size = TakeNumber(&rest);
  origin.has_key = key_size != kNoKey;
  if (origin.has_key) origin.key = TakeText(&rest, key_size);
  rest = std::string_view(bytes_).substr(rows_[i].headers);
  const uint32_t headers = TakeNumber(&rest);
  for (uint32_t h = 0; h < headers; ++h) {
    const std::string_view name = TakeText(&rest, TakeNumber(&rest));
    const std::string_view value = TakeText(&rest, TakeNumber(&rest));
    origin.headers.push_back({name, value});
  }
  return origin;
}

}  // namespace runledger::ingest
