// Nothing a peer can send stops a member: random messages, sensible and not, to a member in any
// role, which must neither fail a check nor apply anything twice or out of order.
#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/testing/test_node.h"

namespace keelson::raft {
namespace {

class Babbler {
 public:
  explicit Babbler(uint64_t seed) : random_(seed) {}

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

  std::vector<Entry> Entries(EntryId previous, Term term) {
    std::vector<Entry> entries;
    const uint64_t count = random_.Below(5);
    for (uint64_t i = 0; i < count; ++i) {
      // Often well-formed, so that it gets in.
      previous = Chance(95) ? EntryId{Chance(50) ? term : previous.term, previous.index + 1} : Id();
      entries.push_back({.term = previous.term,
                         .index = previous.index,
                         .type = EntryType::kNormal,
                         .data = SharedBytes(std::string(random_.Below(30), 'x'))});
    }
    return entries;
  }

  MessageBody Body(Term term) {
    switch (random_.Below(9)) {
      case 0:
        return VoteRequest{.pre_vote = Chance(50), .leader_transfer = Chance(20), .last = Id()};
      case 1:
        return VoteResponse{.pre_vote = Chance(50), .granted = Chance(70)};
      case 2: {
        const EntryId previous = Id();
        return AppendRequest{previous, Index(), Entries(previous, term)};
      }
      case 3:
        return AppendResponse{.rejected = Chance(40), .index = Index(), .reject_hint = Id()};
      case 4:
        return Heartbeat{.commit = Index(), .read_context = Number()};
      case 5:
        return HeartbeatResponse{.read_context = Number()};
      case 6:
        return ReadIndexRequest{.context = Number()};
      case 7:
        return ReadIndexResponse{.context = Number(), .index = Index()};
      default:
        return ProposeRequest{.proposals = {{.data = SharedBytes(std::string("p"))}}};
    }
  }

  Message Say(Term present) {
    Message message;
    message.from = NodeId{random_.Below(6)};
    message.to = NodeId{Chance(97) ? 1 : random_.Below(4)};
    message.term = Chance(70) ? present + random_.Below(2) : ATerm();
    message.body = Body(message.term);
    return message;
  }

 private:
  SeededRandom random_;
};

TEST(RaftFuzz, NothingAPeerSendsStopsAMember) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE(seed);
    Babbler babbler(seed);
    Config config = TestConfig(1, 1 + babbler.Below(5));
    config.pre_vote = babbler.Chance(50);
    config.check_quorum = babbler.Chance(50);
    config.append_bytes_max = 1 + babbler.Below(200);
    config.inflight_messages_max = 1 + static_cast<int>(babbler.Below(3));
    config.committed_bytes_max = 1 + babbler.Below(200);
    config.cache_bytes_max = babbler.Below(500);
    TestNode node(config, seed);
    uint64_t context = 0;
    for (int step = 0; step < 300; ++step) {
      if (babbler.Chance(10)) node.raft().Tick();
      if (babbler.Chance(2)) node.raft().Campaign();
      if (babbler.Chance(10)) node.raft().Propose({{.data = SharedBytes(std::string("q"))}});
      if (babbler.Chance(10)) node.raft().RequestReadIndex(++context);
      if (babbler.Chance(60)) node.TakeReady();
      if (babbler.Chance(30)) node.Acknowledge();
      if (babbler.Chance(30)) node.Apply();
      const Term term = std::min(node.raft().term(), Term{uint64_t{1} << 40});
      node.raft().Step(babbler.Say(term));
    }
    node.Run();
    for (size_t i = 0; i < node.applied().size(); ++i) {
      ASSERT_EQ(node.applied()[i].index, LogIndex{i + 1});
    }
  }
}

}  // namespace
}  // namespace keelson::raft
