#include "apiserver/api/kinds/service.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kAffinitySeconds = 10800;
constexpr size_t kLoadBalancerWidth = 16;

void SetServiceDefaults(Json& service) {
  Json& spec = Make(service, "spec");
  DefaultText(spec, "sessionAffinity", "None");
  if (TextAt(spec, "sessionAffinity") == "None") Erase(spec, "sessionAffinityConfig");
  if (TextAt(spec, "sessionAffinity") == "ClientIP") {
    SetDefault(spec, "sessionAffinityConfig.clientIP.timeoutSeconds", kAffinitySeconds);
  }
  DefaultText(spec, "type", "ClusterIP");
  for (Json* port : ElementsAt(spec, "ports")) {
    DefaultText(*port, "protocol", "TCP");
    const Json* target = Find(*port, "targetPort");
    if (target == nullptr || *target == 0 || *target == "") {
      (*port)["targetPort"] = NumberAt(*port, "port");
    }
  }
  if (IsExternallyAccessible(service)) DefaultText(spec, "externalTrafficPolicy", "Cluster");
  const std::string& type = TextAt(spec, "type");
  if (type == "ClusterIP" || type == "NodePort" || type == "LoadBalancer") {
    SetDefault(spec, "internalTrafficPolicy", "Cluster");
  }
  if (type != "LoadBalancer") return;
  SetDefault(spec, "allocateLoadBalancerNodePorts", true);
  for (Json* ingress : ElementsAt(service, "status.loadBalancer.ingress")) {
    if (!TextAt(*ingress, "ip").empty()) SetDefault(*ingress, "ipMode", "VIP");
  }
}

void PrepareCreate(Json& service) {
  service["status"] = Json::object({{"loadBalancer", Json::object()}});
  NormalizeService(service, nullptr);
}

void PrepareUpdate(Json& service, const Json& old) { NormalizeService(service, &old); }

std::string LoadBalancerCell(const Json& service, bool wide) {
  std::set<std::string> places;
  for (const Json& ingress : ArrayAt(service, "status.loadBalancer.ingress")) {
    const std::string& ip = TextAt(ingress, "ip");
    const std::string& place = ip.empty() ? TextAt(ingress, "hostname") : ip;
    if (!place.empty()) places.insert(place);
  }
  std::string cell;
  for (const std::string& place : places) Append(&cell, cell.empty() ? "" : ",", place);
  if (!wide && cell.size() > kLoadBalancerWidth) {
    cell = Concat(cell.substr(0, kLoadBalancerWidth - 3), "...");
  }
  return cell;
}

std::string ExternalIpCell(const Json& service, bool wide) {
  const std::string& type = TextAt(service, "spec.type");
  const Json& external = ArrayAt(service, "spec.externalIPs");
  if (type == "ClusterIP" || type == "NodePort") return ListCell(external);
  if (type == "ExternalName") return TextAt(service, "spec.externalName");
  if (type != "LoadBalancer") return "<unknown>";
  const std::string balanced = LoadBalancerCell(service, wide);
  if (external.empty()) return balanced.empty() ? "<pending>" : balanced;
  return Concat(balanced, balanced.empty() ? "" : ",", ListCell(external));
}

std::string PortsCell(const Json& service) {
  std::vector<std::string> cells;
  for (const Json& port : ArrayAt(service, "spec.ports")) {
    const int64_t on_nodes = NumberAt(port, "nodePort");
    const std::string& protocol = TextAt(port, "protocol");
    cells.push_back(on_nodes > 0 ? Concat(NumberAt(port, "port"), ":", on_nodes, "/", protocol)
                                 : Concat(NumberAt(port, "port"), "/", protocol));
  }
  return ClippedCell(cells, cells.size());
}

void Print(const Json& service, const PrintContext& context, std::vector<Json>* cells) {
  const Json& ips = ArrayAt(service, "spec.clusterIPs");
  cells->push_back(NameOf(service));
  cells->push_back(TextAt(service, "spec.type"));
  cells->push_back(ips.empty() ? OrNone("") : TextAt(ips[0], ""));
  cells->push_back(ExternalIpCell(service, context.wide));
  cells->push_back(PortsCell(service));
  cells->push_back(AgeCell(service, context));
  cells->push_back(LabelsCell(MapAt(service, "spec.selector")));
}

}  // namespace

const Kind& ServiceKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Service",
      .plural = "services",
      .singular = "service",
      .short_names = {"svc"},
      .categories = {"all"},
      .message = "core.v1.Service",
      .storage_prefix = "services/specs",
      .subresources = {{"status", {"get", "patch", "update"}}},
      .name_rule = NameRule::kLabel1035,
      .has_status = true,
      .create_on_update = true,
      .set_defaults = SetServiceDefaults,
      .prepare_create = PrepareCreate,
      .prepare_update = PrepareUpdate,
      .validate = ValidateService,
      .validate_update = ValidateServiceUpdate,
      .validate_status_update = ValidateServiceStatusUpdate,
      .columns = {NameColumn(),
                  {"Type"},
                  {"Cluster-IP"},
                  {"External-IP"},
                  {"Port(s)"},
                  {"Age"},
                  {"Selector", "string", "", "", 1}},
      .print = Print,
      .field_labels = {{"spec.clusterIP", "spec.clusterIP"}, {"spec.type", "spec.type"}},
  };
  return kind;
}

}  // namespace keelson::api
