#include "server/member_checks.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "server/errors.h"
#include "server/url.h"

namespace keelson::server {
namespace {

size_t Quorum(size_t voters) { return voters / 2 + 1; }

// A member has a name once it has joined.
bool IsStarted(const etcdserverpb::Member& member) { return !member.name().empty(); }

struct Voters {
  size_t count = 0;
  size_t started = 0;
  size_t connected = 0;  // for long enough; self counts
};

// All voters but `without`.
Voters CountVoters(const MembersView& view, NodeId without = {}) {
  Voters voters;
  for (const etcdserverpb::Member& member : view.members) {
    const NodeId id(member.id());
    if (member.islearner() || id == without) continue;
    ++voters.count;
    if (IsStarted(member)) ++voters.started;
    if (id == view.self || view.connected_for(id) >= view.healthy_after) ++voters.connected;
  }
  return voters;
}

// This member is connected to a quorum of what the voters are with one more.
bool IsHealthyForOneMore(const Voters& voters) {
  return voters.count <= 1 || voters.connected >= Quorum(voters.count + 1);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CheckPeerUrls(absl::Span<const std::string> urls) {
  std::vector<std::string> checked;
  for (const std::string& url : urls) {
    std::string text(absl::StripAsciiWhitespace(url));
    if (!ParseUrl(text).ok()) return ErrBadMemberUrls();
    checked.push_back(std::move(text));
  }
  if (checked.empty()) return ErrBadMemberUrls();
  std::sort(checked.begin(), checked.end());
  return checked;
}

absl::Status CheckAddingVoter(const MembersView& view) {
  const Voters voters = CountVoters(view);
  // A cluster of one may grow: that is how one is rebuilt from what one member has.
  const bool second = voters.count == 1 && voters.started == 1;
  if (!second && voters.started < Quorum(voters.count + 1)) return ErrNotEnoughStartedMembers();
  return IsHealthyForOneMore(voters) ? absl::OkStatus() : ErrUnhealthy();
}

absl::Status CheckAddingLearner(const MembersView& view) {
  return IsHealthyForOneMore(CountVoters(view)) ? absl::OkStatus() : ErrUnhealthy();
}

absl::Status CheckRemoving(const MembersView& view, NodeId id) {
  const auto member =
      std::find_if(view.members.begin(), view.members.end(),
                   [id](const auto& candidate) { return NodeId(candidate.id()) == id; });
  if (member != view.members.end() && member->islearner()) return absl::OkStatus();
  const Voters rest = CountVoters(view, id);
  if (rest.started < Quorum(rest.count)) return ErrNotEnoughStartedMembers();
  // One that is not there takes nothing from those that are.
  if (id != view.self && view.connected_for(id) == absl::ZeroDuration()) return absl::OkStatus();
  const Voters all = CountVoters(view);
  const size_t connected_after = all.connected - std::min<size_t>(all.connected, 1);
  return connected_after < Quorum(std::max<size_t>(all.count, 1) - 1) ? ErrUnhealthy()
                                                                      : absl::OkStatus();
}

// The learner has joined, or it would not have the log.
absl::Status CheckPromoting(const MembersView& view) {
  const Voters voters = CountVoters(view);
  return voters.started + 1 < Quorum(voters.count + 1) ? ErrNotEnoughStartedMembers()
                                                       : absl::OkStatus();
}

}  // namespace keelson::server
