#include "raft/raw_node.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "raft/raft.h"

namespace keelson::raft {

// Numbers the Readys and remembers what each write makes durable.
class RawNode::Impl {
 public:
  Impl(const Config& config, const LogView* log, Random* random)
      : raft_(config, log, random), handed_out_(config.hard_state) {}

  Raft& raft() { return raft_; }

  void OnWritten(uint64_t number) {
    KV_CHECK_LE(number, last_number_) << "acknowledged what was not handed out";
    while (!hard_states_.empty() && hard_states_.front().number <= number) {
      const HardState durable = hard_states_.front().state;
      hard_states_.pop_front();
      raft_.OnHardStateDurable(durable);
    }
    raft_.log().OnWritten(number);
    raft_.OnLogWritten();
    durable_number_ = std::max(durable_number_, number);
  }

  bool HasReady() const {
    return raft_.HasOutput() || raft_.log().HasUnwritten() || raft_.log().HasCommitted() ||
           MustWriteHardState();
  }

  Ready TakeReady() {
    Ready ready;
    ready.number = ++last_number_;
    raft_.FillOutbox();
    Outbox outbox = raft_.TakeOutbox();
    ready.send_now = std::move(outbox.now);
    ready.send_after_write = std::move(outbox.after_write);
    ready.reads = std::move(outbox.reads);
    ready.dropped_reads = std::move(outbox.dropped_reads);
    ready.write = TakeWrite(ready.number);
    ready.committed = raft_.log().TakeCommitted();
    // All that is promised is durable already: save the way over the log's thread.
    if (ready.write.empty() && durable_number_ >= last_write_) {
      std::move(ready.send_after_write.begin(), ready.send_after_write.end(),
                std::back_inserter(ready.send_now));
      ready.send_after_write.clear();
    }
    return ready;
  }

 private:
  struct NumberedState {
    uint64_t number = 0;
    HardState state;
  };

  // The commit index alone is not worth a write: it is learned again. But entries are written with
  // the commit index that came with them: changes of membership rest on it (docs/raft.md).
  bool MustWriteHardState() const {
    const HardState state = raft_.hard_state();
    return state.term != handed_out_.term || state.vote != handed_out_.vote;
  }

  LogWrite TakeWrite(uint64_t number) {
    LogWrite write;
    const bool state_changed = MustWriteHardState();
    Log::Unwritten unwritten = raft_.log().TakeUnwritten(number);
    write.snapshot = std::move(unwritten.snapshot);
    write.entries = std::move(unwritten.entries);
    if (!state_changed && write.empty()) return write;
    write.must_sync = true;
    last_write_ = number;
    const HardState state = raft_.hard_state();
    if (state == handed_out_) return write;
    if (KV_PLANTED("commit-not-written") && !state_changed && !write.snapshot) return write;
    write.hard_state = state;
    handed_out_ = state;
    hard_states_.push_back({number, state});
    return write;
  }

  Raft raft_;
  HardState handed_out_;                   // with the newest write, or found at the start
  std::deque<NumberedState> hard_states_;  // handed out, not durable; by number
  uint64_t last_number_ = 0;               // of the newest Ready
  uint64_t last_write_ = 0;                // newest Ready whose write is not empty
  uint64_t durable_number_ = 0;            // newest acknowledged
};

RawNode::RawNode(const Config& config, const LogView* log, Random* random)
    : impl_(std::make_unique<Impl>(config, log, random)) {}
RawNode::~RawNode() = default;

void RawNode::Tick() { impl_->raft().Tick(); }
void RawNode::Step(Message message) { impl_->raft().Step(std::move(message)); }
void RawNode::Campaign() { impl_->raft().Campaign(); }
ProposeResult RawNode::Propose(std::vector<Proposal> proposals) {
  return impl_->raft().Propose(std::move(proposals));
}
ProposeResult RawNode::ProposeConfChange(const ConfChange& change) {
  return impl_->raft().ProposeConfChange(change);
}
absl::StatusOr<ConfState> RawNode::ApplyConfChange(LogIndex index, const ConfChange& change) {
  return impl_->raft().ApplyConfChange(index, change);
}
void RawNode::TransferLeadership(NodeId to) { impl_->raft().TransferLeadership(to); }
void RawNode::RevokeLease() { impl_->raft().RevokeLease(); }
void RawNode::ForgetLeader() { impl_->raft().ForgetLeader(); }
bool RawNode::RequestReadIndex(uint64_t context) { return impl_->raft().RequestReadIndex(context); }
void RawNode::OnWritten(uint64_t number) { impl_->OnWritten(number); }
void RawNode::OnApplied(LogIndex index) { impl_->raft().OnApplied(index); }
void RawNode::OnUnreachable(NodeId peer) { impl_->raft().OnUnreachable(peer); }
void RawNode::OnSnapshotSent(NodeId peer, SnapshotResult result) {
  impl_->raft().OnSnapshotSent(peer, result);
}
void RawNode::OnStorageStalled() { impl_->raft().OnStorageStalled(); }

bool RawNode::HasReady() const { return impl_->HasReady(); }
Ready RawNode::TakeReady() { return impl_->TakeReady(); }

NodeId RawNode::leader() const { return impl_->raft().leader(); }
Role RawNode::role() const { return impl_->raft().role(); }
Term RawNode::term() const { return impl_->raft().term(); }
LogIndex RawNode::commit() const { return impl_->raft().log().commit(); }
const ConfState& RawNode::conf() const { return impl_->raft().conf(); }
Status RawNode::status() const { return impl_->raft().status(); }

}  // namespace keelson::raft
