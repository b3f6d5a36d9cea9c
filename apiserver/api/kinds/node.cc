// Node.
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void SetDefaults(Json& node) {
  if (const Json* capacity = Find(node, "status.capacity")) {
    SetDefault(node, "status.allocatable", *capacity);
  }
  // podCIDR is the first of podCIDRs.
  const std::string range = TextAt(node, "spec.podCIDR");
  const Json& ranges = ArrayAt(node, "spec.podCIDRs");
  if (!range.empty() && (ranges.empty() || ranges[0] != range)) {
    node["spec"]["podCIDRs"] = Json::array({range});
  } else if (range.empty() && !ranges.empty()) {
    node["spec"]["podCIDR"] = TextAt(ranges[0], "");
  }
}

void ValidateTaints(const Json& taints, std::string_view path, FieldErrors& errors) {
  std::set<std::pair<std::string, std::string>> seen;
  for (size_t i = 0; i < taints.size(); ++i) {
    const std::string at = Index(path, i);
    const std::string& key = TextAt(taints[i], "key");
    const std::string& effect = TextAt(taints[i], "effect");
    CheckName(key, IsQualifiedName, Child(at, "key"), errors);
    CheckName(TextAt(taints[i], "value"), IsLabelValue, Child(at, "value"), errors);
    ValidateTaintEffect(effect, Child(at, "effect"), errors);
    if (!seen.emplace(key, effect).second) errors.Duplicate(at, taints[i]);
  }
}

void ValidateAmounts(const Json& node, FieldErrors& errors) {
  for (std::string_view field : {"status.capacity", "status.allocatable"}) {
    for (const auto& [name, amount] : MapAt(node, field).items()) {
      ValidateResourceAmount(name, amount, Child(field, name), errors);
    }
  }
}

void ValidateRanges(const Json& node, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.podCIDRs";
  const Json& ranges = ArrayAt(node, kPath);
  size_t six = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const std::string& range = TextAt(ranges[i], "");
    CheckCidr(range, Index(kPath, i), errors);
    if (range.find(':') != std::string::npos) ++six;
  }
  if (ranges.size() > 2 || (ranges.size() == 2 && six != 1)) {
    errors.Invalid(kPath, ranges, "may specify no more than one CIDR for each IP family");
  }
}

void Validate(const Json& node, FieldErrors& errors) {
  ValidateTaints(ArrayAt(node, "spec.taints"), "metadata.taints", errors);
  ValidateAmounts(node, errors);
  ValidateRanges(node, errors);
}

void ValidateUpdate(const Json& node, const Json& old, FieldErrors& errors) {
  const Json& before = ArrayAt(old, "spec.podCIDRs");
  if (!before.empty() && ArrayAt(node, "spec.podCIDRs") != before) {
    errors.Forbidden("spec.podCIDRs",
                     "node updates may not change podCIDR except from \"\" to valid");
  }
  const std::string& provider = TextAt(old, "spec.providerID");
  if (!provider.empty() && TextAt(node, "spec.providerID") != provider) {
    errors.Forbidden("spec.providerID",
                     "node updates may not change providerID except from \"\" to valid");
  }
}

void ValidateStatusUpdate(const Json& node, const Json& old, FieldErrors& errors) {
  ValidateAmounts(node, errors);
  const Json& addresses = ArrayAt(node, "status.addresses");
  for (size_t i = 0; i < addresses.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (addresses[j] != addresses[i]) continue;
      errors.Duplicate(Index("status.addresses", i), addresses[i]);
      break;
    }
  }
}

std::string StatusCell(const Json& node) {
  const Json* ready = FindCondition(node, "Ready");
  std::string cell = ready == nullptr                     ? "Unknown"
                     : TextAt(*ready, "status") == "True" ? "Ready"
                                                          : "NotReady";
  if (FlagAt(node, "spec.unschedulable")) cell += ",SchedulingDisabled";
  return cell;
}

std::string RolesCell(const Json& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& [name, value] : LabelsOf(node).items()) {
    if (name.starts_with(kPrefix) && name.size() > kPrefix.size()) {
      roles.insert(name.substr(kPrefix.size()));
    } else if (name == "kubernetes.io/role" && value.is_string() && value != "") {
      roles.insert(value.get<std::string>());
    }
  }
  return ClippedCell({roles.begin(), roles.end()}, roles.size());
}

std::string AddressCell(const Json& node, std::string_view type) {
  for (const Json& address : ArrayAt(node, "status.addresses")) {
    if (TextAt(address, "type") == type) return TextAt(address, "address");
  }
  return OrNone("");
}

std::string OrUnknown(const std::string& text) { return text.empty() ? "<unknown>" : text; }

void Print(const Json& node, const PrintContext& context, std::vector<Json>* cells) {
  const Json& info = MapAt(node, "status.nodeInfo");
  cells->push_back(NameOf(node));
  cells->push_back(StatusCell(node));
  cells->push_back(RolesCell(node));
  cells->push_back(AgeCell(node, context));
  cells->push_back(TextAt(info, "kubeletVersion"));
  cells->push_back(AddressCell(node, "InternalIP"));
  cells->push_back(AddressCell(node, "ExternalIP"));
  cells->push_back(OrUnknown(TextAt(info, "osImage")));
  cells->push_back(OrUnknown(TextAt(info, "kernelVersion")));
  cells->push_back(OrUnknown(TextAt(info, "containerRuntimeVersion")));
}

}  // namespace

const Kind& NodeKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Node",
      .plural = "nodes",
      .singular = "node",
      .short_names = {"no"},
      .namespaced = false,
      .message = "core.v1.Node",
      .storage_prefix = "minions",
      .subresources = {{"status", {"get", "patch", "update"}}},
      .has_status = true,
      .status_at_creation = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateStatusUpdate,
      .columns = {NameColumn(),
                  {"Status"},
                  {"Roles"},
                  {"Age"},
                  {"Version"},
                  {"Internal-IP", "string", "", "", 1},
                  {"External-IP", "string", "", "", 1},
                  {"OS-Image", "string", "", "", 1},
                  {"Kernel-Version", "string", "", "", 1},
                  {"Container-Runtime", "string", "", "", 1}},
      .print = Print,
      .field_labels = {{"spec.unschedulable", "spec.unschedulable", "false"}},
  };
  return kind;
}

}  // namespace keelson::api
