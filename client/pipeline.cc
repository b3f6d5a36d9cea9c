#include "client/pipeline.h"

#include <utility>

#include "base/status_macros.h"

namespace keelson::client {

absl::Status Pipeline::Admit() {
  absl::MutexLock lock(&mutex_);
  const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return in_flight_ < in_flight_max_;
  };
  mutex_.Await(absl::Condition(&room));
  if (failure_.ok()) ++in_flight_;
  return failure_;
}

void Pipeline::OnDone(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  --in_flight_;
  if (status.ok()) {
    ++done_;
  } else if (failure_.ok()) {
    failure_ = status;
  }
}

absl::Status Pipeline::Put(etcdserverpb::PutRequest request) {
  KV_RETURN_IF_ERROR(Admit());
  kv_.PutAsync(std::move(request), options_,
               [this](const absl::StatusOr<etcdserverpb::PutResponse>& response) {
                 OnDone(response.status());
               });
  return absl::OkStatus();
}

absl::Status Pipeline::Txn(etcdserverpb::TxnRequest request) {
  KV_RETURN_IF_ERROR(Admit());
  kv_.TxnAsync(std::move(request), options_,
               [this](const absl::StatusOr<etcdserverpb::TxnResponse>& response) {
                 OnDone(response.status());
               });
  return absl::OkStatus();
}

absl::Status Pipeline::Finish() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return in_flight_ == 0; };
  mutex_.Await(absl::Condition(&idle));
  return failure_;
}

int64_t Pipeline::done() const {
  absl::MutexLock lock(&mutex_);
  return done_;
}

}  // namespace keelson::client
