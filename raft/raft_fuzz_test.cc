// Nothing a peer can send stops a member: random messages, sensible and not, to a member in any
// role, which must neither fail a check nor apply anything twice or out of order. What its owner
// does meanwhile is random, too, but always allowed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/conf_change.h"
#include "raft/testing/test_node.h"

namespace keelson::raft {
namespace {

class Babbler {
 public:
  explicit Babbler(uint64_t seed)
      : random_(seed),
        restless_percent_(random_.Below(101)),
        snapshot_percent_(random_.Below(101)) {}

  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }
  uint64_t Below(uint64_t n) { return random_.Below(n); }
  // Mostly small, so that messages meet; sometimes at the ends of the range.
  uint64_t Number() {
    if (Chance(3)) return UINT64_MAX - random_.Below(3);
    if (Chance(3)) return random_.Next();
    return random_.Below(12);
  }
  LogIndex Index() { return LogIndex{Number()}; }
  Term ATerm() { return Term{Number()}; }
  EntryId Id() { return {ATerm(), Index()}; }
  NodeId Node() { return NodeId{random_.Below(6)}; }

  std::vector<NodeId> Nodes() {
    std::vector<NodeId> nodes;
    for (uint64_t id = Chance(95) ? 1 : 0; id < 6; ++id) {
      if (Chance(40)) nodes.push_back(NodeId{id});
    }
    if (nodes.size() > 1 && Chance(3)) std::swap(nodes.front(), nodes.back());
    return nodes;
  }
  // Often legal.
  ConfState Conf() {
    ConfState conf{.voters = Nodes()};
    if (Chance(20)) conf.learners = Nodes();
    if (Chance(20)) conf.voters_outgoing = Nodes();
    if (Chance(5)) conf.learners_next = Nodes();
    conf.auto_leave = Chance(20);
    return conf;
  }
  ConfState LegalConf() {
    for (;;) {
      ConfState conf = Conf();
      if (CheckConf(conf).ok()) return conf;
    }
  }

  ConfChange Change() {
    ConfChange change;
    if (Chance(30)) change.transition = ConfTransition{static_cast<uint8_t>(random_.Below(3))};
    for (uint64_t steps = random_.Below(4); steps > 0; --steps) {
      const auto type = static_cast<ConfChangeType>(random_.Below(4));
      change.steps.push_back({.type = type, .node = Node()});
    }
    return change;
  }
  // What a change in the log looks like, or nearly.
  SharedBytes ChangeBytes() {
    std::string bytes(EncodeConfChange(Change()).view());
    if (Chance(10)) bytes.resize(random_.Below(bytes.size() + 1));
    if (Chance(10) && !bytes.empty()) {
      bytes[random_.Below(bytes.size())] = static_cast<char>(random_.Below(256));
    }
    return SharedBytes(std::move(bytes));
  }
  Proposal AProposal() {
    if (Chance(30)) return {.type = EntryType::kConfChange, .data = ChangeBytes()};
    return {.data = SharedBytes(std::string(random_.Below(30), 'p'))};
  }

  std::vector<Entry> Entries(EntryId previous, Term term) {
    std::vector<Entry> entries;
    const uint64_t count = random_.Below(5);
    for (uint64_t i = 0; i < count; ++i) {
      // Often well-formed, so that it gets in.
      previous = Chance(95) ? EntryId{Chance(50) ? term : previous.term, previous.index + 1} : Id();
      Proposal proposal = AProposal();
      entries.push_back({.term = previous.term,
                         .index = previous.index,
                         .type = proposal.type,
                         .data = std::move(proposal.data)});
    }
    return entries;
  }

  SnapshotPtr ASnapshot(Term term) {
    const LogIndex index = Chance(98) ? LogIndex{Below(20)} : Index();
    Snapshot snapshot{
        .id = {ATerm(), index}, .conf = Conf(), .data = SharedBytes(std::string("s"))};
    if (Chance(70)) snapshot.id.term = std::min(snapshot.id.term, term);
    return std::make_shared<const Snapshot>(std::move(snapshot));
  }

  MessageBody Body(Term term) {
    switch (random_.Below(12)) {
      case 0:
        return VoteRequest{.pre_vote = Chance(50), .leader_transfer = Chance(20), .last = Id()};
      case 1:
        return VoteResponse{.pre_vote = Chance(50), .granted = Chance(70), .commit = Id()};
      case 2: {
        const EntryId previous = Id();
        return AppendRequest{previous, Index(), Entries(previous, term)};
      }
      case 3:
        return AppendResponse{.rejected = Chance(40),
                              .needs_snapshot = Chance(10),
                              .index = Index(),
                              .reject_hint = Id()};
      case 4:
        return Heartbeat{.commit = Index(), .read_context = Number()};
      case 5:
        return HeartbeatResponse{.read_context = Number()};
      case 6:
        return ReadIndexRequest{.context = Number()};
      case 7:
        return ReadIndexResponse{.context = Number(), .index = Index()};
      case 8:
        if (!Chance(snapshot_percent_)) return VoteResponse{.granted = true};
        return InstallSnapshot{.snapshot = ASnapshot(term)};
      case 9:
        return TransferRequest{.to = Node()};
      case 10:
        return TimeoutNow{};
      default:
        return ProposeRequest{.proposals = {AProposal(), AProposal()}};
    }
  }

  Message Say(Term present) {
    Message message;
    message.from = Node();
    message.to = NodeId{Chance(97) ? 1 : random_.Below(4)};
    message.term = present;
    if (Chance(restless_percent_)) message.term = Chance(50) ? present + 1 : ATerm();
    message.body = Body(message.term);
    return message;
  }

 private:
  SeededRandom random_;
  // So that leaders and logs live short lives in some runs and long ones in others.
  const uint64_t restless_percent_;
  const uint64_t snapshot_percent_;
};

class Fuzzed {
 public:
  explicit Fuzzed(uint64_t seed) : babbler_(seed), node_(MakeConfig(), seed) {}

  void Run(int steps) {
    for (int step = 0; step < steps; ++step) {
      DoTheOwnersWork();
      AskForSomething();
      if (babbler_.Chance(1)) CrashAndRestart();
      const Term term = std::min(node_.raft().term(), Term{uint64_t{1} << 40});
      node_.raft().Step(babbler_.Say(term));
      CheckApplied();
    }
    node_.Run();
    CheckApplied();
  }

 private:
  Config MakeConfig() {
    Config config = TestConfig(1, 0);
    config.conf =
        babbler_.Chance(50) ? TestConfig(1, 1 + babbler_.Below(5)).conf : babbler_.LegalConf();
    config.pre_vote = babbler_.Chance(50);
    config.check_quorum = babbler_.Chance(50);
    if (config.check_quorum && babbler_.Chance(50)) config.read_mode = ReadMode::kLease;
    config.step_down_on_removal = babbler_.Chance(50);
    config.disable_conf_change_validation = babbler_.Chance(30);
    config.append_bytes_max = 1 + babbler_.Below(200);
    config.inflight_messages_max = 1 + static_cast<int>(babbler_.Below(3));
    config.committed_bytes_max = 1 + babbler_.Below(200);
    config.cache_bytes_max = babbler_.Below(500);
    return config;
  }

  void DoTheOwnersWork() {
    RawNode& raft = node_.raft();
    if (babbler_.Chance(10)) raft.Tick();
    if (babbler_.Chance(60)) node_.TakeReady();
    if (babbler_.Chance(10)) node_.Write();
    if (babbler_.Chance(30)) node_.Acknowledge();
    if (babbler_.Chance(30)) node_.Apply();
    if (babbler_.Chance(5)) {
      raft.OnSnapshotSent(babbler_.Node(), babbler_.Chance(50) ? SnapshotResult::kDelivered
                                                               : SnapshotResult::kFailed);
    }
    if (babbler_.Chance(2)) raft.OnUnreachable(babbler_.Node());
    if (babbler_.Chance(1)) raft.OnStorageStalled();
    if (babbler_.Chance(1)) raft.RevokeLease();
    const LogIndex first = node_.disk().FirstIndex();
    if (babbler_.Chance(3) && node_.applied_index() >= first) {
      node_.Compact(first + babbler_.Below(node_.applied_index() - first + 1));
    }
  }

  void AskForSomething() {
    RawNode& raft = node_.raft();
    if (babbler_.Chance(5)) raft.Campaign();
    if (babbler_.Chance(10)) raft.Propose({babbler_.AProposal()});
    if (babbler_.Chance(5)) raft.ProposeConfChange(babbler_.Change());
    if (babbler_.Chance(10)) raft.RequestReadIndex(++context_);
    if (babbler_.Chance(2)) raft.TransferLeadership(babbler_.Node());
    if (babbler_.Chance(1)) raft.ForgetLeader();
  }

  // What is compacted is applied durably.
  void CrashAndRestart() {
    const LogIndex base = node_.disk().FirstIndex() - 1;
    if (node_.applied_index() < base) return;
    node_.Crash(base + babbler_.Below(node_.applied_index() - base + 1));
    node_.Restart(babbler_.Below(1000));
    applied_ = node_.applied_index();
  }

  void CheckApplied() {
    const std::vector<Entry>& applied = node_.applied();
    for (size_t i = 1; i < applied.size(); ++i) {
      ASSERT_EQ(applied[i].index, applied[i - 1].index + 1);
    }
    ASSERT_GE(node_.applied_index(), applied_);
    applied_ = node_.applied_index();
    ASSERT_TRUE(CheckConf(node_.raft().conf()).ok()) << Describe(node_.raft().conf());
  }

  Babbler babbler_;
  TestNode node_;
  uint64_t context_ = 0;
  LogIndex applied_;
};

TEST(RaftFuzz, NothingAPeerSendsStopsAMember) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE(seed);
    Fuzzed(seed).Run(300);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace keelson::raft
