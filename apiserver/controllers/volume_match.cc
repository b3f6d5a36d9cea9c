#include "apiserver/controllers/volume_match.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"

namespace keelson::controllers {

using api::Json;
using runtime::Object;

constexpr char kClassAnnotation[] = "volume.beta.kubernetes.io/storage-class";

std::string ClassOf(const Json& object) {
  const Json* annotation = api::Member(api::AnnotationsOf(object), kClassAnnotation);
  if (annotation != nullptr && annotation->is_string()) return annotation->get<std::string>();
  return api::TextAt(object, "spec.storageClassName");
}

bool NamesClass(const Json& claim) {
  return api::AnnotationsOf(claim).contains(kClassAnnotation) ||
         api::Find(claim, "spec.storageClassName") != nullptr;
}

bool IsFor(const Json& volume, const Json& claim) {
  const Json* reference = api::Find(volume, "spec.claimRef");
  if (reference == nullptr) return false;
  if (api::TextAt(*reference, "name") != api::NameOf(claim) ||
      api::TextAt(*reference, "namespace") != api::NamespaceOf(claim)) {
    return false;
  }
  const std::string& uid = api::TextAt(*reference, "uid");
  return uid.empty() || uid == api::UidOf(claim);
}

bool Fits(const Json& volume, const Json& claim) {
  const auto mode = [](const Json& object) {
    const std::string& text = api::TextAt(object, "spec.volumeMode");
    return text.empty() ? std::string("Filesystem") : text;
  };
  if (api::IsBeingDeleted(volume) || mode(volume) != mode(claim) ||
      ClassOf(volume) != ClassOf(claim)) {
    return false;
  }
  const Json* wanted = api::Find(claim, "spec.resources.requests.storage");
  const Json* has = api::Find(volume, "spec.capacity.storage");
  if (wanted != nullptr &&
      (has == nullptr || api::Quantity::Of(*has) < api::Quantity::Of(*wanted))) {
    return false;
  }
  const Json& offered = api::ArrayAt(volume, "spec.accessModes");
  for (const Json& asked : api::ArrayAt(claim, "spec.accessModes")) {
    if (std::find(offered.begin(), offered.end(), asked) == offered.end()) return false;
  }
  const Json* selector = api::Find(claim, "spec.selector");
  return selector == nullptr ||
         api::LabelSelector::FromObject(*selector).Matches(api::LabelsOf(volume));
}

Object FindVolume(const std::vector<Object>& volumes, const Json& claim, bool any) {
  Object smallest;
  for (const Object& volume : volumes) {
    if (api::Find(*volume, "spec.claimRef") != nullptr) {
      if (IsFor(*volume, claim)) return volume;
      continue;
    }
    if (!any || api::TextAt(*volume, "status.phase") != "Available" || !Fits(*volume, claim)) {
      continue;
    }
    const auto size = [](const Object& one) {
      const Json* capacity = api::Find(*one, "spec.capacity.storage");
      return capacity == nullptr ? api::Quantity() : api::Quantity::Of(*capacity);
    };
    if (smallest == nullptr || size(volume) < size(smallest)) smallest = volume;
  }
  return smallest;
}

Object DefaultClass(const std::vector<Object>& classes) {
  Object newest;
  const auto age = [](const Object& one) {
    return std::tuple(api::TextAt(*one, "metadata.creationTimestamp"), api::NameOf(*one));
  };
  for (const Object& one : classes) {
    const Json* marked =
        api::Member(api::AnnotationsOf(*one), "storageclass.kubernetes.io/is-default-class");
    if (marked == nullptr || *marked != "true") continue;
    if (newest == nullptr || age(one) > age(newest)) newest = one;
  }
  return newest;
}

}  // namespace keelson::controllers
