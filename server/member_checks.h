// What is refused before a change of the membership is proposed: URLs that make no sense, and, with
// --strict-reconfig-check, changes after which the cluster might have no quorum (etcd's rules,
// facts 4.14). Pure functions on the members as they are known here.
#ifndef KEELSON_SERVER_MEMBER_CHECKS_H_
#define KEELSON_SERVER_MEMBER_CHECKS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/types.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::server {

// How long a member has been connected without a break; zero: it is not.
using ConnectedFor = std::function<absl::Duration(NodeId)>;

struct MembersView {
  NodeId self;
  absl::Span<const etcdserverpb::Member> members;
  ConnectedFor connected_for;
  absl::Duration healthy_after;  // being connected for so long is being there
};

// Sorted, as etcd keeps them. Error: ErrBadMemberUrls.
absl::StatusOr<std::vector<std::string>> CheckPeerUrls(absl::Span<const std::string> urls);

absl::Status CheckAddingVoter(const MembersView& view);
absl::Status CheckAddingLearner(const MembersView& view);
// Also of a member that is not there: that is told when the change is applied.
absl::Status CheckRemoving(const MembersView& view, NodeId id);
absl::Status CheckPromoting(const MembersView& view);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_MEMBER_CHECKS_H_
