#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/world.h"

namespace runledger::simulation {

// The consumer group: members, who owns what, committed offsets. A broker's coordinator, with the rules that matter:
// a commit counts if it comes from a member and carries the present generation, whatever it is about; a member that was
// not heard of for the session timeout is out, and does not know it until it asks.
class Group {
 public:
  using MemberId = uint64_t;
  explicit Group(World* world) : world_(*world) {}

  // `static_id`: group.instance.id, or empty. A static member that joins again takes over what its predecessor has,
  // without a rebalance, and its predecessor is fenced.
  MemberId Join(std::weak_ptr<Instance> instance, const std::string& static_id);
  void Leave(MemberId member);
  // False: the group does not know the member any more.
  bool Heartbeat(MemberId member);
  bool Owns(MemberId member, int32_t partition) const;
  // Another process has taken the member's place under its group.instance.id.
  bool Replaced(MemberId member, const std::string& static_id) const;
  // The member has given up what it was asked to give up.
  void Revoked(MemberId member);

  // False: refused.
  bool Commit(MemberId member, int64_t generation, int32_t partition, int64_t offset, const std::string& metadata);
  struct Committed {
    int64_t offset;
    std::string metadata;
  };
  std::optional<Committed> committed(int32_t partition) const;

  // Looks after members that are silent and rebalances that take too long. Once a tick.
  void Tick();

 private:
  struct Member {
    std::weak_ptr<Instance> instance;
    std::string static_id;
    std::set<int32_t> owned;
    int64_t heard_us = 0;
    int64_t told_us = 0;  // when it hears what it was told last
    bool ready = true;    // has given up what it was asked to
  };

  void Tell(MemberId member, std::function<void(Instance&)> what);
  void BeginRebalance();
  void CompleteIfReady();
  std::map<MemberId, std::set<int32_t>> Target() const;

  World& world_;
  std::map<MemberId, Member> members_;
  MemberId next_member_ = 1;
  bool rebalancing_ = false;
  bool again_ = false;                            // somebody came or went meanwhile
  std::map<MemberId, std::set<int32_t>> target_;  // of the rebalance under way
  int64_t rebalance_deadline_us_ = 0;
  std::map<int32_t, Committed> committed_;
};

}  // namespace runledger::simulation
