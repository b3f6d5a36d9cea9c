// Pod: what the scheduler knows of a pod, read once from its object. Immutable once read, shared;
// any thread.
#ifndef KEELSON_APISERVER_SCHEDULER_POD_H_
#define KEELSON_APISERVER_SCHEDULER_POD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/scheduler/resources.h"
#include "apiserver/scheduler/selectors.h"

namespace keelson::scheduler {

enum class TaintEffect : uint8_t { kAny, kNoSchedule, kPreferNoSchedule, kNoExecute };

struct Taint {
  std::string key;
  std::string value;
  TaintEffect effect;
  bool operator==(const Taint&) const = default;
};

struct Toleration {
  std::string key;  // "": every key, with exists
  std::string value;
  TaintEffect effect = TaintEffect::kAny;
  bool exists = false;

  bool Tolerates(const Taint& taint) const;
};
bool Tolerate(const std::vector<Toleration>& tolerations, const Taint& taint);
TaintEffect ParseTaintEffect(std::string_view text);

struct HostPort {
  std::string ip;  // "": every address
  std::string protocol;
  int port;

  bool Clashes(const HostPort& other) const;
};

// A term of pod affinity or anti-affinity: the pods it is about, and within what they are near.
struct AffinityTerm {
  std::vector<std::string> namespaces;
  // Namespaces by their labels, in addition.
  Selector namespace_selector = {{}, true};
  Selector selector;
  std::string topology_key;
  int weight = 0;  // of preferred ones

  bool Matches(const std::string& name_space, const Labels& namespace_labels,
               const Labels& pod_labels) const;
};

struct PodAffinity {
  std::vector<AffinityTerm> required;
  std::vector<AffinityTerm> required_anti;
  std::vector<AffinityTerm> preferred;
  std::vector<AffinityTerm> preferred_anti;
};

struct SpreadConstraint {
  std::string topology_key;
  int max_skew = 1;
  int min_domains = 1;
  bool required = true;  // DoNotSchedule
  bool honor_affinity = true;
  bool honor_taints = false;
  Selector selector;
};

struct PreferredNodes {
  int weight;
  NodeTerm term;
};

// A claim the pod mounts.
struct ClaimUse {
  std::string name;
  bool ephemeral = false;  // made for the pod, by its name
};

// A disk that is named in the pod itself. Two pods on a node may share it if both only read, some
// kinds not even then.
struct InlineDisk {
  std::string id;
  bool shareable = false;

  bool Clashes(const InlineDisk& other) const;
};

struct Pod {
  std::string name_space;
  std::string name;
  std::string uid;
  std::string node;       // "": not bound
  std::string nominated;  // the node it waits for, after a preemption
  std::string scheduler;
  int32_t priority = 0;
  absl::Time created = absl::InfinitePast();
  absl::Time started = absl::InfiniteFuture();  // never: not started
  bool never_preempts = false;
  bool gated = false;
  bool terminating = false;
  bool preempted = false;  // terminating, to make room
  bool finished = false;   // Succeeded or Failed

  Labels labels;
  std::string owner_kind;  // of the controller: "ReplicaSet"
  std::string owner_name;

  PodRequests requests = {};
  int containers = 0;
  std::vector<std::string> images;  // with their tags
  std::vector<HostPort> host_ports;
  std::vector<Toleration> tolerations;
  Labels node_selector;
  bool has_node_terms = false;  // an empty list of them selects nothing
  std::vector<NodeTerm> node_terms;
  std::vector<PreferredNodes> preferred_nodes;
  std::shared_ptr<const PodAffinity> affinity;  // nullptr: none
  std::vector<SpreadConstraint> spread;
  std::vector<ClaimUse> claims;
  std::vector<InlineDisk> disks;

  // The condition PodScheduled, if it is False: "Unschedulable: 0/3 nodes ...".
  std::string refusal;

  std::string Key() const { return name_space + "/" + name; }
  bool AllowsNode(const Labels& node_labels, const std::string& node_name) const;
};

std::shared_ptr<const Pod> ParsePod(const api::Json& object);

// Takes from a pod's object what ParsePod does not read.
void TrimPod(api::Json& object);

// "nginx" is "nginx:latest".
std::string NormalImage(std::string_view image);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_POD_H_
