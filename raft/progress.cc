#include "raft/progress.h"

#include <algorithm>

#include "base/check.h"
#include "base/planted_bug.h"

namespace keelson::raft {

Progress::Progress(NodeId id, Suffrage suffrage, const InflightLimits& limits)
    : id_(id), suffrage_(suffrage), inflights_(limits) {}

void Progress::Reset(LogIndex last) {
  state_ = ProgressState::kProbe;
  match_ = KV_PLANTED("match-kept-from-old-term") ? std::min(match_, last) : LogIndex{0};
  next_ = last + 1;
  commit_sent_ = LogIndex{0};
  pending_snapshot_ = LogIndex{0};
  paused_ = false;
  append_wanted_ = false;
  inflights_.Clear();
  recent_active = false;
  vote.reset();
  read_round = 0;
  CheckInvariants();
}

void Progress::BecomeProbe() {
  state_ = ProgressState::kProbe;
  // A snapshot that has arrived is what the member has at least.
  next_ = std::max(match_, pending_snapshot_) + 1;
  pending_snapshot_ = LogIndex{0};
  commit_sent_ = std::min(commit_sent_, match_);
  paused_ = false;
  append_wanted_ = true;
  inflights_.Clear();
  CheckInvariants();
}

void Progress::BecomeReplicate() {
  state_ = ProgressState::kReplicate;
  next_ = match_ + 1;
  pending_snapshot_ = LogIndex{0};
  commit_sent_ = std::min(commit_sent_, match_);
  paused_ = false;
  append_wanted_ = false;
  inflights_.Clear();
  CheckInvariants();
}

void Progress::BecomeSnapshot(LogIndex index) {
  state_ = ProgressState::kSnapshot;
  pending_snapshot_ = index;
  next_ = std::max(match_, index) + 1;
  commit_sent_ = std::min(commit_sent_, match_);
  paused_ = false;
  append_wanted_ = false;
  inflights_.Clear();
  CheckInvariants();
}

void Progress::OnSnapshotSent(SnapshotResult result) {
  if (state_ != ProgressState::kSnapshot) return;  // answered by the member itself already
  if (result == SnapshotResult::kFailed) pending_snapshot_ = LogIndex{0};
  BecomeProbe();
  paused_ = true;
}

bool Progress::OnAccepted(LogIndex index, LogIndex log_first) {
  const bool grew = index > match_;
  if (grew) {
    match_ = index;
    next_ = std::max(next_, index + 1);
    paused_ = false;
  }
  if (state_ == ProgressState::kSnapshot) {
    // Whatever became of the snapshot: if the log has all that follows, it can do without. The
    // member may hold more than the snapshot, or a part of it only, by an older one
    // (testdata/snapshot_succeed_via_app_resp_behind.txt).
    if (grew && match_ + 1 >= log_first) BecomeReplicate();
    return grew;
  }
  if (state_ == ProgressState::kProbe) {
    // An answer below `match` is late and does not say that the newest probe arrived.
    if (index < match_) return false;
    BecomeReplicate();
    return true;
  }
  if (grew) inflights_.FreeThrough(index);
  CheckInvariants();
  return grew;
}

bool Progress::OnRejected(LogIndex refused, LogIndex hint) {
  if (state_ == ProgressState::kSnapshot) return false;  // late
  if (state_ == ProgressState::kReplicate) {
    // Late if it is about what was acknowledged since. Otherwise start over at what is certain.
    if (refused <= match_) return false;
    BecomeProbe();
    return true;
  }
  // Only one probe is under way: an answer to any other is late.
  if (next_ - 1 != refused) return false;
  next_ = std::max(std::min(refused, hint + 1), match_ + 1);
  commit_sent_ = std::min(commit_sent_, next_ - 1);
  paused_ = false;
  append_wanted_ = true;
  CheckInvariants();
  return true;
}

void Progress::OnAppendSent(uint64_t count, uint64_t bytes, LogIndex commit) {
  append_wanted_ = false;
  commit_sent_ = std::max(commit_sent_, std::min(commit, next_ - 1 + count));
  if (state_ == ProgressState::kReplicate) {
    if (count > 0) {
      next_ += count;
      inflights_.Add(next_ - 1, bytes);
    }
    paused_ = inflights_.IsFull();
  } else {
    paused_ = true;
  }
  CheckInvariants();
}

void Progress::OnCommitSent(LogIndex commit) {
  commit_sent_ = std::max(commit_sent_, std::min(commit, next_ - 1));
}

void Progress::OnHeartbeatResponse(LogIndex last) {
  if (KV_PLANTED("silent-peer-forgotten")) return;
  paused_ = false;
  if (match_ < last || state_ == ProgressState::kProbe) append_wanted_ = true;
}

void Progress::SetOwnMatch(LogIndex durable, LogIndex last) {
  state_ = ProgressState::kReplicate;
  pending_snapshot_ = LogIndex{0};
  match_ = durable;
  next_ = last + 1;
  recent_active = true;
  CheckInvariants();
}

void Progress::CheckInvariants() const {
  KV_CHECK_LT(match_, next_);
  KV_DCHECK(state_ == ProgressState::kProbe || commit_sent_ < next_);
  KV_DCHECK(state_ == ProgressState::kReplicate || inflights_.count() == 0);
  KV_CHECK_EQ(state_ == ProgressState::kSnapshot, bool{pending_snapshot_});
}

}  // namespace keelson::raft
