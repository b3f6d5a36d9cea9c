// The core alone: decisions a second, each followed by the pod's assumption, on clusters of many
// nodes and pods.
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/scheduler/cluster_fixture.h"

namespace keelson::scheduler {
namespace {

void AddNodes(ClusterFixture& fixture, int64_t nodes) {
  for (int64_t i = 0; i < nodes; ++i) {
    Json node = ClusterFixture::Zone("zone-" + std::to_string(i % 3));
    node["status"]["allocatable"] = {{"cpu", "32"}, {"memory", "256Gi"}, {"pods", "110"}};
    fixture.AddNode("node-" + std::to_string(i), node);
  }
}

Json Replica(const std::string& app) {
  return {{"labels", {{"app", app}, {"pod-template-hash", "5d4f8c7b9"}}},
          {"cpu", "100m"},
          {"memory", "128Mi"},
          {"ownerReferences",
           {{{"kind", "ReplicaSet"}, {"name", app}, {"uid", app}, {"controller", true}}}}};
}

// Schedules pods of 100 deployments behind services, thirty a node, then begins anew.
void Schedule(benchmark::State& state, const Json& more) {
  const int64_t nodes = state.range(0);
  auto fixture = std::make_unique<ClusterFixture>();
  std::vector<Json> shapes;
  for (int i = 0; i < 100; ++i) {
    const std::string app = "app-" + std::to_string(i);
    Json pod = Replica(app);
    std::string text = more.dump();
    for (size_t at = text.find("$app"); at != text.npos; at = text.find("$app")) {
      text.replace(at, 4, app);
    }
    pod.update(Json::parse(text), true);
    shapes.push_back(std::move(pod));
  }
  AddNodes(*fixture, nodes);
  int64_t pods = 0;
  for (auto _ : state) {
    if (pods % (nodes * 30) == 0) {
      state.PauseTiming();
      fixture = std::make_unique<ClusterFixture>();
      AddNodes(*fixture, nodes);
      for (int i = 0; i < 100; ++i) {
        const std::string app = "app-" + std::to_string(i);
        fixture->cluster.SetService("default", app, {{"app", app}});
      }
      state.ResumeTiming();
    }
    state.PauseTiming();
    auto pod = ClusterFixture::MakePod("p" + std::to_string(pods), shapes[pods % 100]);
    state.ResumeTiming();
    const Decision decision = fixture->decider.Decide(*pod);
    if (decision.node.empty()) {
      state.SkipWithError(decision.message.c_str());
      break;
    }
    fixture->cluster.Assume(std::move(pod), decision.node);
    ++pods;
  }
  state.counters["pods/s"] =
      benchmark::Counter(static_cast<double>(pods), benchmark::Counter::kIsRate);
}

void Plain(benchmark::State& state) { Schedule(state, Json::object()); }
BENCHMARK(Plain)->Arg(1000)->Arg(5000)->Unit(benchmark::kMicrosecond);

void RequiredSpreading(benchmark::State& state) {
  Schedule(state, Json::parse(R"({"spec": {"topologySpreadConstraints": [{
    "topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1,
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "$app"}}}]}})"));
}
BENCHMARK(RequiredSpreading)->Arg(1000)->Arg(5000)->Unit(benchmark::kMicrosecond);

void PreferredAntiAffinity(benchmark::State& state) {
  Schedule(state, Json::parse(R"({"spec": {"affinity": {"podAntiAffinity": {
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": {
      "topologyKey": "kubernetes.io/hostname",
      "labelSelector": {"matchLabels": {"app": "$app"}}}}]}}}})"));
}
BENCHMARK(PreferredAntiAffinity)->Arg(1000)->Arg(5000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace keelson::scheduler
