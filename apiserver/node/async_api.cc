#include "apiserver/node/async_api.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace keelson::node {

void PooledApi::Make(Urgency urgency, Call call, Done done) {
  const auto how = urgency == Urgency::kUrgent ? runtime::RequestPool::Urgency::kUrgent
                                               : runtime::RequestPool::Urgency::kLater;
  ++under_way_;
  pool_.Run(how, [this, call = std::move(call), done = std::move(done)] {
    auto answer = std::make_shared<absl::StatusOr<api::Json>>(call(client_));
    loop_->Post([this, answer, done] {
      --under_way_;
      done(std::move(*answer));
      while (!turns_.empty() && under_way_ < threads_) {
        const std::function<void()> turn = std::move(turns_.front());
        turns_.pop_front();
        turn();
      }
    });
  });
}

void PooledApi::WhenFree(std::function<void()> turn) {
  if (under_way_ < threads_) return turn();
  turns_.push_back(std::move(turn));
}

}  // namespace keelson::node
