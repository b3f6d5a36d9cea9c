#include "apiserver/controllers/endpoint_build.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "apiserver/api/object.h"
#include "apiserver/controllers/pods.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::Object;

constexpr size_t kAddressesMax = 1000;

bool PublishesNotReady(const Json& service) {
  return api::FlagAt(service, "spec.publishNotReadyAddresses");
}

bool IsIpv6(std::string_view address) { return address.find(':') != std::string_view::npos; }

// The pod's address of the family; "": none.
std::string AddressOf(const Json& pod, bool ipv6) {
  for (const Json& entry : api::ArrayAt(pod, "status.podIPs")) {
    const std::string& address = api::TextAt(entry, "ip");
    if (!address.empty() && IsIpv6(address) == ipv6) return address;
  }
  const std::string& only = api::TextAt(pod, "status.podIP");
  return IsIpv6(only) == ipv6 ? only : "";
}

Json TargetOf(const Json& pod) {
  return {{"kind", "Pod"},
          {"namespace", api::NamespaceOf(pod)},
          {"name", api::NameOf(pod)},
          {"uid", api::UidOf(pod)}};
}

// By which the pod is known in DNS under the Service's name.
std::string HostnameFor(const Json& service, const Json& pod) {
  return api::TextAt(pod, "spec.subdomain") == api::NameOf(service)
             ? api::TextAt(pod, "spec.hostname")
             : "";
}

std::optional<int64_t> FindPort(const Json& pod, const Json& service_port) {
  const Json* target = api::Find(service_port, "targetPort");
  if (target == nullptr) return api::NumberAt(service_port, "port");
  if (target->is_number()) {
    const int64_t number = target->get<int64_t>();
    return number != 0 ? number : api::NumberAt(service_port, "port");
  }
  if (!target->is_string()) return std::nullopt;
  const auto& name = target->get_ref<const std::string&>();
  const std::string& protocol = api::TextAt(service_port, "protocol");
  for (const char* list : {"spec.containers", "spec.initContainers"}) {
    for (const Json& container : api::ArrayAt(pod, list)) {
      const bool sidecar = api::TextAt(container, "restartPolicy") == "Always";
      if (std::string_view(list) == "spec.initContainers" && !sidecar) continue;
      for (const Json& port : api::ArrayAt(container, "ports")) {
        const std::string& on = api::TextAt(port, "protocol");
        if (api::TextAt(port, "name") == name && (on.empty() ? "TCP" : on) == protocol) {
          return api::NumberAt(port, "containerPort");
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace

bool EndpointsDiffer(const Json& before, const Json& now) {
  for (const char* path : {"status.podIP", "status.phase", "spec.nodeName", "metadata.uid",
                           "metadata.deletionTimestamp", "spec.hostname", "spec.subdomain"}) {
    if (api::TextAt(before, path) != api::TextAt(now, path)) return true;
  }
  return IsReady(before) != IsReady(now) || api::LabelsOf(before) != api::LabelsOf(now) ||
         api::ArrayAt(before, "status.podIPs") != api::ArrayAt(now, "status.podIPs");
}

Json PortsOn(const Json& service, const Json& pod) {
  Json ports = Json::array();
  for (const Json& service_port : api::ArrayAt(service, "spec.ports")) {
    const std::optional<int64_t> number = FindPort(pod, service_port);
    if (!number) continue;
    const std::string& protocol = api::TextAt(service_port, "protocol");
    Json port = {{"port", *number}, {"protocol", protocol.empty() ? "TCP" : protocol}};
    port["name"] = api::TextAt(service_port, "name");
    if (const Json* app = api::Find(service_port, "appProtocol")) port["appProtocol"] = *app;
    ports.push_back(std::move(port));
  }
  return ports;
}

Json BuildSubsets(const Json& service, const std::vector<Object>& pods, bool* truncated) {
  struct Subset {
    Json ports;
    Json ready = Json::array();
    Json not_ready = Json::array();
  };
  const bool all = PublishesNotReady(service);
  const bool headless = api::TextAt(service, "spec.clusterIP") == "None";
  // Ready ones first, for those that are too many are left out.
  std::vector<std::pair<bool, const Json*>> wanted;
  for (const Object& pod : pods) {
    if (IsTerminal(*pod) || (!all && api::IsBeingDeleted(*pod))) continue;
    wanted.emplace_back(!(all || IsReady(*pod)), pod.get());
  }
  std::stable_sort(wanted.begin(), wanted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::map<std::string, Subset> subsets;
  size_t count = 0;
  *truncated = false;
  for (const auto& [waits, pod] : wanted) {
    std::string ip = AddressOf(*pod, false);
    if (ip.empty()) ip = AddressOf(*pod, true);
    if (ip.empty()) continue;
    Json ports = PortsOn(service, *pod);
    const bool has_ports = !api::ArrayAt(service, "spec.ports").empty();
    if (ports.empty() && (has_ports || !headless)) continue;
    if (++count > kAddressesMax) {
      *truncated = true;
      break;
    }
    Json address = {{"ip", std::move(ip)}, {"targetRef", TargetOf(*pod)}};
    if (const std::string& node = api::TextAt(*pod, "spec.nodeName"); !node.empty()) {
      address["nodeName"] = node;
    }
    if (std::string name = HostnameFor(service, *pod); !name.empty()) {
      address["hostname"] = std::move(name);
    }
    Subset& subset = subsets[ports.dump()];
    subset.ports = std::move(ports);
    (waits ? subset.not_ready : subset.ready).push_back(std::move(address));
  }
  const auto by_address = [](const Json& a, const Json& b) {
    return std::tie(api::TextAt(a, "ip"), api::TextAt(a, "targetRef.uid")) <
           std::tie(api::TextAt(b, "ip"), api::TextAt(b, "targetRef.uid"));
  };
  Json built = Json::array();
  for (auto& [key, subset] : subsets) {
    Json one = Json::object();
    for (const auto& [name, list] : {std::pair("addresses", &subset.ready),
                                     std::pair("notReadyAddresses", &subset.not_ready)}) {
      if (list->empty()) continue;
      std::sort(list->begin(), list->end(), by_address);
      one[name] = std::move(*list);
    }
    if (!subset.ports.empty()) one["ports"] = std::move(subset.ports);
    for (Json& port : one["ports"]) {
      if (api::TextAt(port, "name").empty()) port.erase("name");
    }
    if (one["ports"].is_null()) one.erase("ports");
    built.push_back(std::move(one));
  }
  return built;
}

std::vector<PortGroup> BuildEndpoints(const Json& service, const std::vector<Object>& pods,
                                      std::string_view address_type,
                                      const std::map<std::string, std::string>& zones) {
  const bool ipv6 = address_type == "IPv6";
  const bool all = PublishesNotReady(service);
  std::map<std::string, PortGroup> groups;
  for (const Object& pod : pods) {
    std::string ip = AddressOf(*pod, ipv6);
    if (ip.empty() || IsTerminal(*pod)) continue;
    const bool serving = IsReady(*pod);
    const bool terminating = api::IsBeingDeleted(*pod);
    Json endpoint = {{"addresses", Json::array({std::move(ip)})},
                     {"conditions",
                      {{"ready", all || (serving && !terminating)},
                       {"serving", serving},
                       {"terminating", terminating}}},
                     {"targetRef", TargetOf(*pod)}};
    const std::string& node = api::TextAt(*pod, "spec.nodeName");
    if (!node.empty()) {
      endpoint["nodeName"] = node;
      const auto zone = zones.find(node);
      if (zone != zones.end()) endpoint["zone"] = zone->second;
    }
    if (std::string name = HostnameFor(service, *pod); !name.empty()) {
      endpoint["hostname"] = std::move(name);
    }
    Json ports = PortsOn(service, *pod);
    PortGroup& group = groups[ports.dump()];
    group.ports = std::move(ports);
    group.endpoints.push_back(std::move(endpoint));
  }
  std::vector<PortGroup> built;
  for (auto& [key, group] : groups) built.push_back(std::move(group));
  return built;
}

std::vector<PortGroup> MirrorSubsets(const Json& subsets, std::string_view address_type) {
  const bool ipv6 = address_type == "IPv6";
  std::map<std::string, PortGroup> groups;
  for (const Json& subset : subsets) {
    Json ports = Json::array();
    for (const Json& port : api::ArrayAt(subset, "ports")) {
      Json named = port;
      api::SetDefault(named, "name", "");
      api::SetDefault(named, "protocol", "TCP");
      ports.push_back(std::move(named));
    }
    for (const char* list : {"addresses", "notReadyAddresses"}) {
      for (const Json& address : api::ArrayAt(subset, list)) {
        const std::string& ip = api::TextAt(address, "ip");
        if (IsIpv6(ip) != ipv6) continue;
        const bool ready = std::string_view(list) == "addresses";
        Json endpoint = {{"addresses", Json::array({ip})}, {"conditions", {{"ready", ready}}}};
        for (const char* field : {"hostname", "nodeName", "targetRef"}) {
          if (const Json* found = api::Find(address, field)) endpoint[field] = *found;
        }
        groups[ports.dump()].endpoints.push_back(std::move(endpoint));
      }
    }
    const auto group = groups.find(ports.dump());
    if (group != groups.end()) group->second.ports = std::move(ports);
  }
  std::vector<PortGroup> built;
  for (auto& [key, group] : groups) built.push_back(std::move(group));
  return built;
}

namespace {

std::string IdentityOf(const Json& endpoint) {
  const Json& addresses = api::ArrayAt(endpoint, "addresses");
  return addresses.dump() + "/" + api::TextAt(endpoint, "targetRef.uid");
}

// The slices of one set of ports.
void PlanGroup(const std::vector<Object>& slices, PortGroup group, size_t endpoints_max,
               SlicePlan* plan) {
  std::map<std::string, Json> missing;
  for (Json& endpoint : group.endpoints) {
    std::string identity = IdentityOf(endpoint);
    missing[std::move(identity)] = std::move(endpoint);
  }
  struct Kept {
    Object slice;
    Json endpoints = Json::array();
    bool changed = false;
  };
  std::vector<Kept> kept;
  for (const Object& slice : slices) {
    Kept one{.slice = slice};
    for (const Json& endpoint : api::ArrayAt(*slice, "endpoints")) {
      const auto found = missing.find(IdentityOf(endpoint));
      if (found == missing.end()) {
        one.changed = true;
        continue;
      }
      one.changed |= found->second != endpoint;
      one.endpoints.push_back(std::move(found->second));
      missing.erase(found);
    }
    kept.push_back(std::move(one));
  }
  // Those that are written anyway take what is new, then those that have room.
  std::stable_sort(kept.begin(), kept.end(),
                   [](const Kept& a, const Kept& b) { return a.changed > b.changed; });
  auto next = missing.begin();
  for (Kept& one : kept) {
    for (; next != missing.end() && one.endpoints.size() < endpoints_max; ++next) {
      one.endpoints.push_back(std::move(next->second));
      one.changed = true;
    }
    if (one.endpoints.empty()) {
      plan->remove.push_back(one.slice);
    } else if (one.changed) {
      plan->update.push_back({one.slice, {group.ports, std::move(one.endpoints)}});
    }
  }
  while (next != missing.end()) {
    Json endpoints = Json::array();
    for (; next != missing.end() && endpoints.size() < endpoints_max; ++next) {
      endpoints.push_back(std::move(next->second));
    }
    plan->create.push_back({group.ports, std::move(endpoints)});
  }
}

}  // namespace

SlicePlan PlanSlices(const std::vector<Object>& slices, std::vector<PortGroup> wanted,
                     size_t endpoints_max) {
  // A Service without endpoints has one empty slice, so that who looks for them finds an answer.
  if (wanted.empty()) wanted.push_back({Json::array(), {}});
  SlicePlan plan;
  std::set<const Json*> seen;
  for (PortGroup& group : wanted) {
    std::vector<Object> of_group;
    for (const Object& slice : slices) {
      if (api::ArrayAt(*slice, "ports") != group.ports) continue;
      of_group.push_back(slice);
      seen.insert(slice.get());
    }
    if (!group.endpoints.empty()) {
      PlanGroup(of_group, std::move(group), endpoints_max, &plan);
      continue;
    }
    if (of_group.empty()) plan.create.push_back({group.ports, Json::array()});
    for (size_t i = 0; i < of_group.size(); ++i) {
      if (i > 0) {
        plan.remove.push_back(of_group[i]);
      } else if (!api::ArrayAt(*of_group[i], "endpoints").empty()) {
        plan.update.push_back({of_group[i], {group.ports, Json::array()}});
      }
    }
  }
  for (const Object& slice : slices) {
    if (!seen.contains(slice.get())) plan.remove.push_back(slice);
  }
  // A slice that would go becomes one that would be made.
  while (!plan.create.empty() && !plan.remove.empty()) {
    plan.update.push_back({std::move(plan.remove.back()), std::move(plan.create.back())});
    plan.remove.pop_back();
    plan.create.pop_back();
  }
  return plan;
}

}  // namespace keelson::controllers
