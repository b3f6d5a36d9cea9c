// Ingress.
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// How classes were chosen before there was spec.ingressClassName.
constexpr const char* kClassAnnotation = "kubernetes.io/ingress.class";
constexpr size_t kHostsShown = 3;

bool IsIp(std::string_view text) { return IsIpv4(text) || IsIpv6(text); }

// "example.com", or "*.example.com" for all that are one label longer.
void CheckHost(const std::string& host, std::string_view path, FieldErrors& errors) {
  if (host.find('*') == std::string::npos) return CheckName(host, IsSubdomain, path, errors);
  std::string why;
  if (host.starts_with("*.") && IsSubdomain(host.substr(2), &why)) return;
  errors.Invalid(path, host,
                 "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
                 "subdomain, which must consist of lower case alphanumeric characters, '-' or '.' "
                 "and end with an alphanumeric character (e.g. '*.example.com', regex used for "
                 "validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*"
                 "[a-z0-9])?)*')");
}

void ValidateService(const Json& service, std::string_view path, FieldErrors& errors) {
  CheckRequiredName(TextAt(service, "name"), IsLabel1035, Child(path, "service.name"), errors);
  const std::string& port_name = TextAt(service, "port.name");
  const int64_t port = NumberAt(service, "port.number");
  if (!port_name.empty() && port != 0) {
    errors.Invalid(path, "", "cannot set both port name & port number");
  } else if (!port_name.empty()) {
    CheckPortName(port_name, Child(path, "service.port.name"), errors);
  } else if (port != 0) {
    CheckPort(port, Child(path, "service.port.number"), errors);
  } else {
    errors.Required(path, "port name or number is required");
  }
}

void ValidateBackend(const Json& backend, std::string_view path, FieldErrors& errors) {
  const Json* resource = Find(backend, "resource");
  const Json* service = Find(backend, "service");
  if (resource != nullptr && service != nullptr) {
    errors.Invalid(path, "", "cannot set both resource and service backends");
  } else if (resource != nullptr) {
    ValidateTypedReference(*resource, Child(path, "resource"), errors);
  } else if (service != nullptr) {
    ValidateService(*service, path, errors);
  } else {
    errors.Invalid(path, "", "resource or service backend is required");
  }
}

void ValidatePath(const Json& rule, std::string_view path, FieldErrors& errors) {
  const std::string& type = TextAt(rule, "pathType");
  const std::string& url_path = TextAt(rule, "path");
  const std::string at = Child(path, "path");
  if (Find(rule, "pathType") == nullptr) {
    return errors.Required(Child(path, "pathType"), "pathType must be specified");
  }
  if (type == "Exact" || type == "Prefix") {
    if (!url_path.starts_with('/')) errors.Invalid(at, url_path, "must be an absolute path");
    for (std::string_view part : {"//", "/./", "/../", "%2f", "%2F"}) {
      if (url_path.find(part) != std::string::npos) {
        errors.Invalid(at, url_path, Concat("must not contain '", part, "'"));
      }
    }
    for (std::string_view end : {"/..", "/."}) {
      if (url_path.ends_with(end)) {
        errors.Invalid(at, url_path, Concat("cannot end with '", end, "'"));
      }
    }
  } else if (type == "ImplementationSpecific") {
    if (!url_path.empty() && !url_path.starts_with('/')) {
      errors.Invalid(at, url_path, "must be an absolute path");
    }
  } else {
    errors.NotSupported(Child(path, "pathType"), type,
                        {"Exact", "ImplementationSpecific", "Prefix"});
  }
  ValidateBackend(MapAt(rule, "backend"), Child(path, "backend"), errors);
}

void ValidateRule(const Json& rule, std::string_view path, FieldErrors& errors) {
  const std::string& host = TextAt(rule, "host");
  if (IsIp(host)) {
    errors.Invalid(Child(path, "host"), host, "must be a DNS name, not an IP address");
  }
  if (!host.empty()) CheckHost(host, Child(path, "host"), errors);
  if (Find(rule, "http") == nullptr) return;
  const std::string paths_path = Child(path, "http.paths");
  const Json& paths = ArrayAt(rule, "http.paths");
  if (paths.empty()) errors.Required(paths_path);
  for (size_t i = 0; i < paths.size(); ++i) ValidatePath(paths[i], Index(paths_path, i), errors);
}

void ValidateTls(const Json& tls, std::string_view path, FieldErrors& errors) {
  const Json& hosts = ArrayAt(tls, "hosts");
  for (size_t i = 0; i < hosts.size(); ++i) {
    CheckHost(TextAt(hosts[i], ""), Index(Child(path, "hosts"), i), errors);
  }
  const std::string& secret = TextAt(tls, "secretName");
  if (!secret.empty()) CheckName(secret, IsSubdomain, Child(path, "secretName"), errors);
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  const Json& rules = ArrayAt(spec, "rules");
  const Json* backend = Find(spec, "defaultBackend");
  if (rules.empty() && backend == nullptr) {
    errors.Invalid("spec", rules, "either `defaultBackend` or `rules` must be specified");
  }
  if (backend != nullptr) ValidateBackend(*backend, "spec.defaultBackend", errors);
  for (size_t i = 0; i < rules.size(); ++i) {
    ValidateRule(rules[i], Index("spec.rules", i), errors);
  }
  const Json& tls = ArrayAt(spec, "tls");
  for (size_t i = 0; i < tls.size(); ++i) ValidateTls(tls[i], Index("spec.tls", i), errors);
  if (Find(spec, "ingressClassName") == nullptr) return;
  CheckName(TextAt(spec, "ingressClassName"), IsSubdomain, "spec.ingressClassName", errors);
}

// An object from before may say two things; a new one says one.
void ValidateCreate(const Json& object, FieldErrors& errors) {
  const Json* name = Find(object, "spec.ingressClassName");
  const Json* annotation = Member(AnnotationsOf(object), kClassAnnotation);
  if (name != nullptr && annotation != nullptr && *annotation != *name) {
    errors.Invalid(Child("annotations", kClassAnnotation), *annotation,
                   "must match `ingressClassName` when both are specified");
  }
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& points = ArrayAt(object, "status.loadBalancer.ingress");
  for (size_t i = 0; i < points.size(); ++i) {
    const std::string at = Index("status.loadBalancer.ingress", i);
    const std::string& ip = TextAt(points[i], "ip");
    const std::string& host = TextAt(points[i], "hostname");
    if (!ip.empty()) CheckIp(ip, Child(at, "ip"), errors);
    if (host.empty()) continue;
    CheckName(host, IsSubdomain, Child(at, "hostname"), errors);
    if (IsIp(host)) {
      errors.Invalid(Child(at, "hostname"), host, "must be a DNS name, not an IP address");
    }
  }
}

void PrepareCreate(Json& object) { Make(object, "status.loadBalancer") = Json::object(); }

std::string HostsCell(const Json& rules) {
  std::string cell;
  size_t shown = 0;
  bool more = false;
  for (const Json& rule : rules) {
    more = more || shown == kHostsShown;
    const std::string& host = TextAt(rule, "host");
    if (more || host.empty()) continue;
    Append(&cell, shown++ == 0 ? "" : ",", host);
  }
  if (shown == 0) return "*";
  return more ? Concat(cell, " + ", rules.size() - kHostsShown, " more...") : cell;
}

std::string AddressCell(const Json& points) {
  std::set<std::string> addresses;
  for (const Json& point : points) {
    const std::string& ip = TextAt(point, "ip");
    const std::string& address = ip.empty() ? TextAt(point, "hostname") : ip;
    if (!address.empty()) addresses.insert(address);
  }
  std::string cell;
  for (const std::string& address : addresses) Append(&cell, cell.empty() ? "" : ",", address);
  return cell;
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json& spec = MapAt(object, "spec");
  cells->push_back(NameOf(object));
  cells->push_back(Find(spec, "ingressClassName") == nullptr ? "<none>"
                                                             : TextAt(spec, "ingressClassName"));
  cells->push_back(HostsCell(ArrayAt(spec, "rules")));
  cells->push_back(AddressCell(ArrayAt(object, "status.loadBalancer.ingress")));
  cells->push_back(ArrayAt(spec, "tls").empty() ? "80" : "80, 443");
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& IngressKind() {
  static const Kind kind = {
      .group = "networking.k8s.io",
      .version = "v1",
      .kind = "Ingress",
      .plural = "ingresses",
      .singular = "ingress",
      .short_names = {"ing"},
      .message = "networking.v1.Ingress",
      .storage_prefix = "ingress",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .has_generation = true,
      .prepare_create = PrepareCreate,
      .validate = Validate,
      .validate_create = ValidateCreate,
      .validate_status_update = ValidateStatus,
      .columns = {NameColumn(), {"Class"}, {"Hosts"}, {"Address"}, {"Ports"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
