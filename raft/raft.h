// Raft: the roles (paper section 5, thesis 3, 6.4, 9.6). Takes ticks, messages and requests; leaves
// behind state and an outbox, out of which RawNode makes a Ready. Owned by RawNode.
//
// What a leader sends is decided late, in FillOutbox: proposals, acknowledgements and commits that
// came in between two Readys make one AppendRequest per follower, and reads one round.
//
// Invariants:
//   1. term only grows; the vote changes once a term, from nobody to somebody
//   2. a leader appends to its log and never truncates it; it counts only entries of its own term
//   3. its own log and its own vote count once they are durable, like everybody's
//   4. reads wait only while a leader is known, and are dropped when it changes
//   5. the membership in force is the one of the newest applied change (or installed snapshot), and
//      at most one change after it is in a leader's log. docs/raft.md says why majorities of
//      members that apply at different times still intersect.
#ifndef KEELSON_RAFT_RAFT_H_
#define KEELSON_RAFT_RAFT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/planted_bug.h"
#include "base/random.h"
#include "base/types.h"
#include "raft/forwarded_reads.h"
#include "raft/leader_lease.h"
#include "raft/log.h"
#include "raft/raw_node.h"
#include "raft/read_rounds.h"
#include "raft/tracker.h"
#include "raft/types.h"

namespace keelson::raft {

struct Outbox {
  std::vector<Message> now;
  std::vector<Message> after_write;
  std::vector<ReadGrant> reads;
  std::vector<uint64_t> dropped_reads;
  bool empty() const {
    return now.empty() && after_write.empty() && reads.empty() && dropped_reads.empty();
  }
};

class Raft {
 public:
  Raft(const Config& config, const LogView* view, Random* random);

  void Tick();
  void Step(Message message);
  void Campaign();
  ProposeResult Propose(std::vector<Proposal> proposals);
  ProposeResult ProposeConfChange(const ConfChange& change);
  absl::StatusOr<ConfState> ApplyConfChange(LogIndex index, const ConfChange& change);
  void TransferLeadership(NodeId to);
  void ForgetLeader();
  bool RequestReadIndex(uint64_t context);
  void RevokeLease() {
    if (!KV_PLANTED("lease-over-pause")) lease_.Revoke();
  }
  void OnUnreachable(NodeId peer);
  void OnSnapshotSent(NodeId peer, SnapshotResult result);
  void OnStorageStalled();
  // `state` is durable.
  void OnHardStateDurable(const HardState& state);
  // A write was carried out: log().durable() may have grown.
  void OnLogWritten();
  void OnApplied(LogIndex index);

  // FillOutbox would add something, or has.
  bool HasOutput() const;
  // Sends what is due: entries, commit index, read rounds.
  void FillOutbox();
  Outbox TakeOutbox();

  Log& log() { return log_; }
  const Log& log() const { return log_; }
  HardState hard_state() const {
    const bool forgotten = KV_PLANTED("vote-not-persisted") && vote_ != id_;
    return {term_, forgotten ? NodeId{0} : vote_, log_.commit()};
  }
  NodeId leader() const { return leader_; }
  Role role() const { return role_; }
  Term term() const { return term_; }
  const ConfState& conf() const { return tracker_.conf(); }
  Status status() const;

 private:
  // Changes of role.
  void BecomeFollower(Term term, NodeId leader);
  void BecomePreCandidate();
  void BecomeCandidate();
  void BecomeLeader();
  // A message said that there is a later term.
  void AdoptTerm(Term term);
  void Reset(Term term);
  void SetLeader(NodeId leader);
  void ResetElectionTimer();

  // Elections.
  void TickElection();
  bool MayCampaign() const;
  enum class CampaignKind : uint8_t { kOrdinary, kTransfer };
  void CampaignForReal(CampaignKind kind);
  void CountVotes();
  bool IsCampaigning() const { return role_ == Role::kPreCandidate || role_ == Role::kCandidate; }
  bool HeardLeaderRecently() const;
  // The message belongs to the present term, which may have changed by it; otherwise it is
  // answered or ignored.
  bool AcceptTerm(const Message& message);
  void AnswerStale(const Message& message);
  void On(const Message& message, const VoteRequest& request);
  void On(const Message& message, const VoteResponse& response);
  VoteResponse Refusal(bool pre_vote) const;
  void LearnCommit(const VoteResponse& response);

  // Replication: the follower's side.
  //
  // The sender is the leader of this term. False: there is another one, the message is refused.
  bool FollowLeader(const Message& message);
  void On(const Message& message, AppendRequest& request);
  void On(const Message& message, const Heartbeat& heartbeat);
  void On(const Message& message, InstallSnapshot& install);

  // Replication: the leader's side.
  void TickLeader();
  void On(const Message& message, const AppendResponse& response);
  void On(const Message& message, const HeartbeatResponse& response);
  void AppendOwn(Proposal proposal);
  void CountOwnLog();
  void MaybeCommit();
  bool CommittedInOwnTerm() const { return log_.commit() >= term_first_; }
  void BroadcastHeartbeat();
  bool HasEntriesFor(const Progress& peer) const;
  bool IsAppendDue(const Progress& peer) const;
  void SendAppends(Progress& peer);
  // True: a message was sent, and another may follow.
  bool MaybeSendAppend(Progress& peer);
  void MaybeSendSnapshot(Progress& peer);

  // Membership.
  bool IsLegalProposal(const Proposal& proposal) const;
  void SwitchTo(const ConfState& conf);
  // Gives up leadership to whoever is furthest, if that hears of it; else to whom times out.
  void StepDown();
  void MaybeLeaveJoint();

  // Leadership transfer.
  void AbortTransfer();
  void MaybeHandOver(const Progress& peer);
  void On(const Message& message, const TransferRequest& request);
  void On(const Message& message, const TimeoutNow& timeout_now);

  // Requests sent on by other members.
  void On(const Message& message, ProposeRequest& request);

  // Reads.
  void On(const Message& message, const ReadIndexRequest& request);
  void On(const Message& message, const ReadIndexResponse& response);
  bool CanBeginReadRound() const {
    return role_ == Role::kLeader && read_rounds_.CanBegin() &&
           (CommittedInOwnTerm() || KV_PLANTED("read-before-own-commit"));
  }
  // Nobody else can have been elected, now.
  bool HoldsLease() const;
  void BeginReadRound();
  void GrantReads(const ReadRound& round);
  void GrantConfirmedReads();
  void DropReads();

  void Send(NodeId to, MessageBody body);
  // Sent once everything up to now is durable.
  void Promise(NodeId to, Term term, MessageBody body);
  void Refuse() { ++refused_messages_; }

  const NodeId id_;
  const Config config_;
  Random* const random_;

  Log log_;
  Tracker tracker_;
  Term term_;
  NodeId vote_;
  NodeId leader_;
  Role role_ = Role::kFollower;

  int election_ticks_ = 0;   // since the leader was heard; on a leader since check-quorum
  int heartbeat_ticks_ = 0;  // leader: since the last heartbeat
  int election_timeout_ = 0;
  // kLease: since any leader was heard; a restarted member may have heard one just before. It stays
  // what it is when the term changes: the leader of the old one may still serve reads.
  int leader_heard_ticks_ = 0;

  LogIndex term_first_;             // leader: the entry its term starts with
  uint64_t uncommitted_bytes_ = 0;  // leader: payload of its own term's uncommitted entries
  bool appends_due_ = false;        // leader: a follower may have something to get
  NodeId transferee_;               // leader: whom it hands over to
  int transfer_ticks_ = 0;          // since it began
  // leader: somebody was told in this term to campaign, whenever that arrives: no lease any more
  bool timeout_now_sent_ = false;
  LogIndex conf_index_;             // of the newest change in force; only grows
  LogIndex step_down_at_;           // leader: leads until this is committed; 0: without end
  bool storage_stalled_ = false;    // until a write is acknowledged
  ReadRounds read_rounds_;          // leader
  LeaderLease lease_;               // leader, kLease
  ForwardedReads forwarded_reads_;  // follower

  Outbox outbox_;
  uint64_t refused_messages_ = 0;  // only grows
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_RAFT_H_
