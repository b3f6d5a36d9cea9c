// Coroutine<T>: a client's doings told in the order they happen. It runs until its first wait when
// it is awaited or started, and is destroyed, with whom it waits for, with its owner.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_COROUTINE_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_COROUTINE_H_

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"

namespace keelson::simulation {

template <typename T>
class Coroutine;

namespace internal {

struct PromiseBase {
  std::coroutine_handle<> continuation;
  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      const std::coroutine_handle<> next = done.promise().continuation;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() { std::terminate(); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Coroutine<T> get_return_object();
  void return_value(T result) { value.emplace(std::move(result)); }
};
template <>
struct Promise<void> : PromiseBase {
  Coroutine<void> get_return_object();
  void return_void() {}
};

}  // namespace internal

template <typename T = void>
class Coroutine {
 public:
  using promise_type = internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Coroutine(Handle handle) : handle_(handle) {}
  Coroutine(Coroutine&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Coroutine& operator=(Coroutine&&) = delete;
  ~Coroutine() {
    if (handle_) handle_.destroy();
  }

  void Start() { handle_.resume(); }
  bool done() const { return handle_.done(); }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
    handle_.promise().continuation = waiting;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return *std::move(handle_.promise().value);
  }

 private:
  Handle handle_;
};

template <typename T>
Coroutine<T> internal::Promise<T>::get_return_object() {
  return Coroutine<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Coroutine<void> internal::Promise<void>::get_return_object() {
  return Coroutine<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// A value that comes later, once; one coroutine waits for it. Set resumes that in place, so it is
// for events of the scheduler only.
template <typename T>
class Future {
 public:
  void Set(T value) const {
    if (state_->value) return;
    state_->value.emplace(std::move(value));
    if (state_->waiting) std::exchange(state_->waiting, nullptr).resume();
  }
  bool is_set() const { return state_->value.has_value(); }

  bool await_ready() const noexcept { return is_set(); }
  void await_suspend(std::coroutine_handle<> waiting) const noexcept { state_->waiting = waiting; }
  T await_resume() const { return *std::move(state_->value); }

 private:
  struct State {
    std::optional<T> value;
    std::coroutine_handle<> waiting;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_COROUTINE_H_
