#include "server/asio_executor.h"

#include <utility>

#include "asio/post.hpp"
#include "asio/steady_timer.hpp"

namespace keelson::server {
namespace {

class AsioTimer final : public Timer {
 public:
  explicit AsioTimer(asio::io_context* loop) : timer_(*loop) {}

  void Arm(absl::Duration delay, Task task) override {
    timer_.expires_after(absl::ToChronoNanoseconds(delay));
    // A handler may already be queued when the timer is armed again or destroyed; the generation
    // tells.
    timer_.async_wait([generation = std::weak_ptr<int>(NewGeneration()),
                       task = std::move(task)](const asio::error_code& error) mutable {
      if (!error && !generation.expired()) task();
    });
  }

  void Cancel() override {
    generation_.reset();
    timer_.cancel();
  }

 private:
  const std::shared_ptr<int>& NewGeneration() {
    generation_ = std::make_shared<int>();
    return generation_;
  }

  asio::steady_timer timer_;
  std::shared_ptr<int> generation_;
};

}  // namespace

void AsioExecutor::Post(Task task) { asio::post(*loop_, std::move(task)); }

std::unique_ptr<Timer> AsioExecutor::NewTimer() { return std::make_unique<AsioTimer>(loop_); }

}  // namespace keelson::server
