#include "apiserver/node/async_api.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace keelson::node {

void PooledApi::Make(Urgency urgency, Call call, Done done) {
  const auto how = urgency == Urgency::kUrgent ? runtime::RequestPool::Urgency::kUrgent
                                               : runtime::RequestPool::Urgency::kLater;
  pool_.Run(how, [this, call = std::move(call), done = std::move(done)] {
    auto answer = std::make_shared<absl::StatusOr<api::Json>>(call(client_));
    loop_->Post([answer, done] { done(std::move(*answer)); });
  });
}

}  // namespace keelson::node
