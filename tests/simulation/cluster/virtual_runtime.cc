#include "tests/simulation/cluster/virtual_runtime.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "tests/simulation/cluster/virtual_channel.h"

namespace keelson::simulation {

class VirtualRuntime::Loop final : public client::EventLoop {
 public:
  explicit Loop(VirtualRuntime* runtime) : runtime_(runtime) {}

  bool InLoop() const override { return pumping_ || VirtualThread::Current() == &thread_; }
  void Post(absl::AnyInvocable<void()> work) override {
    waiting_.push_back(std::move(work));
    AskForTurn();
  }
  std::unique_ptr<Timer> SetTimer(absl::Duration delay, Event* event) override {
    return std::make_unique<LoopTimer>(this, delay, event);
  }

  void AskForTurn() {
    if (waiting_.empty() || !thread_.idle() || runtime_->ended_ || std::exchange(asked_, true)) {
      return;
    }
    runtime_->world_->scheduler().After(kMicrosecond, [this, alive = runtime_->alive()] {
      if (alive.expired()) return;
      asked_ = false;
      if (runtime_->ended_ || !thread_.idle()) return;
      runtime_->GiveTurn(thread_, TakeNext());
    });
  }
  // When time stands still.
  bool PumpOne() {
    if (waiting_.empty()) return false;
    pumping_ = true;
    TakeNext()();
    pumping_ = false;
    return true;
  }

 private:
  class LoopTimer final : public Timer {
   public:
    LoopTimer(Loop* loop, absl::Duration delay, Event* event)
        : loop_(loop), pending_(std::make_shared<Event*>(event)) {
      const Time after = std::max<Time>(absl::ToInt64Nanoseconds(delay), 0);
      loop_->runtime_->world_->scheduler().After(
          after, [loop, pending = pending_, alive = loop_->runtime_->alive()] {
            if (!alive.expired()) Fire(loop, pending, true);
          });
    }
    void Cancel() override { Fire(loop_, pending_, false); }

   private:
    static void Fire(Loop* loop, const std::shared_ptr<Event*>& pending, bool ok) {
      Event* const event = std::exchange(*pending, nullptr);
      if (event != nullptr) loop->Post([event, ok] { event->OnEvent(ok); });
    }
    Loop* const loop_;
    const std::shared_ptr<Event*> pending_;  // null in it: it has come
  };

  absl::AnyInvocable<void()> TakeNext() {
    absl::AnyInvocable<void()> next = std::move(waiting_.front());
    waiting_.pop_front();
    return next;
  }

  VirtualRuntime* const runtime_;
  std::deque<absl::AnyInvocable<void()>> waiting_;
  bool asked_ = false;
  bool pumping_ = false;
  VirtualThread thread_;
};

VirtualRuntime::VirtualRuntime(World* world, const void* connection, uint64_t seed)
    : world_(world),
      connection_(connection),
      seed_(seed),
      clock_(&world->scheduler()),
      loop_(std::make_unique<Loop>(this)) {}

VirtualRuntime::~VirtualRuntime() { KV_CHECK(ended_ && waiters_.empty()); }

client::EventLoop& VirtualRuntime::loop() { return *loop_; }

void VirtualRuntime::GiveTurn(VirtualThread& thread, absl::AnyInvocable<void()> work) {
  if (work) {
    thread.Begin(std::move(work));
  } else {
    thread.GoOn();
  }
  Changed();
}

void VirtualRuntime::Changed() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (ended_) return;
  loop_->AskForTurn();
  for (Waiter& waiter : waiters_) {
    if (waiter.called) continue;
    waiter.mutex->Lock();
    waiter.called = waiter.condition->Eval();
    waiter.mutex->Unlock();
    if (!waiter.called) continue;
    world_->scheduler().After(0, [this, number = waiter.number, alive = alive()] {
      if (!alive.expired()) Call(number);
    });
  }
}

void VirtualRuntime::Call(uint64_t waiter) {
  const auto found = std::find_if(waiters_.begin(), waiters_.end(),
                                  [waiter](const Waiter& of) { return of.number == waiter; });
  if (found != waiters_.end() && !ended_) GiveTurn(*found->thread, nullptr);
}

void VirtualRuntime::End() {
  ended_ = true;
  while (!waiters_.empty()) waiters_.front().thread->GoOn();
}

// Only the client's end waits then, for what the loop does.
bool VirtualRuntime::AwaitInVain(absl::Mutex& mutex,
                                 const absl::Condition& condition) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  bool moves = VirtualThread::Current() == nullptr;
  while (moves && !condition.Eval()) {
    mutex.Unlock();
    moves = loop_->PumpOne();
    mutex.Lock();
  }
  return condition.Eval();
}

bool VirtualRuntime::Await(absl::Mutex& mutex, const absl::Condition& condition,
                           absl::Duration timeout) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  VirtualThread* const thread = VirtualThread::Current();
  KV_CHECK(thread != nullptr || ended_) << "the simulation itself waits for nobody";
  const Time now = world_->now();
  const Time until = timeout == absl::InfiniteDuration()
                         ? kNever
                         : now + std::max<Time>(absl::ToInt64Nanoseconds(timeout), 0);
  while (!ended_ && !condition.Eval() && world_->now() < until) {
    waiters_.push_back({++last_waiter_, thread, &mutex, &condition});
    const auto self = std::prev(waiters_.end());
    if (until != kNever) {
      world_->scheduler().At(until, [this, number = self->number, alive = alive()] {
        if (!alive.expired()) Call(number);
      });
    }
    mutex.Unlock();
    thread->EndTurn();
    mutex.Lock();
    waiters_.erase(self);
  }
  return ended_ ? AwaitInVain(mutex, condition) : condition.Eval();
}

void VirtualRuntime::Sleep(absl::Duration time) {
  absl::Mutex mutex;
  const bool never = false;
  absl::MutexLock lock(&mutex);
  Await(mutex, absl::Condition(&never), time);
}

absl::StatusOr<std::shared_ptr<client::Channel>> VirtualRuntime::Dial(const std::string& endpoint) {
  constexpr std::string_view kBegin = "http://m";
  int member = 0;
  const bool named =
      endpoint.starts_with(kBegin) && endpoint.find(':', kBegin.size()) != std::string::npos &&
      absl::SimpleAtoi(
          endpoint.substr(kBegin.size(), endpoint.find(':', kBegin.size()) - kBegin.size()),
          &member);
  if (!named) return absl::InvalidArgumentError(absl::StrCat(endpoint, " is no member"));
  return std::make_shared<VirtualChannel>(this, member);
}

}  // namespace keelson::simulation
