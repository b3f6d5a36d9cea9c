// Simulation: a small cluster of cores in one thread, driven by chance from one seed. A step is one
// thing that may happen next: a tick, a message that arrives (or is lost, or arrives twice), a
// write that reaches a disk, an acknowledgement, a batch applied, a proposal, a read, a crash, a
// cut link. After every step the invariants of raft are checked against a ledger of all that was
// ever committed. Then the faults stop, and the cluster must make progress.
//
// Same seed, same run: Result::hash covers every event.
#ifndef KEELSON_RAFT_TESTING_SIMULATION_H_
#define KEELSON_RAFT_TESTING_SIMULATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/testing/test_node.h"
#include "raft/types.h"

namespace keelson::raft {

// Which faults exist in a run, and the limits of its members; drawn from the seed.
struct SimulationOptions {
  uint64_t nodes = 3;
  int steps = 0;
  uint64_t tick_weight = 0;     // more ticks, more elections
  uint64_t delivery_burst = 0;  // more deliveries at once, a faster network
  bool pre_vote = false;
  bool check_quorum = false;
  bool loss = false;
  bool duplication = false;
  bool reordering = false;
  bool partitions = false;
  bool crashes = false;
  bool slow_disks = false;  // writes and acknowledgements are seldom carried out
  bool clock_skew = false;  // clocks run at different speeds
  bool compaction = false;
  bool campaigns = false;     // members campaign out of turn
  bool small_limits = false;  // messages, windows, batches and cache of a few entries

  static SimulationOptions Draw(Random& random);
  std::string Describe() const;
};

// How often rare situations were reached: a count that stays 0 over many seeds is a hole.
struct SimulationCounters {
  uint64_t elections = 0;
  uint64_t committed = 0;
  uint64_t truncations = 0;
  uint64_t late_acks = 0;   // a write was acknowledged after its entries were replaced
  uint64_t lost_tails = 0;  // a crash lost handed-out entries
  uint64_t rejections = 0;  // of appends
  uint64_t step_downs = 0;  // of a leader within its term
  uint64_t pre_vote_refusals = 0;
  uint64_t reads_granted = 0;
  uint64_t reads_dropped = 0;
  uint64_t proposals_full = 0;
  uint64_t restarts = 0;

  void Add(const SimulationCounters& other);
  std::vector<std::pair<std::string, uint64_t>> Named() const;
};

struct SimulationResult {
  uint64_t hash = 0;
  uint64_t steps = 0;
  SimulationCounters reached;
  std::string failure;  // empty: all invariants held and the healed cluster made progress
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed);

  SimulationResult Run();
  const SimulationOptions& options() const { return options_; }

 private:
  // An entry and the hash of the whole log up to it.
  struct Link {
    Term term;
    uint64_t chain = 0;
  };
  struct Ledger {
    Link link;
    Term seen_in;  // term of the member that was first seen to have it committed
  };
  struct Member {
    std::unique_ptr<TestNode> node;
    std::vector<Link> log;   // as handed out; entry i has index i + 1
    std::vector<Link> disk;  // as written
    std::vector<std::pair<uint64_t, LogIndex>> replaced_writes;
    LogIndex handed_to_apply;
    LogIndex durable_applied;
    Term term;
    LogIndex commit;
    Role role = Role::kFollower;
    uint64_t clock_percent = 100;  // of the ticks that are due to it
  };

  enum class Action : uint8_t {
    kDeliver,
    kTick,
    kPropose,
    kRead,
    kWrite,
    kAcknowledge,
    kApply,
    kUnreachable,
    kCampaign,
    kCrash,
    kPartition,
    kCompact,
  };

  Action DrawAction();
  uint64_t Draw(uint64_t n) { return random_.Below(n); }
  bool Chance(uint64_t percent) { return Draw(100) < percent; }
  Member& Any() { return members_[Draw(members_.size())]; }
  Member& AnyFor(Action action);
  Config MemberConfig(uint64_t id);

  // What may happen.
  void Step();
  void StepMember(Member& member, Action action);
  void DeliverOne();
  void CrashOrRestart();
  void ChangePartition();
  void Propose(Member& member);
  void RequestRead(Member& member);
  void Compact();
  void Restart(Member& member);
  void TakeReadys(Member& member);
  bool WriteOne(Member& member);
  bool AcknowledgeOne(Member& member);
  void Collect(Member& member);
  void DeliverAt(size_t position);

  // What must hold.
  void CheckReady(Member& member, const Ready& ready);
  void CheckWrite(Member& member, const LogWrite& write);
  void CheckRole(Member& member);
  void CheckCommit(Member& member);
  void CheckCommitted(Member& member, const Ready& ready);
  void CheckLeaderBeliefs(const Member& member);
  void CheckSent(const Member& member, const Message& message);
  void CheckRead(const ReadGrant& grant);

  void RunHealed();
  bool IsConverged();
  void SettleHealed();

  Link LinkAfter(const std::vector<Link>& log, const Entry& entry) const;
  void Mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3; }
  void Fail(std::string what);
  bool failed() const { return !result_.failure.empty(); }

  SeededRandom random_;
  SimulationOptions options_;
  std::vector<std::pair<Action, uint64_t>> weights_;
  uint64_t weights_sum_ = 0;
  std::vector<Member> members_;
  std::vector<Message> wire_;
  std::set<std::pair<NodeId, NodeId>> cut_;

  std::vector<Ledger> ledger_;  // entry i has index i + 1
  std::map<Term, NodeId> leaders_;
  std::map<std::pair<Term, LogIndex>, uint64_t> chains_;  // log matching
  std::map<std::pair<Term, NodeId>, NodeId> votes_;       // granted, as seen on the wire
  std::map<uint64_t, LogIndex> reads_;  // waiting: what was committed when the read began
  uint64_t next_payload_ = 1;
  uint64_t next_context_ = 1;
  uint64_t hash_ = 0xcbf29ce484222325;
  SimulationResult result_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_SIMULATION_H_
