// DefaultTolerationSeconds and TaintNodesByCondition: pods and nodes that are not ready.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"

namespace keelson::registry {
namespace {

using api::Json;

constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";
constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";
constexpr int64_t kSeconds = 300;

bool Tolerates(const Json& pod, std::string_view taint) {
  const Json& tolerations = api::ArrayAt(pod, "spec.tolerations");
  return std::any_of(tolerations.begin(), tolerations.end(), [taint](const Json& toleration) {
    const std::string& key = api::TextAt(toleration, "key");
    const std::string& effect = api::TextAt(toleration, "effect");
    return (key.empty() || key == taint) && (effect.empty() || effect == "NoExecute");
  });
}

class DefaultTolerationSeconds : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsPod(request) || !request.subresource.empty()) return absl::OkStatus();
    for (std::string_view taint : {kNotReady, kUnreachable}) {
      if (Tolerates(*request.object, taint)) continue;
      Json& tolerations = api::Make(*request.object, "spec.tolerations");
      if (!tolerations.is_array()) tolerations = Json::array();
      tolerations.push_back({{"key", taint},
                             {"operator", "Exists"},
                             {"effect", "NoExecute"},
                             {"tolerationSeconds", kSeconds}});
    }
    return absl::OkStatus();
  }
};

class TaintNodesByCondition : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsKind(request, "", "nodes") || !IsNew(request)) return absl::OkStatus();
    Json& taints = api::Make(*request.object, "spec.taints");
    if (!taints.is_array()) taints = Json::array();
    const bool there = std::any_of(taints.begin(), taints.end(), [](const Json& taint) {
      return api::TextAt(taint, "key") == kNotReady && api::TextAt(taint, "effect") == "NoSchedule";
    });
    if (!there) taints.push_back({{"key", kNotReady}, {"effect", "NoSchedule"}});
    return absl::OkStatus();
  }
};

}  // namespace

PluginPtr MakeDefaultTolerationSeconds() { return std::make_unique<DefaultTolerationSeconds>(); }
PluginPtr MakeTaintNodesByCondition() { return std::make_unique<TaintNodesByCondition>(); }

}  // namespace keelson::registry
