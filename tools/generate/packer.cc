#include "tools/generate/packer.h"

#include <algorithm>
#include <array>

namespace runledger::tools {

Packer::Packer(const GenerateOptions& options, int64_t linger_us, Random* random, Sink* sink, Ledger* ledger)
    : options_(options),
      linger_us_(linger_us),
      random_(*random),
      sink_(*sink),
      ledger_(*ledger),
      open_(static_cast<size_t>(options.partitions)) {}

// "json" for both: the word is what readers call it.
const char* Packer::NameOf(Framing framing) {
  return framing == Framing::kProtobuf ? "protobuf" : framing == Framing::kBatch ? "batch" : "json";
}

Packer::Open& Packer::OpenFor(const PlannedEvent& planned) {
  Open& open = open_[static_cast<size_t>(planned.partition)];
  if (open.room > 0) return open;
  // The mix is one of events: a packing that holds many is drawn as much more seldom.
  constexpr double kMeanBatch = 40;
  constexpr double kMeanArray = 6;
  const std::array<double, 4> weights = {options_.framing.protobuf, options_.framing.batch / kMeanBatch,
                                         options_.framing.json, options_.framing.json_array / kMeanArray};
  open = Open{};
  open.framing = static_cast<Framing>(random_.Weighted(weights));
  open.room = 1;
  const auto draw = [&](double mean, int64_t most) {
    return static_cast<size_t>(std::clamp<int64_t>(static_cast<int64_t>(random_.Exponential(mean)) + 1, 1, most));
  };
  if (open.framing == Framing::kBatch) open.room = draw(kMeanBatch, 200);
  if (open.framing == Framing::kJsonArray) open.room = draw(kMeanArray, 20);
  open.style = DrawJsonStyle(&random_);
  open.key = planned.key;
  open.opened_at_us = planned.send_at_us;
  return open;
}

absl::Status Packer::Put(const PlannedEvent& planned, std::string event) {
  Open& open = open_[static_cast<size_t>(planned.partition)];
  switch (open.framing) {
    case Framing::kProtobuf:
    case Framing::kJson:
      open.bytes = std::move(event);
      break;
    case Framing::kBatch:
      open.bytes += BytesField(1, event);
      break;
    case Framing::kJsonArray:
      open.bytes += open.events == 0 ? "[" : ",\n ";
      open.bytes += event;
      break;
  }
  ++open.events;
  open.last_at_us = planned.send_at_us;
  if (--open.room > 0) return absl::OkStatus();
  return Close(planned.partition);
}

absl::Status Packer::Close(int32_t partition) {
  Open& open = open_[static_cast<size_t>(partition)];
  if (open.events == 0) return absl::OkStatus();
  GeneratedRecord record;
  record.timestamp_us = open.last_at_us;
  record.key = open.key;
  const bool tells = random_.Chance(0.8);  // the others are recognised by their first bytes
  switch (open.framing) {
    case Framing::kProtobuf:
      record.value = std::move(open.bytes);
      if (tells) record.headers = {{kContentType, kProtobufType}};
      break;
    case Framing::kBatch:
      record.value = Compress(open.bytes);
      if (tells) record.headers = {{kContentType, kBatchType}, {kContentEncoding, "zstd"}};
      break;
    case Framing::kJsonArray:
      open.bytes += "]";
      [[fallthrough]];
    case Framing::kJson:
      record.value = std::move(open.bytes);
      if (tells || (record.value->front() != '{' && record.value->front() != '['))
        record.headers = {{kContentType, kJsonType}};
  }
  if (random_.Chance(0.1))
    record.headers.emplace_back("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  open = Open{};
  return Write(partition, std::move(record));
}

absl::Status Packer::Write(int32_t partition, GeneratedRecord record) {
  record.partition = partition;
  ++ledger_.records;
  return sink_.Write(record);
}

absl::Status Packer::Add(const PlannedEvent& planned) {
  Open& open = OpenFor(planned);
  const bool json = IsJson(open.framing);
  const std::string framing = NameOf(open.framing);
  std::string event;
  if (planned.spoil) {
    std::string what;
    event = json ? SpoiledJson(planned.event, open.style, &random_, &what).dump()
                 : SpoiledWire(planned.event, &random_, &what);
    ledger_.CountRefusedRow(what);
  } else {
    event = json ? JsonOf(planned.event, open.style).dump() : WireOf(planned.event);
  }
  ledger_.CountGood(planned.sent, framing, planned.job, planned.tally.get());
  if (planned.tally) ledger_.Settle(planned.job, planned.tally.get());
  return Put(planned, std::move(event));
}

absl::Status Packer::AddBad(const PlannedEvent& good) {
  // Records that are bad whole, and bad events among good ones, in turn.
  if (next_bad_++ % 3 == 0) {
    absl::Status status = Close(good.partition);
    if (!status.ok()) return status;
    const BadRecord& bad = BadRecords()[next_record_++ % BadRecords().size()];
    GeneratedRecord record;
    record.timestamp_us = good.send_at_us;
    record.key = good.key;
    bad.make(good.event, &random_, &record);
    ledger_.CountRejected(bad.name, bad.category);
    return Write(good.partition, std::move(record));
  }
  const Open& open = OpenFor(good);
  if (IsJson(open.framing)) {
    const BadJsonEvent& bad = BadJsonEvents()[next_json_++ % BadJsonEvents().size()];
    ledger_.CountRejected(bad.name, bad.category);
    return Put(good, bad.make(JsonOf(good.event, {})).dump());
  }
  const BadWireEvent& bad = BadWireEvents()[next_wire_++ % BadWireEvents().size()];
  ledger_.CountRejected(bad.name, bad.category);
  return Put(good, bad.make(good.event, &random_));
}

absl::Status Packer::Age(int64_t now_us) {
  if (linger_us_ == 0) return absl::OkStatus();
  for (size_t i = 0; i < open_.size(); ++i) {
    if (open_[i].events == 0 || now_us - open_[i].opened_at_us < linger_us_) continue;
    absl::Status status = Close(static_cast<int32_t>(i));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Packer::Flush() {
  for (size_t i = 0; i < open_.size(); ++i) {
    absl::Status status = Close(static_cast<int32_t>(i));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace runledger::tools
