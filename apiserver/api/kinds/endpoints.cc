// Endpoints, and what they became: EndpointSlice.
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr size_t kSliceEndpointsMax = 1000;
constexpr size_t kSliceAddressesMax = 100;
constexpr size_t kSlicePortsMax = 20000;
constexpr size_t kHintsMax = 8;

void SetEndpointsDefaults(Json& object) {
  for (Json* subset : ElementsAt(object, "subsets")) {
    for (Json* port : ElementsAt(*subset, "ports")) DefaultText(*port, "protocol", "TCP");
  }
}

void ValidateAddress(const Json& address, std::string_view path, FieldErrors& errors) {
  const std::string& ip = TextAt(address, "ip");
  const size_t before = errors.causes().size();
  CheckIp(ip, Child(path, "ip"), errors);
  const std::string& host = TextAt(address, "hostname");
  if (!host.empty()) CheckName(host, IsLabel, Child(path, "hostname"), errors);
  if (Find(address, "nodeName") != nullptr) {
    CheckName(TextAt(address, "nodeName"), IsSubdomain, Child(path, "nodeName"), errors);
  }
  if (errors.causes().size() == before) CheckEndpointIp(ip, Child(path, "ip"), errors);
}

void ValidateAppProtocol(const Json& port, std::string_view path, FieldErrors& errors) {
  if (Find(port, "appProtocol") == nullptr) return;
  CheckName(TextAt(port, "appProtocol"), IsQualifiedName, Child(path, "appProtocol"), errors);
}

void ValidateSubset(const Json& subset, std::string_view path, FieldErrors& errors) {
  const Json& ready = ArrayAt(subset, "addresses");
  const Json& not_ready = ArrayAt(subset, "notReadyAddresses");
  if (ready.empty() && not_ready.empty()) {
    errors.Required(path, "must specify `addresses` or `notReadyAddresses`");
  }
  for (size_t i = 0; i < ready.size(); ++i) {
    ValidateAddress(ready[i], Index(Child(path, "addresses"), i), errors);
  }
  for (size_t i = 0; i < not_ready.size(); ++i) {
    ValidateAddress(not_ready[i], Index(Child(path, "notReadyAddresses"), i), errors);
  }
  const Json& ports = ArrayAt(subset, "ports");
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string at = Index(Child(path, "ports"), i);
    const std::string& name = TextAt(ports[i], "name");
    if (!name.empty() || ports.size() > 1) {
      CheckRequiredName(name, IsLabel, Child(at, "name"), errors);
    }
    CheckPort(NumberAt(ports[i], "port"), Child(at, "port"), errors);
    CheckProtocol(TextAt(ports[i], "protocol"), Child(at, "protocol"), errors);
    ValidateAppProtocol(ports[i], at, errors);
  }
}

void ValidateEndpoints(const Json& object, FieldErrors& errors) {
  const Json& subsets = ArrayAt(object, "subsets");
  for (size_t i = 0; i < subsets.size(); ++i) {
    ValidateSubset(subsets[i], Index("subsets", i), errors);
  }
}

void PrintEndpoints(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  std::vector<std::string> places;
  for (const Json& subset : ArrayAt(object, "subsets")) {
    const Json& addresses = ArrayAt(subset, "addresses");
    const Json& ports = ArrayAt(subset, "ports");
    if (ports.empty()) {
      for (const Json& address : addresses) places.push_back(TextAt(address, "ip"));
    }
    for (const Json& port : ports) {
      for (const Json& address : addresses) {
        const std::string& ip = TextAt(address, "ip");
        const std::string host = IsIpv6(ip) ? Concat("[", ip, "]") : ip;
        places.push_back(Concat(host, ":", NumberAt(port, "port")));
      }
    }
  }
  const bool none = ArrayAt(object, "subsets").empty();
  cells->push_back(NameOf(object));
  cells->push_back(places.empty() && !none ? "" : ClippedCell(places));
  cells->push_back(AgeCell(object, context));
}

void SetSliceDefaults(Json& slice) {
  for (Json* port : ElementsAt(slice, "ports")) {
    SetDefault(*port, "name", "");
    SetDefault(*port, "protocol", "TCP");
  }
}

void ValidateSliceAddress(const std::string& address, std::string_view type, std::string_view path,
                          std::string_view list_path, FieldErrors& errors) {
  if (type == "FQDN") {
    std::string_view name = address;
    if (name.ends_with('.')) name.remove_suffix(1);
    CheckRequiredName(name, IsSubdomain, path, errors);
    if (name.find('.') == std::string_view::npos) {
      errors.Invalid(path, name, "should be a domain with at least two segments separated by dots");
    }
    return;
  }
  const size_t before = errors.causes().size();
  CheckIp(address, path, errors);
  if (errors.causes().size() > before) return;
  if (type == "IPv4" && !IsIpv4(address)) {
    errors.Invalid(list_path, address, "must be an IPv4 address");
  } else if (type == "IPv6" && !IsIpv6(address)) {
    errors.Invalid(list_path, address, "must be an IPv6 address");
  }
  CheckEndpointIp(address, path, errors);
}

void ValidateHints(const Json& hints, std::string_view path, FieldErrors& errors) {
  constexpr std::pair<std::string_view, NameCheck> kLists[] = {{"forZones", IsLabelValue},
                                                               {"forNodes", IsSubdomain}};
  for (const auto& [list, rule] : kLists) {
    const Json& names = ArrayAt(hints, list);
    const std::string at = Child(path, list);
    if (names.size() > kHintsMax) return errors.TooMany(at, names.size(), kHintsMax);
    std::set<std::string> seen;
    for (size_t i = 0; i < names.size(); ++i) {
      const std::string& name = TextAt(names[i], "name");
      if (!seen.insert(name).second) errors.Duplicate(Child(Index(at, i), "name"), name);
      CheckName(name, rule, Child(Index(at, i), "name"), errors);
    }
  }
}

void ValidateSliceEndpoint(const Json& endpoint, std::string_view type, std::string_view path,
                           FieldErrors& errors) {
  const std::string addresses_path = Child(path, "addresses");
  const Json& addresses = ArrayAt(endpoint, "addresses");
  if (addresses.empty()) {
    errors.Required(addresses_path, "must contain at least 1 address");
  } else if (addresses.size() > kSliceAddressesMax) {
    errors.TooMany(addresses_path, addresses.size(), kSliceAddressesMax);
  }
  for (size_t i = 0; i < addresses.size(); ++i) {
    ValidateSliceAddress(TextAt(addresses[i], ""), type, Index(addresses_path, i), addresses_path,
                         errors);
  }
  if (Find(endpoint, "nodeName") != nullptr) {
    CheckName(TextAt(endpoint, "nodeName"), IsSubdomain, Child(path, "nodeName"), errors);
  }
  if (Find(endpoint, "hostname") != nullptr) {
    CheckName(TextAt(endpoint, "hostname"), IsLabel, Child(path, "hostname"), errors);
  }
  ValidateHints(MapAt(endpoint, "hints"), Child(path, "hints"), errors);
}

void ValidateSlicePorts(const Json& ports, FieldErrors& errors) {
  if (ports.size() > kSlicePortsMax) {
    return errors.TooMany("ports", static_cast<int64_t>(ports.size()), kSlicePortsMax);
  }
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string path = Index("ports", i);
    const std::string& name = TextAt(ports[i], "name");
    if (!name.empty()) CheckName(name, IsLabel, Child(path, "name"), errors);
    if (!names.insert(name).second) errors.Duplicate(Child(path, "name"), name);
    CheckProtocol(TextAt(ports[i], "protocol"), Child(path, "protocol"), errors);
    ValidateAppProtocol(ports[i], path, errors);
  }
}

void ValidateSlice(const Json& slice, FieldErrors& errors) {
  const std::string& type = TextAt(slice, "addressType");
  CheckOneOf(type, {"FQDN", "IPv4", "IPv6"}, "addressType", errors);
  ValidateSlicePorts(ArrayAt(slice, "ports"), errors);
  const Json& endpoints = ArrayAt(slice, "endpoints");
  if (endpoints.size() > kSliceEndpointsMax) {
    return errors.TooMany("endpoints", static_cast<int64_t>(endpoints.size()), kSliceEndpointsMax);
  }
  for (size_t i = 0; i < endpoints.size(); ++i) {
    ValidateSliceEndpoint(endpoints[i], type, Index("endpoints", i), errors);
  }
}

void ValidateSliceUpdate(const Json& slice, const Json& old, FieldErrors& errors) {
  CheckImmutable(slice, old, "addressType", "addressType", errors);
}

std::string OrUnset(const std::vector<std::string>& texts) {
  return texts.empty() ? "<unset>" : ClippedCell(texts);
}

void PrintSlice(const Json& slice, const PrintContext& context, std::vector<Json>* cells) {
  std::vector<std::string> ports;
  for (const Json& port : ArrayAt(slice, "ports")) {
    const std::string& name = TextAt(port, "name");
    ports.push_back(Find(port, "port") != nullptr   ? Concat(NumberAt(port, "port"))
                    : Find(port, "name") != nullptr ? name
                                                    : "*");
  }
  std::vector<std::string> addresses;
  for (const Json& endpoint : ArrayAt(slice, "endpoints")) {
    for (const Json& address : ArrayAt(endpoint, "addresses")) {
      addresses.push_back(TextAt(address, ""));
    }
  }
  cells->push_back(NameOf(slice));
  cells->push_back(TextAt(slice, "addressType"));
  cells->push_back(OrUnset(ports));
  cells->push_back(OrUnset(addresses));
  cells->push_back(AgeCell(slice, context));
}

}  // namespace

const Kind& EndpointsKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Endpoints",
      .plural = "endpoints",
      .singular = "endpoints",
      .short_names = {"ep"},
      .message = "core.v1.Endpoints",
      .storage_prefix = "services/endpoints",
      .create_on_update = true,
      .set_defaults = SetEndpointsDefaults,
      .validate = ValidateEndpoints,
      .columns = {NameColumn(), {"Endpoints"}, {"Age"}},
      .print = PrintEndpoints,
  };
  return kind;
}

const Kind& EndpointSliceKind() {
  static const Kind kind = {
      .group = "discovery.k8s.io",
      .version = "v1",
      .kind = "EndpointSlice",
      .plural = "endpointslices",
      .singular = "endpointslice",
      .message = "discovery.v1.EndpointSlice",
      .storage_prefix = "endpointslices",
      .set_defaults = SetSliceDefaults,
      .validate = ValidateSlice,
      .validate_update = ValidateSliceUpdate,
      .columns = {NameColumn(), {"AddressType"}, {"Ports"}, {"Endpoints"}, {"Age"}},
      .print = PrintSlice,
  };
  return kind;
}

}  // namespace keelson::api
