#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "ingest/delivery.h"

// Reading: what a record does to the fold and to the rows, which of them reads where, and what has to be done about
// records that are not there.

namespace runledger::ingest {
namespace {

codecs::FramingHeaders FramingHeadersOf(std::span<const kafka::Header> headers) {
  codecs::FramingHeaders framing;
  for (const kafka::Header& header : headers) {
    if (header.name == "content-type") framing.content_type = header.value;
    if (header.name == "content-encoding") framing.content_encoding = header.value;
  }
  return framing;
}

using Encoded = std::array<codecs::EncodedRecord, codecs::RecordDecoder::kAhead>;

// REQUIRES: no more records than `encoded` has places.
void Encode(std::span<const Record> records, Encoded* encoded) {
  std::span<const kafka::Header> headers;
  codecs::FramingHeaders framing;
  for (size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    if (record.headers.data() != headers.data() || record.headers.size() != headers.size()) {
      headers = record.headers;
      framing = FramingHeadersOf(headers);
    }
    codecs::EncodedRecord& each = (*encoded)[i];
    each.value = record.value;
    each.value_is_null = !record.has_value;
    each.headers = framing;
    each.time_us = record.timestamp_us;
  }
}

}  // namespace

void Delivery::StartReading(Reader reader, int64_t wanted, int64_t from) {
  begins_early_[static_cast<size_t>(reader)] = from == wanted - 1;
  parts_.log->StartReading(assignment_.partition, assignment_.tenure, reader, from);
}

bool Delivery::Wants(Reader reader) const {
  if (revoking_ || released_) return false;
  return reader == Reader::kFold ? reading_ : rows_reading_ && !cursor_.full();
}

// The fold never waits for the rows. Rows that hold too much stay behind, and catch up through a reader of their own
// once half of it is gone.
void Delivery::AttachOrDetachRows() {
  if (rows_stopped_ || revoking_) return;
  if (rows_attached_) {
    rows_attached_ = !cursor_.full();
    return;
  }
  if (cursor_.next() >= applied_ && !cursor_.full()) {
    if (rows_reading_) parts_.log->StopReading(assignment_.partition, assignment_.tenure, Reader::kRows);
    rows_attached_ = true;
    rows_reading_ = false;
  } else if (!rows_reading_ && cursor_.held_bytes() <= options_.rows.held_bytes / 2) {
    rows_reading_ = true;
    const int64_t wanted = cursor_.next().offset;
    StartReading(Reader::kRows, wanted, expected_.BeginFor(wanted, log_start_));
  }
}

void Delivery::OnRecords(Reader reader, std::span<const Record> records, const Moment& now) {
  if (released_ || revoking_) return;
  SetProblem(Trouble::kReading, "");
  begins_early_[static_cast<size_t>(reader)] = false;
  int64_t append_time_us = -1;
  const int64_t began = applied_.offset;
  for (std::span<const Record> rest = records; !rest.empty();) {
    const std::span<const Record> next = rest.first(std::min(rest.size(), codecs::RecordDecoder::kAhead));
    rest = rest.subspan(next.size());
    if (!TakeRecords(reader, next, now, &append_time_us)) break;
  }
  decoder_.DropAhead();
  folding_ = making_rows_ = false;
  if (!records.empty() && !foreign_) {
    const RecordBefore last = RecordBefore::Of(records.back());
    if (last.position == cursor_.next()) committable_.Note({last, cursor_.good_events()});
    if (reader == Reader::kFold && last.position == applied_) {
      fold_before_ = last;
      TellBrokerTime(records.back(), now);
    }
  }
  watermark_.OnApplied(Passed(), append_time_us, now);
  NoteProgress(began);
  Settle(now);
}

// A few records, decoded together. False: this is not the log that was read before.
bool Delivery::TakeRecords(Reader reader, std::span<const Record> records, const Moment& now, int64_t* append_time_us) {
  Encoded encoded;
  Encode(records, &encoded);
  looking_ahead_ = reader == Reader::kFold;
  decoder_.LookAhead({encoded.data(), records.size()}, this);
  for (size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    if (!expected_.empty()) {
      if (const auto difference = expected_.Check(record)) {
        folding_ = making_rows_ = false;
        StopForeign(*difference);
        return false;
      }
    }
    folding_ = reader == Reader::kFold && record.offset >= applied_.offset;
    making_rows_ = (reader == Reader::kRows ? rows_reading_ : rows_attached_) && !rows_stopped_ &&
                   record.offset >= cursor_.next().offset;
    if (!folding_ && !making_rows_) continue;

    if (folding_) shard_->BeginRecord(record.timestamp_us, record.timestamp_kind);
    if (making_rows_) cursor_.BeginRecord(record, now);
    decoder_.Decode(encoded[i], this);
    if (folding_) {
      shard_->EndRecord();
      applied_ = {record.offset + 1, 0};
      const bool tells_time = record.timestamp_kind == aggregators::TimestampKind::kAppendTime || options_.log_clock;
      *append_time_us = tells_time ? shard_->log_time_us() : -1;
    }
    if (making_rows_) cursor_.EndRecord();
    if (rows_attached_ && cursor_.full()) rows_attached_ = false;
  }
  return true;
}

void Delivery::TellBrokerTime(const Record& newest, const Moment& now) {
  if (!asked_end_ || newest.offset < asked_end_->offset || newest.timestamp_us < 0 ||
      newest.timestamp_kind != aggregators::TimestampKind::kAppendTime)
    return;
  parts_.listener->OnBrokerTime(assignment_.partition, {newest.timestamp_us, asked_end_->mono_us, now.mono_us});
  asked_end_.reset();
}

void Delivery::OnReadToEnd(Reader reader, int64_t offset, const Moment& now) {
  if (released_ || revoking_ || reader != Reader::kFold || !reading_) return;
  passed_ = std::max(passed_, offset);
  expected_.Passed(offset);
  SetProblem(Trouble::kReading, "");
  watermark_.OnApplied(Passed(), -1, now);
  Settle(now);
}

void Delivery::OnEvent(int32_t index, const codecs::Event& event) {
  if (folding_) {
    ++counts_.events[static_cast<size_t>(decoder_.framing())]
                    [static_cast<size_t>(event.body) - static_cast<size_t>(codecs::Body::kRun)];
    shard_->Apply(event);
  }
  if (making_rows_) cursor_.AddEvent(index, event);
}

void Delivery::OnAhead(std::span<const codecs::Event* const> events) {
  if (looking_ahead_) shard_->Prefetch(events);
}

void Delivery::OnRejected(int32_t index, const codecs::Rejection& rejection, std::string_view bytes, bool whole) {
  if (folding_) ++counts_.rejected[static_cast<size_t>(rejection.category)];
  if (making_rows_) cursor_.AddRejected(index, rejection, bytes, whole, decoder_.framing() == codecs::Framing::kJson);
}

void Delivery::OnReadError(Reader reader, const absl::Status& status, const Moment& now) {
  if (released_) return;
  const int64_t at = reader == Reader::kFold ? applied_.offset : cursor_.next().offset;
  if (absl::IsOutOfRange(status) && begins_early_[static_cast<size_t>(reader)]) {
    // The record to be compared went while it was asked for; what follows it may still be there.
    expected_.Forget(at);
    StartReading(reader, at, at);
  } else if (absl::IsOutOfRange(status)) {
    if (reader == Reader::kFold) {
      reading_ = false;
      fold_overtaken_ = true;
    }
    if (reader == Reader::kFold && cursor_.next().offset > at) {  // the rows are further on
      SetProblem(Trouble::kReading,
                 absl::StrCat("the records behind offset ", at,
                              " were deleted before the state had read them: it is built anew from what the log has"));
    } else {
      rows_reading_ = false;
      StopRows(absl::StrCat(
          "reading stopped at offset ", at, ", which is not in the log: when last asked it held ", log_start_, " to ",
          log_end_, ". Either the topic was deleted and made again: `runledger log accept --topic ",
          assignment_.partition.topic, " --partition ", assignment_.partition.partition,
          "`, with the instances of the group stopped. Or records were deleted before they were read: raise "
          "retention.ms or retention.bytes of the topic above the longest outage"));
    }
  } else {
    SetProblem(Trouble::kReading, std::string(status.message()));
  }
  Settle(now);
}

}  // namespace runledger::ingest
