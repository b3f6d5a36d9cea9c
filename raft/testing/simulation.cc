#include "raft/testing/simulation.h"

#include <algorithm>
#include <sstream>

#include "base/check.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

uint64_t Scramble(uint64_t a, uint64_t b) { return SeededRandom(a * 31 + b).Next(); }

uint64_t HashOf(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

SimulationOptions SimulationOptions::Draw(Random& random) {
  auto chance = [&random](uint64_t percent) { return random.Below(100) < percent; };
  SimulationOptions options;
  options.nodes = 3 + random.Below(3);
  options.steps = 500 + static_cast<int>(random.Below(1500));
  options.tick_weight = uint64_t{8} << random.Below(3);
  options.delivery_burst = uint64_t{2} << random.Below(4);
  options.pre_vote = chance(50);
  options.check_quorum = chance(50);
  options.loss = chance(50);
  options.duplication = chance(40);
  options.reordering = chance(60);
  options.partitions = chance(50);
  options.crashes = chance(60);
  options.slow_disks = chance(50);
  options.clock_skew = chance(30);
  options.compaction = chance(30);
  options.campaigns = chance(40);
  options.small_limits = chance(50);
  return options;
}

std::string SimulationOptions::Describe() const {
  std::ostringstream os;
  os << "nodes=" << nodes << " steps=" << steps << " tick_weight=" << tick_weight
     << " delivery_burst=" << delivery_burst;
  if (pre_vote) os << " pre_vote";
  if (check_quorum) os << " check_quorum";
  if (loss) os << " loss";
  if (duplication) os << " duplication";
  if (reordering) os << " reordering";
  if (partitions) os << " partitions";
  if (crashes) os << " crashes";
  if (slow_disks) os << " slow_disks";
  if (clock_skew) os << " clock_skew";
  if (compaction) os << " compaction";
  if (campaigns) os << " campaigns";
  if (small_limits) os << " small_limits";
  return os.str();
}

std::vector<std::pair<std::string, uint64_t>> SimulationCounters::Named() const {
  return {{"elections", elections},           {"committed", committed},
          {"truncations", truncations},       {"late_acks", late_acks},
          {"lost_tails", lost_tails},         {"rejections", rejections},
          {"step_downs", step_downs},         {"pre_vote_refusals", pre_vote_refusals},
          {"reads_granted", reads_granted},   {"reads_dropped", reads_dropped},
          {"proposals_full", proposals_full}, {"restarts", restarts}};
}

void SimulationCounters::Add(const SimulationCounters& other) {
  elections += other.elections;
  committed += other.committed;
  truncations += other.truncations;
  late_acks += other.late_acks;
  lost_tails += other.lost_tails;
  rejections += other.rejections;
  step_downs += other.step_downs;
  pre_vote_refusals += other.pre_vote_refusals;
  reads_granted += other.reads_granted;
  reads_dropped += other.reads_dropped;
  proposals_full += other.proposals_full;
  restarts += other.restarts;
}

Simulation::Simulation(uint64_t seed) : random_(seed), options_(SimulationOptions::Draw(random_)) {
  members_.resize(options_.nodes);
  for (uint64_t id = 1; id <= options_.nodes; ++id) {
    Member& member = members_[id - 1];
    member.node = std::make_unique<TestNode>(MemberConfig(id), random_.Next());
    if (options_.clock_skew) member.clock_percent = 40 + Draw(61);
  }
  weights_ = {{Action::kDeliver, 40},
              {Action::kTick, options_.tick_weight},
              {Action::kPropose, 10},
              {Action::kRead, 4},
              {Action::kWrite, 8},
              {Action::kAcknowledge, options_.slow_disks ? 5 : 20},
              {Action::kApply, 8},
              {Action::kUnreachable, 1},
              {Action::kCampaign, options_.campaigns ? 2 : 0},
              {Action::kCrash, options_.crashes ? 1 : 0},
              {Action::kPartition, options_.partitions ? 1 : 0},
              {Action::kCompact, options_.compaction ? 1 : 0}};
  for (const auto& [action, weight] : weights_) weights_sum_ += weight;
}

Config Simulation::MemberConfig(uint64_t id) {
  Config config = TestConfig(id, options_.nodes);
  config.pre_vote = options_.pre_vote;
  config.check_quorum = options_.check_quorum;
  config.election_timeout_ticks = 6;
  if (options_.small_limits) {
    config.append_bytes_max = 100;
    config.inflight_messages_max = 2;
    config.inflight_bytes_max = 300;
    config.uncommitted_bytes_max = 60;
    config.committed_bytes_max = 100;
    config.cache_bytes_max = 200;
  }
  return config;
}

void Simulation::Fail(std::string what) {
  if (!failed()) result_.failure = std::move(what);
}

SimulationResult Simulation::Run() {
  for (int step = 0; step < options_.steps && !failed(); ++step) {
    ++result_.steps;
    Step();
  }
  if (!failed()) RunHealed();
  result_.hash = hash_;
  return result_;
}

// ---------------------------------------------------------------------------------------------
// what may happen

Simulation::Action Simulation::DrawAction() {
  uint64_t position = Draw(weights_sum_);
  for (const auto& [action, weight] : weights_) {
    if (position < weight) return action;
    position -= weight;
  }
  return Action::kDeliver;
}

void Simulation::Step() {
  const Action action = DrawAction();
  Mix(static_cast<uint64_t>(action));
  switch (action) {
    case Action::kDeliver:
      for (uint64_t i = Draw(options_.delivery_burst); i > 0; --i) DeliverOne();
      return;
    case Action::kCrash:
      return CrashOrRestart();
    case Action::kPartition:
      return ChangePartition();
    case Action::kCompact:
      return Compact();
    default:
      Member& member = AnyFor(action);
      if (!member.node->alive()) return;
      StepMember(member, action);
      // Inputs may pile up before the next Ready.
      if (Chance(75)) TakeReadys(member);
  }
}

// A member that has something to do, if one has.
Simulation::Member& Simulation::AnyFor(Action action) {
  const size_t first = Draw(members_.size());
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[(first + i) % members_.size()];
    if (!member.node->alive()) continue;
    if (action == Action::kWrite && member.node->PeekWrite() == nullptr) continue;
    if (action == Action::kAcknowledge && !member.node->HasWriteWaiting()) continue;
    if (action == Action::kApply && !member.node->HasApplyWaiting()) continue;
    return member;
  }
  return members_[first];
}

void Simulation::StepMember(Member& member, Action action) {
  switch (action) {
    case Action::kTick:
      for (uint64_t i = Draw(5); i > 0; --i) {
        if (Chance(member.clock_percent)) member.node->raft().Tick();
      }
      return;
    case Action::kPropose:
      return Propose(member);
    case Action::kRead:
      return RequestRead(member);
    case Action::kWrite:
      WriteOne(member);
      return;
    case Action::kAcknowledge:
      AcknowledgeOne(member);
      return;
    case Action::kApply:
      member.node->Apply();
      return;
    case Action::kCampaign:
      return member.node->raft().Campaign();
    default:
      member.node->raft().OnUnreachable(NodeId{1 + Draw(options_.nodes)});
  }
}

void Simulation::DeliverOne() {
  if (wire_.empty()) return;
  const size_t position = options_.reordering ? Draw(wire_.size()) : 0;
  if (options_.loss && Chance(10)) {
    wire_.erase(wire_.begin() + static_cast<std::ptrdiff_t>(position));
    return;
  }
  if (options_.duplication && Chance(10)) wire_.push_back(wire_[position]);
  DeliverAt(position);
}

void Simulation::DeliverAt(size_t position) {
  Message message = std::move(wire_[position]);
  wire_.erase(wire_.begin() + static_cast<std::ptrdiff_t>(position));
  if (cut_.contains({message.from, message.to})) return;
  Member& to = members_[message.to.value() - 1];
  if (!to.node->alive()) return;
  Mix(message.from.value() << 32 | message.to.value() << 16 | message.body.index());
  Mix(message.term.value());
  to.node->raft().Step(std::move(message));
  if (to.node->raft().status().refused_messages > 0) Fail("an honest message was refused");
  if (Chance(80)) TakeReadys(to);
}

void Simulation::CrashOrRestart() {
  for (Member& down : members_) {
    if (!down.node->alive() && Chance(70)) return Restart(down);
  }
  Member& member = Any();
  if (!member.node->alive()) return;
  // Writes may have reached the disk though nobody was told.
  while (Chance(40) && WriteOne(member)) {
  }
  if (member.disk.size() != member.log.size()) ++result_.reached.lost_tails;
  const auto applied = LogIndex{member.node->applied().size()};
  member.durable_applied += Draw(static_cast<uint64_t>(applied - member.durable_applied) + 1);
  member.node->Crash(member.durable_applied);
  Mix(member.node->id().value());
}

void Simulation::Restart(Member& member) {
  ++result_.reached.restarts;
  member.log = member.disk;
  member.handed_to_apply = member.durable_applied;
  member.replaced_writes.clear();
  member.role = Role::kFollower;
  member.term = Term{0};
  member.commit = LogIndex{0};
  member.node->Restart(random_.Next());
}

void Simulation::ChangePartition() {
  if (Chance(30)) return cut_.clear();
  NodeId a{1 + Draw(options_.nodes)};
  for (const Member& member : members_) {
    if (member.role == Role::kLeader && Chance(50)) a = member.node->id();
  }
  for (uint64_t b = 1; b <= options_.nodes; ++b) {
    if (Chance(60)) cut_.insert({a, NodeId{b}});
    if (Chance(60)) cut_.insert({NodeId{b}, a});
  }
}

void Simulation::Propose(Member& member) {
  const uint64_t count = 1 + Draw(3);
  std::vector<Proposal> proposals;
  for (uint64_t i = 0; i < count; ++i) {
    proposals.push_back({.data = SharedBytes("p" + std::to_string(next_payload_++))});
  }
  if (member.node->raft().Propose(std::move(proposals)) == ProposeResult::kFull) {
    ++result_.reached.proposals_full;
  }
}

void Simulation::RequestRead(Member& member) {
  const uint64_t context = next_context_++;
  if (member.node->raft().RequestReadIndex(context)) reads_[context] = LogIndex{ledger_.size()};
}

// Only what every member has applied durably: what is missing would need a snapshot.
void Simulation::Compact() {
  LogIndex through = members_[0].durable_applied;
  for (const Member& member : members_) through = std::min(through, member.durable_applied);
  MemoryLog& disk = Any().node->disk();
  if (through >= disk.FirstIndex()) disk.CompactThrough(through);
}

bool Simulation::WriteOne(Member& member) {
  const LogWrite* write = member.node->PeekWrite();
  if (write == nullptr) return false;
  if (write->hard_state) {
    const HardState& before = member.node->disk().hard_state();
    const bool same_term = write->hard_state->term == before.term;
    if (same_term && before.vote && write->hard_state->vote != before.vote) Fail("vote changed");
  }
  if (!write->entries.empty()) {
    member.disk.resize(static_cast<size_t>(write->entries.front().index - LogIndex{1}));
    for (const Entry& entry : write->entries) {
      member.disk.push_back(LinkAfter(member.disk, entry));
    }
  }
  return member.node->Write();
}

bool Simulation::AcknowledgeOne(Member& member) {
  if (!member.node->HasWriteWaiting()) return false;
  if (member.node->PeekWrite() != nullptr && !member.node->HasWrittenWaiting()) WriteOne(member);
  const uint64_t number = member.node->Acknowledge();
  Mix(number);
  auto& replaced = member.replaced_writes;
  const auto late = std::remove_if(replaced.begin(), replaced.end(),
                                   [number](const auto& write) { return write.first <= number; });
  result_.reached.late_acks += static_cast<uint64_t>(replaced.end() - late);
  replaced.erase(late, replaced.end());
  TakeReadys(member);
  return true;
}

void Simulation::TakeReadys(Member& member) {
  while (!failed()) {
    const std::optional<Ready> ready = member.node->TakeReady();
    if (!ready) break;
    CheckReady(member, *ready);
  }
  Collect(member);
}

void Simulation::Collect(Member& member) {
  for (Message& message : member.node->TakeSent()) {
    CheckSent(member, message);
    wire_.push_back(std::move(message));
  }
  for (const ReadGrant& grant : member.node->TakeReads()) CheckRead(grant);
  for (uint64_t context : member.node->TakeDroppedReads()) {
    if (reads_.erase(context) == 0) Fail("an unknown read was dropped");
    ++result_.reached.reads_dropped;
  }
  // A wire that is never read from would grow without bound: the oldest are lost.
  if (wire_.size() > 100) wire_.erase(wire_.begin(), wire_.begin() + 40);
}

// ---------------------------------------------------------------------------------------------
// what must hold

Simulation::Link Simulation::LinkAfter(const std::vector<Link>& log, const Entry& entry) const {
  const uint64_t before = log.empty() ? 0 : log.back().chain;
  const uint64_t content = HashOf(entry.data.view()) + static_cast<uint64_t>(entry.type);
  return {entry.term, Scramble(before, Scramble(entry.term.value(), content))};
}

void Simulation::CheckReady(Member& member, const Ready& ready) {
  Mix(ready.number);
  CheckWrite(member, ready.write);
  CheckRole(member);
  CheckCommit(member);
  CheckCommitted(member, ready);
  if (member.role == Role::kLeader && Chance(20)) CheckLeaderBeliefs(member);
}

void Simulation::CheckWrite(Member& member, const LogWrite& write) {
  if (write.empty()) return;
  if (!write.must_sync) Fail("a write that need not be durable");
  if (write.entries.empty()) return;
  const size_t kept = static_cast<size_t>(write.entries.front().index - LogIndex{1});
  if (kept > member.log.size()) return Fail("a gap in the log");
  if (kept < member.log.size()) {
    ++result_.reached.truncations;
    if (kept < member.commit.value()) Fail("committed entries truncated");
    const bool still_leader =
        member.role == Role::kLeader && member.node->raft().term() == member.term;
    if (still_leader) Fail("a leader truncated its log");
    for (uint64_t number : member.node->WritesBeyond(LogIndex{kept})) {
      member.replaced_writes.push_back({number, LogIndex{kept}});
    }
    member.log.resize(kept);
  }
  for (const Entry& entry : write.entries) {
    if (entry.index.value() != member.log.size() + 1) return Fail("entries out of order");
    if (!member.log.empty() && entry.term < member.log.back().term) Fail("terms fall in a log");
    if (entry.term > member.node->raft().term()) Fail("entry of a term not reached");
    member.log.push_back(LinkAfter(member.log, entry));
    const auto [known, fresh] =
        chains_.try_emplace({entry.term, entry.index}, member.log.back().chain);
    if (!fresh && known->second != member.log.back().chain) Fail("log matching");
    Mix(member.log.back().chain);
  }
}

void Simulation::CheckRole(Member& member) {
  const RawNode& raft = member.node->raft();
  if (raft.term() < member.term) Fail("term fell");
  if (raft.commit() < member.commit) Fail("commit fell");
  const bool new_leader =
      raft.role() == Role::kLeader && (member.role != Role::kLeader || raft.term() > member.term);
  if (member.role == Role::kLeader && raft.role() != Role::kLeader && raft.term() == member.term) {
    ++result_.reached.step_downs;
  }
  if (new_leader) {
    ++result_.reached.elections;
    const auto [known, fresh] = leaders_.try_emplace(raft.term(), raft.status().id);
    if (!fresh) Fail("two leaders in one term, or one elected twice");
    for (size_t i = 0; i < ledger_.size() && ledger_[i].seen_in < raft.term(); ++i) {
      if (i >= member.log.size() || member.log[i].chain != ledger_[i].link.chain) {
        return Fail("leader completeness");
      }
    }
  }
  member.term = raft.term();
  member.role = raft.role();
}

void Simulation::CheckCommit(Member& member) {
  const LogIndex commit = member.node->raft().commit();
  if (commit.value() > member.log.size()) return Fail("commit beyond the log");
  for (size_t i = member.commit.value(); i < commit.value(); ++i) {
    const Link& link = member.log[i];
    if (i < ledger_.size()) {
      if (link.chain != ledger_[i].link.chain) return Fail("committed entries differ");
      continue;
    }
    size_t durable = 0;
    for (const Member& other : members_) {
      if (other.disk.size() > i && other.disk[i].chain == link.chain) ++durable;
    }
    if (durable < options_.nodes / 2 + 1) return Fail("committed without a quorum of disks");
    ledger_.push_back({link, member.term});
    ++result_.reached.committed;
  }
  member.commit = commit;
}

void Simulation::CheckCommitted(Member& member, const Ready& ready) {
  for (const Entry& entry : ready.committed) {
    if (entry.index != member.handed_to_apply + 1) return Fail("applied out of order");
    const size_t i = member.handed_to_apply.value();
    ++member.handed_to_apply;
    if (i >= ledger_.size() || i >= member.disk.size()) return Fail("applied before durable");
    if (member.disk[i].chain != ledger_[i].link.chain) return Fail("applied what differs");
    if (entry.term != ledger_[i].link.term) return Fail("applied another term");
  }
}

void Simulation::CheckLeaderBeliefs(const Member& member) {
  for (const ProgressStatus& progress : member.node->raft().status().progress) {
    if (progress.match >= progress.next) return Fail("match is not below next");
    const Member& peer = members_[progress.id.value() - 1];
    // A later leader may have replaced what this one still counts.
    if (progress.match == LogIndex{0} || peer.node->disk().hard_state().term > member.term) {
      continue;
    }
    const size_t i = progress.match.value() - 1;
    if (i >= peer.disk.size() || i >= member.log.size() ||
        peer.disk[i].chain != member.log[i].chain) {
      return Fail("match beyond what is durable there");
    }
  }
}

void Simulation::CheckSent(const Member& member, const Message& message) {
  Mix(message.body.index());
  const HardState& durable = member.node->disk().hard_state();
  if (Is<AppendResponse>(message)) {
    const auto& response = As<AppendResponse>(message);
    if (response.rejected) ++result_.reached.rejections;
    if (durable.term < message.term) Fail("an answer of a term that is not durable");
    const bool current = durable.term == message.term;
    if (!response.rejected && current && response.index.value() > member.disk.size()) {
      Fail("acknowledged what is not durable");
    }
  }
  if (Is<VoteRequest>(message) && !As<VoteRequest>(message).pre_vote) {
    if (durable.term < message.term) Fail("a candidate whose term is not durable");
  }
  if (Is<VoteResponse>(message)) {
    const auto& response = As<VoteResponse>(message);
    if (response.pre_vote && !response.granted) ++result_.reached.pre_vote_refusals;
    if (response.pre_vote || !response.granted) return;
    const auto [known, fresh] = votes_.try_emplace({message.term, message.from}, message.to);
    if (known->second != message.to) Fail("two votes in one term");
    const bool kept =
        durable.term > message.term || (durable.term == message.term && durable.vote == message.to);
    if (!kept) Fail("a vote that is not durable");
  }
}

void Simulation::CheckRead(const ReadGrant& grant) {
  const auto read = reads_.find(grant.context);
  if (read == reads_.end()) return Fail("a read was granted twice, or not asked for");
  if (grant.index < read->second) Fail("a read index below what was committed before");
  ++result_.reached.reads_granted;
  reads_.erase(read);
}

// ---------------------------------------------------------------------------------------------
// healed: no faults, everybody gets their turn

void Simulation::RunHealed() {
  cut_.clear();
  for (Member& member : members_) {
    if (!member.node->alive()) Restart(member);
  }
  constexpr int kRounds = 10 * 2 * 6;  // ten election timeouts of up to twice 6 ticks
  for (int round = 0; round < kRounds && !failed(); ++round) {
    for (Member& member : members_) {
      member.node->raft().Tick();
      TakeReadys(member);
    }
    SettleHealed();
    // One proposal a round, sent to whoever's turn it is: it must arrive wherever it starts.
    Member& member = members_[static_cast<size_t>(round) % members_.size()];
    if (round < 12) Propose(member);
    TakeReadys(member);
    SettleHealed();
    if (round >= 12 && IsConverged()) break;
  }
  if (failed()) return;
  if (!IsConverged()) return Fail("no progress after healing");
  const size_t before = ledger_.size();
  for (Member& member : members_) {
    Propose(member);
    RequestRead(member);
    TakeReadys(member);
    SettleHealed();
  }
  if (!failed() && ledger_.size() < before + members_.size()) Fail("proposals lost when healed");
  if (!failed() && !reads_.empty() && !options_.crashes) Fail("a read was never answered");
}

void Simulation::SettleHealed() {
  for (int i = 0; i < 20000 && !failed(); ++i) {
    bool moved = !wire_.empty();
    if (moved) DeliverAt(0);
    for (Member& member : members_) {
      TakeReadys(member);
      while (AcknowledgeOne(member)) moved = true;
      while (member.node->Apply()) moved = true;
      TakeReadys(member);
    }
    if (!moved) return;
  }
  Fail("the cluster never comes to rest");
}

bool Simulation::IsConverged() {
  const Member* leader = nullptr;
  for (const Member& member : members_) {
    if (member.role != Role::kLeader) continue;
    if (leader != nullptr) return false;
    leader = &member;
  }
  if (leader == nullptr) return false;
  for (const Member& member : members_) {
    if (member.node->applied().size() != leader->log.size()) return false;
    if (member.node->raft().leader() != leader->node->id()) return false;
  }
  for (const ProgressStatus& progress : leader->node->raft().status().progress) {
    if (progress.state != ProgressState::kReplicate) return false;
    if (progress.match.value() != leader->log.size()) return false;
  }
  return true;
}

}  // namespace keelson::raft
