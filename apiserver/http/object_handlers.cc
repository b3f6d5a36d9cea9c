#include "apiserver/http/object_handlers.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "apiserver/api/decode.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/patch.h"
#include "apiserver/api/schema.h"
#include "apiserver/api/table.h"
#include "apiserver/http/negotiation.h"
#include "apiserver/http/scale.h"
#include "apiserver/registry/managed_fields.h"
#include "apiserver/registry/metadata.h"
#include "apiserver/registry/stored_text.h"
#include "apiserver/registry/watch_cache.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::apiserver {

using api::Json;
using api::Kind;
using registry::EntryPtr;

namespace {

// That help to delete collections: of all requests together, and of those that wait for one.
constexpr int kDeletersMax = 15;
constexpr size_t kWaitingDeletersMax = 150;

absl::StatusOr<std::string> IncludeObject(const RequestInfo& info) {
  const std::string& text = info.Parameter("includeObject");
  if (text.empty()) return std::string("Metadata");
  if (text == "None" || text == "Metadata" || text == "Object") return text;
  return api::BadRequest(Concat("unrecognized includeObject value \"", text, "\""));
}

Json ListMetadata(const registry::ListResult& list) {
  Json metadata = {{"resourceVersion", std::to_string(list.revision)}};
  if (!list.continue_token.empty()) metadata["continue"] = list.continue_token;
  if (list.remaining) metadata["remainingItemCount"] = *list.remaining;
  return metadata;
}

// The objects' own bytes, between a head and a tail.
ByteChain ListText(const Kind& kind, const registry::ListResult& list) {
  ByteChain text(Concat("{\"kind\":\"", kind.kind, "List\",\"apiVersion\":\"", kind.api_version(),
                        "\",\"metadata\":", registry::Dump(ListMetadata(list)), ",\"items\":["));
  static const auto* const comma = new SharedBytes(std::string(","));
  bool first = true;
  for (const EntryPtr& entry : list.items) {
    if (!std::exchange(first, false)) text.Append(*comma);
    if (kind.stored_as == nullptr) {
      text.Append(entry->json);
    } else {
      text.Append(SharedBytes(registry::Dump(registry::Registry::InVersion(kind, entry->Parse()))));
    }
  }
  text.Append(SharedBytes(std::string("]}\n")));
  return text;
}

absl::Status ParseSelectors(const Kind& kind, const RequestInfo& info, api::LabelSelector* labels,
                            api::FieldSelector* fields) {
  KV_ASSIGN_OR_RETURN(*labels, api::LabelSelector::Parse(info.Parameter("labelSelector")));
  KV_ASSIGN_OR_RETURN(*fields, api::FieldSelector::Parse(kind, info.Parameter("fieldSelector")));
  return absl::OkStatus();
}

absl::StatusOr<registry::ListQuery> ListQueryOf(const Kind& kind, const RequestInfo& info) {
  registry::ListQuery query;
  query.kind = &kind;
  query.name_space = info.name_space;
  KV_RETURN_IF_ERROR(ParseSelectors(kind, info, &query.labels, &query.fields));
  KV_ASSIGN_OR_RETURN(const std::optional<int64_t> limit, ParseCount(info, "limit"));
  query.limit = limit.value_or(0);
  if (query.limit < 0) query.limit = 0;
  query.continue_token = info.Parameter("continue");
  query.resource_version = info.Parameter("resourceVersion");
  const std::string& match = info.Parameter("resourceVersionMatch");
  if (match == "NotOlderThan") {
    query.match = registry::VersionMatch::kNotOlderThan;
  } else if (match == "Exact") {
    query.match = registry::VersionMatch::kExact;
  } else if (!match.empty()) {
    api::FieldErrors errors;
    errors.NotSupported("resourceVersionMatch", match, {"Exact", "NotOlderThan", ""});
    return api::Invalid("meta.k8s.io", "ListOptions", "", errors);
  }
  return query;
}

absl::StatusOr<registry::DeleteOptions> DeleteOptionsOf(const ApiRequest& request,
                                                        registry::WriteOptions* write,
                                                        bool* accepted_if_it_stays) {
  Json body = Json::object();
  if (!request.body.empty()) {
    KV_ASSIGN_OR_RETURN(body, DecodePart(request, "meta.v1.DeleteOptions"));
  }
  registry::DeleteOptions options;
  KV_ASSIGN_OR_RETURN(options.grace_seconds, ParseCount(request.info, "gracePeriodSeconds"));
  if (const Json* grace = api::Find(body, "gracePeriodSeconds")) {
    options.grace_seconds = grace->is_number() ? grace->get<int64_t>() : 0;
  }
  std::string policy = api::TextAt(body, "propagationPolicy");
  if (policy.empty()) policy = request.info.Parameter("propagationPolicy");
  const Json* orphan = api::Find(body, "orphanDependents");
  bool orphans = orphan != nullptr && api::FlagAt(body, "orphanDependents");
  const bool orphan_said = orphan != nullptr || request.info.Has("orphanDependents");
  if (orphan == nullptr) {
    KV_ASSIGN_OR_RETURN(orphans, ParseFlag(request.info, "orphanDependents"));
  }
  if (policy == "Background") {
    options.propagation = api::Propagation::kBackground;
  } else if (policy == "Foreground") {
    options.propagation = api::Propagation::kForeground;
  } else if (policy == "Orphan") {
    options.propagation = api::Propagation::kOrphan;
  } else if (!policy.empty()) {
    api::FieldErrors errors;
    errors.NotSupported("propagationPolicy", policy, {"Foreground", "Background", "Orphan", "nil"});
    return api::Invalid("meta.k8s.io", "DeleteOptions", "", errors);
  } else if (orphan_said) {
    options.propagation = orphans ? api::Propagation::kOrphan : api::Propagation::kBackground;
  }
  if (!policy.empty() && orphan_said) {
    api::FieldErrors errors;
    errors.Invalid("propagationPolicy", policy,
                   "orphanDependents and deletionPropagation cannot be both set");
    return api::Invalid("meta.k8s.io", "DeleteOptions", "", errors);
  }
  options.preconditions.uid = api::TextAt(body, "preconditions.uid");
  options.preconditions.resource_version = api::TextAt(body, "preconditions.resourceVersion");
  for (const Json& dry : api::ArrayAt(body, "dryRun")) {
    if (dry != "All") return api::BadRequest("Invalid value: dryRun: supported values: \"All\"");
    write->dry_run = true;
  }
  *accepted_if_it_stays = orphan_said && !orphans;
  return options;
}

Json DeletedStatus(const Kind& kind, const Json& object) {
  Json details = {
      {"name", api::NameOf(object)}, {"kind", kind.plural}, {"uid", api::UidOf(object)}};
  if (!kind.group.empty()) details["group"] = kind.group;
  return {{"kind", "Status"},
          {"apiVersion", "v1"},
          {"metadata", Json::object()},
          {"status", "Success"},
          {"details", std::move(details)}};
}

absl::StatusOr<api::PatchType> PatchTypeOf(const ApiRequest& request) {
  if (const auto type = api::PatchTypeOf(request.content_type)) return *type;
  return api::UnsupportedMediaType(
      "the body of the request was in an unknown format - accepted media types include: "
      "application/json-patch+json, application/merge-patch+json, "
      "application/strategic-merge-patch+json, application/apply-patch+yaml");
}

constexpr size_t kFieldManagerBytesMax = 128;
constexpr std::string_view kApplyType = "application/apply-patch+yaml";

// What the parameters of a write are called, all together, in refusals.
std::string_view OptionsKind(const RequestInfo& info) {
  if (info.verb == "create") return "CreateOptions";
  if (info.verb == "update") return "UpdateOptions";
  return info.verb == "patch" ? "PatchOptions" : "DeleteOptions";
}

// Access is asked for in the namespace that the path names: it must be that of what the path leads
// to. A namespace is in itself there.
bool LeadsTo(const Kind& kind, const RequestInfo& info) {
  if (kind.namespaced) return !info.name_space.empty() || info.name.empty();
  return info.name_space.empty() || (kind.plural == "namespaces" && info.name == info.name_space);
}

// Deletes many, several at a time since each waits for the store, and gives those that were there.
// An error is the first one's; no more are begun then.
absl::StatusOr<std::vector<Json>> DeleteAll(WorkerPool& helpers, registry::Registry& registry,
                                            const Kind& kind, const std::vector<EntryPtr>& doomed,
                                            const registry::DeleteOptions& deletion,
                                            const registry::WriteOptions& options) {
  std::vector<std::optional<Json>> found(doomed.size());
  absl::Mutex mutex;  // guards `error`
  absl::Status error;
  WorkOnAll(helpers, kDeletersMax, doomed.size(), [&](size_t i) {
    const absl::Status status = [&]() -> absl::Status {
      try {
        KV_ASSIGN_OR_RETURN(
            registry::Deleted deleted,
            registry.Delete(kind, doomed[i]->name_space, doomed[i]->name, deletion, options));
        found[i] = std::move(deleted.object);
        return absl::OkStatus();
      } catch (const std::exception& thrown) {
        return api::Internal(thrown.what());
      }
    }();
    if (status.ok() || api::IsNotFound(status)) return true;
    absl::MutexLock lock(&mutex);
    if (error.ok()) error = status;
    return false;
  });
  if (!error.ok()) return error;
  std::vector<Json> deleted;
  for (std::optional<Json>& object : found) {
    if (object) deleted.push_back(*std::move(object));
  }
  return deleted;
}

}  // namespace

ObjectHandlers::ObjectHandlers(registry::Registry* registry, auth::Authorizer* authorizer)
    : registry_(registry), authorizer_(authorizer), deleters_(kDeletersMax, kWaitingDeletersMax) {}

absl::StatusOr<ApiResponse> AnswerObject(const Kind& kind, const ApiRequest& request,
                                         const Json& object, int code) {
  KV_ASSIGN_OR_RETURN(const Negotiated form, Negotiate(request.accept));
  if (form.form == Form::kObject) return ApiResponse::Of(object, code);
  if (form.form == Form::kMetadata) {
    return ApiResponse::Of(api::PartialMetadata(object, form.version), code);
  }
  KV_ASSIGN_OR_RETURN(const std::string include, IncludeObject(request.info));
  return ApiResponse::Of(
      api::TableOf(kind, object, {.version = form.version, .include_object = include}), code);
}

absl::StatusOr<api::FieldValidation> FieldValidationOf(const RequestInfo& info) {
  const std::string& wanted = info.Parameter("fieldValidation");
  if (wanted == "Strict") return api::FieldValidation::kStrict;
  if (wanted == "Ignore") return api::FieldValidation::kIgnore;
  if (wanted.empty() || wanted == "Warn") return api::FieldValidation::kWarn;
  api::FieldErrors errors;
  errors.NotSupported("fieldValidation", wanted, {"Ignore", "Strict", "Warn"});
  return api::Invalid("meta.k8s.io", OptionsKind(info), "", errors);
}

bool IsApply(const ApiRequest& request) {
  return request.info.verb == "patch" && api::MediaType(request.content_type) == kApplyType;
}

absl::Status CheckName(const RequestInfo& info, const Json& object) {
  if (api::NameOf(object) == info.name) return absl::OkStatus();
  return api::BadRequest(Concat("the name of the object (", api::NameOf(object),
                                ") does not match the name on the URL (", info.name, ")"));
}

absl::StatusOr<const Kind*> FindKind(const RequestInfo& info) {
  const Kind* kind = api::FindKindByResource(info.group, info.version, info.resource);
  if (kind == nullptr || !info.rest.empty() || !LeadsTo(*kind, info)) return api::NoSuchPath();
  const api::Subresource* part = kind->FindSubresource(info.subresource);
  if (part == nullptr && !info.subresource.empty()) return api::NoSuchPath();
  const bool has_verb = part == nullptr ? kind->HasVerb(info.verb)
                                        : std::find(part->verbs.begin(), part->verbs.end(),
                                                    info.verb) != part->verbs.end();
  // What is in namespaces is created, and deleted with all others, in one of them.
  const bool needs_namespace = info.verb == "create" || info.verb == "deletecollection";
  if (!has_verb || (kind->namespaced && info.name_space.empty() && needs_namespace)) {
    return api::MethodNotAllowed(kind->resource(), info.verb);
  }
  return kind;
}

auth::Attributes AttributesOf(const ApiRequest& request) {
  const RequestInfo& info = request.info;
  auth::Attributes attributes;
  attributes.user = request.user;
  attributes.verb = info.verb;
  attributes.group = info.group;
  attributes.version = info.version;
  attributes.resource = info.resource;
  attributes.subresource = info.subresource;
  attributes.name_space = info.name_space;
  attributes.name = info.name;
  attributes.path = info.path;
  attributes.is_resource = info.is_resource;
  if (info.verb == "list" || info.verb == "watch") {
    attributes.field_selector = info.Parameter("fieldSelector");
    constexpr std::string_view kByName = "metadata.name=";
    const std::string& selector = attributes.field_selector;
    if (selector.rfind(kByName, 0) == 0 && selector.find(',') == std::string::npos) {
      attributes.name = selector.substr(kByName.size());
      if (!attributes.name.empty() && attributes.name[0] == '=') attributes.name.erase(0, 1);
    }
  }
  return attributes;
}

absl::StatusOr<registry::WriteOptions> WriteOptionsOf(const ApiRequest& request,
                                                      std::vector<std::string>* warnings) {
  registry::WriteOptions options;
  options.user = request.user;
  options.warnings = warnings;
  options.subresource = request.info.subresource;
  const RequestInfo& info = request.info;
  api::FieldErrors errors;
  const std::string& manager = info.Parameter("fieldManager");
  if (IsApply(request)) {
    if (manager.empty()) errors.Required("fieldManager", "is required for apply patch");
  } else if (info.verb == "patch" && info.Has("force")) {
    errors.Forbidden("force", "may not be specified for non-apply patch");
  }
  if (manager.size() > kFieldManagerBytesMax) errors.TooLong("fieldManager", kFieldManagerBytesMax);
  if (const std::string fault = registry::ManagerFault(manager); !fault.empty()) {
    errors.Invalid("fieldManager", manager, fault);
  }
  options.field_manager =
      manager.empty() ? registry::ManagerOfUserAgent(request.user_agent) : manager;
  Json dry_run = Json::array();
  for (auto [at, end] = info.query.equal_range("dryRun"); at != end; ++at) {
    dry_run.push_back(at->second);
  }
  options.dry_run = !dry_run.empty();
  if (std::any_of(dry_run.begin(), dry_run.end(), [](const Json& how) { return how != "All"; })) {
    errors.NotSupported("dryRun", dry_run, {"All"});
  }
  if (!errors.empty()) return api::Invalid("meta.k8s.io", OptionsKind(info), "", errors);
  return options;
}

absl::StatusOr<Json> DecodeObject(const ApiRequest& request, const Kind& kind,
                                  std::vector<std::string>* warnings) {
  KV_ASSIGN_OR_RETURN(const api::FieldValidation validation, FieldValidationOf(request.info));
  return api::DecodeBody(request.content_type, request.body, kind, validation, warnings);
}

absl::StatusOr<Json> DecodePart(const ApiRequest& request, std::string_view message) {
  return api::DecodeBody(request.content_type, request.body, *api::FindMessage(message),
                         api::FieldValidation::kIgnore, nullptr);
}

ApiResponse ObjectHandlers::Handle(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  absl::StatusOr<ApiResponse> response = [&]() -> absl::StatusOr<ApiResponse> {
    if (info.subresource == "scale") return Scale(kind, request);
    if (info.verb == "get") return Get(kind, request);
    if (info.verb == "list") return List(kind, request);
    if (info.verb == "create") return Create(kind, request);
    if (info.verb == "update") return Update(kind, request);
    if (info.verb == "patch") return Patch(kind, request);
    if (info.verb == "delete") return Delete(kind, request);
    if (info.verb == "deletecollection") return DeleteCollection(kind, request);
    return api::MethodNotAllowed(kind.resource(), info.verb);
  }();
  if (!response.ok()) return ApiResponse::Of(response.status());
  return *std::move(response);
}

absl::StatusOr<ApiResponse> ObjectHandlers::Get(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  // "Whatever there is" is in the cache; anything else is the newest there is.
  if (info.Parameter("resourceVersion") == "0") {
    const std::shared_ptr<const Json> cached = registry_->Cached(kind, info.name_space, info.name);
    if (cached != nullptr) {
      return AnswerObject(kind, request, registry::Registry::InVersion(kind, *cached));
    }
  }
  KV_ASSIGN_OR_RETURN(const Json object, registry_->Get(kind, info.name_space, info.name));
  return AnswerObject(kind, request, object);
}

absl::StatusOr<ApiResponse> ObjectHandlers::List(const Kind& kind, const ApiRequest& request) {
  KV_ASSIGN_OR_RETURN(const Negotiated form, Negotiate(request.accept));
  KV_ASSIGN_OR_RETURN(const registry::ListQuery query, ListQueryOf(kind, request.info));
  KV_ASSIGN_OR_RETURN(const registry::ListResult list, registry_->List(query));
  ApiResponse response;
  if (form.form == Form::kObject) {
    response.body = ListText(kind, list);
    return response;
  }
  KV_ASSIGN_OR_RETURN(const std::string include, IncludeObject(request.info));
  std::vector<Json> objects;
  objects.reserve(list.items.size());
  const bool metadata = form.form == Form::kMetadata && kind.stored_as == nullptr;
  for (const EntryPtr& entry : list.items) {
    objects.push_back(metadata ? entry->ParseMetadata()
                               : registry::Registry::InVersion(kind, entry->Parse()));
  }
  if (form.form == Form::kMetadata) {
    Json items = Json::array();
    for (const Json& object : objects) items.push_back(api::PartialMetadata(object, form.version));
    return ApiResponse::Of(Json{{"kind", "PartialObjectMetadataList"},
                                {"apiVersion", Concat("meta.k8s.io/", form.version)},
                                {"metadata", ListMetadata(list)},
                                {"items", std::move(items)}});
  }
  return ApiResponse::Of(api::TableOfList(kind, objects, ListMetadata(list),
                                          {.version = form.version, .include_object = include}));
}

absl::StatusOr<WatchPlan> ObjectHandlers::PlanWatch(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  WatchPlan plan;
  plan.kind = &kind;
  plan.cache = &registry_->Cache(kind);
  plan.name_space = info.name_space;
  KV_ASSIGN_OR_RETURN(plan.form, Negotiate(request.accept));
  KV_ASSIGN_OR_RETURN(plan.include_object, IncludeObject(info));
  KV_RETURN_IF_ERROR(ParseSelectors(kind, info, &plan.labels, &plan.fields));
  KV_ASSIGN_OR_RETURN(plan.bookmarks, ParseFlag(info, "allowWatchBookmarks"));
  KV_ASSIGN_OR_RETURN(const std::optional<int64_t> seconds, ParseCount(info, "timeoutSeconds"));
  static thread_local absl::BitGen chance;
  plan.timeout = seconds && *seconds > 0 ? absl::Seconds(*seconds)
                                         : absl::Minutes(30) * absl::Uniform(chance, 1.0, 2.0);
  KV_ASSIGN_OR_RETURN(const bool send_initial, ParseFlag(info, "sendInitialEvents"));
  const std::string& match = info.Parameter("resourceVersionMatch");
  if (info.Has("sendInitialEvents")) {
    if (match != "NotOlderThan") {
      api::FieldErrors errors;
      errors.Forbidden("resourceVersionMatch",
                       "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
      return api::Invalid("meta.k8s.io", "ListOptions", "", errors);
    }
    if (send_initial && !plan.bookmarks) {
      api::FieldErrors errors;
      errors.Forbidden("allowWatchBookmarks", "sendInitialEvents requires allowWatchBookmarks");
      return api::Invalid("meta.k8s.io", "ListOptions", "", errors);
    }
  } else if (!match.empty()) {
    api::FieldErrors errors;
    errors.Forbidden(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    return api::Invalid("meta.k8s.io", "ListOptions", "", errors);
  }
  plan.initial_events_end = send_initial;
  const std::string& version = info.Parameter("resourceVersion");
  int64_t from = 0;
  if (version.empty()) {
    KV_ASSIGN_OR_RETURN(from, registry_->CurrentRevision());
  } else {
    KV_ASSIGN_OR_RETURN(from, registry::ParseResourceVersion(version));
  }
  if (!plan.cache->WaitFor(from, registry::kFreshTimeout)) {
    return registry::TooLargeVersion(from, plan.cache->revision());
  }
  if (version.empty() || version == "0" || send_initial) {
    registry::WatchCache::Snapshot snapshot = plan.cache->List(plan.name_space);
    plan.position = snapshot.next;
    plan.revision = snapshot.revision;
    if (send_initial || !info.Has("sendInitialEvents")) {
      for (EntryPtr& entry : snapshot.entries) {
        if (entry->IsSelected(kind, plan.labels, plan.fields)) {
          plan.initial.push_back(std::move(entry));
        }
      }
    }
    return plan;
  }
  KV_ASSIGN_OR_RETURN(plan.position, plan.cache->PositionAfter(from));
  plan.revision = from;
  return plan;
}

absl::StatusOr<ApiResponse> ObjectHandlers::Create(const Kind& kind, const ApiRequest& request) {
  if (!request.info.name.empty()) return api::MethodNotAllowed(kind.resource(), "create");
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  KV_ASSIGN_OR_RETURN(Json object, DecodeObject(request, kind, &warnings));
  KV_ASSIGN_OR_RETURN(const Json created,
                      registry_->Create(kind, request.info.name_space, std::move(object), options));
  KV_ASSIGN_OR_RETURN(ApiResponse response, AnswerObject(kind, request, created, 201));
  response.warnings = std::move(warnings);
  return response;
}

absl::StatusOr<ApiResponse> ObjectHandlers::Update(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  if (info.name.empty()) return api::MethodNotAllowed(kind.resource(), "update");
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(const registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  KV_ASSIGN_OR_RETURN(Json object, DecodeObject(request, kind, &warnings));
  if (api::NameOf(object).empty()) {
    return api::BadRequest("name must be provided");
  }
  KV_RETURN_IF_ERROR(CheckName(info, object));
  KV_RETURN_IF_ERROR(registry::CheckNamespace(kind, info.name_space, object));
  int code = 200;
  const auto update = [&] {
    return registry_->Update(
        kind, info.name_space, info.name,
        [&object](const Json& newest) -> absl::StatusOr<Json> { return object; }, options);
  };
  absl::StatusOr<Json> updated = update();
  if (kind.create_on_update && info.subresource.empty() && api::IsNotFound(updated.status())) {
    auth::Attributes creation = AttributesOf(request);
    creation.verb = "create";
    KV_RETURN_IF_ERROR(authorizer_->Authorize(creation));
    code = 201;
    updated = registry_->Create(kind, info.name_space, object, options);
    if (api::IsAlreadyExists(updated.status())) {
      // Somebody else has created it meanwhile.
      code = 200;
      updated = update();
    }
  }
  if (!updated.ok()) return updated.status();
  KV_ASSIGN_OR_RETURN(ApiResponse response, AnswerObject(kind, request, *updated, code));
  response.warnings = std::move(warnings);
  return response;
}

absl::StatusOr<ApiResponse> ObjectHandlers::Patch(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  if (info.name.empty()) return api::MethodNotAllowed(kind.resource(), "patch");
  if (IsApply(request)) return Apply(kind, request);
  KV_ASSIGN_OR_RETURN(const api::PatchType type, PatchTypeOf(request));
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(const registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  KV_ASSIGN_OR_RETURN(const api::FieldValidation validation, FieldValidationOf(info));
  const auto change = [&](const Json& newest) -> absl::StatusOr<Json> {
    warnings.clear();
    KV_ASSIGN_OR_RETURN(Json object,
                        api::ApplyPatch(type, newest, request.body, *api::FindMessage(kind.message),
                                        validation, &warnings));
    KV_RETURN_IF_ERROR(CheckName(info, object));
    KV_RETURN_IF_ERROR(registry::CheckNamespace(kind, info.name_space, object));
    return object;
  };
  KV_ASSIGN_OR_RETURN(const Json patched,
                      registry_->Update(kind, info.name_space, info.name, change, options));
  KV_ASSIGN_OR_RETURN(ApiResponse response, AnswerObject(kind, request, patched));
  response.warnings = std::move(warnings);
  return response;
}

absl::StatusOr<ApiResponse> ObjectHandlers::Delete(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  bool accepted_if_it_stays = false;
  KV_ASSIGN_OR_RETURN(const registry::DeleteOptions deletion,
                      DeleteOptionsOf(request, &options, &accepted_if_it_stays));
  KV_ASSIGN_OR_RETURN(const registry::Deleted deleted,
                      registry_->Delete(kind, info.name_space, info.name, deletion, options));
  ApiResponse response;
  if (deleted.gone) {
    response = ApiResponse::Of(DeletedStatus(kind, deleted.object));
  } else {
    KV_ASSIGN_OR_RETURN(
        response, AnswerObject(kind, request, deleted.object, accepted_if_it_stays ? 202 : 200));
  }
  response.warnings = std::move(warnings);
  return response;
}

absl::StatusOr<ApiResponse> ObjectHandlers::DeleteCollection(const Kind& kind,
                                                             const ApiRequest& request) {
  const RequestInfo& info = request.info;
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  bool accepted_if_it_stays = false;
  KV_ASSIGN_OR_RETURN(const registry::DeleteOptions deletion,
                      DeleteOptionsOf(request, &options, &accepted_if_it_stays));
  options.warnings = nullptr;  // it is not for many threads
  KV_ASSIGN_OR_RETURN(const Negotiated form, Negotiate(request.accept));
  KV_ASSIGN_OR_RETURN(const registry::ListQuery query, ListQueryOf(kind, info));
  KV_ASSIGN_OR_RETURN(const registry::ListResult list, registry_->List(query));
  KV_ASSIGN_OR_RETURN(std::vector<Json> deleted,
                      DeleteAll(deleters_, *registry_, kind, list.items, deletion, options));
  const bool metadata = form.form == Form::kMetadata;
  Json items = Json::array();
  for (Json& object : deleted) {
    items.push_back(metadata ? api::PartialMetadata(object, form.version) : std::move(object));
  }
  const std::string version = metadata ? Concat("meta.k8s.io/", form.version) : kind.api_version();
  const std::string name = metadata ? "PartialObjectMetadataList" : Concat(kind.kind, "List");
  return ApiResponse::Of(Json{{"kind", name},
                              {"apiVersion", version},
                              {"metadata", ListMetadata(list)},
                              {"items", std::move(items)}});
}

absl::StatusOr<ApiResponse> ObjectHandlers::Scale(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  if (!kind.scale) return api::NoSuchPath();
  if (info.verb == "get") {
    KV_ASSIGN_OR_RETURN(const Json object, registry_->Get(kind, info.name_space, info.name));
    KV_ASSIGN_OR_RETURN(const Negotiated form, Negotiate(request.accept));
    const Json scale = ScaleOf(kind, object);
    if (form.form == Form::kTable) return ApiResponse::Of(ScaleTable(scale, form.version));
    return ApiResponse::Of(scale);
  }
  if (IsApply(request)) return Apply(kind, request);
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(const registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  const auto change = [&](const Json& newest) -> absl::StatusOr<Json> {
    Json scale;
    if (info.verb == "patch") {
      KV_ASSIGN_OR_RETURN(const api::PatchType type, PatchTypeOf(request));
      KV_ASSIGN_OR_RETURN(scale, api::ApplyPatch(type, ScaleOf(kind, newest), request.body,
                                                 *api::FindMessage("autoscaling.v1.Scale"),
                                                 api::FieldValidation::kIgnore, nullptr));
    } else if (info.verb == "update") {
      KV_ASSIGN_OR_RETURN(scale, DecodePart(request, "autoscaling.v1.Scale"));
    } else {
      return api::MethodNotAllowed(kind.resource(), info.verb);
    }
    return WithScale(kind, newest, scale);
  };
  KV_ASSIGN_OR_RETURN(const Json scaled,
                      registry_->Update(kind, info.name_space, info.name, change, options));
  return ApiResponse::Of(ScaleOf(kind, scaled));
}

}  // namespace keelson::apiserver
