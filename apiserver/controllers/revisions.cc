#include "apiserver/controllers/revisions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/rollout.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {

using api::Json;
using runtime::Object;

constexpr char kHashLabel[] = "controller-revision-hash";

Json RevisionData(const Json& owner) {
  Json pod_template = api::MapAt(owner, "spec.template");
  api::Erase(pod_template, "metadata.creationTimestamp");
  pod_template["$patch"] = "replace";
  return {{"spec", {{"template", std::move(pod_template)}}}};
}

const Json& TemplateOf(const Json& revision) { return api::MapAt(revision, "data.spec.template"); }

absl::StatusOr<Json> PresentRevision(runtime::ApiClient* client, const Json& owner,
                                     const std::vector<Object>& known, int64_t* collisions) {
  const Json data = RevisionData(owner);
  int64_t highest = 0;
  const Object* same = nullptr;
  for (const Object& revision : known) {
    const int64_t number = api::NumberAt(*revision, "revision");
    highest = std::max(highest, number);
    if (SameMeaning(api::MapAt(*revision, "data"), data) &&
        (same == nullptr || number > api::NumberAt(**same, "revision"))) {
      same = &revision;
    }
  }
  if (same != nullptr) {
    if (api::NumberAt(**same, "revision") == highest) return absl::StatusOr<Json>(**same);
    Json wanted = **same;
    wanted["revision"] = highest + 1;
    return PatchObject(client, kControllerRevisions, **same, wanted, Condition::kSameVersion);
  }
  const std::string hash = TemplateHash(data, *collisions);
  Json labels = api::MapAt(owner, "spec.template.metadata.labels");
  labels[kHashLabel] = hash;
  const std::string name = Concat(api::NameOf(owner), "-", hash);
  absl::StatusOr<Json> made =
      client->Create(kControllerRevisions, api::NamespaceOf(owner),
                     {{"apiVersion", "apps/v1"},
                      {"kind", "ControllerRevision"},
                      {"metadata",
                       {{"name", name},
                        {"namespace", api::NamespaceOf(owner)},
                        {"labels", std::move(labels)},
                        {"annotations", api::AnnotationsOf(owner)},
                        {"ownerReferences", Json::array({ControllerReference(owner)})}}},
                      {"data", data},
                      {"revision", highest + 1}});
  if (!api::IsAlreadyExists(made.status())) return made;
  made = client->Get(kControllerRevisions, api::NamespaceOf(owner), name);
  if (!made.ok()) return made;
  const Json* controller = api::ControllerOf(*made);
  if (controller != nullptr && api::TextAt(*controller, "uid") == api::UidOf(owner) &&
      SameMeaning(api::MapAt(*made, "data"), data)) {
    return made;
  }
  ++*collisions;
  return absl::AlreadyExistsError(Concat("another pod template has the hash ", hash));
}

absl::Status TrimRevisions(runtime::ApiClient* client, const std::vector<Object>& known,
                           const std::set<std::string>& in_use, int64_t limit) {
  std::vector<Object> old;
  for (const Object& revision : known) {
    if (!in_use.contains(api::NameOf(*revision))) old.push_back(revision);
  }
  if (static_cast<int64_t>(old.size()) <= limit) return absl::OkStatus();
  std::sort(old.begin(), old.end(), [](const Object& a, const Object& b) {
    return api::NumberAt(*a, "revision") < api::NumberAt(*b, "revision");
  });
  old.resize(old.size() - static_cast<size_t>(std::max<int64_t>(limit, 0)));
  for (const Object& revision : old) {
    const absl::Status status =
        client->Delete(kControllerRevisions, api::NamespaceOf(*revision), api::NameOf(*revision),
                       {{"preconditions", {{"uid", api::UidOf(*revision)}}}});
    if (!status.ok() && !api::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace keelson::controllers
