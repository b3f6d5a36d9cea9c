// Registry: objects of all kinds over the store: create, read, change and delete them with the
// rules of the API machinery (versions, generations, finalizers, graceful deletion, admission, dry
// run).
//
// It keeps nothing: any number of registries work over one store. A write is one transaction that
// compares the object's revision; what reads answer is the store's latest, or a watch cache that is
// known to be as new as that (watch_cache.h).
//
// Thread: any; calls block until the store has answered. Errors are those of api/errors.h.
#ifndef KEELSON_APISERVER_REGISTRY_REGISTRY_H_
#define KEELSON_APISERVER_REGISTRY_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/api/field_selector.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/labels.h"
#include "apiserver/registry/admission.h"

namespace keelson::client {
class Client;
}

namespace keelson::registry {

class WatchCache;
class Entry;

struct WriteOptions {
  User user = {};
  bool dry_run = false;
  std::vector<std::string>* warnings = nullptr;
  // "status", "scale" or another one whose write lands in the object; "" is the object itself.
  std::string_view subresource = "";
  // Who becomes the owner of what changes (managed_fields.h). "": owners stay as they are.
  std::string field_manager = {};
  // The object has been applied (apply_config.h): it says who owns what.
  bool applied = false;
  // In what version of the kind the object was written, which Registry sets where it is not the
  // stored one.
  const api::Kind* version = nullptr;
};

struct Preconditions {
  std::string uid = {};
  std::string resource_version = {};
};

struct DeleteOptions {
  std::optional<int64_t> grace_seconds = {};
  std::optional<api::Propagation> propagation = {};
  Preconditions preconditions = {};
};

struct Deleted {
  api::Json object;   // as it was last, or as it is now
  bool gone = false;  // false: it lingers, for its grace or its finalizers
};

enum class VersionMatch { kUnset, kNotOlderThan, kExact };

// A list, as the query parameters of the same names say (kube-surface 2.2).
struct ListQuery {
  const api::Kind* kind = nullptr;
  std::string name_space = {};  // empty: all
  api::LabelSelector labels = {};
  api::FieldSelector fields = {};
  int64_t limit = 0;
  std::string continue_token = {};
  std::string resource_version = {};
  VersionMatch match = VersionMatch::kUnset;
};

struct ListResult {
  std::vector<std::shared_ptr<const Entry>> items;  // in the stored version of their kind
  int64_t revision = 0;
  std::string continue_token = {};
  std::optional<int64_t> remaining = {};
};

// What a change makes of the newest version of an object. May be called again when somebody else
// was faster; an error ends the change.
using Change = std::function<absl::StatusOr<api::Json>(const api::Json& newest)>;

// BadRequest: it is no number.
absl::StatusOr<int64_t> ParseResourceVersion(const std::string& text);
// 504: a revision the store has not come to.
absl::Status TooLargeVersion(int64_t wanted, int64_t now);

class Registry {
 public:
  Registry(client::Client* store, std::vector<std::unique_ptr<AdmissionPlugin>> plugins);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The newest version, in the form of `kind`, with apiVersion, kind and resourceVersion.
  absl::StatusOr<api::Json> Get(const api::Kind& kind, std::string_view name_space,
                                std::string_view name);
  // `object`: as the client sent it, decoded and checked against the schema.
  absl::StatusOr<api::Json> Create(const api::Kind& kind, std::string_view name_space,
                                   api::Json object, const WriteOptions& options);
  // Reads, changes, writes, again if another write came between and the result of `change` names no
  // resourceVersion of its own. A change to what it was writes nothing.
  absl::StatusOr<api::Json> Update(const api::Kind& kind, std::string_view name_space,
                                   std::string_view name, const Change& change,
                                   const WriteOptions& options);
  absl::StatusOr<Deleted> Delete(const api::Kind& kind, std::string_view name_space,
                                 std::string_view name, const DeleteOptions& deletion,
                                 const WriteOptions& options);

  // Ordered by namespace and name. BadRequest, Invalid, Expired (410), Timeout (a revision that is
  // still to come) as kube-apiserver.
  absl::StatusOr<ListResult> List(const ListQuery& query);

  // An object of the stored version in the version of `kind`.
  static api::Json InVersion(const api::Kind& kind, api::Json stored);

  // From the watch cache, as old as it happens to be; for admission and authorization. nullptr:
  // none.
  std::shared_ptr<const api::Json> Cached(const api::Kind& kind, std::string_view name_space,
                                          std::string_view name);
  // All of a namespace, or all with an empty one.
  std::vector<std::shared_ptr<const api::Json>> CachedList(const api::Kind& kind,
                                                           std::string_view name_space);
  // Made when first asked for, and then kept up to date until the registry ends.
  WatchCache& Cache(const api::Kind& kind);

  client::Client& store() { return *store_; }
  // The store's revision now. Unavailable, Timeout: the store does not answer.
  absl::StatusOr<int64_t> CurrentRevision();

 private:
  class Impl;
  client::Client* const store_;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_REGISTRY_H_
