#include "codecs/json_event.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "codecs/bindings.h"
#include "codecs/civil_time.h"
#include "codecs/hash.h"
#include "codecs/json.h"
#include "codecs/json_sax.h"
#include "codecs/utf8.h"
#include "codecs/wire.h"

namespace runledger::codecs {
namespace {

std::optional<int64_t> ToInt64(const JsonScalar& value) {
  if (value.type == JsonScalar::kInteger && value.fits_int64) return value.integer;
  if (value.type == JsonScalar::kFloat && std::trunc(value.number) == value.number && std::abs(value.number) < 9e15) {
    return static_cast<int64_t>(value.number);
  }
  if (value.type == JsonScalar::kString) {
    int64_t number = 0;
    const char* const end = value.text.data() + value.text.size();
    const auto [at, error] = std::from_chars(value.text.data(), end, number);
    if (error == std::errc() && at == end) return number;
  }
  return std::nullopt;
}

std::optional<double> ToFloat64(const JsonScalar& value) {
  if (value.type == JsonScalar::kInteger || value.type == JsonScalar::kFloat) return value.number;
  if (value.type != JsonScalar::kString) return std::nullopt;
  if (value.text == "NaN") return std::nan("");
  if (value.text == "Infinity") return INFINITY;
  if (value.text == "-Infinity") return -INFINITY;
  double number = 0;
  const char* const end = value.text.data() + value.text.size();
  const auto [at, error] = std::from_chars(value.text.data(), end, number);
  return error == std::errc() && at == end ? std::optional(number) : std::nullopt;
}

std::optional<int64_t> ToTimestamp(const JsonScalar& value) {
  if (value.type == JsonScalar::kString) {
    if (const auto time = ParseRfc3339(value.text)) return time;
  }
  return ToInt64(value);
}

std::optional<int64_t> ToDate(const JsonScalar& value) {
  if (value.type == JsonScalar::kString) {
    if (const auto date = ParseDate(value.text)) return *date;
  }
  const auto days = ToInt64(value);
  return days && *days >= INT32_MIN && *days <= INT32_MAX ? days : std::nullopt;
}

// Reads {"event_id", ..., "run": {...}} and writes protobuf as it goes.
class EventReader : public JsonSax {
 public:
  EventReader(int max_depth, std::string* wire, ColumnRefusal* refused)
      : JsonSax(max_depth), event_(wire), body_(&body_bytes_), refused_(refused), capture_(&captured_) {}

  const Rejection& rejection() const { return rejection_; }
  const std::string& unknown_member() const { return unknown_member_; }

  // Puts the body, and the id if the producer gave none, into the event. False if there is no body.
  bool Finish(std::string_view text) {
    if (body_field_ == 0) {
      return Reject(Category::kSchema,
                    "the event has no body: put the fields of a run under \"run\", of a decision under \"decision\"");
    }
    FinishAttributes();
    // Last, so that a source_status beside it does not hide it.
    if (!unknown_status_.empty()) body_.Bytes(bindings_->Find("source_status")->number, unknown_status_);
    if (!has_id_) event_.Bytes(1, Hex(HashBytes(text)));
    event_.Bytes(body_field_, body_bytes_);
    return true;
  }

 protected:
  bool OnKey(std::string_view key) override {
    if (capturing()) {
      capture_.Key(key);
      return true;
    }
    if (depth() == 1) {
      key_ = TopLevel(key);
      return true;
    }
    field_ = bindings_->Find(key);
    if (field_ == nullptr) unknown_key_ = key;
    return true;
  }

  bool OnOpen(bool object) override {
    if (capturing()) {
      capture_.Open(object);
      return true;
    }
    if (depth() == 0) return object || Reject(Category::kSchema, "an event is a JSON object");
    if (depth() == 1) return OpenTopLevel(object);
    // A container within a body: the value of a JSON column, or of an unknown member.
    if (field_ != nullptr && EventColumns()[field_->column].type != ColumnType::kJson) {
      Refuse("is an object or array");
      field_ = nullptr;
      drop_captured_ = true;
    }
    StartCapture(depth());
    capture_.Open(object);
    return true;
  }

  bool OnClose(bool object) override {
    if (!capturing()) return true;
    capture_.Close(object);
    if (depth() > capture_from_) return true;
    capture_from_ = -1;
    if (depth() < 2 || drop_captured_) {  // a member of the event that we do not know, or a bad one
      drop_captured_ = false;
      return true;
    }
    TakeJson(captured_);
    return true;
  }

  bool OnScalar(const JsonScalar& value) override {
    if (capturing()) {
      capture_.Scalar(value);
      return true;
    }
    if (depth() == 0) return Reject(Category::kSchema, "an event is a JSON object");
    if (value.type == JsonScalar::kNull) return true;  // absent
    return depth() == 1 ? TopLevelScalar(value) : BodyScalar(value);
  }

 private:
  enum class Top { kUnknown, kId, kTime, kSequence, kBackfill, kBody };

  bool capturing() const { return capture_from_ >= 0; }
  void StartCapture(int from) {
    captured_.clear();
    capture_ = JsonTextWriter(&captured_);
    capture_from_ = from;
  }

  bool Reject(Category category, std::string text) {
    rejection_ = {category, text};
    return Fail(std::move(text));
  }

  void Refuse(std::string_view reason) {
    if (!*refused_ && field_ != nullptr) *refused_ = {EventColumns()[field_->column].name, reason};
  }

  Top TopLevel(std::string_view key) {
    if (key == "event_id" || key == "eventId") return Top::kId;
    if (key == "event_time_us" || key == "eventTimeUs" || key == "event_time" || key == "eventTime") return Top::kTime;
    if (key == "sequence") return Top::kSequence;
    if (key == "backfill") return Top::kBackfill;
    for (Body body : kAllBodies) {
      if (key != BodyName(body)) continue;
      next_body_ = body;
      return Top::kBody;
    }
    if (unknown_member_.empty()) unknown_member_ = key;
    return Top::kUnknown;
  }

  bool OpenTopLevel(bool object) {
    if (key_ == Top::kUnknown) {
      StartCapture(1);
      capture_.Open(object);
      return true;
    }
    if (key_ != Top::kBody || !object)
      return Reject(Category::kSchema, "a member of the event is an object or array where it should not be");
    if (body_field_ != 0) return Reject(Category::kSchema, "an event has one body; this one has two");
    body_field_ = static_cast<uint32_t>(next_body_);
    bindings_ = &BindingsOf(next_body_);
    return true;
  }

  bool TopLevelScalar(const JsonScalar& value) {
    switch (key_) {
      case Top::kUnknown:
        return true;
      case Top::kBody:
        return Reject(Category::kSchema,
                      absl::StrCat("member \"", std::string(BodyName(next_body_)), "\" is not an object"));
      case Top::kId:
        if (value.type == JsonScalar::kBool) return Reject(Category::kSchema, "event_id is not a string");
        if (!value.text.empty()) event_.Bytes(1, value.text);
        has_id_ = !value.text.empty();
        return true;
      case Top::kTime: {
        const auto time = ToTimestamp(value);
        if (!time) {
          return Reject(Category::kSemantic,
                        absl::StrCat("event time '", std::string(Utf8Prefix(value.text, 64)),
                                     "' is neither microseconds nor RFC 3339 with a zone (2026-01-12T11:30:08Z)"));
        }
        event_.Int64(2, *time);
        return true;
      }
      case Top::kSequence: {
        const auto sequence = ToInt64(value);
        if (!sequence) return Reject(Category::kSchema, "sequence is not a whole number");
        event_.Int64(3, *sequence);
        return true;
      }
      case Top::kBackfill:
        if (value.type != JsonScalar::kBool) return Reject(Category::kSchema, "backfill is not true or false");
        event_.Number(4, value.boolean ? 1 : 0);
        return true;
    }
    return true;
  }

  bool BodyScalar(const JsonScalar& value) {
    if (field_ == nullptr) {
      StartCapture(depth());
      capture_.Scalar(value);
      capture_from_ = -1;
      TakeJson(captured_);
      return true;
    }
    switch (field_->value) {
      case FieldBinding::Value::kText:
        return TextField(value);
      case FieldBinding::Value::kInt64:
        return IntegerField(value);
      case FieldBinding::Value::kFloat64:
        if (const auto number = ToFloat64(value)) {
          body_.Float64(field_->number, *number);
        } else {
          Refuse("is not a number");
        }
        return true;
      case FieldBinding::Value::kBool:
        if (value.type == JsonScalar::kBool) {
          body_.Number(field_->number, value.boolean ? 1 : 0);
        } else {
          Refuse("is not true or false");
        }
        return true;
      case FieldBinding::Value::kKind:
        if (const auto kind = KindFromWord(value.text)) {
          body_.Number(field_->number, static_cast<uint64_t>(*kind));
        } else if (const auto number = ToInt64(value)) {
          body_.Int64(field_->number, *number);
        } else {
          Refuse("is not known to this version");
        }
        return true;
      case FieldBinding::Value::kStatus:
        return StatusField(value);
    }
    return true;
  }

  bool TextField(const JsonScalar& value) {
    const bool json = EventColumns()[field_->column].type == ColumnType::kJson;
    if (json && (value.type != JsonScalar::kString || !IsJson(value.text))) {
      // A scalar is JSON as it stands; a string that is no JSON text is a JSON string.
      StartCapture(depth());
      capture_.Scalar(value);
      capture_from_ = -1;
      TakeJson(captured_);
    } else if (json) {
      TakeJson(std::string(value.text));
    } else if (value.type == JsonScalar::kBool) {
      Refuse("is not a string");
    } else {
      body_.Bytes(field_->number, value.text);
    }
    return true;
  }

  bool IntegerField(const JsonScalar& value) {
    const ColumnType type = EventColumns()[field_->column].type;
    const auto number = type == ColumnType::kTimestamp ? ToTimestamp(value)
                        : type == ColumnType::kDate    ? ToDate(value)
                                                       : ToInt64(value);
    if (number) {
      body_.Int64(field_->number, *number);
    } else {
      Refuse(type == ColumnType::kTimestamp ? "is neither microseconds nor RFC 3339 with a zone"
             : type == ColumnType::kDate    ? "is neither days since 1970-01-01 nor a date like 2026-01-12"
                                            : "is not a whole number");
    }
    return true;
  }

  bool StatusField(const JsonScalar& value) {
    if (value.type == JsonScalar::kString) {
      const auto status = StatusFromWord(value.text);
      if (status) body_.Number(field_->number, static_cast<uint64_t>(*status));
      // A word that is not ours is kept, known or not: the decoder judges it. Ours is kept in `status` alone.
      std::string lower(value.text);
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (!status) {
        unknown_status_ = value.text;
      } else if (lower != StatusName(*status)) {
        body_.Bytes(bindings_->Find("source_status")->number, value.text);
      }
    } else if (const auto number = ToInt64(value)) {
      body_.Int64(field_->number, *number);
    } else {
      return Reject(Category::kSchema, "status is neither a word nor a number");
    }
    return true;
  }

  // The JSON text of a JSON column or of an unknown member.
  void TakeJson(const std::string& text) {
    if (field_ == nullptr) {
      if (!extra_.empty()) extra_ += ',';
      AppendJsonString(unknown_key_, &extra_);
      extra_ += ':';
      extra_ += text;
    } else if (field_->name == "attributes") {
      attributes_ = text;
    } else {
      body_.Bytes(field_->number, text);
    }
  }

  void FinishAttributes() {
    if (attributes_.empty() && extra_.empty()) return;
    field_ = bindings_->Find("attributes");
    if (!extra_.empty()) {
      if (attributes_.empty()) {
        attributes_ = "{" + extra_ + "}";
      } else if (attributes_.front() == '{' && attributes_.back() == '}') {
        const bool empty = attributes_.find_first_not_of(" \t\r\n", 1) == attributes_.size() - 1;
        attributes_.insert(1, empty ? extra_ : extra_ + ",");
      } else {
        Refuse("is no object, so members that no column is named after cannot be kept in it");
      }
    }
    body_.Bytes(field_->number, attributes_);
  }

  WireWriter event_;
  std::string body_bytes_;
  WireWriter body_;
  ColumnRefusal* refused_;
  Rejection rejection_;

  bool has_id_ = false;
  Top key_ = Top::kUnknown;
  std::string unknown_member_;  // the first of the event itself
  Body next_body_ = Body::kRun;
  uint32_t body_field_ = 0;
  const BodyBindings* bindings_ = nullptr;
  const FieldBinding* field_ = nullptr;  // of the key just read; nullptr: no column is named like it
  std::string unknown_key_;
  std::string unknown_status_;  // a word for the status that is in no vocabulary

  std::string captured_;
  JsonTextWriter capture_;
  int capture_from_ = -1;  // depth at which the captured container stands; -1 = not capturing
  bool drop_captured_ = false;

  std::string attributes_;
  std::string extra_;  // members for `attributes`, comma separated
};

}  // namespace

bool JsonToEvent(std::string_view text, int max_depth, std::string* wire, ColumnRefusal* refused, Rejection* rejection,
                 std::string* unknown_member) {
  wire->clear();
  *refused = {};
  EventReader reader(max_depth, wire, refused);
  if (ParseJson(text, &reader) && reader.Finish(text)) {
    if (unknown_member != nullptr) *unknown_member = reader.unknown_member();
    return true;
  }
  *rejection = reader.rejection();
  if (rejection->text.empty())
    *rejection = {reader.too_deep() ? Category::kOversize : Category::kDecode, reader.error()};
  return false;
}

}  // namespace runledger::codecs
