#include "client/errors.h"

#include "absl/strings/cord.h"

namespace keelson::client {
namespace {

constexpr absl::string_view kLastFailurePayload = "keelson.client/last-failure";

}  // namespace

bool IsCompacted(const absl::Status& status) { return status.message() == kCompacted; }

bool IsLeaseNotFound(const absl::Status& status) { return status.message() == kLeaseNotFound; }

bool IsNotPermitted(const absl::Status& status) {
  return status.message() == kPermissionDenied;
}

std::string LastFailure(const absl::Status& status) {
  const auto payload = status.GetPayload(kLastFailurePayload);
  return payload.has_value() ? std::string(*payload) : "";
}

absl::Status DeadlineExceeded(absl::string_view last_failure) {
  absl::Status status = absl::DeadlineExceededError(kDeadlineExceeded);
  if (!last_failure.empty()) status.SetPayload(kLastFailurePayload, absl::Cord(last_failure));
  return status;
}

}  // namespace keelson::client
