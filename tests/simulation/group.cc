#include "simulation/group.h"

#include <algorithm>

#include "simulation/instance.h"

namespace runledger::simulation {

Group::MemberId Group::Join(std::weak_ptr<Instance> instance, const std::string& static_id) {
  const MemberId id = next_member_++;
  Member member;
  member.instance = instance;
  member.static_id = static_id;
  member.heard_us = world_.scheduler.now_us();
  if (!static_id.empty()) {
    const auto same = std::find_if(members_.begin(), members_.end(),
                                   [&](const auto& entry) { return entry.second.static_id == static_id; });
    if (same != members_.end() && !rebalancing_) {
      member.owned = same->second.owned;
      members_.erase(same);
      members_.emplace(id, member);
      const std::vector<int32_t> owned(member.owned.begin(), member.owned.end());
      Tell(id, [=, generation = world_.generation](Instance& x) { x.Assigned(id, owned, generation); });
      return id;
    }
    if (same != members_.end()) members_.erase(same);
  }
  members_.emplace(id, std::move(member));
  BeginRebalance();
  return id;
}

// In order: what was said first is heard first.
void Group::Tell(MemberId id, std::function<void(Instance&)> what) {
  Member& member = members_.at(id);
  member.told_us = std::max(member.told_us, world_.scheduler.now_us() + world_.About(5 * kSecond));
  world_.scheduler.At(member.told_us, [instance = member.instance, id, what = std::move(what)] {
    if (const auto i = instance.lock()) i->FromGroup(id, what);
  });
}

void Group::Leave(MemberId member) {
  if (members_.erase(member) > 0) BeginRebalance();
}

bool Group::Heartbeat(MemberId member) {
  const auto at = members_.find(member);
  if (at == members_.end()) return false;
  at->second.heard_us = world_.scheduler.now_us();
  return true;
}

bool Group::Owns(MemberId member, int32_t partition) const {
  const auto at = members_.find(member);
  return at != members_.end() && at->second.owned.contains(partition);
}

bool Group::Replaced(MemberId member, const std::string& static_id) const {
  return !static_id.empty() && std::any_of(members_.begin(), members_.end(), [&](const auto& entry) {
    return entry.first != member && entry.second.static_id == static_id;
  });
}

std::map<Group::MemberId, std::set<int32_t>> Group::Target() const {
  std::map<MemberId, std::set<int32_t>> target;
  if (members_.empty()) return target;
  // As evenly as it goes, and each keeps what it has if it may.
  const size_t partitions = static_cast<size_t>(world_.shape.partitions);
  const size_t most = (partitions + members_.size() - 1) / members_.size();
  std::set<int32_t> free;
  for (size_t p = 0; p < partitions; ++p) free.insert(static_cast<int32_t>(p));
  for (const auto& [id, member] : members_) {
    target[id];
    for (const int32_t partition : member.owned) {
      if (target[id].size() >= most || !free.contains(partition)) continue;
      target[id].insert(partition);
      free.erase(partition);
    }
  }
  for (const int32_t partition : free) {
    auto least = std::min_element(target.begin(), target.end(),
                                  [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    least->second.insert(partition);
  }
  return target;
}

void Group::BeginRebalance() {
  if (rebalancing_) {
    again_ = true;
    CompleteIfReady();  // it may have waited for one that is gone
    return;
  }
  rebalancing_ = true;
  again_ = false;
  rebalance_deadline_us_ = world_.scheduler.now_us() + kRevokeTimeout + kSessionTimeout;
  world_.Note("group: rebalance of " + std::to_string(members_.size()));
  target_ = Target();
  for (auto& [id, member] : members_) {
    std::vector<int32_t> revoked;
    for (const int32_t partition : member.owned) {
      if (world_.shape.eager || !target_.at(id).contains(partition)) revoked.push_back(partition);
    }
    member.ready = revoked.empty();
    if (revoked.empty()) continue;
    Tell(id, [revoked, id = id](Instance& x) { x.Revoke(id, revoked); });
  }
  CompleteIfReady();
}

void Group::Revoked(MemberId member) {
  const auto at = members_.find(member);
  if (at == members_.end()) return;
  at->second.ready = true;
  CompleteIfReady();
}

void Group::CompleteIfReady() {
  if (!rebalancing_ || !std::all_of(members_.begin(), members_.end(), [](const auto& m) { return m.second.ready; }))
    return;
  ++world_.generation;
  for (auto& [id, member] : members_) {
    std::vector<int32_t> added;
    for (const int32_t partition : target_[id]) {
      if (world_.shape.eager || !member.owned.contains(partition)) added.push_back(partition);
    }
    member.owned = target_[id];
    Tell(id, [added, id = id, generation = world_.generation](Instance& x) { x.Assigned(id, added, generation); });
  }
  rebalancing_ = false;
  world_.Note("group: generation " + std::to_string(world_.generation));
  if (again_) BeginRebalance();
}

void Group::Tick() {
  const int64_t now_us = world_.scheduler.now_us();
  if (world_.Is(Fault::kCoordinatorGone)) {  // whoever takes its place gives everybody a new session
    for (auto& [id, member] : members_) member.heard_us = now_us;
    if (rebalancing_) rebalance_deadline_us_ = std::max(rebalance_deadline_us_, now_us + kSessionTimeout);
    return;
  }
  std::vector<MemberId> gone;
  for (const auto& [id, member] : members_) {
    const bool late = rebalancing_ && !member.ready && now_us > rebalance_deadline_us_;
    if (late || now_us - member.heard_us > kSessionTimeout) gone.push_back(id);
  }
  for (const MemberId id : gone) {
    members_.erase(id);
    world_.Note("group: member " + std::to_string(id) + " is out");
  }
  if (gone.empty()) return;
  if (rebalancing_) {
    again_ = true;
    CompleteIfReady();
  } else {
    BeginRebalance();
  }
}

bool Group::Commit(MemberId member, int64_t generation, int32_t partition, int64_t offset,
                   const std::string& metadata) {
  if (!members_.contains(member) || generation != world_.generation) return false;
  committed_[partition] = {offset, metadata};
  return true;
}

std::optional<Group::Committed> Group::committed(int32_t partition) const {
  const auto at = committed_.find(partition);
  return at == committed_.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace runledger::simulation
