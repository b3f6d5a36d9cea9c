// What a service may say.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/service.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kAffinitySecondsMax = 86400;

const std::string& TypeOf(const Json& service) { return TextAt(service, "spec.type"); }

void ValidateByType(const Json& service, FieldErrors& errors) {
  const std::string& type = TypeOf(service);
  CheckOneOf(type, {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}, "spec.type", errors);
  if ((type == "LoadBalancer" || type == "NodePort") && IsHeadless(service)) {
    errors.Invalid("spec.clusterIPs[0]", "None",
                   Concat("may not be set to 'None' for ", type, " services"));
  }
  if (type != "ExternalName") return;
  for (std::string_view field : {"clusterIPs", "ipFamilies", "ipFamilyPolicy"}) {
    if (MeansTheSame(Find(MapAt(service, "spec"), field), nullptr)) continue;
    errors.Forbidden(Child("spec", field), "may not be set for ExternalName services");
  }
  std::string_view name = TextAt(service, "spec.externalName");
  if (name.ends_with('.')) name.remove_suffix(1);
  CheckRequiredName(name, IsSubdomain, "spec.externalName", errors);
}

void ValidatePort(const Json& port, bool name_required, std::set<std::string>& names,
                  std::string_view path, FieldErrors& errors) {
  const std::string& name = TextAt(port, "name");
  if (name_required || !name.empty()) {
    CheckRequiredName(name, IsLabel, Child(path, "name"), errors);
    if (!name.empty() && !names.insert(name).second) errors.Duplicate(Child(path, "name"), name);
  }
  CheckPort(NumberAt(port, "port"), Child(path, "port"), errors);
  CheckProtocol(TextAt(port, "protocol"), Child(path, "protocol"), errors);
  CheckPortOrName(Find(port, "targetPort"), Child(path, "targetPort"), errors);
  if (Find(port, "appProtocol") != nullptr) {
    CheckName(TextAt(port, "appProtocol"), IsQualifiedName, Child(path, "appProtocol"), errors);
  }
}

void ValidatePorts(const Json& service, FieldErrors& errors) {
  const Json& ports = ArrayAt(service, "spec.ports");
  if (ports.empty() && !IsHeadless(service) && HasClusterIp(service)) errors.Required("spec.ports");
  std::set<std::string> names;
  std::set<std::pair<std::string, int64_t>> on_nodes;
  std::set<std::pair<std::string, int64_t>> taken;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Json& port = ports[i];
    const std::string path = Index("spec.ports", i);
    ValidatePort(port, ports.size() > 1, names, path, errors);
    const int64_t node_port = NumberAt(port, "nodePort");
    if (node_port != 0 && TypeOf(service) == "ClusterIP") {
      errors.Forbidden(Child(path, "nodePort"), "may not be used when `type` is 'ClusterIP'");
    }
    if (node_port != 0 && !on_nodes.emplace(TextAt(port, "protocol"), node_port).second) {
      errors.Duplicate(Child(path, "nodePort"), node_port);
    }
    if (!taken.emplace(TextAt(port, "protocol"), NumberAt(port, "port")).second) {
      errors.Duplicate(path, Json::object({{"protocol", TextAt(port, "protocol")},
                                           {"port", NumberAt(port, "port")}}));
    }
  }
}

void ValidateAffinity(const Json& service, FieldErrors& errors) {
  const std::string& affinity = TextAt(service, "spec.sessionAffinity");
  CheckOneOf(affinity, {"ClientIP", "None"}, "spec.sessionAffinity", errors);
  const Json* config = Find(service, "spec.sessionAffinityConfig");
  if (affinity == "None" && config != nullptr) {
    errors.Forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None");
  }
  if (affinity != "ClientIP") return;
  const int64_t seconds = NumberAt(service, "spec.sessionAffinityConfig.clientIP.timeoutSeconds");
  if (seconds <= 0 || seconds > kAffinitySecondsMax) {
    errors.Invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
                   Concat("must be greater than 0 and less than ", kAffinitySecondsMax));
  }
}

void ValidateFamilies(const Json& service, FieldErrors& errors) {
  const Json& families = ArrayAt(service, "spec.ipFamilies");
  const bool by_hand = IsHeadless(service) && MapAt(service, "spec.selector").empty();
  std::set<std::string> seen;
  for (size_t i = 0; i < families.size(); ++i) {
    const std::string path = Index("spec.ipFamilies", i);
    const std::string& family = TextAt(families[i], "");
    CheckOptionalOneOf(&families[i], {"IPv4", "IPv6"}, path, errors);
    if (!seen.insert(family).second) errors.Duplicate(path, family);
    if (family == "IPv6" && !by_hand) {
      errors.Invalid(path, family, "not configured on this cluster");
    }
  }
  const Json* policy = Find(service, "spec.ipFamilyPolicy");
  CheckOptionalOneOf(policy, {"PreferDualStack", "RequireDualStack", "SingleStack"},
                     "spec.ipFamilyPolicy", errors);
  if (policy == nullptr) return;
  if (*policy == "RequireDualStack" && !by_hand) {
    errors.Invalid("spec.ipFamilyPolicy", *policy,
                   "this cluster is not configured for dual-stack services");
  }
  if (*policy == "SingleStack" && families.size() == 2) {
    errors.Invalid("spec.ipFamilyPolicy", *policy,
                   "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are "
                   "specified");
  }
  if (*policy == "SingleStack" && ArrayAt(service, "spec.clusterIPs").size() == 2) {
    errors.Invalid("spec.ipFamilyPolicy", *policy,
                   "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are "
                   "specified");
  }
}

void ValidateClusterIps(const Json& service, FieldErrors& errors) {
  if (!HasClusterIp(service)) return;
  constexpr std::string_view kPath = "spec.clusterIPs";
  const std::string& first = TextAt(service, "spec.clusterIP");
  const Json& ips = ArrayAt(service, kPath);
  if (!first.empty() && ips.empty()) {
    errors.Required(kPath);
  } else if (!first.empty() && ips[0] != first) {
    errors.Invalid(kPath, ips, "first value must match `clusterIP`");
  } else if (first.empty() && !ips.empty()) {
    errors.Invalid(kPath, ips, "must be empty when `clusterIP` is not specified");
  }
  ValidateFamilies(service, errors);
  size_t four = 0;
  for (size_t i = 0; i < ips.size(); ++i) {
    const std::string& ip = TextAt(ips[i], "");
    if (i == 0 && ip == "None") {
      if (ips.size() > 1) errors.Invalid(kPath, ips, "'None' must be the first and only value");
      continue;
    }
    CheckIp(ip, Index(kPath, i), errors);
    if (IsIpv4(ip)) ++four;
    const Json& families = ArrayAt(service, "spec.ipFamilies");
    const bool six = IsIpv6(ip);
    if (i < families.size() && families[i] == "IPv4" && six) {
      errors.Invalid(Index(kPath, i), ip,
                     Concat("expected an IPv4 value as indicated by `ipFamilies[", i, "]`"));
    } else if (i < families.size() && families[i] == "IPv6" && IsIpv4(ip)) {
      errors.Invalid(Index(kPath, i), ip,
                     Concat("expected an IPv6 value as indicated by `ipFamilies[", i, "]`"));
    }
  }
  if (ips.size() > 2) errors.Invalid(kPath, ips, "may only hold up to 2 values");
  if (ips.size() == 2 && four != 1) {
    errors.Invalid(kPath, ips, "may specify no more than one IP for each IP family");
  }
}

void ValidateLoadBalancing(const Json& service, FieldErrors& errors) {
  const bool balanced = TypeOf(service) == "LoadBalancer";
  constexpr std::string_view kWhy = "may only be used when `type` is 'LoadBalancer'";
  const Json& ranges = ArrayAt(service, "spec.loadBalancerSourceRanges");
  if (!ranges.empty() && !balanced) errors.Forbidden("spec.LoadBalancerSourceRanges", kWhy);
  for (size_t i = 0; i < ranges.size(); ++i) {
    std::string_view range = TextAt(ranges[i], "");
    while (range.starts_with(' ')) range.remove_prefix(1);
    while (range.ends_with(' ')) range.remove_suffix(1);
    CheckCidr(range, Index("spec.LoadBalancerSourceRanges", i), errors);
  }
  const bool ports_said = Find(service, "spec.allocateLoadBalancerNodePorts") != nullptr;
  if (ports_said && !balanced) errors.Forbidden("spec.allocateLoadBalancerNodePorts", kWhy);
  if (!ports_said && balanced) errors.Required("allocateLoadBalancerNodePorts");
  if (Find(service, "spec.loadBalancerClass") == nullptr) return;
  if (balanced) {
    CheckName(TextAt(service, "spec.loadBalancerClass"), IsQualifiedName, "spec.loadBalancerClass",
              errors);
  } else {
    errors.Forbidden("spec.loadBalancerClass", kWhy);
  }
}

void ValidateTraffic(const Json& service, FieldErrors& errors) {
  constexpr std::string_view kExternal = "spec.externalTrafficPolicy";
  const std::string& external = TextAt(service, kExternal);
  if (IsExternallyAccessible(service)) {
    CheckOneOf(external, {"Cluster", "Local"}, kExternal, errors);
  } else if (!external.empty()) {
    errors.Invalid(kExternal, external, "may only be set for externally-accessible services");
  }
  constexpr std::string_view kHealth = "spec.healthCheckNodePort";
  const int64_t health = NumberAt(service, kHealth);
  if (!NeedsHealthCheckPort(service) && health != 0) {
    errors.Invalid(kHealth, health,
                   "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is "
                   "'Local'");
  } else if (health != 0) {
    CheckPort(health, kHealth, errors);
  }
  const Json* internal = Find(service, "spec.internalTrafficPolicy");
  if (internal == nullptr && HasClusterIp(service)) errors.Required("spec.internalTrafficPolicy");
  CheckOptionalOneOf(internal, {"Cluster", "Local"}, "spec.internalTrafficPolicy", errors);
  CheckOptionalOneOf(Find(service, "spec.trafficDistribution"), {"PreferClose"},
                     "spec.trafficDistribution", errors);
}

}  // namespace

void ValidateService(const Json& service, FieldErrors& errors) {
  ValidateByType(service, errors);
  ValidatePorts(service, errors);
  ValidateLabels(MapAt(service, "spec.selector"), "spec.selector", errors);
  ValidateAffinity(service, errors);
  ValidateClusterIps(service, errors);
  const Json& external = ArrayAt(service, "spec.externalIPs");
  for (size_t i = 0; i < external.size(); ++i) {
    const std::string path = Index("spec.externalIPs", i);
    const size_t before = errors.causes().size();
    CheckIp(TextAt(external[i], ""), path, errors);
    if (errors.causes().size() == before) CheckEndpointIp(TextAt(external[i], ""), path, errors);
  }
  ValidateLoadBalancing(service, errors);
  ValidateTraffic(service, errors);
}

void ValidateServiceUpdate(const Json& service, const Json& old, FieldErrors& errors) {
  const bool both = TypeOf(service) == "LoadBalancer" && TypeOf(old) == "LoadBalancer";
  if (both && TextAt(service, "spec.loadBalancerClass") != TextAt(old, "spec.loadBalancerClass")) {
    const Json* now = Find(service, "spec.loadBalancerClass");
    errors.Invalid("spec.loadBalancerClass", now != nullptr ? *now : Json(),
                   "may not change once set");
  }
  if (NeedsHealthCheckPort(service) && NeedsHealthCheckPort(old) &&
      NumberAt(service, "spec.healthCheckNodePort") != NumberAt(old, "spec.healthCheckNodePort")) {
    errors.Forbidden("spec.healthCheckNodePort", "field is immutable");
  }
  if (!HasClusterIp(service) || !HasClusterIp(old)) return;
  if (IsHeadless(service) && IsHeadless(old)) return;
  const Json& ips = ArrayAt(service, "spec.clusterIPs");
  const Json& before = ArrayAt(old, "spec.clusterIPs");
  if (ips.empty() && !before.empty()) {
    errors.Invalid("spec.clusterIPs[0]", ips, "primary clusterIP can not be unset");
  }
  for (size_t i = 0; i < ips.size() && i < before.size(); ++i) {
    if (ips[i] != before[i]) {
      errors.Invalid(Index("spec.clusterIPs", i), ips, "may not change once set");
    }
  }
  if (IsHeadless(service) != IsHeadless(old)) return;
  const Json& families = ArrayAt(service, "spec.ipFamilies");
  const Json& families_before = ArrayAt(old, "spec.ipFamilies");
  if (!families.empty() && !families_before.empty() && families[0] != families_before[0]) {
    errors.Invalid("spec.ipFamilies[0]", families, "may not change once set");
  }
}

void ValidateServiceStatusUpdate(const Json& service, const Json& old, FieldErrors& errors) {
  constexpr std::string_view kPath = "status.loadBalancer.ingress";
  const Json& ingress = ArrayAt(service, kPath);
  if (!ingress.empty() && TypeOf(service) != "LoadBalancer") {
    return errors.Forbidden(kPath, "may only be used when `spec.type` is 'LoadBalancer'");
  }
  for (size_t i = 0; i < ingress.size(); ++i) {
    const std::string path = Index(kPath, i);
    const std::string& ip = TextAt(ingress[i], "ip");
    const Json* mode = Find(ingress[i], "ipMode");
    if (!ip.empty()) CheckIp(ip, Child(path, "ip"), errors);
    if (mode != nullptr && ip.empty()) {
      errors.Forbidden(Child(path, "ipMode"), "may not be specified when `ip` is not set");
    } else {
      CheckOptionalOneOf(mode, {"Proxy", "VIP"}, Child(path, "ipMode"), errors);
    }
    const std::string& host = TextAt(ingress[i], "hostname");
    if (host.empty()) continue;
    CheckName(host, IsSubdomain, Child(path, "hostname"), errors);
    if (IsIpv4(host) || IsIpv6(host)) {
      errors.Invalid(Child(path, "hostname"), host, "must be a DNS name, not an IP address");
    }
  }
}

}  // namespace keelson::api
