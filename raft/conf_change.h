// Changes of membership: what a change makes of a configuration, by joint consensus (thesis 4.3),
// and the bytes of a change in the log. Pure functions; when a change may be proposed or takes
// effect is Raft's matter.
//
// A change by one step goes directly from one configuration to the next if old and new majorities
// intersect whatever they are, that is if at most one voter comes or goes. Everything else passes
// through a joint configuration: `voters` is the new half, `voters_outgoing` the old one.
//
//   encoded := version:u8 = 1  transition:u8  count:varint  step{count}  context:the rest
//   step    := type:u8  node:be64
#ifndef KEELSON_RAFT_CONF_CHANGE_H_
#define KEELSON_RAFT_CONF_CHANGE_H_

#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/shared_bytes.h"
#include "raft/types.h"

namespace keelson::raft {

// FailedPrecondition: `conf` breaks a rule of ConfState, named in the message. An empty one is
// legal.
absl::Status CheckConf(const ConfState& conf);

// True: `change` asks to leave a joint configuration.
inline bool IsLeave(const ConfChange& change) {
  return change.transition == ConfTransition::kAuto && change.steps.empty();
}
// True: `change` passes through a joint configuration.
inline bool EntersJoint(const ConfChange& change) {
  return change.transition != ConfTransition::kAuto || change.steps.size() > 1;
}

// The configuration after `change`. Steps are carried out in order, those that name node 0 or
// change nothing are passed over. FailedPrecondition: the change is not legal for `conf`: it leaves
// when not joint, enters when joint, changes more than one voter directly, or leaves no voter.
absl::StatusOr<ConfState> ApplyConfChange(const ConfState& conf, const ConfChange& change);

// What ApplyConfChange does for a change that neither enters nor leaves: all steps at once, without
// a joint configuration. An empty configuration gets its first voter this way.
absl::StatusOr<ConfState> ChangeDirectly(const ConfState& conf,
                                         std::span<const ConfChangeStep> steps);

SharedBytes EncodeConfChange(const ConfChange& change);
// nullopt: malformed, or of a later version. `bytes` is kept alive by the context.
std::optional<ConfChange> DecodeConfChange(const SharedBytes& bytes);

// "voters=(1 2 3)&&(1 2) learners=(4) learners_next=(3) autoleave"; empty parts but the
// first are left out.
std::string Describe(const ConfState& conf);

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_CONF_CHANGE_H_
