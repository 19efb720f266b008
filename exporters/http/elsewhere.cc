#include "exporters/http/elsewhere.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "exporters/http/refusals.h"

namespace runledger::exporters {
namespace {

using ingest::PartitionOwner;
using ingest::TopicPartition;

std::set<TopicPartition> OwnedHere(const ingest::PartitionDirectory& directory) {
  std::set<TopicPartition> here;
  for (const ingest::PartitionView& view : directory.List()) here.insert(view.partition);
  return here;
}

absl::StatusOr<std::vector<PartitionOwner>> Owners(const ingest::PartitionDirectory& directory) {
  ingest::Fleet* const fleet = directory.fleet();
  if (fleet == nullptr) return absl::UnavailableError("this instance has not joined its group yet, or is leaving it");
  return fleet->Owners();
}

}  // namespace

std::optional<Response> Elsewhere(const ingest::PartitionDirectory& directory, std::string_view job) {
  if (directory.fleet() == nullptr) return std::nullopt;  // nothing that it would be a part of
  const auto owners = Owners(directory);
  if (!owners.ok()) {
    return NotNow(absl::StrCat("unknown: the group cannot be asked which instance has job '", std::string(job),
                               "': ", std::string(owners.status().message())));
  }
  const std::optional<std::vector<TopicPartition>> homes = directory.fleet()->HomesOf(job);
  const std::set<TopicPartition> here = OwnedHere(directory);
  std::vector<PartitionOwner> others;
  for (const PartitionOwner& owner : *owners) {
    const bool may_have_it = !homes || std::find(homes->begin(), homes->end(), owner.partition) != homes->end();
    if (may_have_it && !here.contains(owner.partition)) others.push_back(owner);
  }
  if (others.empty()) return std::nullopt;
  if (homes && others.size() == 1 && !others[0].address.empty()) {
    Json members = PartitionJson(others[0].partition);
    members["owner"] = others[0].address;
    return Problem(421,
                   absl::StrCat("job '", std::string(job), "' has its home in ", ToString(others[0].partition),
                                ", which the instance at ", others[0].address, " owns: ask there"),
                   members);
  }
  Json members;
  members["owners"] = Json::array();
  for (const PartitionOwner& owner : others) {
    Json one = PartitionJson(owner.partition);
    one["owner"] = owner.address.empty() ? Json() : Json(owner.address);
    members["owners"].push_back(std::move(one));
  }
  return NotNow(absl::StrCat("unknown: job '", std::string(job), "' is not in the partitions of this instance, and ",
                             others.size(), " that may have it are not its own"),
                members);
}

absl::StatusOr<Json> OwnersJson(const ingest::PartitionDirectory& directory) {
  const auto owners = Owners(directory);
  if (!owners.ok()) return owners.status();
  const std::set<TopicPartition> here = OwnedHere(directory);
  Json json = Json::array();
  for (const PartitionOwner& owner : *owners) {
    Json one = PartitionJson(owner.partition);
    one["owner"] = owner.address.empty() ? Json() : Json(owner.address);
    one["here"] = here.contains(owner.partition);
    json.push_back(std::move(one));
  }
  return json;
}

bool OwnsAll(const ingest::PartitionDirectory& directory) {
  ingest::Fleet* const fleet = directory.fleet();
  return fleet == nullptr || fleet->PartitionCount() == directory.List().size();
}

}  // namespace runledger::exporters
