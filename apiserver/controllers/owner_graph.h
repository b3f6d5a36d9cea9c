// OwnerGraph: who owns whom among all objects of a cluster, by uid, as far as has been seen.
// Thread-safe; its answers are copies.
#ifndef KEELSON_APISERVER_CONTROLLERS_OWNER_GRAPH_H_
#define KEELSON_APISERVER_CONTROLLERS_OWNER_GRAPH_H_

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/api_client.h"

namespace keelson::controllers {

struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool blocks = false;  // its foreground deletion waits for the object
  bool operator==(const OwnerReference&) const = default;
};

struct GraphObject {
  // Shared by all objects of a kind.
  std::shared_ptr<const runtime::Resource> resource;
  std::string name_space;
  std::string name;
  std::string uid;
  std::string version;
  std::vector<OwnerReference> owners;
  bool being_deleted = false;
  bool foreground_finalizer = false;
  bool orphan_finalizer = false;
  // Its deletion waits for its dependents, or leaves them.
  bool in_foreground() const { return being_deleted && foreground_finalizer; }
  bool orphans() const { return being_deleted && orphan_finalizer; }
};

// From metadata; `resource` is where it is.
GraphObject ToGraphObject(std::shared_ptr<const runtime::Resource> resource,
                          const api::Json& object);

class OwnerGraph {
 public:
  // What it was before; nullopt: new.
  std::optional<GraphObject> Put(GraphObject object);
  // Its dependents stay.
  void Remove(const std::string& uid);
  std::optional<GraphObject> Find(const std::string& uid) const;
  std::vector<GraphObject> Dependents(const std::string& uid) const;
  std::vector<std::string> DependentUids(const std::string& uid) const;
  size_t size() const;

 private:
  void Unlink(const GraphObject& object) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  std::unordered_map<std::string, GraphObject> objects_ ABSL_GUARDED_BY(mu_);
  // Also of owners that have not been seen.
  std::unordered_map<std::string, std::unordered_set<std::string>> dependents_ ABSL_GUARDED_BY(mu_);
};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_OWNER_GRAPH_H_
