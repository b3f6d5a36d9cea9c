// What the API answers when it refuses: Kubernetes' Status objects, carried in an absl::Status.
//
// The functions below make such a status: its canonical code is for C++ callers, what goes to the
// client (HTTP code, reason, details) travels as a payload. A status without one is 500
// InternalError. The client side (runtime/) makes the same statuses from answers, so that the
// questions at the end hold on both sides of the wire.
#ifndef KEELSON_APISERVER_API_ERRORS_H_
#define KEELSON_APISERVER_API_ERRORS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// "pods", or "deployments.apps" in messages.
struct GroupResource {
  std::string group;
  std::string resource;
  std::string ToString() const { return group.empty() ? resource : resource + "." + group; }
};

struct Cause {
  std::string reason;   // FieldValueRequired ...
  std::string message;  // without the field
  std::string field;
};

// The findings of a validation, in order. Paths are "spec.containers[0].name",
// "metadata.labels[key]"; see Child, Index and Key.
class FieldErrors {
 public:
  void Required(std::string_view path, std::string_view detail = "");
  void Invalid(std::string_view path, const Json& value, std::string_view detail);
  // Where the value is not worth showing.
  void InvalidPlainly(std::string_view path, std::string_view detail) {
    Add(path, "FieldValueInvalid", "Invalid value: " + std::string(detail));
  }
  void NotSupported(std::string_view path, const Json& value,
                    absl::Span<const std::string_view> supported);
  void Duplicate(std::string_view path, const Json& value);
  void Forbidden(std::string_view path, std::string_view detail);
  void NotFound(std::string_view path, const Json& value);
  void TooLong(std::string_view path, int64_t bytes_max);
  void TooMany(std::string_view path, int64_t actual, int64_t most);
  void TypeInvalid(std::string_view path, const Json& value, std::string_view detail);

  bool empty() const { return causes_.empty(); }
  const std::vector<Cause>& causes() const { return causes_; }

 private:
  void Add(std::string_view path, std::string_view reason, std::string message);

  std::vector<Cause> causes_;
};

std::string Child(std::string_view path, std::string_view name);
std::string Index(std::string_view path, size_t index);
std::string Key(std::string_view path, std::string_view key);

absl::Status BadRequest(std::string_view message);  // 400
absl::Status Unauthorized();                        // 401
absl::Status Forbidden(const GroupResource& resource, std::string_view name,
                       std::string_view why);                                 // 403
absl::Status ForbiddenPlainly(std::string_view message);                      // 403 of no object
absl::Status NotFound(const GroupResource& resource, std::string_view name);  // 404
absl::Status NoSuchPath();                                                    // 404
absl::Status MethodNotAllowed(const GroupResource& resource, std::string_view verb);  // 405
absl::Status NotAcceptable(std::string_view supported);                               // 406
absl::Status AlreadyExists(const GroupResource& resource, std::string_view name);     // 409
absl::Status Conflict(const GroupResource& resource, std::string_view name,
                      std::string_view why);  // 409
// "the object has been modified; please apply your changes to the latest version and try again".
absl::Status ObjectModified(const GroupResource& resource, std::string_view name);  // 409
absl::Status Expired(std::string_view message);                                     // 410
// As Expired, with a token to go on from in metadata.continue.
absl::Status ExpiredContinue(std::string_view continue_token);  // 410
absl::Status TooLarge(std::string_view message);                // 413
absl::Status UnsupportedMediaType(std::string_view message);    // 415
// kind: "Pod"; group for the details.
absl::Status Invalid(std::string_view group, std::string_view kind, std::string_view name,
                     const FieldErrors& errors);  // 422
// A patch that cannot be applied: "the server rejected our request due to an error in our request".
absl::Status Unprocessable();  // 422
absl::Status TooManyRequests(std::string_view message, int retry_after_seconds,
                             std::vector<Cause> causes = {});  // 429
absl::Status Internal(std::string_view message);               // 500
absl::Status Unavailable(std::string_view message);            // 503
absl::Status Timeout(std::string_view message, int retry_after_seconds,
                     std::vector<Cause> causes = {});  // 504
// Adds a cause to a status made above.
absl::Status WithCause(absl::Status status, Cause cause);

// The v1 Status object to answer with, and its HTTP code.
Json StatusObject(const absl::Status& status);
int HttpCode(const absl::Status& status);
// "NotFound", "Conflict", ...
std::string Reason(const absl::Status& status);
int RetryAfterSeconds(const absl::Status& status);  // 0: not said
// For the client side: the status of an answer. `body` need not be a Status object.
absl::Status FromAnswer(int http_code, const Json& body);

inline bool IsNotFound(const absl::Status& status) { return absl::IsNotFound(status); }
inline bool IsAlreadyExists(const absl::Status& status) { return absl::IsAlreadyExists(status); }
inline bool IsConflict(const absl::Status& status) { return absl::IsAborted(status); }
inline bool IsForbidden(const absl::Status& status) { return absl::IsPermissionDenied(status); }
inline bool IsInvalid(const absl::Status& status) { return absl::IsInvalidArgument(status); }
inline bool IsExpired(const absl::Status& status) { return absl::IsOutOfRange(status); }
inline bool IsTooManyRequests(const absl::Status& status) {
  return absl::IsResourceExhausted(status);
}

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_ERRORS_H_
