// Pods and what pods are made from, for all kinds that hold a pod template.
#ifndef KEELSON_APISERVER_API_KINDS_POD_SPEC_H_
#define KEELSON_APISERVER_API_KINDS_POD_SPEC_H_

#include <functional>
#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// Where a pod spec stands.
struct PodSpecOwner {
  bool is_pod = false;             // not a template of pods
  std::string_view pod_name = {};  // names claims of ephemeral volumes
};

// What a template and a pod have in common; Pod alone gets more (requests from limits, service
// links).
void SetPodTemplateDefaults(Json& pod_template);
// {metadata, spec} at `path`. restartPolicy is left to the caller: Always, but for jobs.
void ValidatePodTemplate(const Json& pod_template, std::string_view path, FieldErrors& errors);
void ValidatePodSpec(const Json& spec, std::string_view path, FieldErrors& errors,
                     const PodSpecOwner& owner = {});
// What annotations of a pod, or of a template, mean to pods.
void ValidatePodAnnotations(const Json& annotations, const Json& spec, std::string_view path,
                            FieldErrors& errors);

// Parts that other kinds have too.
void ValidateTolerations(const Json& tolerations, std::string_view path, FieldErrors& errors);
void ValidateTaintEffect(std::string_view effect, std::string_view path, FieldErrors& errors);
enum class LabelValues { kChecked, kAny };
void ValidateNodeSelector(const Json& selector, LabelValues values, std::string_view path,
                          FieldErrors& errors);

// All containers in the order they begin: of initialization, of the pod, and those added later.
void VisitContainers(
    const Json& spec, std::string_view path,
    const std::function<void(const Json& container, std::string_view path)>& visit);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_POD_SPEC_H_
