#include "raft/conf_change.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/coding.h"
#include "base/status_macros.h"

namespace keelson::raft {
namespace {

using Ids = std::vector<NodeId>;  // ascending

constexpr uint8_t kVersion = 1;
constexpr size_t kStepBytes = 1 + 8;

// -------------------------------------------------------------------------------------------
// sets

bool Has(const Ids& ids, NodeId id) { return std::binary_search(ids.begin(), ids.end(), id); }

void Insert(Ids& ids, NodeId id) {
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  if (at == ids.end() || *at != id) ids.insert(at, id);
}

void Erase(Ids& ids, NodeId id) {
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  if (at != ids.end() && *at == id) ids.erase(at);
}

bool IsSet(const Ids& ids) {
  return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end() &&
         !Has(ids, NodeId{});
}

bool Disjoint(const Ids& a, const Ids& b) {
  return std::none_of(a.begin(), a.end(), [&](NodeId id) { return Has(b, id); });
}

size_t DifferenceOf(const Ids& a, const Ids& b) {
  Ids either;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(either));
  return either.size();
}

std::string Listed(const Ids& ids) {
  const auto number = [](std::string* out, NodeId id) { absl::StrAppend(out, id.value()); };
  return absl::StrCat("(", absl::StrJoin(ids, " ", number), ")");
}

absl::Status Refused(const ConfState& conf, const char* why) {
  return absl::FailedPreconditionError(absl::StrCat(why, ": ", Describe(conf)));
}

// -------------------------------------------------------------------------------------------
// steps

void MakeVoter(ConfState& conf, NodeId id) {
  Erase(conf.learners, id);
  Erase(conf.learners_next, id);
  Insert(conf.voters, id);
}

// A member that still votes in the outgoing half cannot be a learner yet: it waits for the leave.
void MakeLearner(ConfState& conf, NodeId id) {
  Erase(conf.voters, id);
  Insert(Has(conf.voters_outgoing, id) ? conf.learners_next : conf.learners, id);
}

void Remove(ConfState& conf, NodeId id) {
  Erase(conf.voters, id);
  Erase(conf.learners, id);
  Erase(conf.learners_next, id);
}

void CarryOut(ConfState& conf, const ConfChangeStep& step) {
  if (!step.node) return;
  switch (step.type) {
    case ConfChangeType::kAddVoter:
      return MakeVoter(conf, step.node);
    case ConfChangeType::kAddLearner:
      return MakeLearner(conf, step.node);
    case ConfChangeType::kRemove:
      return Remove(conf, step.node);
    case ConfChangeType::kUpdate:
      return;
  }
}

// On the way there may be no voter; at the end there must be.
absl::StatusOr<ConfState> CarryOutAll(ConfState conf, std::span<const ConfChangeStep> steps) {
  for (const ConfChangeStep& step : steps) CarryOut(conf, step);
  if (conf.voters.empty()) return Refused(conf, "the change leaves no voter");
  return conf;
}

absl::StatusOr<ConfState> EnterJoint(const ConfState& conf, const ConfChange& change) {
  if (conf.IsJoint()) return Refused(conf, "joint already");
  if (conf.voters.empty()) return Refused(conf, "without voters there is nothing to be joint with");
  ConfState joint = conf;
  joint.voters_outgoing = conf.voters;
  joint.auto_leave = change.transition != ConfTransition::kJointExplicit;
  return CarryOutAll(std::move(joint), change.steps);
}

absl::StatusOr<ConfState> LeaveJoint(const ConfState& conf) {
  if (!conf.IsJoint()) return Refused(conf, "not joint");
  ConfState next = {.voters = conf.voters, .learners = conf.learners};
  for (NodeId id : conf.learners_next) Insert(next.learners, id);
  return next;
}

// -------------------------------------------------------------------------------------------
// bytes

// A count is written in one way only.
bool TakeCount(std::string_view& bytes, uint64_t& count) {
  std::string_view rest = bytes;
  if (!TakeVarint(rest, count)) return false;
  const std::string_view taken = bytes.substr(0, bytes.size() - rest.size());
  if (taken.size() > 1 && taken.back() == '\0') return false;
  bytes = rest;
  return true;
}

std::optional<ConfChangeStep> TakeStep(std::string_view& bytes) {
  uint8_t type = 0;
  uint64_t node = 0;
  if (!TakeByte(bytes, type) || type > static_cast<uint8_t>(ConfChangeType::kAddLearner) ||
      !TakeBig64(bytes, node)) {
    return std::nullopt;
  }
  return ConfChangeStep{ConfChangeType{type}, NodeId{node}};
}

}  // namespace

absl::Status CheckConf(const ConfState& conf) {
  for (const Ids* ids :
       {&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next}) {
    if (!IsSet(*ids)) return Refused(conf, "a list does not ascend, or holds 0");
  }
  if (conf.voters.empty() && conf != ConfState{}) return Refused(conf, "no voter");
  if (!Disjoint(conf.learners, conf.voters) || !Disjoint(conf.learners, conf.voters_outgoing)) {
    return Refused(conf, "a learner votes");
  }
  if (!Disjoint(conf.learners_next, conf.voters)) {
    return Refused(conf, "a learner to be is a voter to stay");
  }
  // Also: nobody waits to be a learner when not joint.
  if (!std::includes(conf.voters_outgoing.begin(), conf.voters_outgoing.end(),
                     conf.learners_next.begin(), conf.learners_next.end())) {
    return Refused(conf, "a learner to be does not vote in the outgoing half");
  }
  if (conf.auto_leave && !conf.IsJoint()) return Refused(conf, "leaves by itself, but not joint");
  return absl::OkStatus();
}

absl::StatusOr<ConfState> ChangeDirectly(const ConfState& conf,
                                         std::span<const ConfChangeStep> steps) {
  KV_RETURN_IF_ERROR(CheckConf(conf));
  if (conf.IsJoint()) return Refused(conf, "a joint configuration has to be left first");
  KV_ASSIGN_OR_RETURN(ConfState next, CarryOutAll(conf, steps));
  if (DifferenceOf(conf.voters, next.voters) > 1) {
    return Refused(conf, "more than one voter changes without a joint configuration");
  }
  return next;
}

absl::StatusOr<ConfState> ApplyConfChange(const ConfState& conf, const ConfChange& change) {
  KV_RETURN_IF_ERROR(CheckConf(conf));
  if (IsLeave(change)) return LeaveJoint(conf);
  if (EntersJoint(change)) return EnterJoint(conf, change);
  return ChangeDirectly(conf, change.steps);
}

SharedBytes EncodeConfChange(const ConfChange& change) {
  std::string bytes;
  bytes.push_back(static_cast<char>(kVersion));
  bytes.push_back(static_cast<char>(change.transition));
  AppendVarint(bytes, change.steps.size());
  for (const ConfChangeStep& step : change.steps) {
    bytes.push_back(static_cast<char>(step.type));
    AppendBig64(bytes, step.node.value());
  }
  bytes.append(change.context.view());
  return SharedBytes(std::move(bytes));
}

std::optional<ConfChange> DecodeConfChange(const SharedBytes& bytes) {
  std::string_view rest = bytes.view();
  uint8_t version = 0;
  uint8_t transition = 0;
  uint64_t count = 0;
  if (!TakeByte(rest, version) || version != kVersion || !TakeByte(rest, transition) ||
      transition > static_cast<uint8_t>(ConfTransition::kJointExplicit) ||
      !TakeCount(rest, count) || count > rest.size() / kStepBytes) {
    return std::nullopt;
  }
  ConfChange change = {.transition = ConfTransition{transition}};
  change.steps.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const std::optional<ConfChangeStep> step = TakeStep(rest);
    if (!step) return std::nullopt;
    change.steps.push_back(*step);
  }
  change.context = bytes.Slice(bytes.size() - rest.size(), rest.size());
  return change;
}

std::string Describe(const ConfState& conf) {
  std::string text = absl::StrCat("voters=", Listed(conf.voters));
  if (conf.IsJoint()) absl::StrAppend(&text, "&&", Listed(conf.voters_outgoing));
  if (!conf.learners.empty()) absl::StrAppend(&text, " learners=", Listed(conf.learners));
  if (!conf.learners_next.empty()) {
    absl::StrAppend(&text, " learners_next=", Listed(conf.learners_next));
  }
  if (conf.auto_leave) absl::StrAppend(&text, " autoleave");
  return text;
}

}  // namespace keelson::raft
