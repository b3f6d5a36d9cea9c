// What a leader's step costs. Time is for one proposal (of 128 bytes), with two followers that
// acknowledge at once; `allocations` counts the calls of operator new.
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "absl/status/status.h"
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

// The whole life of a batch of proposals on the leader: proposed, sent, written, acknowledged by
// all followers, committed, applied.
void BM_ProposeToApplied(benchmark::State& state) {
  Leader leader(3);
  const int64_t batch = state.range(0);
  const SharedBytes payload(std::string(128, 'x'));
  const uint64_t before = allocations;
  for (auto _ : state) {
    std::vector<Proposal> proposals(static_cast<size_t>(batch), {.data = payload});
    leader.node().Propose(std::move(proposals));
    leader.Finish(leader.node().TakeReady());
    for (uint64_t peer = 2; peer <= leader.voters(); ++peer) {
      leader.Answer(peer, AppendResponse{.index = leader.last()});
    }
    while (leader.node().HasReady()) leader.Finish(leader.node().TakeReady());
  }
  const auto proposals = static_cast<double>(state.iterations() * batch);
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["allocations"] = static_cast<double>(allocations - before) / proposals;
}
BENCHMARK(BM_ProposeToApplied)->Arg(1)->Arg(10)->Arg(100)->Arg(1000);

// As above, but every proposal is a call of its own and a Ready gathers a hundred.
void BM_ProposeSingly(benchmark::State& state) {
  Leader leader(3);
  const SharedBytes payload(std::string(128, 'x'));
  for (auto _ : state) {
    for (int i = 0; i < 100; ++i) {
      std::vector<Proposal> proposal(1, {.data = payload});
      leader.node().Propose(std::move(proposal));
    }
    leader.Finish(leader.node().TakeReady());
    for (uint64_t peer = 2; peer <= leader.voters(); ++peer) {
      leader.Answer(peer, AppendResponse{.index = leader.last()});
    }
    while (leader.node().HasReady()) leader.Finish(leader.node().TakeReady());
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(BM_ProposeSingly);

// An acknowledgement that commits one entry, and the Ready that follows.
void BM_Acknowledge(benchmark::State& state) {
  Leader leader(static_cast<uint64_t>(state.range(0)));
  const SharedBytes payload(std::string(128, 'x'));
  constexpr int kEntries = 100;
  const uint64_t before = allocations;
  uint64_t setup = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const uint64_t from = allocations;
    std::vector<Proposal> proposals(kEntries, {.data = payload});
    const LogIndex begin = leader.last();
    leader.node().Propose(std::move(proposals));
    leader.Finish(leader.node().TakeReady());
    setup += allocations - from;
    state.ResumeTiming();
    for (uint64_t i = 1; i <= kEntries; ++i) {
      for (uint64_t peer = 2; peer <= leader.voters(); ++peer) {
        leader.Answer(peer, AppendResponse{.index = begin + i});
      }
      while (leader.node().HasReady()) leader.Finish(leader.node().TakeReady());
    }
  }
  const auto acks =
      static_cast<double>(state.iterations() * kEntries) * static_cast<double>(leader.voters() - 1);
  state.SetItemsProcessed(static_cast<int64_t>(acks));
  state.counters["allocations"] = static_cast<double>(allocations - before - setup) / acks;
}
BENCHMARK(BM_Acknowledge)->Arg(3)->Arg(7);

// A follower takes over a batch of entries and applies it.
void BM_FollowerAppend(benchmark::State& state) {
  ForgetfulLog log;
  SeededRandom random(1);
  RawNode node(TestConfig(2, 3), &log, &random);
  const int64_t batch = state.range(0);
  const SharedBytes payload(std::string(128, 'x'));
  EntryId previous{Term{0}, LogIndex{0}};
  for (auto _ : state) {
    AppendRequest request{.previous = previous, .commit = previous.index, .entries = {}};
    for (int64_t i = 0; i < batch; ++i) {
      previous = {Term{1}, previous.index + 1};
      request.entries.push_back({.term = previous.term, .index = previous.index, .data = payload});
    }
    node.Step({NodeId{1}, NodeId{2}, Term{1}, std::move(request)});
    while (node.HasReady()) {
      const Ready ready = node.TakeReady();
      if (!ready.write.empty()) node.OnWritten(ready.number);
      if (!ready.committed.empty()) node.OnApplied(ready.committed.back().index);
    }
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(BM_FollowerAppend)->Arg(1)->Arg(100);

// Reads that wait together: one round of heartbeats for all.
void BM_ReadIndex(benchmark::State& state) {
  Leader leader(3);
  const int64_t batch = state.range(0);
  uint64_t context = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < batch; ++i) leader.node().RequestReadIndex(++context);
    const Ready ready = leader.node().TakeReady();
    for (const Message& message : ready.send_now) {
      if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
        leader.Answer(message.to.value(), HeartbeatResponse{heartbeat->read_context});
      }
    }
    while (leader.node().HasReady()) benchmark::DoNotOptimize(leader.node().TakeReady());
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(BM_ReadIndex)->Arg(1)->Arg(100);

}  // namespace
}  // namespace keelson::raft
