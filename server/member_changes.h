// Changes of the membership as the state machine carries them out: whether one may take effect, on
// what the store knows of the members, and what it makes of that. What members are connected to, or
// how far a learner is, is asked before a change is proposed (server/member_checks.h).
//
// Thread: apply.
#ifndef KEELSON_SERVER_MEMBER_CHANGES_H_
#define KEELSON_SERVER_MEMBER_CHANGES_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/keelson/command.pb.h"
#include "raft/types.h"
#include "storage/store.h"

namespace keelson::server {

// etcd's refusals: an id or a peer URL that is used, or used up; a member that is not there; no
// learner to promote; too many learners.
absl::Status CheckMemberChange(const storage::Store& store, const proto::MemberChange& change);
// REQUIRES: CheckMemberChange is ok, and an entry is under way.
void CarryOutMemberChange(storage::Store& store, const proto::MemberChange& change);
// The answer of the change's method, encoded without its header.
std::string MemberChangeAnswer(const storage::Store& store, const proto::MemberChange& change);

// What raft is to do; nullopt: nothing, the change is a command like others.
std::optional<raft::ConfChangeStep> RaftStepOf(const proto::MemberChange& change);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_MEMBER_CHANGES_H_
