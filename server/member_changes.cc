#include "server/member_changes.h"

#include <algorithm>
#include <utility>

#include "server/errors.h"
#include "server/membership.h"

namespace keelson::server {
namespace {

using proto::MemberChange;

using Urls = google::protobuf::RepeatedPtrField<std::string>;

// Another member than `id` is reached at one of `urls`.
bool IsTaken(const storage::Store& store, const Urls& urls, NodeId id) {
  for (const etcdserverpb::Member& member : Members(store)) {
    if (NodeId(member.id()) == id) continue;
    for (const std::string& url : member.peerurls()) {
      if (std::find(urls.begin(), urls.end(), url) != urls.end()) return true;
    }
  }
  return false;
}

absl::Status CheckAddition(const storage::Store& store, const proto::MemberAddition& addition) {
  const NodeId id(addition.member().id());
  if (WasRemoved(store, id)) return ErrMemberNotFound();
  if (FindMember(store, id)) return ErrMemberExists();
  if (IsTaken(store, addition.member().peerurls(), id)) return ErrPeerUrlsExist();
  if (!addition.member().islearner()) return absl::OkStatus();
  const std::vector<etcdserverpb::Member> members = Members(store);
  const auto learners = std::count_if(members.begin(), members.end(),
                                      [](const auto& member) { return member.islearner(); });
  return learners < addition.learners_max() ? absl::OkStatus() : ErrTooManyLearners();
}

}  // namespace

absl::Status CheckMemberChange(const storage::Store& store, const MemberChange& change) {
  switch (change.change_case()) {
    case MemberChange::kAdd:
      return CheckAddition(store, change.add());
    case MemberChange::kRemove:
      return FindMember(store, NodeId(change.remove())) ? absl::OkStatus() : ErrMemberNotFound();
    case MemberChange::kPromote: {
      const auto member = FindMember(store, NodeId(change.promote()));
      if (!member) return ErrMemberNotFound();
      return member->islearner() ? absl::OkStatus() : ErrMemberNotLearner();
    }
    case MemberChange::kUpdate: {
      const NodeId id(change.update().id());
      if (!FindMember(store, id)) return ErrMemberNotFound();
      return IsTaken(store, change.update().peerurls(), id) ? ErrPeerUrlsExist() : absl::OkStatus();
    }
    default:
      return absl::UnimplementedError("etcdserver: unknown command");
  }
}

void CarryOutMemberChange(storage::Store& store, const MemberChange& change) {
  switch (change.change_case()) {
    case MemberChange::kAdd:
      return StoreMember(store, change.add().member());
    case MemberChange::kRemove:
      return RemoveMember(store, NodeId(change.remove()));
    case MemberChange::kPromote: {
      auto member = FindMember(store, NodeId(change.promote()));
      member->set_islearner(false);
      return StoreMember(store, *member);
    }
    case MemberChange::kUpdate: {
      auto member = FindMember(store, NodeId(change.update().id()));
      *member->mutable_peerurls() = change.update().peerurls();
      return StoreMember(store, *member);
    }
    default:
      return;
  }
}

std::string MemberChangeAnswer(const storage::Store& store, const MemberChange& change) {
  if (change.has_add()) {
    etcdserverpb::MemberAddResponse response;
    *response.mutable_member() = change.add().member();
    for (auto& member : Members(store)) *response.add_members() = std::move(member);
    return response.SerializeAsString();
  }
  // The answers of the other three are alike.
  etcdserverpb::MemberRemoveResponse response;
  for (auto& member : Members(store)) *response.add_members() = std::move(member);
  return response.SerializeAsString();
}

std::optional<raft::ConfChangeStep> RaftStepOf(const MemberChange& change) {
  switch (change.change_case()) {
    case MemberChange::kAdd:
      return raft::ConfChangeStep{change.add().member().islearner()
                                      ? raft::ConfChangeType::kAddLearner
                                      : raft::ConfChangeType::kAddVoter,
                                  NodeId(change.add().member().id())};
    case MemberChange::kRemove:
      return raft::ConfChangeStep{raft::ConfChangeType::kRemove, NodeId(change.remove())};
    case MemberChange::kPromote:
      return raft::ConfChangeStep{raft::ConfChangeType::kAddVoter, NodeId(change.promote())};
    default:
      return std::nullopt;
  }
}

}  // namespace keelson::server
