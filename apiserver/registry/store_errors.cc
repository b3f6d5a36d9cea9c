#include "apiserver/registry/store_errors.h"

#include <string>

#include "absl/strings/match.h"
#include "apiserver/api/errors.h"
#include "base/concat.h"

namespace keelson::registry {

absl::Status FromStore(const absl::Status& status) {
  if (status.ok()) return status;
  const std::string message(status.message());
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return api::Timeout(Concat("the store did not answer in time: ", message), 1);
    case absl::StatusCode::kUnavailable:
      return api::Unavailable(Concat("the store does not serve: ", message));
    case absl::StatusCode::kInvalidArgument:
      if (absl::StrContains(message, "too large")) return api::TooLarge(message);
      break;
    default:
      break;
  }
  return api::Internal(message);
}

bool MayHaveHappened(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

}  // namespace keelson::registry
