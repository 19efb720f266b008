#include "exporters/queries/bound_query.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "codecs/civil_time.h"
#include "codecs/utf8.h"
#include "exporters/queries/answer.h"
#include "exporters/queries/local_day.h"
#include "exporters/queries/sql_text.h"

namespace runledger::exporters {
namespace {

using codecs::ColumnType;
using Default = QueryParameter::Default;

// The text in the one form of its type; nothing: it is no value of it.
std::optional<std::string> Canonical(ColumnType type, const std::string& text) {
  switch (type) {
    case ColumnType::kInt64: {
      int64_t value = 0;
      const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
      if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
      // A number of days, hours or rows: more has no use, and arithmetic with it stays far from any bound.
      if (value < 0 || value > 100'000) return std::nullopt;
      return std::to_string(value);
    }
    case ColumnType::kFloat64: {
      double value = 0;
      const auto end = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
      if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
      if (!std::isfinite(value)) return std::nullopt;  // every comparison with NaN is false
      return FloatText(value);
    }
    case ColumnType::kDate: {
      const std::optional<int32_t> day = codecs::ParseDate(text);
      return day ? std::optional(codecs::FormatDate(*day)) : std::nullopt;
    }
    case ColumnType::kTimestamp: {
      const std::optional<int64_t> time = codecs::ParseRfc3339(text);
      return time ? std::optional(codecs::FormatRfc3339(*time)) : std::nullopt;
    }
    default:
      return codecs::IsUtf8(text) ? std::optional(text) : std::nullopt;
  }
}

const char* Example(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64:
      return "a whole number from 0 to 100000";
    case ColumnType::kFloat64:
      return "a number such as 20 or 12.5";
    case ColumnType::kDate:
      return "a date such as 2026-01-12";
    case ColumnType::kTimestamp:
      return "a time such as 2026-01-12T11:30:08Z";
    default:
      return "a text in UTF-8";
  }
}

bool HasParameter(const NamedQuery& query, std::string_view name) {
  for (const QueryParameter& parameter : query.parameters) {
    if (parameter.name == name) return true;
  }
  return false;
}

absl::Status CheckNames(const NamedQuery& query, const std::map<std::string, std::string>& given) {
  for (const auto& [name, value] : given) {
    if (HasParameter(query, name)) continue;
    std::string known;
    for (const QueryParameter& parameter : query.parameters)
      absl::StrAppend(&known, known.empty() ? "--" : ", --", std::string(parameter.name));
    return absl::InvalidArgumentError(
        absl::StrCat("query ", std::string(query.name), " has no --", name, "; it has ", known));
  }
  return absl::OkStatus();
}

absl::Status BindSqliteOnly(BoundQuery* bound, const std::string& zone) {
  const BoundParameter* const date = bound->Find("date");
  const std::optional<int32_t> day = date == nullptr ? std::nullopt : codecs::ParseDate(date->text);
  if (!day) return absl::OkStatus();
  const BoundParameter* const clock_zone = bound->Find("clock_zone");
  const std::optional<DayBounds> bounds = BoundsOfDay(*day, zone);
  if (!bounds) return absl::InvalidArgumentError(absl::StrCat("--zone: there is no time zone ", zone));
  const std::optional<ClockOffsets> clock = OffsetsAround(*bounds, clock_zone == nullptr ? zone : clock_zone->text);
  if (!clock) return absl::InvalidArgumentError(absl::StrCat("--clock_zone: there is no time zone ", clock_zone->text));
  const auto add = [bound](const char* name, int64_t value) {
    bound->sqlite_only.push_back({name, ColumnType::kInt64, std::to_string(value), false});
  };
  add("day_start", bounds->start_us);
  add("day_end", bounds->end_us);
  add("clock_offset", clock->before_us);
  add("clock_offset_after", clock->after_us);
  add("clock_changes_at", clock->changes_at_us);
  return absl::OkStatus();
}

}  // namespace

const BoundParameter* BoundQuery::Find(std::string_view name) const {
  for (const std::vector<BoundParameter>* list : {&parameters, &sqlite_only}) {
    for (const BoundParameter& parameter : *list) {
      if (parameter.name == name) return &parameter;
    }
  }
  return nullptr;
}

absl::StatusOr<BoundQuery> Bind(const NamedQuery& query, const std::map<std::string, std::string>& given,
                                int64_t now_us) {
  if (absl::Status status = CheckNames(query, given); !status.ok()) return status;
  BoundQuery bound{.query = &query, .parameters = {}, .sqlite_only = {}};
  for (const QueryParameter& parameter : query.parameters) {
    const auto at = given.find(std::string(parameter.name));
    BoundParameter value{std::string(parameter.name), parameter.type, std::string(parameter.text), at != given.end()};
    if (value.given) {
      const std::optional<std::string> text = Canonical(parameter.type, at->second);
      if (!text)
        return absl::InvalidArgumentError(
            absl::StrCat("--", value.name, ": '", at->second, "' is not ", Example(parameter.type)));
      value.text = *text;
    } else if (parameter.otherwise == Default::kNone) {
      return absl::InvalidArgumentError(absl::StrCat("query ", std::string(query.name), " needs --", value.name, ": ",
                                                     std::string(parameter.description)));
    } else if (parameter.otherwise == Default::kNow) {
      value.text = codecs::FormatRfc3339(now_us);
    }
    bound.parameters.push_back(std::move(value));
  }
  // Today is a day of @now in @zone, which are only known now.
  std::string zone = "UTC";
  if (const BoundParameter* parameter = bound.Find("zone")) zone = parameter->text;
  const int64_t now = codecs::ParseRfc3339(bound.Find("now")->text).value_or(now_us);
  for (size_t i = 0; i < query.parameters.size(); ++i) {
    if (query.parameters[i].otherwise != Default::kToday || bound.parameters[i].given) continue;
    const std::optional<int32_t> day = LocalDayOf(now, zone);
    if (!day) return absl::InvalidArgumentError(absl::StrCat("--zone: there is no time zone ", zone));
    bound.parameters[i].text = codecs::FormatDate(*day);
  }
  if (absl::Status status = BindSqliteOnly(&bound, zone); !status.ok()) return status;
  return bound;
}

std::string SqliteToPaste(const BoundQuery& bound) {
  return ReplaceParameters(bound.query->sqlite, [&](std::string_view name) {
    const BoundParameter* const parameter = bound.Find(name);
    return parameter == nullptr ? absl::StrCat("@", std::string(name))
                                : SqliteLiteral(parameter->type, parameter->text);
  });
}

std::string BigQueryToPaste(const BoundQuery& bound, std::string_view dataset) {
  const BoundParameter* const now = bound.Find("now");
  const BoundParameter* const zone = bound.Find("zone");
  const std::string replaced = ReplaceParameters(bound.query->bigquery, [&](std::string_view name) -> std::string {
    for (size_t i = 0; i < bound.parameters.size(); ++i) {
      const BoundParameter& parameter = bound.parameters[i];
      if (parameter.name != name) continue;
      if (!parameter.given && !now->given && bound.query->parameters[i].otherwise == Default::kNow)
        return "CURRENT_TIMESTAMP()";
      if (!parameter.given && !now->given && bound.query->parameters[i].otherwise == Default::kToday) {
        return absl::StrCat("CURRENT_DATE(", zone == nullptr ? "" : BigQueryLiteral(zone->type, zone->text), ")");
      }
      return BigQueryLiteral(parameter.type, parameter.text);
    }
    return absl::StrCat("@", std::string(name));
  });
  return WithDataset(replaced, dataset);
}

}  // namespace runledger::exporters
