// Kind: all that tells one kind of object from another, as one table (kinds/kinds.cc). What serves,
// stores, prints, describes or watches objects asks this table and knows no kind by name; adding a
// kind is a file in kinds/ and a line in the table.
//
// A Kind is a constant made before main's work begins; any thread may read it. Its functions are
// pure: they see the object and nothing else. What needs other objects (quota, addresses of
// services, service accounts) is admission, in registry/.
#ifndef KEELSON_APISERVER_API_KIND_H_
#define KEELSON_APISERVER_API_KIND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

enum class NameRule {
  kSubdomain,    // DNS-1123 subdomain, 253 characters
  kLabel,        // DNS-1123 label, 63 characters
  kLabel1035,    // DNS-1035 label: begins with a letter; services
  kPathSegment,  // anything but "", ".", "..", '/' and '%'; RBAC
};

// A column of `kubectl get`. priority 1 and more: with -o wide only.
struct Column {
  std::string_view name;
  std::string_view type = "string";
  std::string_view format = "";  // "name" for the column Name
  std::string_view description = "";
  int priority = 0;
};

struct PrintContext {
  absl::Time now;
  bool wide = true;  // cells of all columns are always sent; External-IP alone differs
};

// What may follow the object's name in a path. "status", "scale" and those that have a
// prepare_update are served from this table alone; the others have handlers (http/).
struct Subresource {
  std::string_view name;
  std::vector<std::string_view> verbs;
  // Where it is not the kind itself.
  std::string_view group = {};
  std::string_view version = {};
  std::string_view kind = {};
  // For those through which the object itself is written, a part of it: they stand in for the
  // kind's prepare_update (status is not carried over before) and validate_update.
  void (*prepare_update)(Json& object, const Json& old) = nullptr;
  void (*validate_update)(const Json& object, const Json& old, FieldErrors& errors) = nullptr;
};

// Where a Scale finds its numbers.
struct ScalePaths {
  std::string_view replicas = "spec.replicas";
  std::string_view status_replicas = "status.replicas";
  std::string_view selector = "spec.selector";  // a LabelSelector, or a map of labels
};

// A field selector: its label as clients write it and the path of what it compares. Values are
// compared as text: false and 0 for what is absent are written in `absent`.
struct FieldLabel {
  std::string_view label;
  std::string_view path;
  std::string_view absent = "";
};

// What DELETE does with dependents when the client does not say.
enum class Propagation { kBackground, kForeground, kOrphan };

struct Kind {
  std::string_view group;    // "" is core
  std::string_view version;  // "v1"
  std::string_view kind;     // "Pod"
  std::string_view plural;   // "pods"; with the group it is the resource
  std::string_view singular;
  std::vector<std::string_view> short_names = {};
  std::vector<std::string_view> categories = {};
  bool namespaced = true;
  // The name of its message in the schema (schema.h): "core.v1.Pod".
  std::string_view message;
  // Below /registry/ in the store, as upstream: "pods", "services/specs". Empty: it is not kept.
  std::string_view storage_prefix;
  // "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch". A review
  // kind has only "create". What is measured when asked for has only "get" and "list".
  std::vector<std::string_view> verbs = {"create", "delete", "deletecollection", "get",
                                         "list",   "patch",  "update",           "watch"};
  std::vector<Subresource> subresources = {};
  std::optional<ScalePaths> scale = {};
  NameRule name_rule = NameRule::kSubdomain;
  // status is written by /status only, and spec by the object itself only.
  bool has_status = false;
  // Clients may create it with a status; of other kinds it is dropped then. Nodes.
  bool status_at_creation = false;
  // metadata.generation counts changes of the spec.
  bool has_generation = false;
  // A PUT without resourceVersion overwrites.
  bool unconditional_update = true;
  // A PUT to a name that does not exist creates it.
  bool create_on_update = false;
  Propagation default_propagation = Propagation::kBackground;
  // Objects vanish by themselves after this; 0: never. Events.
  absl::Duration time_to_live = absl::ZeroDuration();

  // This version is served, but another one is stored (autoscaling/v1 for v2, events.k8s.io/v1 for
  // v1): both functions get and give whole objects, apiVersion and kind included.
  const Kind* stored_as = nullptr;
  Json (*to_stored)(const Json& object) = nullptr;
  Json (*from_stored)(const Json& object) = nullptr;

  // Any of the following may be nullptr: nothing to do.
  // Fills in what was left out, everywhere in the object. Idempotent. Called on what clients send
  // before validation, after the schema was checked: known fields have the right JSON type.
  void (*set_defaults)(Json& object) = nullptr;
  // After that, before validation, at creation: what a new object begins with (a pod's phase).
  // status has been removed already where has_status and not status_at_creation.
  void (*prepare_create)(Json& object) = nullptr;
  // Carries over from `old` what an update may not touch or need not repeat. status has been
  // carried over already where has_status.
  void (*prepare_update)(Json& object, const Json& old) = nullptr;
  // Metadata is checked by the registry; this is the rest.
  void (*validate)(const Json& object, FieldErrors& errors) = nullptr;
  // In addition to validate, which has run on `object`.
  void (*validate_create)(const Json& object, FieldErrors& errors) = nullptr;
  void (*validate_update)(const Json& object, const Json& old, FieldErrors& errors) = nullptr;
  void (*validate_status_update)(const Json& object, const Json& old,
                                 FieldErrors& errors) = nullptr;
  // Seconds of grace a deletion has; `requested` is what the client said. nullptr: none, the object
  // goes at once. Pods.
  int64_t (*grace_seconds)(const Json& object, std::optional<int64_t> requested) = nullptr;

  // At the first DELETE of an object that does not go at once: a namespace's phase is Terminating.
  void (*prepare_delete)(Json& object) = nullptr;
  // False: something of the object's own, beside finalizers, still holds it (a namespace's
  // spec.finalizers). nullptr: true.
  bool (*may_vanish)(const Json& object) = nullptr;

  // What `kubectl get` prints. Empty: Name and Created At.
  std::vector<Column> columns = {};
  void (*print)(const Json& object, const PrintContext& context,
                std::vector<Json>* cells) = nullptr;

  // Besides metadata.name and metadata.namespace.
  std::vector<FieldLabel> field_labels = {};

  // Questions.
  std::string api_version() const;  // "v1", "apps/v1"
  GroupResource resource() const { return {std::string(group), std::string(plural)}; }
  const Kind& stored() const { return stored_as != nullptr ? *stored_as : *this; }
  const Subresource* FindSubresource(std::string_view name) const;
  bool HasVerb(std::string_view verb) const;
  // The key of an object in the store, or of all of a namespace, or of all ("" twice), which ends
  // in '/'.
  std::string StorageKey(std::string_view name_space, std::string_view name) const;
};

// All kinds, the preferred version of a group first, in the order of discovery.
const std::vector<const Kind*>& AllKinds();
// nullptr: none.
const Kind* FindKindByResource(std::string_view group, std::string_view version,
                               std::string_view plural);
const Kind* FindKind(std::string_view api_version, std::string_view kind);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KIND_H_
