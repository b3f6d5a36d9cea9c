#include "server/space_gate.h"

#include <utility>

#include "proto/etcd/rpc.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/alarm_key.h"
#include "server/errors.h"

namespace keelson::server {

SpaceGate::SpaceGate(const SpaceOptions& options, NodeId self, Environment environment)
    : self_(self),
      environment_(std::move(environment)),
      guard_(options),
      timer_(environment_.executor->NewTimer()) {
  Measure();
}

void SpaceGate::Measure() { guard_.OnMeasured(environment_.store->SizeInUse()); }

SpaceGuard::Verdict SpaceGate::Judge(uint64_t cost) {
  const absl::Duration now = environment_.clock->Now();
  const SpaceGuard::Verdict verdict = guard_.Ask(cost, now);
  if (verdict.answer != SpaceGuard::Answer::kOverQuota) return verdict;
  // An alarm has to be disarmed by hand: it is not raised on an estimate, or on what was so before.
  Measure();
  return guard_.Ask(cost, now);
}

void SpaceGate::Submit(int op_field, std::string_view request, const Caller& caller, uint64_t cost,
                       Done done) {
  if (cost == 0) return environment_.submit(op_field, request, caller, std::move(done));
  const SpaceGuard::Verdict verdict = Judge(cost);
  switch (verdict.answer) {
    case SpaceGuard::Answer::kNoDiskSpace:
      return Refuse(std::move(done));
    case SpaceGuard::Answer::kOverQuota:
      return AlarmIsUp() ? Refuse(std::move(done)) : RaiseAlarm(std::move(done));
    case SpaceGuard::Answer::kTake:
      break;
  }
  Done counted = [this, cost, done = std::move(done)](Answer answer) mutable {
    guard_.OnDone(cost);
    done(std::move(answer));
  };
  if (verdict.wait > absl::ZeroDuration() || !held_.empty()) {
    return Hold(verdict.wait, op_field, request, caller, std::move(counted));
  }
  environment_.submit(op_field, request, caller, std::move(counted));
}

void SpaceGate::Hold(absl::Duration wait, int op_field, std::string_view request,
                     const Caller& caller, Done done) {
  if (stopped_) return done(Answer{0, ErrStopped(), {}, {}});
  if (held_.size() >= kHeldMax) return done(Answer{0, ErrTooManyRequests(), {}, {}});
  held_.push_back(
      {environment_.clock->Now() + wait, op_field, std::string(request), caller, std::move(done)});
  if (held_.size() == 1) ArmTimer();
}

void SpaceGate::ArmTimer() {
  timer_->Arm(held_.front().due - environment_.clock->Now(), [this] { Release(); });
}

void SpaceGate::Release() {
  while (!held_.empty() && held_.front().due <= environment_.clock->Now()) {
    Held held = std::move(held_.front());
    held_.pop_front();
    environment_.submit(held.op_field, held.request, held.caller, std::move(held.done));
  }
  if (!held_.empty()) ArmTimer();
}

void SpaceGate::Refuse(Done done) const { done(Answer{0, ErrNoSpace(), {}, {}}); }

bool SpaceGate::AlarmIsUp() const {
  return environment_.store
      ->FindRecord(storage::Table::kAlarms, AlarmKey{self_, etcdserverpb::NOSPACE}.Encode())
      .has_value();
}

void SpaceGate::RaiseAlarm(Done refused) {
  if (refused) refused_.push_back(std::move(refused));
  if (raising_ || stopped_) return;
  raising_ = true;
  environment_.on_notice("the store is as large as its quota: raising alarm NOSPACE");
  etcdserverpb::AlarmRequest request;
  request.set_action(etcdserverpb::AlarmRequest::ACTIVATE);
  request.set_memberid(self_.value());
  request.set_alarm(etcdserverpb::NOSPACE);
  environment_.submit(proto::Command::kAlarmFieldNumber, request.SerializeAsString(), Caller(),
                      [this](const Answer&) {
                        // An alarm that could not be raised is raised by the next command.
                        raising_ = false;
                        for (Done& done : std::exchange(refused_, {})) Refuse(std::move(done));
                      });
}

void SpaceGate::OnTick() {
  Measure();
  guard_.OnDiskFull(log_full_ || environment_.store->disk_full());
  if (guard_.near_quota() && environment_.store->reclaimable()) {
    environment_.store->Reclaim(nullptr);
  }
  const bool grown = std::exchange(grown_, false);
  if (grown && guard_.over_quota() && !AlarmIsUp()) RaiseAlarm(nullptr);
  if (guard_.out_of_disk() != told_out_of_disk_) {
    told_out_of_disk_ = guard_.out_of_disk();
    environment_.on_notice(told_out_of_disk_
                               ? "the disk is full: refusing what adds to the store until it is not"
                               : "the disk has room again: taking writes");
  }
}

void SpaceGate::OnDiskFree(uint64_t bytes) {
  guard_.OnDiskFree(bytes, environment_.store->UnflushedBytes());
}

void SpaceGate::OnLogFull(bool full) {
  log_full_ = full;
  guard_.OnDiskFull(log_full_ || environment_.store->disk_full());
}

void SpaceGate::Stop() {
  stopped_ = true;
  timer_->Cancel();
  for (Held& held : std::exchange(held_, {})) held.done(Answer{0, ErrStopped(), {}, {}});
}

}  // namespace keelson::server
