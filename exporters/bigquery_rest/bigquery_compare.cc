#include "exporters/bigquery_rest/bigquery_compare.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codecs/events_table.h"
#include "exporters/bigquery_rest/bigquery_sql.h"

namespace runledger::exporters {
namespace {

using nlohmann::json;

constexpr int64_t kDayMs = 86'400'000;

// The service says types by their older names.
std::string TypeName(std::string type) {
  if (type == "INTEGER") return "INT64";
  if (type == "FLOAT") return "FLOAT64";
  if (type == "BOOLEAN") return "BOOL";
  if (type == "STRUCT") return "RECORD";
  return type;
}

// Names of columns are without case.
std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string ModeOf(const json& field) {
  const std::string mode = field.value("mode", "");
  return mode.empty() ? "NULLABLE" : mode;
}

std::string Shown(const std::string& type, const std::string& mode) { return absl::StrCat(type, " ", mode); }

json WantedField(const codecs::Column& column) {
  return {{"name", column.name},
          {"type", codecs::ColumnTypeName(column.type)},
          {"mode", column.required ? "REQUIRED" : "NULLABLE"},
          {"description", column.description}};
}

json WantedPartitioning(const BigQueryPlace& place) {
  json partitioning = {{"type", "DAY"}, {"field", codecs::EventsLayout().partition_column}};
  if (place.expiry_days > 0) partitioning["expirationMs"] = std::to_string(place.expiry_days * kDayMs);
  return partitioning;
}

std::vector<std::string> ClusteringOf(const json& table) {
  if (!table.contains("clustering")) return {};
  return table["clustering"].value("fields", std::vector<std::string>());
}

std::string PartitioningText(const json& partitioning) {
  if (!partitioning.is_object()) return "no partitions by time";
  return absl::StrCat("partitions ", partitioning.value("type", "?"), " by ",
                      partitioning.value("field", "the time of arrival"));
}

class Comparison {
 public:
  Comparison(const BigQueryPlace& place, const json& found)
      : place_(place), found_(found), table_(BigQueryName(place, place.dataset, codecs::EventsLayout().name)) {}

  TableComparison Run() {
    if (const std::string type = found_.value("type", "TABLE"); type != "TABLE") {
      Refuse("", "TABLE", type);
      return std::move(result_);
    }
    ComparePartitioning();
    CompareClustering();
    CompareColumns();
    if (found_.value("description", "") != kBigQueryTableDescription) {
      result_.changes.push_back(absl::StrCat("set the description of table ", table_));
      result_.patch["description"] = kBigQueryTableDescription;
    }
    return std::move(result_);
  }

 private:
  void Refuse(const std::string& column, const std::string& wanted, const std::string& found) {
    result_.refusals.push_back(absl::StrCat("table ", table_, column.empty() ? "" : ", column " + column, ": wanted ",
                                            wanted, ", found ", found));
  }

  void ComparePartitioning() {
    const json wanted = WantedPartitioning(place_);
    const json found = found_.value("timePartitioning", json());
    if (!found.is_object() || found.value("type", "") != wanted["type"] ||
        found.value("field", "") != wanted["field"]) {
      Refuse(
          std::string(codecs::EventsLayout().partition_column), PartitioningText(wanted),
          PartitioningText(found) +
              "; a table has its partitions from the beginning: rename it, and `runledger schema apply` makes another");
      return;
    }
    const std::string wanted_expiry = wanted.value("expirationMs", "0");
    if (found.value("expirationMs", "0") == wanted_expiry) return;
    json patched = found;  // keeps what else there is
    patched["expirationMs"] = place_.expiry_days > 0 ? json(wanted_expiry) : json();
    result_.patch["timePartitioning"] = patched;
    result_.changes.push_back(place_.expiry_days > 0 ? absl::StrCat("let partitions of table ", table_,
                                                                    " expire after ", place_.expiry_days, " days")
                                                     : absl::StrCat("let partitions of table ", table_, " stay"));
  }

  void CompareClustering() {
    const auto& layout = codecs::EventsLayout().clustering;
    const std::vector<std::string> wanted(layout.begin(), layout.end());
    const std::vector<std::string> found = ClusteringOf(found_);
    if (found == wanted) return;
    Refuse("", absl::StrCat("clustering by ", absl::StrJoin(wanted, ", ")),
           found.empty() ? "no clustering" : absl::StrCat("clustering by ", absl::StrJoin(found, ", ")));
  }

  void CompareColumns() {
    json fields = found_.contains("schema") ? found_["schema"].value("fields", json::array()) : json::array();
    std::map<std::string, json*> by_name;
    for (json& field : fields) by_name[Lower(field.value("name", ""))] = &field;
    std::vector<json> added;
    bool described = false;
    for (const codecs::Column& column : codecs::EventColumns()) {
      const std::string name(column.name);
      const auto at = by_name.find(Lower(name));
      if (at == by_name.end()) {
        Add(column, &added);
        continue;
      }
      if (CompareColumn(column, at->second)) described = true;
      by_name.erase(at);
    }
    for (const auto& [name, field] : by_name) {
      if (ModeOf(*field) == "REQUIRED")
        Refuse(name, "no such column, or one that may be NULL", Shown(TypeName(field->value("type", "?")), "REQUIRED"));
    }
    if (described) result_.changes.push_back(absl::StrCat("set descriptions of columns of table ", table_));
    if (!described && added.empty()) return;
    for (json& field : added) fields.push_back(std::move(field));
    result_.patch["schema"] = {{"fields", fields}};
  }

  void Add(const codecs::Column& column, std::vector<json>* added) {
    const std::string name(column.name);
    const std::string type(codecs::ColumnTypeName(column.type));
    if (column.required) return Refuse(name, Shown(type, "REQUIRED"), "no such column");
    added->push_back(WantedField(column));
    result_.missing.push_back(name);
    result_.changes.push_back(absl::StrCat("add column ", name, " ", type, " to table ", table_));
  }

  // True: its description was changed.
  bool CompareColumn(const codecs::Column& column, json* field) {
    const std::string wanted(codecs::ColumnTypeName(column.type));
    const std::string wanted_mode = column.required ? "REQUIRED" : "NULLABLE";
    const std::string found = TypeName(field->value("type", "?"));
    if (found != wanted || ModeOf(*field) != wanted_mode) {
      Refuse(std::string(column.name), Shown(wanted, wanted_mode), Shown(found, ModeOf(*field)));
      return false;
    }
    if (field->value("description", "") == column.description) return false;
    (*field)["description"] = column.description;
    return true;
  }

  const BigQueryPlace& place_;
  const json& found_;
  const std::string table_;
  TableComparison result_;
};

}  // namespace

json WantedTable(const BigQueryPlace& place) {
  const codecs::TableLayout& layout = codecs::EventsLayout();
  json fields = json::array();
  for (const codecs::Column& column : codecs::EventColumns()) fields.push_back(WantedField(column));
  return {{"tableReference", {{"projectId", place.project}, {"datasetId", place.dataset}, {"tableId", layout.name}}},
          {"schema", {{"fields", fields}}},
          {"timePartitioning", WantedPartitioning(place)},
          {"clustering", {{"fields", std::vector<std::string>(layout.clustering.begin(), layout.clustering.end())}}},
          {"description", kBigQueryTableDescription}};
}

TableComparison CompareTable(const BigQueryPlace& place, const json& found) { return Comparison(place, found).Run(); }

}  // namespace runledger::exporters
