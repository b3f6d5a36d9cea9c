// Admission: what the server adds to, and refuses of, the objects that clients send, where that
// depends on other objects: namespaces, limits and quotas, service accounts, priorities, addresses.
//
// A plugin is asked for every create, update and delete that passed authorization, on a worker
// thread, several at a time. First all plugins' Mutate, in the order of the list; then defaults are
// filled in again and the object is validated; then all plugins' Validate. A plugin that reserves
// something in Validate gets Undo when the write fails afterwards.
#ifndef KEELSON_APISERVER_REGISTRY_ADMISSION_H_
#define KEELSON_APISERVER_REGISTRY_ADMISSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::registry {

class Registry;

enum class Operation { kCreate, kUpdate, kDelete };

// Who asks.
struct User {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::vector<std::string>>> extra;
};

struct AdmissionRequest {
  const api::Kind* kind = nullptr;
  Operation operation = Operation::kCreate;
  std::string name_space;
  std::string name;
  std::string subresource;  // "", "status", "scale", "binding", "eviction", ...
  User user;
  bool dry_run = false;
  api::Json* object = nullptr;                   // what would be stored; nullptr at a delete
  const api::Json* old = nullptr;                // what is stored; nullptr at a create
  std::vector<std::string>* warnings = nullptr;  // go to the client as Warning headers
};

class AdmissionPlugin {
 public:
  virtual ~AdmissionPlugin() = default;
  virtual absl::Status Mutate(Registry& registry, AdmissionRequest& request) {
    return absl::OkStatus();
  }
  virtual absl::Status Validate(Registry& registry, const AdmissionRequest& request) {
    return absl::OkStatus();
  }
  // The write that Validate let pass did not happen.
  virtual void Undo(Registry& registry, const AdmissionRequest& request) {}
};

struct AdmissionOptions {
  // Where services' addresses come from; the first is that of default/kubernetes.
  std::string service_range = "10.96.0.0/12";
  int64_t node_port_first = 30000;
  int64_t node_port_last = 32767;
};

// All plugins, in order. Each is a file in admission/ with a function that makes it.
std::vector<std::unique_ptr<AdmissionPlugin>> MakeAdmissionPlugins(
    const AdmissionOptions& options = {});

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_ADMISSION_H_
