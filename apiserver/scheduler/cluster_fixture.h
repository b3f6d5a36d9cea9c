// A language for tests of the scheduler's core: nodes and pods from the few words that matter, the
// rest as the API server would fill it in.
#ifndef KEELSON_APISERVER_SCHEDULER_CLUSTER_FIXTURE_H_
#define KEELSON_APISERVER_SCHEDULER_CLUSTER_FIXTURE_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/decider.h"
#include "base/random.h"

namespace keelson::scheduler {

using api::Json;

class ClusterFixture {
 public:
  // {"labels": ..., "spec": ..., "status": ...}: 4 cpus, 8 Gi and 110 pods if nothing else is said.
  void AddNode(const std::string& name, const Json& node = Json::object()) {
    Json object = {{"metadata", {{"name", name}, {"labels", node.value("labels", Json::object())}}},
                   {"spec", node.value("spec", Json::object())},
                   {"status", node.value("status", Json::object())}};
    object["metadata"]["labels"]["kubernetes.io/hostname"] = name;
    if (!object["status"].contains("allocatable")) {
      object["status"]["allocatable"] = {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "110"}};
    }
    cluster.SetNode(ParseNode(object));
  }

  static Json Zone(const std::string& zone) {
    return {{"labels", {{"topology.kubernetes.io/zone", zone}}}};
  }

  // {"labels": ..., "spec": ...}; "cpu", "memory" and "priority" are short for what is in the spec.
  static std::shared_ptr<const Pod> MakePod(const std::string& name,
                                            const Json& pod = Json::object()) {
    Json object = {{"metadata",
                    {{"name", name},
                     {"namespace", pod.value("namespace", "default")},
                     {"uid", "uid-" + name},
                     {"labels", pod.value("labels", Json::object())}}},
                   {"spec", pod.value("spec", Json::object())},
                   {"status", pod.value("status", Json::object())}};
    for (const char* field : {"ownerReferences", "deletionTimestamp"}) {
      if (pod.contains(field)) object["metadata"][field] = pod[field];
    }
    Json& spec = object["spec"];
    if (!spec.contains("containers")) spec["containers"] = {{{"name", "c"}, {"image", "app:1"}}};
    Json& container = spec["containers"][0];
    for (const char* resource : {"cpu", "memory"}) {
      if (pod.contains(resource)) container["resources"]["requests"][resource] = pod[resource];
    }
    if (pod.contains("priority")) spec["priority"] = pod["priority"];
    return ParsePod(object);
  }

  // The same, running on a node.
  std::shared_ptr<const Pod> Place(const std::string& name, const std::string& node,
                                   Json pod = Json::object()) {
    pod["spec"]["nodeName"] = node;
    auto parsed = MakePod(name, pod);
    cluster.SetPod(parsed);
    return parsed;
  }

  Decision Decide(const std::string& name, const Json& pod = Json::object()) {
    return decider.Decide(*MakePod(name, pod));
  }

  // Decides and puts the pod there; "" if no node will do.
  std::string Schedule(const std::string& name, const Json& pod = Json::object()) {
    auto parsed = MakePod(name, pod);
    Decision decision = decider.Decide(*parsed);
    if (!decision.node.empty()) cluster.Assume(std::move(parsed), decision.node);
    return decision.node;
  }

  Cluster cluster;
  SeededRandom random{1};
  Decider decider{&cluster, &random};
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_CLUSTER_FIXTURE_H_
