// ObjectHandlers: the verbs on objects and their subresources, from a complete request to its
// answer.
//
// Thread: workers; calls block while the store is asked. Watches are planned here and run on the
// loop (watch_stream.h).
#ifndef KEELSON_APISERVER_HTTP_OBJECT_HANDLERS_H_
#define KEELSON_APISERVER_HTTP_OBJECT_HANDLERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/decode.h"
#include "apiserver/api/kind.h"
#include "apiserver/auth/authorizer.h"
#include "apiserver/http/exchange.h"
#include "apiserver/http/watch_stream.h"
#include "apiserver/http/worker_pool.h"
#include "apiserver/registry/registry.h"

namespace keelson::apiserver {

// The kind a request is about. NotFound: there is none, it has no such subresource, or it
// is not where the path says; MethodNotAllowed.
absl::StatusOr<const api::Kind*> FindKind(const RequestInfo& info);
// What is asked for, for the authorizer.
auth::Attributes AttributesOf(const ApiRequest& request);
// fieldManager, fieldValidation, dryRun ... of a write.
absl::StatusOr<registry::WriteOptions> WriteOptionsOf(const ApiRequest& request,
                                                      std::vector<std::string>* warnings);
// The body, decoded for `kind`, as the parameter fieldValidation says.
absl::StatusOr<api::Json> DecodeObject(const ApiRequest& request, const api::Kind& kind,
                                       std::vector<std::string>* warnings);

// A body that is no object of a kind: "meta.v1.DeleteOptions", "core.v1.Binding" (schema.h).
absl::StatusOr<api::Json> DecodePart(const ApiRequest& request, std::string_view message);

// Whole objects, tables or metadata, as the client asked.
absl::StatusOr<ApiResponse> AnswerObject(const api::Kind& kind, const ApiRequest& request,
                                         const api::Json& object, int code = 200);
// BadRequest: the object is another one than the path says.
absl::Status CheckName(const RequestInfo& info, const api::Json& object);
absl::StatusOr<api::FieldValidation> FieldValidationOf(const RequestInfo& info);
// Whether a request is a server-side apply.
bool IsApply(const ApiRequest& request);

class ObjectHandlers {
 public:
  // Both outlive it. The front has asked the authorizer for what a request says; here it is asked
  // for what comes of it.
  ObjectHandlers(registry::Registry* registry, auth::Authorizer* authorizer);

  // All verbs but "watch", of the object itself, its status and its scale.
  ApiResponse Handle(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<WatchPlan> PlanWatch(const api::Kind& kind, const ApiRequest& request);

 private:
  absl::StatusOr<ApiResponse> Get(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> List(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> Create(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> Update(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> Patch(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> Delete(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> DeleteCollection(const api::Kind& kind, const ApiRequest& request);
  absl::StatusOr<ApiResponse> Scale(const api::Kind& kind, const ApiRequest& request);
  // apply_handlers.cc
  absl::StatusOr<ApiResponse> Apply(const api::Kind& kind, const ApiRequest& request);

  registry::Registry* const registry_;
  auth::Authorizer* const authorizer_;
  WorkerPool deleters_;  // of collections
};

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_OBJECT_HANDLERS_H_
