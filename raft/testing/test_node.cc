#include "raft/testing/test_node.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "raft/conf_change.h"

namespace keelson::raft {
namespace {

template <typename T>
void MoveTo(std::vector<T>& to, std::vector<T> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Config TestConfig(uint64_t id, uint64_t voters) {
  Config config;
  config.id = NodeId{id};
  for (uint64_t voter = 1; voter <= voters; ++voter) config.conf.voters.push_back(NodeId{voter});
  config.pre_vote = false;
  config.check_quorum = false;
  return config;
}

TestNode::TestNode(const Config& config, MemoryLog log, std::unique_ptr<Random> random)
    : config_(config), disk_(std::move(log)), base_(config.applied) {
  confs_[base_] = config.conf;
  disk_.Write({.hard_state = config.hard_state, .entries = {}});
  Restart(std::move(random));
}

std::optional<Ready> TestNode::TakeReady() {
  if (!raft_->HasReady()) return std::nullopt;
  Ready ready = raft_->TakeReady();
  MoveTo(sent_, ready.send_now);
  MoveTo(reads_, ready.reads);
  MoveTo(dropped_reads_, ready.dropped_reads);
  if (!ready.write.empty() || !ready.send_after_write.empty()) {
    waiting_.push_back({ready.number, ready.write, ready.send_after_write});
  }
  if (!ready.committed.empty()) committed_.push_back(ready.committed);
  return ready;
}

bool TestNode::Write() {
  for (Waiting& waiting : waiting_) {
    if (waiting.written) continue;
    CarryOut(waiting.write);
    waiting.written = true;
    return true;
  }
  return false;
}

void TestNode::CarryOut(const LogWrite& write) {
  disk_.Write(write);
  if (!write.snapshot) return;
  base_ = write.snapshot->id.index;
  applied_.clear();
  committed_.clear();  // older than the snapshot
  confs_ = {{base_, write.snapshot->conf}};
  disk_.SetSnapshot(*write.snapshot);
}

const LogWrite* TestNode::PeekWrite() const {
  for (const Waiting& waiting : waiting_) {
    if (!waiting.written) return &waiting.write;
  }
  return nullptr;
}

std::vector<uint64_t> TestNode::WritesBeyond(LogIndex index) const {
  std::vector<uint64_t> numbers;
  for (const Waiting& waiting : waiting_) {
    const std::vector<Entry>& entries = waiting.write.entries;
    // The newest is the one that replaces.
    const bool beyond = !entries.empty() && entries.back().index > index;
    if (beyond && &waiting != &waiting_.back()) numbers.push_back(waiting.number);
  }
  return numbers;
}

size_t TestNode::writes_carried_out() const {
  return static_cast<size_t>(std::count_if(waiting_.begin(), waiting_.end(),
                                           [](const Waiting& waiting) { return waiting.written; }));
}

uint64_t TestNode::Acknowledge() {
  if (waiting_.empty()) return 0;
  if (!waiting_.front().written) Write();
  uint64_t number = 0;
  while (!waiting_.empty() && waiting_.front().written) {
    number = waiting_.front().number;
    MoveTo(sent_, std::move(waiting_.front().promises));
    waiting_.pop_front();
  }
  raft_->OnWritten(number);
  return number;
}

bool TestNode::Apply() {
  if (committed_.empty()) return false;
  const LogIndex last = committed_.front().back().index;
  for (const Entry& entry : committed_.front()) {
    if (entry.type != EntryType::kConfChange) continue;
    const std::optional<ConfChange> change = DecodeConfChange(entry.data);
    if (!change) continue;
    const absl::StatusOr<ConfState> conf = raft_->ApplyConfChange(entry.index, *change);
    if (conf.ok()) confs_[entry.index] = *conf;
  }
  MoveTo(applied_, std::move(committed_.front()));
  committed_.pop_front();
  raft_->OnApplied(last);
  return true;
}

void TestNode::MakeSnapshot() {
  const LogIndex index = applied_index();
  disk_.SetSnapshot({.id = {*disk_.TermAt(index), index}, .conf = ConfAt(index), .data = {}});
}

void TestNode::Compact(LogIndex index) {
  KV_CHECK_LE(index, applied_index());
  const absl::StatusOr<Snapshot> newest = disk_.TakeSnapshot();
  if (!newest.ok() || newest->id.index < index) {
    disk_.SetSnapshot({.id = {*disk_.TermAt(index), index}, .conf = ConfAt(index), .data = {}});
  }
  disk_.CompactThrough(index);
}

void TestNode::Run() {
  bool busy = true;
  while (busy) {
    busy = TakeReady().has_value();
    while (Acknowledge() != 0) busy = true;
    while (Apply()) busy = true;
  }
}

std::vector<Message> TestNode::TakeSent() { return std::exchange(sent_, {}); }
std::vector<ReadGrant> TestNode::TakeReads() { return std::exchange(reads_, {}); }
std::vector<uint64_t> TestNode::TakeDroppedReads() { return std::exchange(dropped_reads_, {}); }

void TestNode::Crash(LogIndex durable_applied) {
  raft_.reset();
  waiting_.clear();
  committed_.clear();
  sent_.clear();
  reads_.clear();
  dropped_reads_.clear();
  // What the log no longer holds is durable in the state.
  durable_applied = std::max(durable_applied, disk_.FirstIndex() - 1);
  while (!applied_.empty() && applied_.back().index > durable_applied) applied_.pop_back();
  confs_.erase(confs_.upper_bound(applied_index()), confs_.end());
}

void TestNode::Restart(std::unique_ptr<Random> random) {
  KV_CHECK(raft_ == nullptr);
  config_.hard_state = disk_.hard_state();
  config_.applied = applied_index();
  config_.conf = conf();
  random_ = std::move(random);
  raft_ = std::make_unique<RawNode>(config_, &disk_, random_.get());
}

std::vector<Entry> TestNode::LogEntries() const {
  std::vector<Entry> entries = disk_.entries();
  for (const Waiting& waiting : waiting_) {
    if (waiting.written) continue;
    if (waiting.write.snapshot) entries.clear();
    if (waiting.write.entries.empty()) continue;
    const LogIndex first = waiting.write.entries.front().index;
    while (!entries.empty() && entries.back().index >= first) entries.pop_back();
    entries.insert(entries.end(), waiting.write.entries.begin(), waiting.write.entries.end());
  }
  return entries;
}

}  // namespace keelson::raft
