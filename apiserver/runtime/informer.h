// Informer: a copy of all objects of a resource, kept up to date by one list and one watch, shared
// by all who need it. Handlers are told of every change after the copy has it; they put keys into
// work queues and return.
//
// Thread-safe. Handlers are called on the informer's thread, one at a time, in the order of
// revisions; a handler that is added late gets OnAdd for all there is. An object, once handed out,
// never changes.
#ifndef KEELSON_APISERVER_RUNTIME_INFORMER_H_
#define KEELSON_APISERVER_RUNTIME_INFORMER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/api_client.h"

namespace keelson::runtime {

using Object = std::shared_ptr<const api::Json>;

struct InformerHandler {
  std::function<void(const Object& object)> on_add = {};
  // Also called again with before == now when the copy is listed anew.
  std::function<void(const Object& before, const Object& now)> on_update = {};
  std::function<void(const Object& last)> on_delete = {};
};

struct InformerOptions {
  Resource resource;
  std::string name_space = {};
  ListOptions selectors = {};
  // Takes away what nobody reads, before the object is kept: memory. nullptr: nothing.
  void (*trim)(api::Json& object) = nullptr;
  // What is kept of that (packed_object.h); nullptr: all. Handlers are shown an object that a watch
  // tells of whole, and what is kept in all other cases.
  api::Json (*pack)(const api::Json& object) = nullptr;
  // All objects are shown to the handlers again this often; infinite: never.
  absl::Duration resync = absl::InfiniteDuration();
  // Pauses after failures: doubled each time, and up to that much again by chance.
  absl::Duration backoff_first = absl::Milliseconds(800);
  absl::Duration backoff_max = absl::Seconds(30);
};

class Informer {
 public:
  using IndexFunction = std::function<std::vector<std::string>(const api::Json& object)>;

  Informer(ApiClient* client, InformerOptions options);
  // Stops. No handler runs after that.
  ~Informer();
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  // An index by which ByIndex finds objects: "owner" -> uids. REQUIRES: before Start.
  void AddIndex(std::string name, IndexFunction function);
  void AddHandler(InformerHandler handler);
  void Start();
  void Stop();
  // The first list is in, and handlers know of it. False: not within the time, or stopped.
  bool WaitSynced(absl::Duration timeout);
  bool synced() const;

  // nullptr: none. An empty namespace for cluster-scoped ones.
  Object Get(std::string_view name_space, std::string_view name) const;
  // All of a namespace, or all; ordered by namespace and name.
  std::vector<Object> List(std::string_view name_space = "") const;
  std::vector<Object> ByIndex(std::string_view index, std::string_view value) const;
  size_t size() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// The informers of a process, one a resource, made when first asked for. Thread-safe.
class InformerFactory {
 public:
  explicit InformerFactory(ApiClient* client);
  ~InformerFactory();
  // What a later caller wants taken away stays: the first one decides. After StartAll a new one
  // starts at once.
  Informer& For(const Resource& resource, void (*trim)(api::Json& object) = nullptr);
  // nullptr: nobody has asked for it yet.
  Informer* Find(const Resource& resource);
  void StartAll();
  bool WaitSynced(absl::Duration timeout);
  void StopAll();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_INFORMER_H_
