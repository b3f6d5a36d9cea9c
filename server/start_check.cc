#include "server/start_check.h"

#include <utility>

#include "absl/algorithm/container.h"

namespace keelson::server {

StartVerdict JudgeStart(NodeId self, const std::map<NodeId, std::optional<uint64_t>>& hashes,
                        bool is_last) {
  const std::optional<uint64_t> own = hashes.at(self);
  if (!own) return StartVerdict::kAgrees;  // no state yet
  const size_t majority = hashes.size() / 2 + 1;
  std::map<uint64_t, size_t> votes;
  for (const auto& [member, hash] : hashes) {
    if (hash) ++votes[*hash];
  }
  if (votes[*own] >= majority) return StartVerdict::kAgrees;
  for (const auto& [hash, count] : votes) {
    if (count >= majority) return StartVerdict::kDiffers;
  }
  return is_last && votes.size() > 1 ? StartVerdict::kDiffers : StartVerdict::kUnknown;
}

StartCheck::StartCheck(StateHashes states, Executor* executor)
    : states_(std::move(states)), alive_(std::make_shared<int>()), timer_(executor->NewTimer()) {}

void StartCheck::Run(Done done) {
  done_ = std::move(done);
  give_up_ = states_.clock->Now() + kTimeMax;
  Compare(states_.applied());
  Step();
}

void StartCheck::Compare(LogIndex index) {
  index_ = index;
  for (const NodeId member : states_.members()) hashes_[member] = std::nullopt;
  hashes_[states_.self] = states_.hash_at(index);
}

void StartCheck::Stop() {
  timer_->Cancel();
  done_ = nullptr;
}

void StartCheck::Step() {
  Judge(/*is_last=*/states_.clock->Now() >= give_up_);
  if (done_) Ask();
}

// Again without waiting for the answer: one is lost when it comes before the other member has
// connected to us.
void StartCheck::Ask() {
  for (const auto& [member, hash] : hashes_) {
    if (!hash && member != states_.self) AskForHash(member);
  }
  timer_->Arm(kAskAgain, [this] { Step(); });
}

void StartCheck::AskForHash(NodeId member) {
  states_.ask(member, index_,
              [this, member, index = index_,
               alive = std::weak_ptr<int>(alive_)](std::optional<uint64_t> answer) {
                if (alive.expired() || !done_ || index != index_) return;
                if (!answer) return AskWhereItStands(member);
                hashes_[member] = answer;
                // Not within the answer of a peer, whose connection may go with us.
                timer_->Arm(absl::ZeroDuration(), [this] { Step(); });
              });
}

bool StartCheck::Contradicted() const {
  return absl::c_any_of(hashes_, [own = hashes_.at(states_.self)](const auto& of) {
    return of.second && of.second != own;
  });
}

void StartCheck::AskWhereItStands(NodeId member) {
  states_.ask_applied(member,
                      [this, alive = std::weak_ptr<int>(alive_)](std::optional<LogIndex> applied) {
                        if (!applied || alive.expired() || !done_) return;
                        if (*applied >= index_ || !states_.hash_at(*applied) || Contradicted())
                          return;
                        Compare(*applied);
                        timer_->Arm(absl::ZeroDuration(), [this] { Step(); });
                      });
}

void StartCheck::Judge(bool is_last) {
  const StartVerdict verdict = JudgeStart(states_.self, hashes_, is_last);
  if (verdict == StartVerdict::kUnknown && !is_last) return;
  timer_->Cancel();
  std::exchange(done_, nullptr)(verdict);
}

}  // namespace keelson::server
