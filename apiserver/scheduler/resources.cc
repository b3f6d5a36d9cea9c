#include "apiserver/scheduler/resources.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"

namespace keelson::scheduler {
namespace {

using api::Json;

// More than any machine has. Sums of what hundreds of pods ask for stay within 64 bits, whatever
// they ask for.
constexpr int64_t kMost = int64_t{1} << 53;

int64_t Clamp(int64_t amount) { return std::clamp<int64_t>(amount, 0, kMost); }

int64_t& OtherOf(Resources& resources, const std::string& name) {
  const auto at =
      std::lower_bound(resources.others.begin(), resources.others.end(), name,
                       [](const auto& other, const auto& key) { return other.first < key; });
  if (at != resources.others.end() && at->first == name) return at->second;
  return resources.others.emplace(at, name, 0)->second;
}

void Clamp(Resources& resources) {
  resources.milli_cpu = Clamp(resources.milli_cpu);
  resources.memory = Clamp(resources.memory);
  resources.ephemeral_storage = Clamp(resources.ephemeral_storage);
  for (auto& other : resources.others) other.second = Clamp(other.second);
}

// What a container asks for: exactly, and as scores see it.
struct Needs {
  Resources exact;
  Resources scored;  // cpu and memory only

  void Add(const Needs& more) {
    exact.Add(more.exact);
    scored.Add(more.scored);
    Clamp(exact);
    Clamp(scored);
  }
  void RaiseTo(const Needs& least) {
    exact.RaiseTo(least.exact);
    scored.RaiseTo(least.scored);
  }
};

Needs NeedsOf(const Json& container) {
  const Json& requests = api::MapAt(container, "resources.requests");
  Needs needs{ParseResources(requests), {}};
  const bool has_cpu = api::Member(requests, "cpu") != nullptr;
  const bool has_memory = api::Member(requests, "memory") != nullptr;
  needs.scored.milli_cpu = has_cpu ? needs.exact.milli_cpu : kAssumedMilliCpu;
  needs.scored.memory = has_memory ? needs.exact.memory : kAssumedMemory;
  return needs;
}

}  // namespace

int64_t Resources::Other(std::string_view name) const {
  for (const auto& [key, amount] : others) {
    if (key == name) return amount;
  }
  return 0;
}

void Resources::Add(const Resources& more) {
  milli_cpu += more.milli_cpu;
  memory += more.memory;
  ephemeral_storage += more.ephemeral_storage;
  for (const auto& [name, amount] : more.others) OtherOf(*this, name) += amount;
}

void Resources::Subtract(const Resources& less) {
  milli_cpu -= less.milli_cpu;
  memory -= less.memory;
  ephemeral_storage -= less.ephemeral_storage;
  for (const auto& [name, amount] : less.others) OtherOf(*this, name) -= amount;
  std::erase_if(others, [](const auto& other) { return other.second == 0; });
}

void Resources::RaiseTo(const Resources& least) {
  milli_cpu = std::max(milli_cpu, least.milli_cpu);
  memory = std::max(memory, least.memory);
  ephemeral_storage = std::max(ephemeral_storage, least.ephemeral_storage);
  for (const auto& [name, amount] : least.others) {
    int64_t& mine = OtherOf(*this, name);
    mine = std::max(mine, amount);
  }
}

Resources ParseResources(const Json& map) {
  Resources resources;
  if (!map.is_object()) return resources;
  for (const auto& [name, amount] : map.items()) {
    const api::Quantity quantity = api::Quantity::Of(amount);
    if (name == "cpu") {
      resources.milli_cpu = Clamp(quantity.Milli());
    } else if (name == "memory") {
      resources.memory = Clamp(quantity.Value());
    } else if (name == "ephemeral-storage") {
      resources.ephemeral_storage = Clamp(quantity.Value());
    } else if (name != "pods" && !quantity.IsZero()) {
      OtherOf(resources, name) = Clamp(quantity.Value());
    }
  }
  return resources;
}

PodRequests RequestsOf(const Json& pod_spec) {
  Needs total;
  for (const Json& container : api::ArrayAt(pod_spec, "containers")) total.Add(NeedsOf(container));

  Needs sidecars;  // those that have been started so far
  Needs peak;
  for (const Json& container : api::ArrayAt(pod_spec, "initContainers")) {
    Needs step = NeedsOf(container);
    if (api::TextAt(container, "restartPolicy") == "Always") {
      sidecars.Add(step);
      total.Add(step);
      step = sidecars;
    } else {
      step.Add(sidecars);
    }
    peak.RaiseTo(step);
  }
  total.RaiseTo(peak);

  const Resources overhead = ParseResources(api::MapAt(pod_spec, "overhead"));
  total.Add({overhead, overhead});
  return {std::move(total.exact), total.scored.milli_cpu, total.scored.memory};
}

}  // namespace keelson::scheduler
