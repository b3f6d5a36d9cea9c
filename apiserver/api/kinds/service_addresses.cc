// What services are given by the server, and when they keep it.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/service.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

const std::string& TypeOf(const Json& service) { return TextAt(service, "spec.type"); }

bool IsSameAt(const Json& service, const Json& old, std::string_view path) {
  return MeansTheSame(Find(service, path), Find(old, path));
}

std::set<int64_t> PortsOnNodes(const Json& service) {
  std::set<int64_t> ports;
  for (const Json& port : ArrayAt(service, "spec.ports")) {
    if (NumberAt(port, "nodePort") != 0) ports.insert(NumberAt(port, "nodePort"));
  }
  return ports;
}

// A client that changes the type and sends back the rest as it was means the rest to follow.
void DropUnneeded(Json& service, const Json& old) {
  if (HasClusterIp(old) && !HasClusterIp(service)) {
    if (IsSameAt(service, old, "spec.clusterIP") && IsSameAt(service, old, "spec.clusterIPs")) {
      Erase(service, "spec.clusterIP");
      Erase(service, "spec.clusterIPs");
    }
    for (std::string_view field : {"spec.ipFamilies", "spec.ipFamilyPolicy"}) {
      if (IsSameAt(service, old, field)) Erase(service, field);
    }
  }
  const auto exposes = [](const Json& any) {
    return TypeOf(any) == "NodePort" || TypeOf(any) == "LoadBalancer";
  };
  if (exposes(old) && !exposes(service)) {
    const std::set<int64_t> before = PortsOnNodes(old);
    const std::set<int64_t> now = PortsOnNodes(service);
    if (std::includes(before.begin(), before.end(), now.begin(), now.end())) {
      for (Json* port : ElementsAt(service, "spec.ports")) port->erase("nodePort");
    }
  }
  const auto drop_unless = [&](bool needed, bool was_needed, std::string_view field) {
    if (was_needed && !needed && IsSameAt(service, old, field)) Erase(service, field);
  };
  const bool balanced = TypeOf(service) == "LoadBalancer";
  const bool was_balanced = TypeOf(old) == "LoadBalancer";
  drop_unless(NeedsHealthCheckPort(service), NeedsHealthCheckPort(old), "spec.healthCheckNodePort");
  drop_unless(balanced, was_balanced, "spec.allocateLoadBalancerNodePorts");
  drop_unless(balanced, was_balanced, "spec.loadBalancerClass");
  drop_unless(IsExternallyAccessible(service), IsExternallyAccessible(old),
              "spec.externalTrafficPolicy");
  if (!balanced && Find(service, "status.loadBalancer") != nullptr) {
    service["status"]["loadBalancer"] = Json::object();
  }
}

void KeepNodePorts(Json& service, const Json& old) {
  std::map<std::string, int64_t> before;
  const std::set<int64_t> now = PortsOnNodes(service);
  for (const Json& port : ArrayAt(old, "spec.ports")) {
    before[TextAt(port, "name")] = NumberAt(port, "nodePort");
  }
  for (Json* port : ElementsAt(service, "spec.ports")) {
    if (NumberAt(*port, "nodePort") != 0) continue;
    const auto found = before.find(TextAt(*port, "name"));
    if (found != before.end() && found->second != 0 && !now.contains(found->second)) {
      (*port)["nodePort"] = found->second;
    }
  }
}

void KeepGiven(Json& service, const Json& old) {
  if (HasClusterIp(service) && HasClusterIp(old)) {
    const std::string given = TextAt(old, "spec.clusterIP");
    if (TextAt(service, "spec.clusterIP").empty() && !given.empty()) {
      service["spec"]["clusterIP"] = given;
    }
    if (ArrayAt(service, "spec.clusterIPs").empty() && !ArrayAt(old, "spec.clusterIPs").empty()) {
      service["spec"]["clusterIPs"] = ArrayAt(old, "spec.clusterIPs");
    }
  }
  if (NeedsNodePorts(service) && NeedsNodePorts(old)) KeepNodePorts(service, old);
  const int64_t health = NumberAt(old, "spec.healthCheckNodePort");
  if (NeedsHealthCheckPort(service) && NeedsHealthCheckPort(old) && health != 0) {
    DefaultNumber(service, "spec.healthCheckNodePort", health);
  }
}

// clusterIP is the first of clusterIPs; clients may know of one of them only.
void AlignClusterIps(Json& service, const Json* old) {
  const std::string ip = TextAt(service, "spec.clusterIP");
  const bool no_list = ArrayAt(service, "spec.clusterIPs").empty();
  if (old == nullptr) {
    if (!ip.empty() && no_list) service["spec"]["clusterIPs"] = Json::array({ip});
    return;
  }
  const std::string before = TextAt(*old, "spec.clusterIP");
  if (ip == before) {
    if (no_list && !ip.empty()) service["spec"]["clusterIPs"] = Json::array({ip});
    return;
  }
  if (!IsSameAt(service, *old, "spec.clusterIPs")) return;
  if (ip.empty()) {
    Erase(service, "spec.clusterIPs");
  } else {
    service["spec"]["clusterIPs"] = Json::array({ip});
  }
}

void SayFamilies(Json& service, const Json* old) {
  if (!HasClusterIp(service)) return;
  const bool by_hand = IsHeadless(service) && MapAt(service, "spec.selector").empty();
  if (TextAt(service, "spec.ipFamilyPolicy").empty()) {
    const std::string before = old != nullptr ? TextAt(*old, "spec.ipFamilyPolicy") : "";
    Make(service, "spec.ipFamilyPolicy") = !before.empty() ? before
                                           : by_hand       ? "RequireDualStack"
                                                           : "SingleStack";
  }
  Json& families = Make(service, "spec.ipFamilies");
  if (!families.is_array()) families = Json::array();
  const Json& ips = ArrayAt(service, "spec.clusterIPs");
  for (size_t i = families.size(); i < ips.size() && ips[i] != "None"; ++i) {
    families.push_back(IsIpv6(TextAt(ips[i], "")) ? "IPv6" : "IPv4");
  }
  if (families.empty()) families.push_back("IPv4");
  // Who fills in the endpoints of a headless service may have both families.
  if (by_hand && families.size() == 1 && TextAt(service, "spec.ipFamilyPolicy") != "SingleStack") {
    families.push_back(families[0] == "IPv4" ? "IPv6" : "IPv4");
  }
}

}  // namespace

bool IsHeadless(const Json& service) {
  const Json& ips = ArrayAt(service, "spec.clusterIPs");
  return ips.size() == 1 ? ips[0] == "None"
                         : ips.empty() && TextAt(service, "spec.clusterIP") == "None";
}

bool HasClusterIp(const Json& service) { return TypeOf(service) != "ExternalName"; }

bool NeedsNodePorts(const Json& service) {
  return TypeOf(service) == "NodePort" ||
         (TypeOf(service) == "LoadBalancer" &&
          FlagAt(service, "spec.allocateLoadBalancerNodePorts", true));
}

bool NeedsHealthCheckPort(const Json& service) {
  return TypeOf(service) == "LoadBalancer" &&
         TextAt(service, "spec.externalTrafficPolicy") == "Local";
}

bool IsExternallyAccessible(const Json& service) {
  return TypeOf(service) == "LoadBalancer" || TypeOf(service) == "NodePort" ||
         (TypeOf(service) == "ClusterIP" && !ArrayAt(service, "spec.externalIPs").empty());
}

std::vector<std::string> ClusterIpsOf(const Json& service) {
  std::vector<std::string> ips;
  if (!HasClusterIp(service)) return ips;
  for (const Json& ip : ArrayAt(service, "spec.clusterIPs")) {
    const std::string& text = TextAt(ip, "");
    if (!text.empty() && text != "None") ips.push_back(text);
  }
  return ips;
}

std::vector<int64_t> NodePortsOf(const Json& service) {
  std::set<int64_t> ports = PortsOnNodes(service);
  const int64_t health = NumberAt(service, "spec.healthCheckNodePort");
  if (health != 0) ports.insert(health);
  return {ports.begin(), ports.end()};
}

void NormalizeService(Json& service, const Json* old) {
  if (old != nullptr) {
    DropUnneeded(service, *old);
    KeepGiven(service, *old);
  }
  AlignClusterIps(service, old);
  SayFamilies(service, old);
}

}  // namespace keelson::api
