// Abseil's locks as the thread sanitizer must see them. Debian's Abseil is not built for it: taking
// a lock is a few atomic operations in there that the sanitizer never sees, so that all that a lock
// guards looks like a race. The definitions here take the place of the library's in every program
// they are linked into, for us and for what we use (gRPC): they tell the sanitizer, and have the
// library do the work.
//
// What an absl::Condition reads is not looked at: between the two words the sanitizer hears of one
// operation it ignores the thread, as with Abseil's own annotations, for a condition may be asked
// by whoever gives up the lock just then. What waits with a timeout comes here too: the library
// makes a deadline of it, and calls the function for that.

#include <sanitizer/tsan_interface.h>

#include <string>

#include "absl/base/options.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "tests/sanitizers/next_definition.h"

// The analysis is for those who use the locks.
#pragma clang diagnostic ignored "-Wthread-safety-analysis"

namespace {

#define KEELSON_TEXT_OF(name) #name
#define KEELSON_TEXT(name) KEELSON_TEXT_OF(name)

// The library's definition; `name` is what follows the namespaces in the symbol.
template <typename Function, bool is_const = false>
Function* Next(const std::string& name) {
  const std::string version = KEELSON_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  return keelson::NextDefinition<Function>((is_const ? "_ZNK4absl" : "_ZN4absl") +
                                           std::to_string(version.size()) + version + name);
}

template <typename Work>
void Take(absl::Mutex* mutex, unsigned mode, const Work& work) {
  __tsan_mutex_pre_lock(mutex, mode);
  work();
  __tsan_mutex_post_lock(mutex, mode, 0);
}

template <typename Work>
bool TryTake(absl::Mutex* mutex, unsigned mode, const Work& work) {
  mode |= __tsan_mutex_try_lock;
  __tsan_mutex_pre_lock(mutex, mode);
  const bool taken = work();
  __tsan_mutex_post_lock(mutex, taken ? mode : mode | __tsan_mutex_try_lock_failed, 0);
  return taken;
}

template <typename Work>
void Give(absl::Mutex* mutex, unsigned mode, const Work& work) {
  __tsan_mutex_pre_unlock(mutex, mode);
  work();
  __tsan_mutex_post_unlock(mutex, mode);
}

// An operation that gives up a lock that is held for writing, waits, and has it again at its end.
template <typename Work>
auto GiveAndTake(absl::Mutex* mutex, const Work& work) {
  __tsan_mutex_pre_unlock(mutex, 0);
  struct Taken {
    absl::Mutex* mutex;
    ~Taken() {
      __tsan_mutex_post_unlock(mutex, 0);
      __tsan_mutex_pre_lock(mutex, 0);
      __tsan_mutex_post_lock(mutex, 0, 0);
    }
  } taken{mutex};
  return work();
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

namespace {

// Where the flag is that HasBeenNotified() reads without the lock.
void* FlagOf(const Notification* notification) {
  static_assert(sizeof(Notification) == 2 * sizeof(Mutex));
  return const_cast<char*>(reinterpret_cast<const char*>(notification)) + sizeof(Mutex);
}

// What threads that were notified see.
bool Notified(const Notification* notification, bool notified) {
  if (notified) __tsan_acquire(FlagOf(notification));
  return notified;
}

}  // namespace

Mutex::~Mutex() {
  static auto* const next = Next<void(Mutex*)>("5MutexD1Ev");
  next(this);
  __tsan_mutex_destroy(this, __tsan_mutex_not_static);
}

void Mutex::Lock() {
  static auto* const next = Next<void(Mutex*)>("5Mutex4LockEv");
  Take(this, 0, [this] { next(this); });
}

void Mutex::Unlock() {
  static auto* const next = Next<void(Mutex*)>("5Mutex6UnlockEv");
  Give(this, 0, [this] { next(this); });
}

bool Mutex::TryLock() {
  static auto* const next = Next<bool(Mutex*)>("5Mutex7TryLockEv");
  return TryTake(this, 0, [this] { return next(this); });
}

void Mutex::ReaderLock() {
  static auto* const next = Next<void(Mutex*)>("5Mutex10ReaderLockEv");
  Take(this, __tsan_mutex_read_lock, [this] { next(this); });
}

void Mutex::ReaderUnlock() {
  static auto* const next = Next<void(Mutex*)>("5Mutex12ReaderUnlockEv");
  Give(this, __tsan_mutex_read_lock, [this] { next(this); });
}

bool Mutex::ReaderTryLock() {
  static auto* const next = Next<bool(Mutex*)>("5Mutex13ReaderTryLockEv");
  return TryTake(this, __tsan_mutex_read_lock, [this] { return next(this); });
}

void Mutex::LockWhen(const Condition& condition) {
  static auto* const next =
      Next<void(Mutex*, const Condition&)>("5Mutex8LockWhenERKNS0_9ConditionE");
  Take(this, 0, [&] { next(this, condition); });
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>(
      "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  bool holds = false;
  Take(this, 0, [&] { holds = next(this, condition, deadline); });
  return holds;
}

void Mutex::Await(const Condition& condition) {
  static auto* const next = Next<void(Mutex*, const Condition&)>("5Mutex5AwaitERKNS0_9ConditionE");
  GiveAndTake(this, [&] { next(this, condition); });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>(
      "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return GiveAndTake(this, [&] { return next(this, condition, deadline); });
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const next = Next<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  GiveAndTake(mutex, [&] { next(this, mutex); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const next =
      Next<bool(CondVar*, Mutex*, Time)>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return GiveAndTake(mutex, [&] { return next(this, mutex, deadline); });
}

void Notification::Notify() {
  static auto* const next = Next<void(Notification*)>("12Notification6NotifyEv");
  __tsan_release(FlagOf(this));
  next(this);
}

void Notification::WaitForNotification() const {
  static auto* const next =
      Next<void(const Notification*), true>("12Notification19WaitForNotificationEv");
  next(this);
  Notified(this, true);
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* const next = Next<bool(const Notification*, Duration), true>(
      "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  return Notified(this, next(this, timeout));
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  static auto* const next = Next<bool(const Notification*, Time), true>(
      "12Notification31WaitForNotificationWithDeadlineENS0_4TimeE");
  return Notified(this, next(this, deadline));
}

ABSL_NAMESPACE_END
}  // namespace absl
