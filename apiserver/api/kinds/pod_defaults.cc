// Defaults of pods and pod templates.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr int64_t kGraceSeconds = 30;

void SetHttpGetDefaults(Json& handler) {
  Json* get = Find(handler, "httpGet");
  if (get == nullptr) return;
  DefaultText(*get, "path", "/");
  DefaultText(*get, "scheme", "HTTP");
}

void SetProbeDefaults(Json& container, std::string_view name) {
  Json* probe = Find(container, name);
  if (probe == nullptr) return;
  DefaultNumber(*probe, "timeoutSeconds", 1);
  DefaultNumber(*probe, "periodSeconds", 10);
  DefaultNumber(*probe, "successThreshold", 1);
  DefaultNumber(*probe, "failureThreshold", 3);
  SetHttpGetDefaults(*probe);
  if (Json* grpc = Find(*probe, "grpc")) SetDefault(*grpc, "service", "");
}

void SetContainerDefaults(Json& container) {
  SetDefault(container, "resources", Json::object());
  DefaultText(container, "imagePullPolicy", DefaultPullPolicy(TextAt(container, "image")));
  DefaultText(container, "terminationMessagePath", "/dev/termination-log");
  DefaultText(container, "terminationMessagePolicy", "File");
  for (Json* port : ElementsAt(container, "ports")) DefaultText(*port, "protocol", "TCP");
  for (Json* variable : ElementsAt(container, "env")) {
    if (Json* field = Find(*variable, "valueFrom.fieldRef")) {
      DefaultText(*field, "apiVersion", "v1");
    }
  }
  for (std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    SetProbeDefaults(container, probe);
  }
  for (std::string_view hook : {"lifecycle.postStart", "lifecycle.preStop"}) {
    if (Json* handler = Find(container, hook)) SetHttpGetDefaults(*handler);
  }
}

}  // namespace

std::string_view DefaultPullPolicy(std::string_view image) {
  const std::string_view name = image.substr(0, image.find('@'));
  const size_t slash = name.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? name : name.substr(slash + 1);
  const size_t colon = last.find(':');
  const bool digest = name.size() < image.size();
  const std::string_view tag = colon != std::string_view::npos ? last.substr(colon + 1)
                               : digest                        ? ""
                                                               : "latest";
  return !image.empty() && tag == "latest" ? "Always" : "IfNotPresent";
}

void SetPodTemplateDefaults(Json& pod_template) {
  Json& spec = Make(pod_template, "spec");
  DefaultText(spec, "dnsPolicy", "ClusterFirst");
  DefaultText(spec, "restartPolicy", "Always");
  DefaultText(spec, "schedulerName", "default-scheduler");
  SetDefault(spec, "terminationGracePeriodSeconds", kGraceSeconds);
  SetDefault(spec, "securityContext", Json::object());
  // serviceAccount is the old name of serviceAccountName, and says the same.
  if (TextAt(spec, "serviceAccountName").empty() && !TextAt(spec, "serviceAccount").empty()) {
    spec["serviceAccountName"] = TextAt(spec, "serviceAccount");
  }
  if (!TextAt(spec, "serviceAccountName").empty()) {
    spec["serviceAccount"] = TextAt(spec, "serviceAccountName");
  }
  for (Json* volume : ElementsAt(spec, "volumes")) SetVolumeDefaults(*volume);
  for (std::string_view list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (Json* container : ElementsAt(spec, list)) SetContainerDefaults(*container);
  }
}

}  // namespace keelson::api
