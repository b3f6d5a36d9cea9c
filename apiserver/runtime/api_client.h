// ApiClient: the API server as its own clients see it: controllers, scheduler, node agents.
// Requests go over HTTPS to one of several addresses; another one is tried when one fails.
//
// Thread-safe. Calls block; they end by their timeout at the latest. Errors are those of
// api/errors.h (IsNotFound, IsConflict, ...); Unavailable when no server answers.
#ifndef KEELSON_APISERVER_RUNTIME_API_CLIENT_H_
#define KEELSON_APISERVER_RUNTIME_API_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>  // WatchEvent holds one, and all who use this look into objects
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"

namespace keelson::runtime {

// Where objects of a kind are found: {"apps", "v1", "deployments"}.
struct Resource {
  std::string group;  // "" is core
  std::string version = "v1";
  std::string plural;
  bool operator==(const Resource&) const = default;
};

struct ListOptions {
  std::string label_selector = {};
  std::string field_selector = {};
  // "" is the latest; "0" is whatever the server has at hand.
  std::string resource_version = {};
  int64_t limit = 0;
  std::string continue_token = {};
  // Of objects nothing but their metadata.
  enum class Form { kWhole, kMetadata } form = Form::kWhole;
};

enum class PatchType { kJson, kMerge, kStrategicMerge };

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type;
  api::Json object;
};

class ApiClient {
 public:
  virtual ~ApiClient() = default;

  // `subresource` "" is the object itself. An empty namespace: cluster-scoped, or all of them.
  virtual absl::StatusOr<api::Json> Get(const Resource& resource, std::string_view name_space,
                                        std::string_view name,
                                        std::string_view subresource = "") = 0;
  virtual absl::StatusOr<api::Json> List(const Resource& resource, std::string_view name_space,
                                         const ListOptions& options = {}) = 0;
  // Into the namespace of its metadata. With a name and a subresource it is POST
  // .../name/subresource.
  virtual absl::StatusOr<api::Json> Create(const Resource& resource, std::string_view name_space,
                                           const api::Json& object, std::string_view name = "",
                                           std::string_view subresource = "") = 0;
  // PUT, by the name and namespace of its metadata; its resourceVersion is the condition.
  virtual absl::StatusOr<api::Json> Update(const Resource& resource, const api::Json& object,
                                           std::string_view subresource = "") = 0;
  virtual absl::StatusOr<api::Json> Patch(const Resource& resource, std::string_view name_space,
                                          std::string_view name, PatchType type,
                                          const api::Json& patch,
                                          std::string_view subresource = "") = 0;
  // The same for those who want no more of the answer than who the object is: name, namespace, uid
  // and resourceVersion. Its metadata is all that is sent, these all that is read.
  virtual absl::StatusOr<api::Json> CreateForMetadata(const Resource& resource,
                                                      std::string_view name_space,
                                                      const api::Json& object) {
    return Create(resource, name_space, object);
  }
  virtual absl::StatusOr<api::Json> PatchForMetadata(const Resource& resource,
                                                     std::string_view name_space,
                                                     std::string_view name, PatchType type,
                                                     const api::Json& patch,
                                                     std::string_view subresource = "") {
    return Patch(resource, name_space, name, type, patch, subresource);
  }
  // `options`: a DeleteOptions object, or null. An empty name: all objects of the namespace.
  virtual absl::Status Delete(const Resource& resource, std::string_view name_space,
                              std::string_view name, const api::Json& options) = 0;

  // Deletes those of a namespace that List would give with the same options, and gives its token
  // for those behind them. Where it is not offered all are deleted.
  virtual absl::StatusOr<std::string> DeleteCollection(const Resource& resource,
                                                       std::string_view name_space,
                                                       const ListOptions& options) {
    const absl::Status status = Delete(resource, name_space, "", api::Json());
    if (!status.ok()) return status;
    return std::string();
  }

  // Streams changes from options.resource_version on to `on_event`, which returns false to end it,
  // on the calling thread, bookmarks included, until the server ends the stream (OK), it breaks
  // (Unavailable), `on_event` is done (OK) or `stop` becomes true (Cancelled). `stop` is asked on
  // the calling thread, about once a second and after WakeWatches.
  virtual absl::Status Watch(const Resource& resource, std::string_view name_space,
                             const ListOptions& options,
                             const std::function<bool(WatchEvent)>& on_event,
                             const std::function<bool()>& stop) = 0;
  // Has every Watch under way ask its `stop` now. Where it does nothing, Watch asks often.
  virtual void WakeWatches() {}

  // What is no object of a resource: discovery ("/apis").
  virtual absl::StatusOr<api::Json> GetPath(std::string_view path) {
    return absl::UnimplementedError("no paths");
  }
};

struct ApiClientOptions {
  std::vector<std::string> servers;  // "https://127.0.0.1:6443"
  std::string ca_file = {};
  std::string cert_file = {};
  std::string key_file = {};
  std::string user_agent = "keelson";
  absl::Duration timeout = absl::Seconds(10);
  // Requests a second on average, and at once; 0: no limit.
  double requests_per_second = 0;
  int burst = 100;
};

// Over libcurl. InvalidArgument: no server, a malformed address, an unreadable file.
absl::StatusOr<std::unique_ptr<ApiClient>> MakeApiClient(ApiClientOptions options);

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_API_CLIENT_H_
