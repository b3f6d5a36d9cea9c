#include "apiserver/api/kinds/pod_spec.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "apiserver/api/kinds/containers.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/scheduling_rules.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr size_t kNameserversMax = 3;
constexpr size_t kSearchPathsMax = 32;
constexpr size_t kSearchListCharactersMax = 2048;
constexpr size_t kSysctlCharactersMax = 253;
constexpr int64_t kInt32Max = std::numeric_limits<int32_t>::max();
constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr std::string_view kDeletionCostAnnotation = "controller.kubernetes.io/pod-deletion-cost";

// The labels of a subdomain may have underscores, and all may end in a dot.
void ValidateSearchPath(std::string search, std::string_view path, FieldErrors& errors) {
  if (search == ".") return;
  if (search.ends_with('.')) search.pop_back();
  std::string plain = search;
  // An underscore may stand where a letter or a digit may, but not at an end of a label other than
  // its beginning.
  for (size_t i = 0; i < plain.size(); ++i) {
    const bool ends = i + 1 == plain.size() || plain[i + 1] == '.';
    if (plain[i] == '_' && !ends) plain[i] = 'x';
  }
  std::string why;
  if (!IsSubdomain(plain, &why)) {
    errors.Invalid(path, search,
                   "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                   "characters, '_', '-' or '.', and must start and end with an alphanumeric "
                   "character (e.g. 'example.com', regex used for validation is "
                   "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
  }
}

void ValidateDnsLists(const Json& config, std::string_view path, FieldErrors& errors) {
  const Json& servers = ArrayAt(config, "nameservers");
  const std::string servers_path = Child(path, "nameservers");
  if (servers.size() > kNameserversMax) {
    errors.Invalid(servers_path, servers,
                   Concat("must not have more than ", kNameserversMax, " nameservers"));
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    CheckIp(TextAt(servers[i], ""), Index(servers_path, i), errors);
  }
  const Json& searches = ArrayAt(config, "searches");
  const std::string searches_path = Child(path, "searches");
  size_t characters = 0;
  for (size_t i = 0; i < searches.size(); ++i) {
    const std::string& search = TextAt(searches[i], "");
    characters += search.size() + (i > 0 ? 1 : 0);
    ValidateSearchPath(search, Index(searches_path, i), errors);
  }
  if (searches.size() > kSearchPathsMax) {
    errors.Invalid(searches_path, searches,
                   Concat("must not have more than ", kSearchPathsMax, " search paths"));
  }
  if (characters > kSearchListCharactersMax) {
    errors.Invalid(searches_path, searches,
                   Concat("must not have more than ", kSearchListCharactersMax,
                          " characters (including spaces) in the search list"));
  }
  const Json& options = ArrayAt(config, "options");
  for (size_t i = 0; i < options.size(); ++i) {
    if (TextAt(options[i], "name").empty()) {
      errors.Required(Index(Child(path, "options"), i), "must not be empty");
    }
  }
}

void ValidateDns(const Json& spec, std::string_view path, FieldErrors& errors) {
  CheckOneOf(TextAt(spec, "dnsPolicy"),
             {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"},
             Child(path, "dnsPolicy"), errors);
  const std::string at = Child(path, "dnsConfig");
  const Json* config = Find(spec, "dnsConfig");
  if (TextAt(spec, "dnsPolicy") == "None") {
    if (config == nullptr) {
      return errors.Required(at, "must provide `dnsConfig` when `dnsPolicy` is None");
    }
    if (ArrayAt(*config, "nameservers").empty()) {
      return errors.Required(Child(at, "nameservers"),
                             "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
  }
  if (config != nullptr) ValidateDnsLists(*config, at, errors);
}

bool IsSysctl(std::string_view name) {
  if (name.empty() || name.size() > kSysctlCharactersMax) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto separator = [](char c) { return c == '.' || c == '/'; };
  for (size_t i = 0; i < name.size(); ++i) {
    const bool first = i == 0 || separator(name[i - 1]);
    const bool last = i + 1 == name.size() || separator(name[i + 1]);
    if (letter(name[i])) continue;
    if (separator(name[i]) ? first || last : first || last) return false;
    if (!separator(name[i]) && name[i] != '-' && name[i] != '_') return false;
  }
  return true;
}

// Sysctls of a namespace the pod shares with its node are the node's own.
void ValidateSysctlOwner(const Json& spec, std::string_view name, std::string_view path,
                         FieldErrors& errors) {
  const auto in = [name](std::string_view prefix) {
    return name.substr(0, prefix.size()) == prefix;
  };
  if (FlagAt(spec, "hostNetwork") && (in("net.") || in("net/"))) {
    errors.Invalid(path, name, "may not be specified when 'hostNetwork' is true");
  } else if (FlagAt(spec, "hostIPC") &&
             (in("kernel.shm") || in("kernel.msg") || name == "kernel.sem" || in("fs.mqueue."))) {
    errors.Invalid(path, name, "may not be specified when 'hostIPC' is true");
  }
}

void ValidateSysctls(const Json& spec, std::string_view path, FieldErrors& errors) {
  std::set<std::string> names;
  const Json& sysctls = ArrayAt(spec, "securityContext.sysctls");
  for (size_t i = 0; i < sysctls.size(); ++i) {
    const std::string& name = TextAt(sysctls[i], "name");
    const std::string at = Child(Index(path, i), "name");
    if (name.empty()) {
      errors.Required(at);
    } else if (!IsSysctl(name)) {
      errors.Invalid(at, name,
                     "must have at most 253 characters and match regex "
                     "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
    } else if (!names.insert(name).second) {
      errors.Duplicate(at, name);
    }
    ValidateSysctlOwner(spec, name, at, errors);
  }
}

void ValidatePodSecurity(const Json& spec, std::string_view path, FieldErrors& errors) {
  const Json& context = MapAt(spec, "securityContext");
  CheckBetween(NumberAt(context, "fsGroup"), 0, kInt32Max, Child(path, "fsGroup"), errors);
  ValidateUserAndGroup(context, path, errors);
  const Json& groups = ArrayAt(context, "supplementalGroups");
  for (size_t i = 0; i < groups.size(); ++i) {
    CheckBetween(NumberAt(groups[i], ""), 0, kInt32Max, Index(Child(path, "supplementalGroups"), i),
                 errors);
  }
  if (FlagAt(spec, "shareProcessNamespace") && FlagAt(spec, "hostPID")) {
    errors.Invalid(Child(path, "shareProcessNamespace"), true,
                   "ShareProcessNamespace and HostPID cannot both be enabled");
  }
  ValidateSysctls(spec, Child(path, "sysctls"), errors);
  CheckOptionalOneOf(Find(context, "fsGroupChangePolicy"), {"Always", "OnRootMismatch"},
                     Child(path, "fsGroupChangePolicy"), errors);
  ValidateSeccompProfile(Find(context, "seccompProfile"), Child(path, "seccompProfile"), errors);
  ValidateAppArmorProfile(Find(context, "appArmorProfile"), Child(path, "appArmorProfile"), errors);
  CheckOptionalOneOf(Find(context, "supplementalGroupsPolicy"), {"Merge", "Strict"},
                     Child(path, "supplementalGroupsPolicy"), errors);
  CheckOptionalOneOf(Find(context, "seLinuxChangePolicy"), {"MountOption", "Recursive"},
                     Child(path, "seLinuxChangePolicy"), errors);
}

void ValidateHostNetworkPorts(const Json& spec, std::string_view path, bool is_pod,
                              FieldErrors& errors) {
  if (!FlagAt(spec, "hostNetwork")) return;
  const Json& containers = ArrayAt(spec, "containers");
  for (size_t i = 0; i < containers.size(); ++i) {
    const std::string at = Child(Index(Child(path, "containers"), i), "ports");
    const Json& ports = ArrayAt(containers[i], "ports");
    for (size_t j = 0; j < ports.size(); ++j) {
      const int64_t host_port = NumberAt(ports[j], "hostPort");
      // In a template it may be left to the pods.
      if (host_port == 0 && !is_pod) continue;
      if (host_port == NumberAt(ports[j], "containerPort")) continue;
      errors.Invalid(Child(Index(at, j), "hostPort"), host_port,
                     "must match `containerPort` when `hostNetwork` is true");
    }
  }
}

void ValidateHostUsers(const Json& spec, std::string_view path, FieldErrors& errors) {
  if (FlagAt(spec, "hostUsers", true)) return;
  constexpr std::string_view kWhy = "when `pod.Spec.HostUsers` is false";
  if (FlagAt(spec, "hostNetwork")) errors.Forbidden(Child(path, "hostNetwork"), kWhy);
  if (FlagAt(spec, "hostPID")) errors.Forbidden(Child(path, "HostPID"), kWhy);
  if (FlagAt(spec, "hostIPC")) errors.Forbidden(Child(path, "HostIPC"), kWhy);
}

void ValidateResourceClaims(const Json& claims, std::string_view path, FieldErrors& errors) {
  std::set<std::string> names;
  for (size_t i = 0; i < claims.size(); ++i) {
    const std::string at = Index(path, i);
    const std::string& name = TextAt(claims[i], "name");
    CheckRequiredName(name, IsLabel, Child(at, "name"), errors);
    if (!names.insert(name).second) errors.Duplicate(Child(at, "name"), name);
    const bool direct = Find(claims[i], "resourceClaimName") != nullptr;
    const bool by_template = Find(claims[i], "resourceClaimTemplateName") != nullptr;
    if (direct && by_template) {
      errors.Invalid(at, claims[i],
                     "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                     "specified");
    } else if (!direct && !by_template) {
      errors.Invalid(at, claims[i],
                     "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
    }
    for (std::string_view field : {"resourceClaimName", "resourceClaimTemplateName"}) {
      if (Find(claims[i], field) == nullptr) continue;
      CheckName(TextAt(claims[i], field), IsSubdomain, Child(at, field), errors);
    }
  }
}

void ValidateGates(const Json& spec, std::string_view path, FieldErrors& errors) {
  const Json& readiness = ArrayAt(spec, "readinessGates");
  for (size_t i = 0; i < readiness.size(); ++i) {
    CheckName(TextAt(readiness[i], "conditionType"), IsQualifiedName,
              Child(Index(Child(path, "readinessGates"), i), "conditionType"), errors);
  }
  std::set<std::string> seen;
  const Json& scheduling = ArrayAt(spec, "schedulingGates");
  for (size_t i = 0; i < scheduling.size(); ++i) {
    const std::string at = Index(Child(path, "schedulingGates"), i);
    const std::string& name = TextAt(scheduling[i], "name");
    CheckName(name, IsQualifiedName, at, errors);
    if (!seen.insert(name).second) errors.Duplicate(at, name);
  }
}

void ValidateHostAliases(const Json& aliases, std::string_view path, FieldErrors& errors) {
  for (size_t i = 0; i < aliases.size(); ++i) {
    const std::string at = Index(path, i);
    CheckIp(TextAt(aliases[i], "ip"), Child(at, "ip"), errors);
    const Json& names = ArrayAt(aliases[i], "hostnames");
    for (size_t j = 0; j < names.size(); ++j) {
      CheckName(TextAt(names[j], ""), IsSubdomain, Index(Child(at, "hostnames"), j), errors);
    }
  }
}

struct NameField {
  std::string_view field;
  NameCheck rule;
};

void ValidateNames(const Json& spec, std::string_view path, FieldErrors& errors) {
  static constexpr NameField kFields[] = {
      {"serviceAccountName", IsSubdomain},
      {"nodeName", IsSubdomain},
      {"hostname", IsLabel},
      {"subdomain", IsLabel},
      {"priorityClassName", IsSubdomain},
  };
  for (const NameField& name : kFields) {
    const std::string& text = TextAt(spec, name.field);
    if (!text.empty()) CheckName(text, name.rule, Child(path, name.field), errors);
  }
  if (Find(spec, "runtimeClassName") != nullptr) {
    CheckName(TextAt(spec, "runtimeClassName"), IsSubdomain, Child(path, "runtimeClassName"),
              errors);
  }
}

// Fields that mean nothing on the system the pod is for.
void ForbidFields(const Json& object, std::initializer_list<std::string_view> fields,
                  std::string_view path, std::string_view why, FieldErrors& errors) {
  for (std::string_view field : fields) {
    const Json* value = Find(object, field);
    if (value != nullptr && *value != false) errors.Forbidden(Child(path, field), why);
  }
}

void ValidateSystem(const Json& spec, std::string_view path, FieldErrors& errors) {
  if (Find(spec, "os") == nullptr) return;
  const std::string& name = TextAt(spec, "os.name");
  if (name.empty()) return errors.Required(Child(path, "os.name"), "cannot be empty");
  const Json& context = MapAt(spec, "securityContext");
  const std::string context_path = Child(path, "securityContext");
  if (name == "linux") {
    constexpr std::string_view kWhy = "windows options cannot be set for a linux pod";
    ForbidFields(context, {"windowsOptions"}, context_path, kWhy, errors);
    VisitContainers(spec, path, [&](const Json& container, std::string_view at) {
      ForbidFields(MapAt(container, "securityContext"), {"windowsOptions"},
                   Child(at, "securityContext"), kWhy, errors);
    });
    return;
  }
  if (name != "windows") {
    return errors.NotSupported(Child(path, "os"), name, {"linux", "windows"});
  }
  constexpr std::string_view kWhy = "cannot be set for a windows pod";
  ForbidFields(spec, {"hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"}, path, kWhy,
               errors);
  ForbidFields(context,
               {"appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup",
                "fsGroupChangePolicy", "sysctls", "runAsUser", "runAsGroup", "supplementalGroups",
                "supplementalGroupsPolicy", "seLinuxChangePolicy"},
               context_path, kWhy, errors);
  VisitContainers(spec, path, [&](const Json& container, std::string_view at) {
    ForbidFields(MapAt(container, "securityContext"),
                 {"appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities",
                  "readOnlyRootFilesystem", "privileged", "allowPrivilegeEscalation", "procMount",
                  "runAsUser", "runAsGroup"},
                 Child(at, "securityContext"), kWhy, errors);
  });
}

void ValidateAnnotationsSize(const Json& annotations, std::string_view path, FieldErrors& errors) {
  constexpr int64_t kBytesMax = 256 * 1024;
  int64_t bytes = 0;
  for (const auto& [name, value] : annotations.items()) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
      return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    std::string why;
    if (!IsQualifiedName(lower, &why)) errors.Invalid(path, name, why);
    bytes += static_cast<int64_t>(name.size() + TextAt(value, "").size());
  }
  if (bytes > kBytesMax) errors.TooLong(path, kBytesMax);
}

}  // namespace

void ValidatePodSpec(const Json& spec, std::string_view path, FieldErrors& errors,
                     const PodSpecOwner& owner) {
  if (Find(spec, "terminationGracePeriodSeconds") == nullptr) {
    errors.Required(Child(path, "terminationGracePeriodSeconds"));
  }
  ValidateVolumes(ArrayAt(spec, "volumes"), Child(path, "volumes"), errors, owner);
  ValidateResourceClaims(ArrayAt(spec, "resourceClaims"), Child(path, "resourceClaims"), errors);
  ValidateContainers(spec, path, errors, owner);
  ValidateHostNetworkPorts(spec, path, owner.is_pod, errors);
  CheckOneOf(TextAt(spec, "restartPolicy"), {"Always", "OnFailure", "Never"},
             Child(path, "restartPolicy"), errors);
  ValidateLabels(MapAt(spec, "nodeSelector"), Child(path, "nodeSelector"), errors);
  ValidatePodSecurity(spec, Child(path, "securityContext"), errors);
  ValidateAffinity(MapAt(spec, "affinity"), Child(path, "affinity"), errors);
  ValidateDns(spec, path, errors);
  ValidateGates(spec, path, errors);
  ValidateTopologySpread(ArrayAt(spec, "topologySpreadConstraints"),
                         Child(path, "topologySpreadConstraints"), errors);
  ValidateHostUsers(spec, path, errors);
  ValidateNames(spec, path, errors);
  if (Find(spec, "activeDeadlineSeconds") != nullptr) {
    CheckBetween(NumberAt(spec, "activeDeadlineSeconds"), 1, kInt32Max,
                 Child(path, "activeDeadlineSeconds"), errors);
  }
  ValidateTolerations(ArrayAt(spec, "tolerations"), Child(path, "tolerations"), errors);
  ValidateHostAliases(ArrayAt(spec, "hostAliases"), Child(path, "hostAliases"), errors);
  if (Find(spec, "preemptionPolicy") != nullptr) {
    CheckOneOf(TextAt(spec, "preemptionPolicy"), {"PreemptLowerPriority", "Never"},
               Child(path, "preemptionPolicy"), errors);
  }
  if (const Json* overhead = Find(spec, "overhead")) {
    ValidateResourceRequirements(Json::object({{"limits", *overhead}}), {}, Child(path, "overhead"),
                                 errors);
  }
  ValidateSystem(spec, path, errors);
}

void ValidatePodAnnotations(const Json& annotations, const Json& spec, std::string_view path,
                            FieldErrors& errors) {
  if (const Json* mirror = Member(annotations, kMirrorAnnotation)) {
    if (TextAt(spec, "nodeName").empty()) {
      errors.Invalid(Key(path, kMirrorAnnotation), *mirror,
                     "must set spec.nodeName if mirror pod annotation is set");
    }
  }
  const Json* cost = Member(annotations, kDeletionCostAnnotation);
  if (cost == nullptr) return;
  const std::string& text = TextAt(*cost, "");
  int32_t number = 0;
  const bool padded = !text.empty() && (text[0] == '+' || text[0] == ' ' || text.back() == ' ');
  if (padded || !absl::SimpleAtoi(text, &number)) {
    errors.Invalid(Key(path, kDeletionCostAnnotation), *cost, "must be a 32bit integer");
  }
}

void ValidatePodTemplate(const Json& pod_template, std::string_view path, FieldErrors& errors) {
  const Json& spec = MapAt(pod_template, "spec");
  const Json& annotations = AnnotationsOf(pod_template);
  ValidateLabels(LabelsOf(pod_template), Child(path, "labels"), errors);
  ValidateAnnotationsSize(annotations, Child(path, "annotations"), errors);
  ValidatePodAnnotations(annotations, spec, Child(path, "annotations"), errors);
  ValidatePodSpec(spec, Child(path, "spec"), errors);
  if (!ArrayAt(spec, "ephemeralContainers").empty()) {
    errors.Forbidden(Child(path, "spec.ephemeralContainers"),
                     "ephemeral containers not allowed in pod template");
  }
}

void VisitContainers(
    const Json& spec, std::string_view path,
    const std::function<void(const Json& container, std::string_view path)>& visit) {
  for (std::string_view list : {"initContainers", "containers", "ephemeralContainers"}) {
    const Json& containers = ArrayAt(spec, list);
    for (size_t i = 0; i < containers.size(); ++i) {
      visit(containers[i], Index(Child(path, list), i));
    }
  }
}

}  // namespace keelson::api
