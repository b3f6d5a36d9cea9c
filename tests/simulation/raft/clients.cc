#include "tests/simulation/raft/clients.h"

#include <string>
#include <utility>

namespace keelson::raft::simulation {
namespace {

constexpr size_t kVotersMax = 7;

}  // namespace

void Clients::Act() {
  Member* member = world_.AnyRunning();
  if (dice_.Percent(40)) {
    if (Member* leader = world_.AnyLeader()) member = leader;
  }
  if (member == nullptr) return;
  if (dice_.Percent(world_.options().read_percent)) return world_.RequestRead(*member);
  if (world_.options().membership && dice_.Percent(25)) return ProposeConfChange(*member);
  Propose(*member, dice_.Percent(80) ? 1 : 1 + dice_.Below(3));
}

ProposeResult Clients::Propose(Member& member, uint64_t count) {
  std::vector<Proposal> proposals;
  for (; count > 0; --count) {
    std::string payload = "c" + std::to_string(next_payload_++);
    if (dice_.Percent(20)) payload.append(dice_.Below(30), '.');
    proposals.push_back({.data = SharedBytes(std::move(payload))});
  }
  return world_.Propose(member, std::move(proposals));
}

void Clients::ProposeConfChange(Member& member) {
  const Member* leader = world_.Leader();
  // Without the core's checks it is the layer above that lets one change in at a time. It may still
  // be an illegal one.
  const bool checked = !world_.options().config.disable_conf_change_validation;
  if (!checked && (&member != leader || !world_.IsFreeOfChanges(member))) return;
  ConfChange change = DrawConfChange(leader == nullptr ? NodeId{0} : leader->id);
  if (dice_.Percent(8) && !change.steps.empty()) change.context = SharedBytes::Copy("reject");
  world_.ProposeConfChange(member, change);
}

NodeId Clients::FreshMember() {
  const MemberSet ever = world_.ledger().ever_members();
  for (const auto& member : world_.members()) {
    if ((ever & SetOf(member->id)) == 0 && dice_.Percent(70)) return member->id;
  }
  return world_.CanAddMember() ? world_.AddMember().id : NodeId{0};
}

ConfChangeStep Clients::DrawStep(const ConfState& conf) {
  const uint64_t what = dice_.Below(100);
  if (what < 30 && conf.voters.size() < kVotersMax) {
    return {.type = ConfChangeType::kAddVoter, .node = FreshMember()};
  }
  if (what < 45) return {.type = ConfChangeType::kAddLearner, .node = FreshMember()};
  if (what < 65 && !conf.learners.empty()) {
    return {.type = ConfChangeType::kAddVoter, .node = dice_.Pick(conf.learners)};
  }
  const NodeId voter = dice_.Pick(conf.voters);
  if (what < 75) return {.type = ConfChangeType::kAddLearner, .node = voter};
  if (what < 78) return {.type = ConfChangeType::kUpdate, .node = voter};
  if (what < 84 && !conf.learners.empty()) {
    return {.type = ConfChangeType::kRemove, .node = dice_.Pick(conf.learners)};
  }
  return {.type = ConfChangeType::kRemove, .node = voter};
}

ConfChange Clients::DrawConfChange(NodeId leader) {
  const ConfState& conf = world_.ledger().newest_conf();
  if (conf.voters.empty()) return {};
  if (conf.IsJoint() && dice_.Percent(60)) return {};
  if (dice_.Percent(10)) return DrawIllegal(conf);
  if (dice_.Percent(15)) return DrawReplaceLeader(conf, leader);
  if (dice_.Percent(30)) return DrawSeveral(conf);
  ConfChange change{.steps = {DrawStep(conf)}};
  if (dice_.Percent(15)) change.transition = ConfTransition::kJointImplicit;
  if (dice_.Percent(15)) change.transition = ConfTransition::kJointExplicit;
  return change;
}

ConfChange Clients::DrawSeveral(const ConfState& conf) {
  ConfChange change;
  change.transition = static_cast<ConfTransition>(dice_.Below(3));
  for (uint64_t i = 2 + dice_.Below(3); i > 0; --i) change.steps.push_back(DrawStep(conf));
  return change;
}

ConfChange Clients::DrawReplaceLeader(const ConfState& conf, NodeId leader) {
  ConfChange change;
  change.transition = static_cast<ConfTransition>(dice_.Below(3));
  const NodeId old = leader && IsVoter(conf, leader) ? leader : dice_.Pick(conf.voters);
  if (conf.voters.size() < 3 || dice_.Percent(50)) {
    change.steps.push_back({.type = ConfChangeType::kAddVoter, .node = FreshMember()});
  }
  const bool demote = dice_.Percent(30);
  change.steps.push_back(
      {.type = demote ? ConfChangeType::kAddLearner : ConfChangeType::kRemove, .node = old});
  return change;
}

// Changes nothing, removes everybody, names nobody, leaves what is not joint, or does too much.
ConfChange Clients::DrawIllegal(const ConfState& conf) {
  ConfChange change;
  switch (dice_.Below(4)) {
    case 0:
      return change;
    case 1:
      change.transition = ConfTransition::kJointExplicit;
      for (NodeId id : conf.voters) {
        change.steps.push_back({.type = ConfChangeType::kRemove, .node = id});
      }
      return change;
    case 2:
      change.steps.push_back({.type = ConfChangeType::kAddVoter, .node = NodeId{0}});
      return change;
    default:
      change.transition = ConfTransition::kJointImplicit;
      change.steps.push_back({.type = ConfChangeType::kRemove, .node = dice_.Pick(conf.voters)});
      return change;
  }
}

}  // namespace keelson::raft::simulation
