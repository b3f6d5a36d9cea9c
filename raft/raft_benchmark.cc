// What a step of a leader or a follower costs. `each` is the time for one proposal (of 128 bytes),
// acknowledgement, entry or read, with followers that answer at once; `allocations` counts the
// calls of operator new for one.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/random.h"
#include "raft/raw_node.h"
#include "raft/testing/test_node.h"

namespace {
uint64_t allocations = 0;  // the benchmarks have one thread
}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace keelson::raft {
namespace {

// The log of a member that never reads it: everything is in the core's cache.
class ForgetfulLog final : public LogView {
 public:
  LogIndex FirstIndex() const override { return LogIndex{1}; }
  LogIndex LastIndex() const override { return LogIndex{0}; }
  std::optional<Term> TermAt(LogIndex index) const override {
    if (index == LogIndex{0}) return Term{0};
    return std::nullopt;
  }
  absl::StatusOr<std::vector<Entry>> Entries(LogIndex, LogIndex, uint64_t) const override {
    return absl::DataLossError("never written");
  }
  absl::StatusOr<Snapshot> TakeSnapshot() const override {
    return absl::UnavailableError("never made");
  }
};

class Leader {
 public:
  explicit Leader(uint64_t voters) : voters_(voters) {
    Config config = TestConfig(1, voters);
    config.check_quorum = true;
    node_ = std::make_unique<RawNode>(config, &log_, &random_);
    node_->Campaign();
    Finish(node_->TakeReady());
    for (uint64_t peer = 2; peer <= voters; ++peer) {
      Answer(peer, VoteResponse{.granted = true});
    }
    while (node_->HasReady()) Finish(node_->TakeReady());
    // Its first entry is committed: it serves reads.
    for (uint64_t peer = 2; peer <= voters; ++peer) Answer(peer, AppendResponse{.index = last_});
    while (node_->HasReady()) Finish(node_->TakeReady());
  }

  RawNode& node() { return *node_; }
  uint64_t voters() const { return voters_; }
  LogIndex last() const { return last_; }

  void Answer(uint64_t peer, MessageBody body) {
    node_->Step({NodeId{peer}, NodeId{1}, node_->term(), std::move(body)});
  }

  // The log writes, apply applies.
  void Finish(const Ready& ready) {
    if (!ready.write.entries.empty()) last_ = ready.write.entries.back().index;
    if (!ready.write.empty()) node_->OnWritten(ready.number);
    if (!ready.committed.empty()) node_->OnApplied(ready.committed.back().index);
  }

 private:
  const uint64_t voters_;
  ForgetfulLog log_;
  SeededRandom random_{1};
  std::unique_ptr<RawNode> node_;
  LogIndex last_;
};

// Allocations of the code that is measured, and what it costs for each of its items.
class Cost {
 public:
  explicit Cost(benchmark::State& state) : state_(state), before_(allocations) {}
  // What is allocated between the two does not count.
  void Pause() {
    state_.PauseTiming();
    paused_ = allocations;
  }
  void Resume() {
    before_ += allocations - paused_;
    state_.ResumeTiming();
  }
  void Report(int64_t items_per_iteration) {
    const auto items = static_cast<double>(state_.iterations() * items_per_iteration);
    state_.counters["each"] =
        benchmark::Counter(items, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state_.counters["allocations"] = static_cast<double>(allocations - before_) / items;
  }

 private:
  benchmark::State& state_;
  uint64_t before_;
  uint64_t paused_ = 0;
};

const SharedBytes& Payload() {
  static const SharedBytes payload(std::string(128, 'x'));
  return payload;
}

// All followers acknowledge everything; it is committed and applied.
void AcknowledgeAll(Leader& leader) {
  for (uint64_t peer = 2; peer <= leader.voters(); ++peer) {
    leader.Answer(peer, AppendResponse{.index = leader.last()});
  }
  while (leader.node().HasReady()) leader.Finish(leader.node().TakeReady());
}

// The whole life of a batch of proposals on the leader: proposed, sent, written, acknowledged by
// all followers, committed, applied.
void BM_ProposeToApplied(benchmark::State& state) {
  Leader leader(static_cast<uint64_t>(state.range(0)));
  const int64_t batch = state.range(1);
  Cost cost(state);
  for (auto _ : state) {
    leader.node().Propose(std::vector<Proposal>(static_cast<size_t>(batch), {.data = Payload()}));
    leader.Finish(leader.node().TakeReady());
    AcknowledgeAll(leader);
  }
  cost.Report(batch);
}
BENCHMARK(BM_ProposeToApplied)
    ->ArgNames({"voters", "batch"})
    ->ArgsProduct({{3, 5, 7}, {1, 10, 100, 1000}});

// As above, but every proposal is a call of its own and a Ready gathers a hundred.
void BM_ProposeSingly(benchmark::State& state) {
  Leader leader(static_cast<uint64_t>(state.range(0)));
  Cost cost(state);
  for (auto _ : state) {
    for (int i = 0; i < 100; ++i) {
      leader.node().Propose(std::vector<Proposal>(1, {.data = Payload()}));
    }
    leader.Finish(leader.node().TakeReady());
    AcknowledgeAll(leader);
  }
  cost.Report(100);
}
BENCHMARK(BM_ProposeSingly)->ArgName("voters")->Arg(3)->Arg(5)->Arg(7);

// An acknowledgement of one entry, and the Ready that follows when a majority has it.
void BM_Acknowledge(benchmark::State& state) {
  Leader leader(static_cast<uint64_t>(state.range(0)));
  constexpr int64_t kEntries = 100;
  Cost cost(state);
  for (auto _ : state) {
    cost.Pause();
    const LogIndex begin = leader.last();
    leader.node().Propose(std::vector<Proposal>(kEntries, {.data = Payload()}));
    leader.Finish(leader.node().TakeReady());
    cost.Resume();
    for (uint64_t i = 1; i <= kEntries; ++i) {
      for (uint64_t peer = 2; peer <= leader.voters(); ++peer) {
        leader.Answer(peer, AppendResponse{.index = begin + i});
      }
      while (leader.node().HasReady()) leader.Finish(leader.node().TakeReady());
    }
  }
  cost.Report(kEntries * (state.range(0) - 1));
}
BENCHMARK(BM_Acknowledge)->ArgName("voters")->Arg(3)->Arg(5)->Arg(7);

// A follower takes over a batch of entries and applies it.
void BM_FollowerAppend(benchmark::State& state) {
  ForgetfulLog log;
  SeededRandom random(1);
  RawNode node(TestConfig(2, 3), &log, &random);
  const int64_t batch = state.range(0);
  EntryId previous{Term{0}, LogIndex{0}};
  Cost cost(state);
  for (auto _ : state) {
    AppendRequest request{.previous = previous, .commit = previous.index, .entries = {}};
    for (int64_t i = 0; i < batch; ++i) {
      previous = {Term{1}, previous.index + 1};
      request.entries.push_back(
          {.term = previous.term, .index = previous.index, .data = Payload()});
    }
    node.Step({NodeId{1}, NodeId{2}, Term{1}, std::move(request)});
    while (node.HasReady()) {
      const Ready ready = node.TakeReady();
      if (!ready.write.empty()) node.OnWritten(ready.number);
      if (!ready.committed.empty()) node.OnApplied(ready.committed.back().index);
    }
  }
  cost.Report(batch);
}
BENCHMARK(BM_FollowerAppend)->ArgName("batch")->Arg(1)->Arg(100);

// Reads that wait together: one round of heartbeats for all.
void BM_ReadIndex(benchmark::State& state) {
  Leader leader(static_cast<uint64_t>(state.range(0)));
  const int64_t batch = state.range(1);
  uint64_t context = 0;
  int64_t granted = 0;
  Cost cost(state);
  for (auto _ : state) {
    for (int64_t i = 0; i < batch; ++i) leader.node().RequestReadIndex(++context);
    const Ready ready = leader.node().TakeReady();
    for (const Message& message : ready.send_now) {
      if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
        leader.Answer(message.to.value(), HeartbeatResponse{heartbeat->read_context});
      }
    }
    while (leader.node().HasReady()) {
      granted += static_cast<int64_t>(leader.node().TakeReady().reads.size());
    }
  }
  cost.Report(batch);
  KV_CHECK_EQ(granted, state.iterations() * batch);
}
BENCHMARK(BM_ReadIndex)->ArgNames({"voters", "batch"})->ArgsProduct({{3, 5, 7}, {1, 100}});

// A tick of an idle leader: a heartbeat to everybody, answered.
void BM_Heartbeat(benchmark::State& state) {
  Leader leader(static_cast<uint64_t>(state.range(0)));
  Cost cost(state);
  for (auto _ : state) {
    leader.node().Tick();
    benchmark::DoNotOptimize(leader.node().TakeReady());
    for (uint64_t peer = 2; peer <= leader.voters(); ++peer) {
      leader.Answer(peer, HeartbeatResponse{});
    }
  }
  cost.Report(1);
}
BENCHMARK(BM_Heartbeat)->ArgName("voters")->Arg(3)->Arg(5)->Arg(7);

}  // namespace
}  // namespace keelson::raft
