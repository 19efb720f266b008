#include "ingest/commit_metadata.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace runledger::ingest {
namespace {

template <typename T>
void Put(nlohmann::ordered_json* json, const char* key, const T& value, const T& absent) {
  if (value != absent) (*json)[key] = value;
}

template <typename T>
bool Take(const nlohmann::json& json, const char* key, T* value) {
  const auto found = json.find(key);
  if (found == json.end()) return true;
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) return false;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!found->is_boolean()) return false;
  } else {
    if (!found->is_number_integer()) return false;
  }
  *value = found->template get<T>();
  return true;
}

bool TakeList(const nlohmann::json& json, const char* key, std::vector<int32_t>* values) {
  const auto found = json.find(key);
  if (found == json.end()) return true;
  if (!found->is_array()) return false;
  for (const nlohmann::json& value : *found) {
    if (!value.is_number_integer()) return false;
    values->push_back(value.get<int32_t>());
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> CommitMetadata::Encode() const {
  const CommitMetadata absent;
  nlohmann::ordered_json json;
  json["v"] = kVersion;
  Put(&json, "i", index, absent.index);
  Put(&json, "c", cluster_id, absent.cluster_id);
  Put(&json, "e", log_epoch, absent.log_epoch);
  Put(&json, "r", rules, absent.rules);
  Put(&json, "t", before_time_ms, absent.before_time_ms);
  Put(&json, "h", before_hash, absent.before_hash);
  Put(&json, "s", snapshot, absent.snapshot);
  Put(&json, "g", counted_from, absent.counted_from);
  Put(&json, "k", counters, absent.counters);
  Put(&json, "f", replay_floor, absent.replay_floor);
  Put(&json, "a", applied_at_revocation, absent.applied_at_revocation);
  Put(&json, "w", stream, absent.stream);
  Put(&json, "b", stream_base, absent.stream_base);
  Put(&json, "n", stream_next_row, absent.stream_next_row);
  Put(&json, "o", advertise, absent.advertise);
  Put(&json, "u", unopened, absent.unopened);
  if (!partitions.empty()) json["p"] = partitions;
  std::string text = json.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace);
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("commit metadata has ", text.size(), " bytes; Kafka takes ", kMaxBytes));
  }
  return text;
}

absl::StatusOr<CommitMetadata> CommitMetadata::Decode(std::string_view text) {
  CommitMetadata metadata;
  if (text.empty()) return metadata;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("v") || !json["v"].is_number_integer()) {
    return absl::InvalidArgumentError(
        "the commit metadata is not runledger's: is another program committing for this group?");
  }
  if (const int version = json["v"].get<int>(); version > kVersion) {
    return absl::InvalidArgumentError(absl::StrCat("the commit metadata has version ", version,
                                                   "; this runledger knows ", kVersion, ": run the newer release"));
  }
  const bool ok = Take(json, "i", &metadata.index) && Take(json, "c", &metadata.cluster_id) &&
                  Take(json, "e", &metadata.log_epoch) && Take(json, "r", &metadata.rules) &&
                  Take(json, "t", &metadata.before_time_ms) && Take(json, "h", &metadata.before_hash) &&
                  Take(json, "s", &metadata.snapshot) && Take(json, "g", &metadata.counted_from) &&
                  Take(json, "k", &metadata.counters) && Take(json, "f", &metadata.replay_floor) &&
                  Take(json, "a", &metadata.applied_at_revocation) && Take(json, "w", &metadata.stream) &&
                  Take(json, "b", &metadata.stream_base) && Take(json, "n", &metadata.stream_next_row) &&
                  Take(json, "o", &metadata.advertise) && Take(json, "u", &metadata.unopened) &&
                  TakeList(json, "p", &metadata.partitions);
  if (!ok || metadata.index < 0)
    return absl::InvalidArgumentError("the commit metadata holds a value of the wrong type");
  return metadata;
}

}  // namespace runledger::ingest
