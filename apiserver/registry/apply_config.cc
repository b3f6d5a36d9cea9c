#include "apiserver/registry/apply_config.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/apply.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/field_owners.h"
#include "apiserver/api/json_text.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/schema.h"
#include "apiserver/api/time.h"
#include "apiserver/api/typed_json.h"
#include "apiserver/registry/managed_fields.h"
#include "apiserver/registry/stored_text.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::registry {

using api::FieldSet;
using api::Json;
using api::Kind;
using api::Message;

namespace {

constexpr char kManagedFields[] = "metadata.managedFields";
// kubectl's own record of what it applied, from when clients did all of it.
constexpr char kLastApplied[] = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::string_view kKubectl = "kubectl";
constexpr size_t kAnnotationsBytesMax = 256 << 10;

const Message& MessageOf(const Kind& kind) { return *api::FindMessage(kind.message); }

// "apps/v1, Kind=Deployment"; of the core group "/v1, Kind=Pod".
std::string Shown(const std::string& api_version, std::string_view kind) {
  const bool grouped = api_version.find('/') != std::string::npos;
  return Concat(grouped ? "" : "/", api_version, ", Kind=", kind);
}

// 500, as kube-apiserver answers what its merge cannot take: without a reason.
absl::Status Misfit(std::string_view message) {
  return api::FromAnswer(500, {{"kind", "Status"}, {"message", message}});
}

absl::Status CheckConfig(std::string_view api_version, std::string_view kind,
                         const Message& message, const Json& config) {
  const std::string& its_version = api::TextAt(config, "apiVersion");
  const std::string& its_kind = api::TextAt(config, "kind");
  if (its_version != api_version || its_kind != kind) {
    return api::BadRequest(Concat("invalid object type: ", Shown(its_version, its_kind)));
  }
  if (api::Find(config, kManagedFields) != nullptr) {
    return api::BadRequest("metadata.managedFields must be nil");
  }
  if (const std::string fault = api::ApplyFault(message, config); !fault.empty()) {
    return Misfit(Concat("failed to create typed patch object (", api::NamespaceOf(config), "/",
                         api::NameOf(config), "; ", Shown(its_version, its_kind), "): ", fault));
  }
  return absl::OkStatus();
}

// Leaves out what is not written through the subresource.
Json Restricted(const Kind& kind, std::string_view subresource, Json config) {
  if (const std::string_view skipped = SkippedMember(kind, subresource); !skipped.empty()) {
    config.erase(std::string(skipped));
  }
  if (subresource != "status") return config;
  Json kept = Json::object();
  for (std::string_view field :
       {"apiVersion", "kind", "status", "metadata.name", "metadata.namespace", "metadata.uid",
        "metadata.resourceVersion", "metadata.annotations", "metadata.finalizers"}) {
    api::Carry(config, kept, field);
  }
  return kept;
}

// As objects are everywhere else: canonical, without nulls.
absl::StatusOr<Json> Canonical(const Kind& kind, const Json& object) {
  Json canonical;
  const std::string text = Dump(object);
  std::string fault = api::JsonFault(text);
  if (fault.empty()) fault = api::ReadTypedJson(text, MessageOf(kind), &canonical).fatal;
  if (fault.empty()) return canonical;
  return Misfit(Concat("failed to convert new typed object (", api::NamespaceOf(object), "/",
                       api::NameOf(object), "; ", Shown(kind.api_version(), kind.kind),
                       ") to object: ", fault));
}

// ---- What is applied no more ----

// What others, and he himself now, own, by version.
std::map<std::string, FieldSet> OwnedByVersion(const std::vector<FieldOwner>& owners) {
  std::map<std::string, FieldSet> owned;
  for (const FieldOwner& owner : owners) owned[owner.api_version].Unite(owner.fields);
  return owned;
}

// The fields of an object, and the messages they are in.
FieldSet AllOf(const Kind& kind, const Json& object) {
  return WithMessages(MessageOf(kind), FieldsOf(MessageOf(kind), object));
}

// Takes out of `merged` what is not in `pruned` and that nobody owns in that version. All are in
// the version of `kind`.
Json WithOwned(const Kind& kind, const Json& merged, const Json& pruned, const FieldSet& owned) {
  FieldSet kept = AllOf(kind, pruned);
  kept.Unite(WithMessages(MessageOf(kind), owned));
  FieldSet gone = AllOf(kind, merged);
  gone.Subtract(kept);
  Json object = merged;
  RemoveFields(MessageOf(kind), gone, &object);
  return object;
}

// `merged` without what was applied last and is owned by none of `owners`.
Json Pruned(const Kind& kind, const Json& merged, const FieldOwner& last,
            const std::vector<FieldOwner>& owners) {
  const Kind* last_kind = KindInVersion(kind, last.api_version);
  if (last_kind == nullptr || last.fields.empty()) return merged;
  const Message& message = MessageOf(*last_kind);
  const FieldSet last_fields = WithMessages(message, last.fields);
  const Json all = ToVersion(kind, *last_kind, merged);
  Json pruned = all;
  RemoveFields(message, last_fields, &pruned);
  std::map<std::string, FieldSet> owned = OwnedByVersion(owners);
  // Of the version itself first: what is left of an object must be one to be put in another.
  pruned = WithOwned(*last_kind, all, pruned, owned[last.api_version]);
  owned.erase(last.api_version);
  for (const auto& [api_version, fields] : owned) {
    const Kind* other = KindInVersion(kind, api_version);
    if (other == nullptr) continue;
    const Json all_there = ToVersion(*last_kind, *other, all);
    const Json pruned_there = ToVersion(*last_kind, *other, pruned);
    FieldSet gone_there = AllOf(*other, all_there);
    gone_there.Subtract(AllOf(*other, pruned_there));
    // There and back again is not always the same: one does not go for nothing.
    if (gone_there.Intersection(WithMessages(MessageOf(*other), fields)).empty()) continue;
    pruned = ToVersion(*other, *last_kind, WithOwned(*other, all_there, pruned_there, fields));
  }
  // Nothing has gone but what he had applied.
  FieldSet gone = AllOf(*last_kind, all);
  gone.Subtract(AllOf(*last_kind, pruned));
  Json object = all;
  RemoveFields(message, gone.Intersection(last_fields), &object);
  return ToVersion(*last_kind, kind, object);
}

// ---- Conflicts ----

struct Conflict {
  const FieldOwner* owner;
  std::string path;
};

std::string Shown(const FieldOwner& owner) {
  std::string text = api::Quoted(owner.manager);
  if (!owner.subresource.empty()) {
    Append(&text, " with subresource ", api::Quoted(owner.subresource));
  }
  if (!owner.applied) Append(&text, " using ", owner.api_version);
  return text;
}

absl::Status Refusal(const std::vector<Conflict>& conflicts) {
  Json causes = Json::array();
  for (const Conflict& conflict : conflicts) {
    causes.push_back({{"reason", "FieldManagerConflict"},
                      {"message", Concat("conflict with ", Shown(*conflict.owner))},
                      {"field", conflict.path}});
  }
  std::string message = "Apply failed with 1 conflict: ";
  if (conflicts.size() == 1) {
    Append(&message, "conflict with ", Shown(*conflicts[0].owner), ": ", conflicts[0].path);
  } else {
    message = Concat("Apply failed with ", conflicts.size(), " conflicts: ");
    const FieldOwner* owner = nullptr;
    for (const Conflict& conflict : conflicts) {
      if (conflict.owner != owner) {
        Append(&message, owner == nullptr ? "" : "\n", "conflicts with ", Shown(*conflict.owner),
               ":");
        owner = conflict.owner;
      }
      Append(&message, "\n- ", conflict.path);
    }
  }
  return api::FromAnswer(409, {{"kind", "Status"},
                               {"reason", "Conflict"},
                               {"message", std::move(message)},
                               {"details", {{"causes", std::move(causes)}}}});
}

// What kubectl applied as clients did it, and is still so: it may change that.
FieldSet LastAppliedFields(const Kind& kind, const Json& live) {
  const Json* text = api::Member(api::AnnotationsOf(live), kLastApplied);
  if (text == nullptr || !text->is_string()) return {};
  const absl::StatusOr<Json> last = api::ParseJson(text->get_ref<const std::string&>());
  if (!last.ok() || !api::ApplyFault(MessageOf(kind), *last).empty()) return {};
  if (api::TextAt(*last, "apiVersion") != kind.api_version()) return {};
  const absl::StatusOr<Json> canonical = Canonical(kind, *last);
  if (!canonical.ok()) return {};
  FieldSet fields = FieldsOf(MessageOf(kind), *last);
  const api::Difference difference = api::Compare(MessageOf(kind), *canonical, live);
  fields.Subtract(difference.changed);
  fields.Subtract(difference.removed);
  return fields;
}

// With what owners the change is in conflict, ordered by them. What is applied as zero or empty is
// no more in the object, but changed like anything else that is `named`.
std::vector<Conflict> ConflictsOf(VersionedDifference& difference,
                                  const std::vector<FieldOwner>& owners, const FieldSet& named,
                                  const FieldSet& allowed) {
  std::vector<const FieldOwner*> ordered;
  for (const FieldOwner& owner : owners) ordered.push_back(&owner);
  std::sort(ordered.begin(), ordered.end(), [](const FieldOwner* a, const FieldOwner* b) {
    return std::tie(a->manager, b->applied, a->api_version, a->subresource) <
           std::tie(b->manager, a->applied, b->api_version, b->subresource);
  });
  std::vector<Conflict> conflicts;
  for (const FieldOwner* owner : ordered) {
    const api::Difference* of_version = difference.In(owner->api_version);
    if (of_version == nullptr) continue;
    FieldSet changed = of_version->removed.Intersection(named);
    changed.Unite(of_version->changed);
    FieldSet fields = owner->fields.Intersection(changed);
    fields.Subtract(allowed);
    for (std::string& path : fields.Paths()) conflicts.push_back({owner, std::move(path)});
  }
  return conflicts;
}

// Keeps kubectl's record, where there is one, for clients that still go by it.
void RecordLastApplied(Json config, Json* object) {
  Json* annotations = api::Find(*object, "metadata.annotations");
  if (annotations == nullptr || !annotations->is_object()) return;
  const Json* record = api::Member(*annotations, kLastApplied);
  if (record == nullptr || *record == "") return;
  if (Json* its = api::Find(config, "metadata.annotations"); its != nullptr && its->is_object()) {
    its->erase(kLastApplied);
  }
  (*annotations)[kLastApplied] = Dump(config) + "\n";
  size_t bytes = 0;
  for (const auto& [key, value] : annotations->items()) {
    bytes += key.size();
    if (value.is_string()) bytes += value.get_ref<const std::string&>().size();
  }
  if (bytes > kAnnotationsBytesMax) annotations->erase(kLastApplied);
}

// `config` is checked, and says nothing that the subresource does not write.
absl::StatusOr<Json> ApplyChecked(const Kind& kind, const Json& live, const Json& config,
                                  const WriteOptions& options, OnConflict on_conflict) {
  const Message& message = MessageOf(kind);
  std::vector<FieldOwner> owners = OwnersOf(live);
  if (owners.empty() && !live.empty()) {
    owners.push_back(OwnerOfAll(kind, live, "before-first-apply", options.subresource));
  }
  FieldOwner own{.manager = options.field_manager,
                 .applied = true,
                 .api_version = kind.api_version(),
                 .subresource = std::string(options.subresource),
                 .time = api::FormatTime(absl::Now()),
                 .fields = FieldsOf(message, config)};
  FieldOwner last;
  std::erase_if(owners, [&](FieldOwner& owner) {
    if (!owner.IsSame(own)) return false;
    last = std::move(owner);
    return true;
  });
  Json base = live;
  api::Erase(base, kManagedFields);
  const Json merged = Merge(message, base, config);
  owners.push_back(own);
  const Json pruned = Pruned(kind, merged, last, owners);
  owners.pop_back();
  EraseOwnerless(&own.fields);
  KV_ASSIGN_OR_RETURN(Json object, Canonical(kind, pruned));
  object["apiVersion"] = kind.api_version();
  object["kind"] = kind.kind;
  VersionedDifference difference(kind, base, object, SkippedMember(kind, options.subresource));
  if (on_conflict == OnConflict::kRefuse) {
    std::vector<Conflict> conflicts = ConflictsOf(difference, owners, own.fields, {});
    if (!conflicts.empty() && own.manager == kKubectl) {
      conflicts = ConflictsOf(difference, owners, own.fields, LastAppliedFields(kind, live));
    }
    if (!conflicts.empty()) return Refusal(conflicts);
  }
  TakeChanged(difference, &owners);
  owners.push_back(std::move(own));
  SetOwners(std::move(owners), &object);
  return object;
}

}  // namespace

absl::StatusOr<Json> ApplyConfig(const Kind& kind, const Json& live, const Json& config,
                                 const WriteOptions& options, OnConflict on_conflict) {
  KV_RETURN_IF_ERROR(CheckConfig(kind.api_version(), kind.kind, MessageOf(kind), config));
  KV_ASSIGN_OR_RETURN(
      Json object, ApplyChecked(kind, live, Restricted(kind, options.subresource, config), options,
                                on_conflict));
  if (options.field_manager == kKubectl) RecordLastApplied(config, &object);
  return object;
}

absl::StatusOr<Json> ApplyScale(const Kind& kind, const Json& live, const Json& config,
                                const WriteOptions& options, OnConflict on_conflict) {
  KV_RETURN_IF_ERROR(
      CheckConfig("autoscaling/v1", "Scale", *api::FindMessage("autoscaling.v1.Scale"), config));
  Json replicas = Json::object();
  for (const char* field :
       {"metadata.name", "metadata.namespace", "metadata.uid", "metadata.resourceVersion"}) {
    api::Carry(config, replicas, field);
  }
  if (const Json* wanted = api::Find(config, "spec.replicas")) {
    api::Make(replicas, kind.scale->replicas) = *wanted;
  }
  return ApplyChecked(kind, live, replicas, options, on_conflict);
}

}  // namespace keelson::registry
