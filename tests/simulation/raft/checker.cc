#include "tests/simulation/raft/checker.h"

#include "absl/strings/str_cat.h"

namespace keelson::raft::simulation {

void Checker::OnStart(const Member& member) {
  logs_.OnStart(member);
  const HardState& durable = member.disk.durable().hard_state;
  Seen& seen = seen_[member.id.value()];
  // What was promised must not be forgotten: the new life starts no earlier than the disk.
  seen = {.term = durable.term,
          .vote = durable.vote,
          .commit = durable.commit,
          .applied = member.disk.state().id.index};
  AfterInput(member, Cause::kStart);
}

void Checker::OnCrash(const Member& member) { reads_.OnCrash(member); }

void Checker::AfterInput(const Member& member, Cause cause, const Message* message) {
  const Status now = member.raft->status();
  Seen& seen = seen_[member.id.value()];
  const Observation o{member, cause, message, seen, now};
  elections_.AfterInput(o);
  logs_.AfterInput(o);
  reads_.AfterInput(o);
  seen = {.term = now.term,
          .vote = now.vote,
          .role = now.role,
          .leader = now.leader,
          .commit = now.commit,
          .applied = now.applied,
          .last = now.last,
          .transferee = now.transferee};
}

void Checker::OnReady(const Member& member, const Ready& ready) {
  logs_.OnReady(member, ready);
  if (!context_.verdict.failed()) reads_.OnReady(member, ready);
}

void Checker::AfterReadys(const Member& member) {
  logs_.AfterReadys(member);
  reads_.AfterReadys(member);
}

void Checker::OnLeave(const Member& from, const Message& message) {
  elections_.OnLeave(from, message);
  logs_.OnLeave(from, message);
  reads_.OnLeave(from, message, event_);
}

void Checker::OnArrive(const Member& to, const Message& message) {
  elections_.OnArrive(to, message);
  logs_.OnArrive(to, message);
  reads_.OnArrive(to, message, event_);
}

void Checker::OnConfChangeApplied(const Member& member, LogIndex index) {
  logs_.OnConfChangeApplied(member, index);
  elections_.OnConfChanged(member);
}

void Checker::OnReadRequested(const Member& member, uint64_t context) {
  reads_.OnRequested(member, context, event_);
}

}  // namespace keelson::raft::simulation
