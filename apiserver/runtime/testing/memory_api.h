// MemoryApi: an API server in the memory of a test: objects of any resource, with uids, resource
// versions, generations, conflicts, status and scale apart from spec, finalizers, and watches. It
// knows no kinds: no defaults, no validation, no selectors, and every patch is a merge patch but
// for JSON patches.
//
// Thread-safe.
#ifndef KEELSON_APISERVER_RUNTIME_TESTING_MEMORY_API_H_
#define KEELSON_APISERVER_RUNTIME_TESTING_MEMORY_API_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "apiserver/runtime/api_client.h"

namespace keelson::runtime {

class MemoryApi final : public ApiClient {
 public:
  absl::StatusOr<api::Json> Get(const Resource& resource, std::string_view name_space,
                                std::string_view name, std::string_view subresource = "") override;
  absl::StatusOr<api::Json> List(const Resource& resource, std::string_view name_space,
                                 const ListOptions& options = {}) override;
  absl::StatusOr<api::Json> Create(const Resource& resource, std::string_view name_space,
                                   const api::Json& object, std::string_view name = "",
                                   std::string_view subresource = "") override;
  absl::StatusOr<api::Json> Update(const Resource& resource, const api::Json& object,
                                   std::string_view subresource = "") override;
  absl::StatusOr<api::Json> Patch(const Resource& resource, std::string_view name_space,
                                  std::string_view name, PatchType type, const api::Json& patch,
                                  std::string_view subresource = "") override;
  absl::Status Delete(const Resource& resource, std::string_view name_space, std::string_view name,
                      const api::Json& options) override;
  absl::Status Watch(const Resource& resource, std::string_view name_space,
                     const ListOptions& options, const std::function<bool(WatchEvent)>& on_event,
                     const std::function<bool()>& stop) override;
  void WakeWatches() override;
  absl::StatusOr<api::Json> GetPath(std::string_view path) override;

  // What GetPath answers.
  void SetPath(const std::string& path, api::Json answer);
  // Asked before every call but Watch; what is not OK is the call's answer. verb: "get", "list",
  // "create", "update", "patch", "delete".
  using Intercept = std::function<absl::Status(std::string_view verb, const Resource& resource,
                                               const api::Json& object)>;
  void SetIntercept(Intercept intercept);
  // Blocks until `holds` of what is there, looked at after every change; false: not within a
  // minute.
  bool Await(const std::function<bool()>& holds);
  // All objects of a resource, by namespace and name.
  std::vector<api::Json> All(const Resource& resource);

 private:
  struct Change {
    Resource resource;
    WatchEvent event;
  };
  // group/plural, namespace, name
  using Key = std::tuple<std::string, std::string, std::string>;
  static Key KeyOf(const Resource& resource, std::string_view name_space, std::string_view name);

  absl::Status Ask(std::string_view verb, const Resource& resource, const api::Json& object);
  absl::StatusOr<api::Json> Store(const Resource& resource, api::Json* stored, api::Json object)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Record(const Resource& resource, WatchEvent::Type type, const api::Json& object)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Mutex mu_;
  absl::CondVar changed_;
  std::map<Key, api::Json> objects_ ABSL_GUARDED_BY(mu_);
  std::vector<Change> changes_ ABSL_GUARDED_BY(mu_);  // of revision i + 1
  std::map<std::string, api::Json, std::less<>> paths_ ABSL_GUARDED_BY(mu_);
  Intercept intercept_ ABSL_GUARDED_BY(mu_);
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_TESTING_MEMORY_API_H_
