#include "apiserver/api/errors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// The payload of a status: what goes to the client, {code, reason, details?, metadata?}, as JSON.
constexpr absl::string_view kPayload = "keelson/api.Status";

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status MakeStatus(absl::StatusCode code, std::string_view message, const Json& payload) {
  absl::Status status(code, View(message));
  status.SetPayload(kPayload,
                    absl::Cord(payload.dump(-1, ' ', false, Json::error_handler_t::replace)));
  return status;
}

absl::Status MakeStatus(absl::StatusCode code, int http_code, std::string_view reason,
                        std::string_view message, Json details = nullptr) {
  Json payload = {{"code", http_code}, {"reason", reason}};
  if (!details.is_null()) payload["details"] = std::move(details);
  return MakeStatus(code, message, payload);
}

Json Details(const GroupResource& resource, std::string_view name = "") {
  Json details = Json::object();
  if (!resource.group.empty()) details["group"] = resource.group;
  if (!resource.resource.empty()) details["kind"] = resource.resource;
  if (!name.empty()) details["name"] = name;
  return details;
}

Json CauseObject(const Cause& cause) {
  Json object = Json::object();
  if (!cause.reason.empty()) object["reason"] = cause.reason;
  if (!cause.message.empty()) object["message"] = cause.message;
  if (!cause.field.empty()) object["field"] = cause.field;
  return object;
}

Json Causes(const std::vector<Cause>& causes) {
  Json list = Json::array();
  for (const Cause& cause : causes) list.push_back(CauseObject(cause));
  return list;
}

Json RetryDetails(int retry_after_seconds, const std::vector<Cause>& causes) {
  Json details = Json::object();
  if (retry_after_seconds > 0) details["retryAfterSeconds"] = retry_after_seconds;
  if (!causes.empty()) details["causes"] = Causes(causes);
  return details;
}

std::optional<Json> Payload(const absl::Status& status) {
  const absl::optional<absl::Cord> cord = status.GetPayload(kPayload);
  if (!cord.has_value()) return std::nullopt;
  return Json::parse(std::string(*cord));
}

bool IsAllText(const Json& values) {
  return std::all_of(values.begin(), values.end(), [](const Json& v) { return v.is_string(); });
}

// A value as it stands in a message. Go shows lists and maps of texts as it would write them in a
// program; what it makes of other types has no other reader than Go's own.
std::string Shown(const Json& value) {
  if (value.is_string()) return Quoted(value.get_ref<const std::string&>());
  if (value.is_structured() && !value.empty() && IsAllText(value)) {
    std::string text;
    for (const auto& [name, member] : value.items()) {
      if (!text.empty()) text += ", ";
      if (value.is_object()) Append(&text, Quoted(name), ":");
      text += Quoted(member.get_ref<const std::string&>());
    }
    return Concat(value.is_object() ? "map[string]string{" : "[]string{", text, "}");
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string WithDetail(std::string_view what, std::string_view detail) {
  return detail.empty() ? std::string(what) : Concat(what, ": ", detail);
}

std::string AboutValue(std::string_view what, const Json& value, std::string_view detail) {
  return WithDetail(Concat(what, ": ", Shown(value)), detail);
}

struct ReasonCode {
  std::string_view reason;
  int http_code;
  absl::StatusCode code;
};
constexpr ReasonCode kReasons[] = {
    {"BadRequest", 400, absl::StatusCode::kFailedPrecondition},
    {"Unauthorized", 401, absl::StatusCode::kUnauthenticated},
    {"Forbidden", 403, absl::StatusCode::kPermissionDenied},
    {"NotFound", 404, absl::StatusCode::kNotFound},
    {"MethodNotAllowed", 405, absl::StatusCode::kUnimplemented},
    {"NotAcceptable", 406, absl::StatusCode::kUnimplemented},
    {"Conflict", 409, absl::StatusCode::kAborted},
    {"AlreadyExists", 409, absl::StatusCode::kAlreadyExists},
    {"Expired", 410, absl::StatusCode::kOutOfRange},
    {"Gone", 410, absl::StatusCode::kOutOfRange},
    {"RequestEntityTooLarge", 413, absl::StatusCode::kFailedPrecondition},
    {"UnsupportedMediaType", 415, absl::StatusCode::kUnimplemented},
    {"Invalid", 422, absl::StatusCode::kInvalidArgument},
    {"TooManyRequests", 429, absl::StatusCode::kResourceExhausted},
    {"InternalError", 500, absl::StatusCode::kInternal},
    {"ServerTimeout", 500, absl::StatusCode::kDeadlineExceeded},
    {"ServiceUnavailable", 503, absl::StatusCode::kUnavailable},
    {"Timeout", 504, absl::StatusCode::kDeadlineExceeded},
};

// The row of a reason, else the first of an HTTP code, else that of InternalError.
const ReasonCode& Row(std::string_view reason, int http_code) {
  const ReasonCode* by_code = nullptr;
  const ReasonCode* internal = nullptr;
  for (const ReasonCode& row : kReasons) {
    if (row.reason == reason) return row;
    if (row.http_code == http_code && by_code == nullptr) by_code = &row;
    if (row.reason == "InternalError") internal = &row;
  }
  return by_code != nullptr ? *by_code : *internal;
}

absl::Status MakeReason(std::string_view reason, std::string_view message, Json details = nullptr) {
  const ReasonCode& row = Row(reason, 0);
  return MakeStatus(row.code, row.http_code, reason, message, std::move(details));
}

std::string MessageOf(const FieldErrors& errors) {
  std::vector<std::string> messages;
  for (const Cause& cause : errors.causes()) {
    std::string message = Concat(cause.field, ": ", cause.message);
    if (std::find(messages.begin(), messages.end(), message) == messages.end()) {
      messages.push_back(std::move(message));
    }
  }
  if (messages.size() == 1) return messages.front();
  std::string joined = "[";
  for (const std::string& message : messages) {
    Append(&joined, joined.size() == 1 ? "" : ", ", message);
  }
  return joined + "]";
}

}  // namespace

void FieldErrors::Add(std::string_view path, std::string_view reason, std::string message) {
  causes_.push_back({std::string(reason), std::move(message), std::string(path)});
}
void FieldErrors::Required(std::string_view path, std::string_view detail) {
  Add(path, "FieldValueRequired", WithDetail("Required value", detail));
}
void FieldErrors::Invalid(std::string_view path, const Json& value, std::string_view detail) {
  Add(path, "FieldValueInvalid", AboutValue("Invalid value", value, detail));
}
void FieldErrors::NotSupported(std::string_view path, const Json& value,
                               absl::Span<const std::string_view> supported) {
  std::string detail;
  for (std::string_view one : supported) {
    Append(&detail, detail.empty() ? "supported values: " : ", ", Quoted(one));
  }
  Add(path, "FieldValueNotSupported", AboutValue("Unsupported value", value, detail));
}
void FieldErrors::Duplicate(std::string_view path, const Json& value) {
  Add(path, "FieldValueDuplicate", AboutValue("Duplicate value", value, ""));
}
void FieldErrors::Forbidden(std::string_view path, std::string_view detail) {
  Add(path, "FieldValueForbidden", WithDetail("Forbidden", detail));
}
void FieldErrors::NotFound(std::string_view path, const Json& value) {
  Add(path, "FieldValueNotFound", AboutValue("Not found", value, ""));
}
void FieldErrors::TooLong(std::string_view path, int64_t bytes_max) {
  Add(path, "FieldValueTooLong", Concat("Too long: may not be more than ", bytes_max, " bytes"));
}
void FieldErrors::TooMany(std::string_view path, int64_t actual, int64_t most) {
  Add(path, "FieldValueTooMany",
      Concat("Too many: ", actual, ": must have at most ", most, " items"));
}
void FieldErrors::TypeInvalid(std::string_view path, const Json& value, std::string_view detail) {
  Add(path, "FieldValueTypeInvalid", AboutValue("Invalid value", value, detail));
}

std::string Child(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : Concat(path, ".", name);
}
std::string Index(std::string_view path, size_t index) { return Concat(path, "[", index, "]"); }
std::string Key(std::string_view path, std::string_view key) { return Concat(path, "[", key, "]"); }

absl::Status BadRequest(std::string_view message) { return MakeReason("BadRequest", message); }
absl::Status Unauthorized() { return MakeReason("Unauthorized", "Unauthorized"); }
absl::Status Forbidden(const GroupResource& resource, std::string_view name, std::string_view why) {
  std::string message = resource.ToString();
  if (message.empty()) {
    message = "forbidden: ";
  } else if (name.empty()) {
    message += " is forbidden: ";
  } else {
    Append(&message, " ", Quoted(name), " is forbidden: ");
  }
  return MakeReason("Forbidden", message.append(why), Details(resource, name));
}
absl::Status ForbiddenPlainly(std::string_view message) {
  return MakeReason("Forbidden", message, Json::object());
}
absl::Status NotFound(const GroupResource& resource, std::string_view name) {
  return MakeReason("NotFound", Concat(resource.ToString(), " ", Quoted(name), " not found"),
                    Details(resource, name));
}
absl::Status NoSuchPath() {
  return MakeReason("NotFound", "the server could not find the requested resource", Json::object());
}
absl::Status MethodNotAllowed(const GroupResource& resource, std::string_view verb) {
  return MakeReason(
      "MethodNotAllowed",
      Concat(verb, " is not supported on resources of kind ", Quoted(resource.ToString())),
      Details(resource));
}
absl::Status NotAcceptable(std::string_view supported) {
  return MakeReason("NotAcceptable",
                    Concat("only the following media types are accepted: ", supported));
}
absl::Status AlreadyExists(const GroupResource& resource, std::string_view name) {
  return MakeReason("AlreadyExists",
                    Concat(resource.ToString(), " ", Quoted(name), " already exists"),
                    Details(resource, name));
}
absl::Status Conflict(const GroupResource& resource, std::string_view name, std::string_view why) {
  return MakeReason("Conflict",
                    Concat("Operation cannot be fulfilled on ", resource.ToString(), " ",
                           Quoted(name), ": ", why),
                    Details(resource, name));
}
absl::Status ObjectModified(const GroupResource& resource, std::string_view name) {
  return Conflict(resource, name,
                  "the object has been modified; please apply your changes to the latest version "
                  "and try again");
}
absl::Status Expired(std::string_view message) { return MakeReason("Expired", message); }
absl::Status ExpiredContinue(std::string_view continue_token) {
  return MakeStatus(
      absl::StatusCode::kOutOfRange,
      "The provided continue parameter is too old to display a consistent list result. You "
      "can start a new list without the continue parameter, or use the continue token in "
      "this response to retrieve the remainder of the results. Continuing with the "
      "provided token results in an inconsistent list - objects that were created, "
      "modified, or deleted between the time the first chunk was returned and now may show "
      "up in the list.",
      Json{{"code", 410}, {"reason", "Expired"}, {"metadata", {{"continue", continue_token}}}});
}
absl::Status TooLarge(std::string_view message) {
  return MakeReason("RequestEntityTooLarge", Concat("Request entity too large: ", message));
}
absl::Status UnsupportedMediaType(std::string_view message) {
  return MakeReason("UnsupportedMediaType", message);
}
absl::Status Invalid(std::string_view group, std::string_view kind, std::string_view name,
                     const FieldErrors& errors) {
  const GroupResource qualified{std::string(group), std::string(kind)};
  std::string message = Concat(qualified.ToString(), " ", Quoted(name), " is invalid");
  Json details = Details(qualified, name);
  if (!errors.empty()) {
    Append(&message, ": ", MessageOf(errors));
    details["causes"] = Causes(errors.causes());
  }
  return MakeReason("Invalid", message, std::move(details));
}
absl::Status Unprocessable() {
  return MakeReason("Invalid", "the server rejected our request due to an error in our request",
                    Json::object());
}
absl::Status TooManyRequests(std::string_view message, int retry_after_seconds,
                             std::vector<Cause> causes) {
  return MakeReason("TooManyRequests", message, RetryDetails(retry_after_seconds, causes));
}
absl::Status Internal(std::string_view message) {
  return MakeReason("InternalError", Concat("Internal error occurred: ", message),
                    Json{{"causes", {{{"message", message}}}}});
}
absl::Status Unavailable(std::string_view message) {
  return MakeReason("ServiceUnavailable", message);
}
absl::Status Timeout(std::string_view message, int retry_after_seconds, std::vector<Cause> causes) {
  return MakeReason("Timeout", Concat("Timeout: ", message),
                    RetryDetails(retry_after_seconds, causes));
}

absl::Status WithCause(absl::Status status, Cause cause) {
  std::optional<Json> payload = Payload(status);
  if (!payload.has_value()) return status;
  Json causes = ArrayAt(*payload, "details.causes");
  causes.push_back(CauseObject(cause));
  Make(*payload, "details.causes") = std::move(causes);
  const absl::string_view message = status.message();
  return MakeStatus(status.code(), {message.data(), message.size()}, *payload);
}

Json StatusObject(const absl::Status& status) {
  const absl::string_view said = status.message();
  const std::string_view message(said.data(), said.size());
  std::optional<Json> payload = Payload(status);
  if (!payload.has_value()) {
    if (!status.ok()) return StatusObject(Internal(message));
    return {{"kind", "Status"},
            {"apiVersion", "v1"},
            {"metadata", Json::object()},
            {"status", "Success"}};
  }
  Json object = *std::move(payload);
  object["kind"] = "Status";
  object["apiVersion"] = "v1";
  object["status"] = "Failure";
  object["message"] = message;
  if (!object.contains("metadata")) object["metadata"] = Json::object();
  if (TextAt(object, "reason").empty()) object.erase("reason");
  return object;
}

int HttpCode(const absl::Status& status) {
  if (status.ok()) return 200;
  const std::optional<Json> payload = Payload(status);
  return payload.has_value() ? static_cast<int>(NumberAt(*payload, "code", 500)) : 500;
}

std::string Reason(const absl::Status& status) {
  if (status.ok()) return "";
  const std::optional<Json> payload = Payload(status);
  return payload.has_value() ? TextAt(*payload, "reason") : "InternalError";
}

int RetryAfterSeconds(const absl::Status& status) {
  const std::optional<Json> payload = Payload(status);
  if (!payload.has_value()) return 0;
  return static_cast<int>(NumberAt(*payload, "details.retryAfterSeconds"));
}

absl::Status FromAnswer(int http_code, const Json& body) {
  if (http_code < 400) return absl::OkStatus();
  if (TextAt(body, "kind") != "Status") {
    const ReasonCode& row = Row("", http_code);
    return MakeStatus(row.code, http_code, row.reason,
                      Concat("the server responded with the status code ", http_code,
                             " but did not return more information"));
  }
  const std::string& reason = TextAt(body, "reason");
  Json payload = {{"code", NumberAt(body, "code", http_code)}, {"reason", reason}};
  for (const char* name : {"details", "metadata"}) {
    const Json& part = MapAt(body, name);
    if (!part.empty()) payload[name] = part;
  }
  return MakeStatus(Row(reason, http_code).code, TextAt(body, "message"), payload);
}

}  // namespace keelson::api
