#include "apiserver/api/kinds/containers.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "apiserver/api/kinds/container_handlers.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kNotInEphemeral = "cannot be set for an Ephemeral Container";

// What the checks of containers know of their pod.
struct Pod {
  const Json& spec;
  const PodSpecOwner& owner;
  std::map<std::string, const Json*> volumes;
  std::set<std::string> claims;
  bool host_users;
};

Pod PodOf(const Json& spec, const PodSpecOwner& owner) {
  Pod pod{.spec = spec,
          .owner = owner,
          .volumes = {},
          .claims = {},
          .host_users = FlagAt(spec, "hostUsers", true)};
  for (const Json& volume : ArrayAt(spec, "volumes")) {
    pod.volumes.emplace(TextAt(volume, "name"), &volume);
  }
  for (const Json& claim : ArrayAt(spec, "resourceClaims")) {
    pod.claims.insert(TextAt(claim, "name"));
  }
  return pod;
}

void ValidatePorts(const Json& ports, std::string_view path, FieldErrors& errors) {
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Json& port = ports[i];
    const std::string at = Index(path, i);
    const std::string& name = TextAt(port, "name");
    if (!name.empty()) {
      CheckPortName(name, Child(at, "name"), errors);
      if (!names.insert(name).second) errors.Duplicate(Child(at, "name"), name);
    }
    if (NumberAt(port, "containerPort") == 0) {
      errors.Required(Child(at, "containerPort"));
    } else {
      CheckPort(NumberAt(port, "containerPort"), Child(at, "containerPort"), errors);
    }
    if (NumberAt(port, "hostPort") != 0) {
      CheckPort(NumberAt(port, "hostPort"), Child(at, "hostPort"), errors);
    }
    CheckProtocol(TextAt(port, "protocol"), Child(at, "protocol"), errors);
  }
}

void ValidateKeyReference(const Json& reference, std::string_view path, FieldErrors& errors) {
  CheckName(TextAt(reference, "name"), IsSubdomain, Child(path, "name"), errors);
  CheckRequiredName(TextAt(reference, "key"), IsConfigKey, Child(path, "key"), errors);
}

void ValidateValueFrom(const Json& variable, std::string_view path, FieldErrors& errors) {
  const Json* from = Find(variable, "valueFrom");
  if (from == nullptr) return;
  int sources = 0;
  if (const Json* field = Find(*from, "fieldRef")) {
    ++sources;
    ValidateFieldReference(*field, DownwardUse::kEnvironment, Child(path, "fieldRef"), errors);
  }
  if (const Json* resource = Find(*from, "resourceFieldRef")) {
    ++sources;
    ValidateResourceFieldReference(*resource, DownwardUse::kEnvironment,
                                   Child(path, "resourceFieldRef"), errors);
  }
  for (std::string_view name : {"configMapKeyRef", "secretKeyRef"}) {
    const Json* reference = Find(*from, name);
    if (reference == nullptr) continue;
    ++sources;
    ValidateKeyReference(*reference, Child(path, name), errors);
  }
  if (sources == 0) {
    errors.Invalid(path, "",
                   "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
                   "`secretKeyRef`");
  } else if (!TextAt(variable, "value").empty()) {
    errors.Invalid(path, "", "may not be specified when `value` is not empty");
  } else if (sources > 1) {
    errors.Invalid(path, "", "may not have more than one field specified at a time");
  }
}

void ValidateEnvironment(const Json& container, std::string_view path, FieldErrors& errors) {
  const Json& variables = ArrayAt(container, "env");
  for (size_t i = 0; i < variables.size(); ++i) {
    const std::string at = Index(Child(path, "env"), i);
    const std::string& name = TextAt(variables[i], "name");
    CheckRequired(name, Child(at, "name"), errors);
    CheckEnvironmentName(name, Child(at, "name"), errors);
    ValidateValueFrom(variables[i], Child(at, "valueFrom"), errors);
  }
  const std::string from_path = Child(path, "envFrom");
  const Json& sources = ArrayAt(container, "envFrom");
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string at = Index(from_path, i);
    CheckEnvironmentName(TextAt(sources[i], "prefix"), Child(at, "prefix"), errors);
    int found = 0;
    for (std::string_view name : {"configMapRef", "secretRef"}) {
      const Json* reference = Find(sources[i], name);
      if (reference == nullptr) continue;
      ++found;
      CheckRequiredName(TextAt(*reference, "name"), IsSubdomain, Child(Child(at, name), "name"),
                        errors);
    }
    if (found == 0) {
      errors.Invalid(from_path, "", "must specify one of: `configMapRef` or `secretRef`");
    } else if (found > 1) {
      errors.Invalid(from_path, "", "may not have more than one field specified at a time");
    }
  }
}

void ValidatePropagation(const Json& mount, const Json& container, std::string_view path,
                         FieldErrors& errors) {
  CheckOptionalOneOf(Find(mount, "mountPropagation"), {"Bidirectional", "HostToContainer", "None"},
                     Child(path, "mountPropagation"), errors);
  const std::string& propagation = TextAt(mount, "mountPropagation");
  if (propagation == "Bidirectional" && !FlagAt(container, "securityContext.privileged")) {
    errors.Forbidden(Child(path, "mountPropagation"),
                     "Bidirectional mount propagation is available only to privileged containers");
  }
  const std::string at = Child(path, "recursiveReadOnly");
  const Json* recursive = Find(mount, "recursiveReadOnly");
  CheckOptionalOneOf(recursive, {"Disabled", "Enabled", "IfPossible"}, at, errors);
  if (recursive == nullptr || TextAt(mount, "recursiveReadOnly") == "Disabled") return;
  if (!FlagAt(mount, "readOnly")) {
    errors.Forbidden(at, "may only be specified when readOnly is true");
  }
  if (!propagation.empty() && propagation != "None") {
    errors.Forbidden(at, "may only be specified when mountPropagation is None or not specified");
  }
}

bool HasAt(const Json& list, std::string_view field, std::string_view text) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Json& element) { return TextAt(element, field) == text; });
}

void ValidateMounts(const Json& container, const Pod& pod, std::string_view path,
                    FieldErrors& errors) {
  const Json& mounts = ArrayAt(container, "volumeMounts");
  const Json& devices = ArrayAt(container, "volumeDevices");
  std::set<std::string> places;
  for (size_t i = 0; i < mounts.size(); ++i) {
    const Json& mount = mounts[i];
    const std::string at = Index(path, i);
    const std::string& name = TextAt(mount, "name");
    const std::string& place = TextAt(mount, "mountPath");
    CheckRequired(name, Child(at, "name"), errors);
    if (!pod.volumes.contains(name)) errors.NotFound(Child(at, "name"), name);
    CheckRequired(place, Child(at, "mountPath"), errors);
    if (!places.insert(place).second) {
      errors.Invalid(Child(at, "mountPath"), place, "must be unique");
    }
    if (HasAt(devices, "name", name)) {
      errors.Invalid(Child(at, "name"), name, "must not already exist in volumeDevices");
    }
    if (HasAt(devices, "devicePath", place)) {
      errors.Invalid(Child(at, "mountPath"), place,
                     "must not already exist as a path in volumeDevices");
    }
    const std::string& sub_path = TextAt(mount, "subPath");
    const std::string& expression = TextAt(mount, "subPathExpr");
    CheckDescendingPath(sub_path, Child(path, "subPath"), errors);
    if (!sub_path.empty() && !expression.empty()) {
      errors.Invalid(Child(at, "subPathExpr"), expression,
                     "subPathExpr and subPath are mutually exclusive");
    }
    CheckDescendingPath(expression, Child(path, "subPathExpr"), errors);
    ValidatePropagation(mount, container, path, errors);
  }
}

void ValidateDevices(const Json& container, const Pod& pod, std::string_view path,
                     FieldErrors& errors) {
  const Json& mounts = ArrayAt(container, "volumeMounts");
  const Json& devices = ArrayAt(container, "volumeDevices");
  std::set<std::string> names;
  std::set<std::string> places;
  for (size_t i = 0; i < devices.size(); ++i) {
    const std::string name_path = Child(Index(path, i), "name");
    const std::string place_path = Child(Index(path, i), "devicePath");
    const std::string& name = TextAt(devices[i], "name");
    const std::string& place = TextAt(devices[i], "devicePath");
    CheckRequired(name, name_path, errors);
    if (!names.insert(name).second) errors.Invalid(name_path, name, "must be unique");
    const auto volume = pod.volumes.find(name);
    if (volume == pod.volumes.end()) {
      errors.NotFound(name_path, name);
    } else if (Find(*volume->second, "persistentVolumeClaim") == nullptr &&
               Find(*volume->second, "ephemeral") == nullptr) {
      errors.Invalid(name_path, name,
                     "can only use volume source type of PersistentVolumeClaim or Ephemeral for "
                     "block mode");
    }
    CheckRequired(place, place_path, errors);
    if (!places.insert(place).second) errors.Invalid(place_path, place, "must be unique");
    if (HasBackstep(place)) {
      errors.Invalid(place_path, place, "can not contain backsteps ('..')");
    }
    if (HasAt(mounts, "name", name)) {
      errors.Invalid(name_path, name, "must not already exist in volumeMounts");
    }
    if (HasAt(mounts, "mountPath", place)) {
      errors.Invalid(place_path, place, "must not already exist as a path in volumeMounts");
    }
  }
}

void ValidateResizePolicy(const Json& policies, const Pod& pod, std::string_view path,
                          FieldErrors& errors) {
  std::set<std::string> resources;
  for (size_t i = 0; i < policies.size(); ++i) {
    const std::string& resource = TextAt(policies[i], "resourceName");
    const std::string& restart = TextAt(policies[i], "restartPolicy");
    if (!resources.insert(resource).second) errors.Duplicate(Index(path, i), resource);
    CheckOneOf(resource, {"cpu", "memory"}, path, errors);
    CheckOneOf(restart, {"NotRequired", "RestartContainer"}, path, errors);
    if (TextAt(pod.spec, "restartPolicy") == "Never" && restart != "NotRequired") {
      errors.Invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
  }
}

void ValidateImage(const Json& container, const Pod& pod, std::string_view path,
                   FieldErrors& errors) {
  const std::string& image = TextAt(container, "image");
  CheckRequired(image, Child(path, "image"), errors);
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  if (pod.owner.is_pod && !image.empty() && (is_space(image.front()) || is_space(image.back()))) {
    errors.Invalid(Child(path, "image"), image, "must not have leading or trailing whitespace");
  }
}

// What containers of all lists are checked for.
void ValidateContainer(const Json& container, const Pod& pod, std::string_view path,
                       FieldErrors& errors) {
  CheckRequiredName(TextAt(container, "name"), IsLabel, Child(path, "name"), errors);
  ValidateImage(container, pod, path, errors);
  CheckOneOf(TextAt(container, "terminationMessagePolicy"), {"File", "FallbackToLogsOnError"},
             Child(path, "terminationMessagePolicy"), errors);
  ValidatePorts(ArrayAt(container, "ports"), Child(path, "ports"), errors);
  ValidateEnvironment(container, path, errors);
  ValidateMounts(container, pod, Child(path, "volumeMounts"), errors);
  ValidateDevices(container, pod, Child(path, "volumeDevices"), errors);
  CheckOneOf(TextAt(container, "imagePullPolicy"), {"Always", "IfNotPresent", "Never"},
             Child(path, "imagePullPolicy"), errors);
  ValidateResourceRequirements(MapAt(container, "resources"), pod.claims, Child(path, "resources"),
                               errors);
  ValidateResizePolicy(ArrayAt(container, "resizePolicy"), pod, Child(path, "resizePolicy"),
                       errors);
  if (const Json* context = Find(container, "securityContext")) {
    ValidateSecurityContext(*context, pod.host_users, Child(path, "securityContext"), errors);
  }
}

using HostPorts = std::set<std::string>;

void TakeHostPorts(const Json& container, HostPorts& taken, std::string_view path,
                   FieldErrors& errors) {
  const Json& ports = ArrayAt(container, "ports");
  for (size_t i = 0; i < ports.size(); ++i) {
    const int64_t port = NumberAt(ports[i], "hostPort");
    if (port == 0) continue;
    const std::string text =
        Concat(TextAt(ports[i], "protocol"), "/", TextAt(ports[i], "hostIP"), "/", port);
    if (!taken.insert(text).second) {
      errors.Duplicate(Child(Index(Child(path, "ports"), i), "hostPort"), text);
    }
  }
}

void ValidateInitContainers(const Pod& pod, std::string_view path, FieldErrors& errors) {
  const Json& containers = ArrayAt(pod.spec, "initContainers");
  std::set<std::string> names;
  for (const Json& container : ArrayAt(pod.spec, "containers")) {
    names.insert(TextAt(container, "name"));
  }
  for (size_t i = 0; i < containers.size(); ++i) {
    const Json& container = containers[i];
    const std::string at = Index(path, i);
    ValidateContainer(container, pod, at, errors);
    CheckOptionalOneOf(Find(container, "restartPolicy"), {"Always"}, Child(at, "restartPolicy"),
                       errors);
    const std::string& name = TextAt(container, "name");
    if (!name.empty() && !names.insert(name).second) errors.Duplicate(Child(at, "name"), name);
    HostPorts ports;  // they run one by one
    TakeHostPorts(container, ports, at, errors);
    if (TextAt(container, "restartPolicy") == "Always") {
      ValidateHandlers(container, pod.spec, at, errors);
      continue;
    }
    for (std::string_view field :
         {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"}) {
      if (Find(container, field) != nullptr) {
        errors.Forbidden(Child(at, field),
                         "may not be set for init containers without restartPolicy=Always");
      }
    }
  }
}

void ValidateRegularContainers(const Pod& pod, std::string_view path, FieldErrors& errors) {
  const Json& containers = ArrayAt(pod.spec, "containers");
  if (containers.empty()) return errors.Required(path);
  std::set<std::string> names;
  HostPorts ports;
  for (size_t i = 0; i < containers.size(); ++i) {
    const std::string at = Index(path, i);
    const std::string& name = TextAt(containers[i], "name");
    ValidateContainer(containers[i], pod, at, errors);
    if (!names.insert(name).second) errors.Duplicate(Child(at, "name"), name);
    ValidateHandlers(containers[i], pod.spec, at, errors);
    if (Find(containers[i], "restartPolicy") != nullptr) {
      errors.Forbidden(Child(at, "restartPolicy"), "may not be set for non-init containers");
    }
    TakeHostPorts(containers[i], ports, at, errors);
  }
}

void ValidateEphemeralContainer(const Json& container, const std::set<std::string>& targets,
                                std::string_view path, FieldErrors& errors) {
  const std::string& target = TextAt(container, "targetContainerName");
  if (!target.empty() && !targets.contains(target)) {
    errors.NotFound(Child(path, "targetContainerName"), target);
  }
  for (std::string_view field : {"ports", "resources", "resizePolicy", "restartPolicy",
                                 "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"}) {
    // An empty {resources} is what everybody is defaulted to.
    if (!MeansTheSame(Find(container, field), nullptr)) {
      errors.Forbidden(Child(path, field), kNotInEphemeral);
    }
  }
  const Json& mounts = ArrayAt(container, "volumeMounts");
  for (size_t i = 0; i < mounts.size(); ++i) {
    for (std::string_view field : {"subPath", "subPathExpr"}) {
      if (TextAt(mounts[i], field).empty()) continue;
      errors.Forbidden(Child(Index(Child(path, "volumeMounts"), i), field), kNotInEphemeral);
    }
  }
}

void ValidateEphemeralContainers(const Pod& pod, std::string_view path, FieldErrors& errors) {
  std::set<std::string> targets;
  for (std::string_view list : {"containers", "initContainers"}) {
    for (const Json& container : ArrayAt(pod.spec, list)) targets.insert(TextAt(container, "name"));
  }
  std::set<std::string> names = targets;
  const Json& containers = ArrayAt(pod.spec, "ephemeralContainers");
  for (size_t i = 0; i < containers.size(); ++i) {
    const std::string at = Index(path, i);
    ValidateContainer(containers[i], pod, at, errors);
    const std::string& name = TextAt(containers[i], "name");
    if (!names.insert(name).second) errors.Duplicate(Child(at, "name"), name);
    ValidateEphemeralContainer(containers[i], targets, at, errors);
  }
}

}  // namespace

void ValidateContainers(const Json& spec, std::string_view path, FieldErrors& errors,
                        const PodSpecOwner& owner) {
  const Pod pod = PodOf(spec, owner);
  ValidateRegularContainers(pod, Child(path, "containers"), errors);
  ValidateInitContainers(pod, Child(path, "initContainers"), errors);
  ValidateEphemeralContainers(pod, Child(path, "ephemeralContainers"), errors);
}

}  // namespace keelson::api
