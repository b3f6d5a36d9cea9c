#include "tests/simulation/cluster/virtual_thread.h"

#include <utility>

#include "base/check.h"

namespace keelson::simulation {
namespace {

thread_local VirtualThread* current = nullptr;

}  // namespace

VirtualThread::VirtualThread() {
  thread_ = std::thread([this] { Run(); });
}

VirtualThread::~VirtualThread() {
  KV_CHECK(idle_);
  stop_ = true;
  GiveTurn();
  thread_.join();
}

VirtualThread* VirtualThread::Current() { return current; }

void VirtualThread::Begin(absl::AnyInvocable<void()> work) {
  KV_CHECK(idle_);
  work_ = std::move(work);
  idle_ = false;
  GiveTurn();
}

void VirtualThread::GoOn() {
  KV_CHECK(!idle_);
  GiveTurn();
}

void VirtualThread::GiveTurn() {
  absl::MutexLock lock(&mutex_);
  has_turn_ = true;
  const auto is_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !has_turn_; };
  mutex_.Await(absl::Condition(&is_over));
}

void VirtualThread::AwaitTurn() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&has_turn_));
}

void VirtualThread::EndTurn() {
  KV_CHECK(Current() == this);
  {
    absl::MutexLock lock(&mutex_);
    has_turn_ = false;
  }
  AwaitTurn();
}

void VirtualThread::Run() {
  current = this;
  AwaitTurn();
  while (!stop_) {
    work_();
    work_ = nullptr;
    idle_ = true;
    EndTurn();
  }
  absl::MutexLock lock(&mutex_);
  has_turn_ = false;
}

}  // namespace keelson::simulation
