// Volumes: persistent volumes, claims, classes and the nodes' limits of attached volumes, as the
// scheduler sees them, and what a pod's claims mean for a node: may it run there, and what has to
// be bound or provisioned if it does.
//
// Thread: one. What was decided and is not yet in the objects is assumed: nobody else is given the
// same volume meanwhile.
#ifndef KEELSON_APISERVER_SCHEDULER_VOLUMES_H_
#define KEELSON_APISERVER_SCHEDULER_VOLUMES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "apiserver/api/json.h"
#include "apiserver/scheduler/pod.h"
#include "apiserver/scheduler/selectors.h"

namespace keelson::scheduler {

struct Node;

struct Claim {
  std::string name_space;
  std::string name;
  std::string uid;
  std::string class_name;
  std::string volume;         // spec.volumeName
  std::string selected_node;  // for the provisioner
  std::string owner_uid;      // the controller's
  std::vector<std::string> access_modes;
  std::string mode;  // "Filesystem", "Block"
  bool has_selector = false;
  Selector selector;
  int64_t bytes = 0;
  bool bound = false;  // completely, on both sides
  bool lost = false;
  bool terminating = false;

  std::string Key() const { return name_space + "/" + name; }
};

struct PersistentVolume {
  std::string name;
  std::string claim_key;  // "": free
  std::string claim_uid;
  std::string class_name;
  std::string phase;
  std::string mode;
  std::string driver;  // of CSI
  std::string handle;
  std::vector<std::string> access_modes;
  Labels labels;
  int64_t bytes = 0;
  bool has_node_terms = false;
  std::vector<NodeTerm> node_terms;
  bool terminating = false;
};

struct StorageClass {
  std::string name;
  std::string provisioner;
  bool waits_for_consumer = false;
  std::vector<NodeTerm> topologies;  // empty: everywhere
};

Claim ParseClaim(const api::Json& object);
PersistentVolume ParseVolume(const api::Json& object);
StorageClass ParseStorageClass(const api::Json& object);

// What must be written before a pod can be bound to its node.
struct VolumePlan {
  struct Binding {
    std::string volume;
    std::string claim_key;
  };
  std::vector<Binding> bindings;         // a volume gets the claim
  std::vector<std::string> provisioned;  // claims that get the node

  bool empty() const { return bindings.empty() && provisioned.empty(); }
};

// The claims of a pod that is to be scheduled.
struct PodClaims {
  std::vector<const Claim*> bound;
  std::vector<const Claim*> waiting;           // for this pod's node
  std::vector<std::string> exclusive;          // keys of those that one pod may use
  std::string refusal;                         // not empty: no node will do, because
  std::vector<const PersistentVolume*> zoned;  // volumes that are in zones
};

class Volumes {
 public:
  void SetClaim(Claim claim);
  void RemoveClaim(const std::string& key);
  void SetVolume(PersistentVolume volume);
  void RemoveVolume(const std::string& name);
  void SetClass(StorageClass storage_class);
  void RemoveClass(const std::string& name);
  // How many volumes of each driver a node can have.
  void SetLimits(const std::string& node, absl::flat_hash_map<std::string, int> limits);
  void RemoveLimits(const std::string& node);

  const Claim* FindClaim(const std::string& key) const;
  const PersistentVolume* FindVolume(const std::string& name) const;

  // Pointers are good until the next change.
  PodClaims ClaimsOf(const Pod& pod) const;
  // Why the node will not do, as kube-scheduler says it; none: it will, by `plan` (may be nullptr).
  std::vector<std::string_view> Check(const PodClaims& claims, const Node& node,
                                      VolumePlan* plan) const;
  bool ZonesMatch(const PodClaims& claims, const Node& node) const;
  bool WithinLimits(const Pod& pod, const Node& node) const;

  void Assume(const VolumePlan& plan, const std::string& node);
  void Forget(const VolumePlan& plan);
  bool AllBound(const Pod& pod) const;

 private:
  const PersistentVolume* FindFree(const Claim& claim, const Node& node,
                                   const std::set<std::string_view>& taken) const;
  bool CanProvision(const Claim& claim, const Node& node) const;
  bool Suits(const PersistentVolume& volume, const Claim& claim) const;
  // Distinct volumes by their driver, of the claims of a pod.
  void CollectAttached(const Pod& pod, std::map<std::string, std::string>* drivers) const;

  // Ordered, so that of two volumes that do the same one is always preferred.
  std::map<std::string, PersistentVolume, std::less<>> volumes_;
  std::map<std::string, std::set<std::string>, std::less<>> volumes_of_class_;
  absl::flat_hash_map<std::string, Claim> claims_;
  absl::flat_hash_map<std::string, StorageClass> classes_;
  absl::flat_hash_map<std::string, absl::flat_hash_map<std::string, int>> limits_;
  absl::flat_hash_map<std::string, std::string> assumed_volumes_;  // volume -> claim key
  absl::flat_hash_map<std::string, std::string> assumed_nodes_;    // claim key -> node
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_VOLUMES_H_
