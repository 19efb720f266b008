#include "tools/runledger/emit.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "codecs/event_decoder.h"
#include "codecs/json.h"
#include "codecs/json_event.h"
#include "codecs/row.h"
#include "codecs/wire.h"
#include "runledger/v1/event.pb.h"
#include "tools/runledger/json_object.h"
#include "tools/runledger/line_reader.h"
#include "tools/runledger/wall_clock.h"

namespace runledger::tools {
namespace {

using std::chrono::steady_clock;

constexpr int kFine = 0;
constexpr int kBad = 1;
constexpr int kWrongUse = 2;

// April 1970. A number below is the time of no run, but the seconds (1.8e9) or milliseconds (1.8e12) of one.
constexpr int64_t kFirstPlausibleUs = 10'000'000'000'000;
constexpr double kLongestSeconds = 1e10;  // 317 years

// The first time or duration that no run has, and what is wrong with it; empty: there is none.
std::string WhatNoRunHas(const google::protobuf::Message& message) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection* const values = message.GetReflection();
  std::vector<const Field*> fields;
  values->ListFields(message, &fields);
  for (const Field* field : fields) {
    std::string wrong;
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE && !field->is_repeated()) {
      wrong = WhatNoRunHas(values->GetMessage(message, field));
    } else if (field->cpp_type() == Field::CPPTYPE_INT64 && field->name().ends_with("_us")) {
      const int64_t us = values->GetInt64(message, field);
      if (us < kFirstPlausibleUs)
        wrong = field->name() + " " + std::to_string(us) + " is " + codecs::FormatRfc3339(us) +
                ": a number counts microseconds since 1970, not seconds or milliseconds";
    } else if (field->name() == "duration_seconds") {
      const double seconds = values->GetDouble(message, field);
      if (!(seconds >= 0 && seconds <= kLongestSeconds))
        wrong = absl::StrCat("duration_seconds ", seconds, " is not from 0 to 1e10");
    }
    if (!wrong.empty()) return wrong;
  }
  return {};
}

void Say(const std::string& text) { std::fprintf(stderr, "runledger: emit: %s\n", text.c_str()); }

// Turns JSON into an event, or says why it is none.
class Reader {
 public:
  // `backfill`: every event is history, also where it does not say so.
  Reader(const codecs::Limits& limits, bool backfill) : limits_(limits), backfill_(backfill), decoder_(limits) {}

  // False: error() says why. True: error() is empty, or names the column that cannot hold its value.
  bool Read(std::string_view json) {
    error_.clear();
    bool too_deep = false;
    codecs::ColumnRefusal refused;
    codecs::Rejection rejection;
    if (error_ = codecs::JsonError(json, limits_.json_depth, &too_deep); !error_.empty()) return false;
    std::string unknown_member;
    if (!codecs::JsonToEvent(json, limits_.json_depth, &wire_, &refused, &rejection, &unknown_member)) {
      error_ = rejection.text;
      return false;
    }
    if (!unknown_member.empty()) {
      error_ = "\"" + unknown_member +
               "\" is no member of an event; there are event_id, event_time_us, sequence, backfill, and one body, such "
               "as run";
      return false;
    }
    // An event without a time happens now. A field that comes later on the wire counts, so its own time would.
    std::string stamped;
    const int64_t now_us = WallUs();
    codecs::WireWriter(&stamped).Int64(v1::Event::kEventTimeUsFieldNumber, now_us);
    wire_.insert(0, stamped);
    if (backfill_) codecs::WireWriter(&wire_).Int64(v1::Event::kBackfillFieldNumber, 1);
    if (!decoder_.Decode(wire_, now_us, &event_, &rejection)) {
      error_ = rejection.text;
      return false;
    }
    if (v1::Event message; message.ParseFromString(wire_)) error_ = WhatNoRunHas(message);
    if (!error_.empty()) return false;
    if (!refused) refused = encoder_.Check(event_);
    if (refused) error_ = codecs::RefusalText(refused);
    return true;
  }

  const codecs::Event& event() const { return event_; }
  const std::string& error() const { return error_; }

 private:
  const codecs::Limits limits_;
  const bool backfill_;
  const codecs::EventDecoder decoder_;
  const codecs::RowEncoder encoder_{codecs::SecretNames()};
  std::string wire_;
  codecs::Event event_;
  std::string error_;
};

// One run of Emit.
class Session {
 public:
  Session(const EmitOptions& options, EventSink* sink)
      : options_(options), sink_(sink), reader_(options.limits, options.backfill) {}

  int FromFlags();
  int FromInput();

 private:
  absl::Status Send();
  bool TakeLine(std::string_view line, const std::string& name);
  int Finish(const std::string& run_id);

  const EmitOptions& options_;
  EventSink* const sink_;
  Reader reader_;
  uint64_t refused_ = 0;  // events that were not sent, or not taken
  uint64_t damaged_ = 0;  // events that were sent with a value that no column takes
  bool stopped_ = false;  // before the end of the input
};

int Session::FromFlags() {
  const absl::StatusOr<FlagEvent> flags = EventOfFlags(options_, WallUs());
  if (!flags.ok()) {
    Say(std::string(flags.status().message()));
    return kWrongUse;
  }
  if (!reader_.Read(flags->json) || !reader_.error().empty()) {
    Say(reader_.error());
    return kWrongUse;
  }
  if (const absl::Status status = Send(); !status.ok()) {
    Say("not sent: " + std::string(status.message()));
    ++refused_;
  }
  if (flags->made_run_id && !options_.json) std::printf("%s\n", flags->run_id.c_str());
  return Finish(flags->run_id);
}

int Session::FromInput() {
  if (isatty(options_.input) == 1) {
    Say("nothing to send: give --job and --status, or events on standard input, one JSON object a line");
    return kWrongUse;
  }
  LineReader lines(options_.input, options_.limits.message_bytes, [this] { return sink_->Tend(); });
  while (lines.Next()) {
    const std::string name = "line " + std::to_string(lines.number());
    if (lines.too_long()) {
      Say(name + ": not sent: longer than " + std::to_string(options_.limits.message_bytes) +
          " bytes (limits.message_bytes)");
      ++refused_;
    } else if (!TakeLine(lines.line(), name)) {
      stopped_ = true;
      break;
    }
  }
  if (lines.error() != 0) {
    Say(std::string("reading standard input: ") + std::strerror(lines.error()));
    stopped_ = true;
  }
  return Finish("");
}

// False: the sink takes nothing any more.
bool Session::TakeLine(std::string_view line, const std::string& name) {
  if (line.find_first_not_of(" \t\r") == line.npos) return true;
  if (!reader_.Read(line)) {
    Say(name + ": not sent: " + reader_.error());
    ++refused_;
    return true;
  }
  const absl::Status status = Send();
  if (status.ok()) {
    if (reader_.error().empty()) return true;
    Say(name + ": sent, but its row will be incomplete: " + reader_.error());
    ++damaged_;
    return true;
  }
  ++refused_;
  if (absl::IsInvalidArgument(status)) {
    Say(name + ": not sent: " + std::string(status.message()));
    return true;
  }
  Say("stopped at " + name + ", which was not sent: " + std::string(status.message()));
  return false;
}

absl::Status Session::Send() {
  while (true) {
    const absl::Status status = sink_->Send(reader_.event());
    if (!absl::IsResourceExhausted(status)) return status;
    const absl::Status room = sink_->WaitForRoom(steady_clock::now() + options_.flush_timeout);
    if (!room.ok()) return room;
  }
}

int Session::Finish(const std::string& run_id) {
  sink_->Flush(steady_clock::now() + options_.flush_timeout);
  const FlushResult flushed = sink_->Finish();
  const uint64_t all = flushed.undelivered + flushed.spooled + flushed.acknowledged;
  const std::string of_all = " of " + std::to_string(all) + (all == 1 ? " event" : " events");
  if (flushed.spooled > 0) {
    Say(std::to_string(flushed.spooled) + of_all + (flushed.spooled == 1 ? " waits in " : " wait in ") + flushed.spool +
        " for the next exec, emit or serve: " + flushed.reason);
  }
  if (flushed.undelivered > 0) {
    Say(std::to_string(flushed.undelivered) + of_all + " could not be delivered: " + flushed.reason);
    // The same line has the same event id.
    if (!options_.from_flags()) Say("the same lines can be sent again: those that arrived count once");
  }
  if (options_.json) {
    JsonObject answer;
    if (!run_id.empty()) answer.AddText("run_id", run_id);
    answer.Add("acknowledged", std::to_string(flushed.acknowledged));
    answer.Add("spooled", std::to_string(flushed.spooled));
    answer.Add("undelivered", std::to_string(flushed.undelivered));
    answer.Add("refused", std::to_string(refused_));
    std::printf("%s\n", answer.Text().c_str());
  }
  std::fflush(stdout);
  return flushed.undelivered == 0 && refused_ == 0 && damaged_ == 0 && !stopped_ ? kFine : kBad;
}

}  // namespace

int Emit(const EmitOptions& options, EventSink& sink) {
  Session session(options, &sink);
  return options.from_flags() ? session.FromFlags() : session.FromInput();
}

}  // namespace runledger::tools
