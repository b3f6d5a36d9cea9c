#include "apiserver/controllers/ownership.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::Object;

// The copy of the owner may be old: a deleted owner adopts nothing.
absl::Status CheckMayAdopt(const Claim& claim) {
  const absl::StatusOr<Json> fresh = claim.client->Get(
      claim.owner_resource, api::NamespaceOf(claim.owner), api::NameOf(claim.owner));
  if (!fresh.ok()) return fresh.status();
  if (api::UidOf(*fresh) != api::UidOf(claim.owner)) {
    return absl::FailedPreconditionError(
        Concat("original ", api::NameOf(claim.owner), " is gone: got another uid"));
  }
  if (api::IsBeingDeleted(*fresh)) {
    return absl::FailedPreconditionError(
        Concat(api::NameOf(claim.owner), " has just been deleted"));
  }
  return absl::OkStatus();
}

absl::Status Adopt(const Claim& claim, const Json& orphan) {
  Json metadata = {{"uid", api::UidOf(orphan)},
                   {"ownerReferences", Json::array({ControllerReference(claim.owner)})}};
  if (!claim.finalizer.empty()) metadata["finalizers"] = Json::array({claim.finalizer});
  return claim.client
      ->Patch(claim.resource, api::NamespaceOf(orphan), api::NameOf(orphan),
              runtime::PatchType::kStrategicMerge, {{"metadata", std::move(metadata)}})
      .status();
}

absl::Status Release(const Claim& claim, const Json& owned) {
  Json metadata = {
      {"uid", api::UidOf(owned)},
      {"ownerReferences", Json::array({{{"$patch", "delete"}, {"uid", api::UidOf(claim.owner)}}})}};
  if (!claim.finalizer.empty()) {
    metadata["$deleteFromPrimitiveList/finalizers"] = Json::array({claim.finalizer});
  }
  const absl::Status status =
      claim.client
          ->Patch(claim.resource, api::NamespaceOf(owned), api::NameOf(owned),
                  runtime::PatchType::kStrategicMerge, {{"metadata", std::move(metadata)}})
          .status();
  // It is gone, or another one by now.
  return api::IsNotFound(status) || api::IsInvalid(status) ? absl::OkStatus() : status;
}

}  // namespace

absl::StatusOr<std::vector<Object>> ClaimObjects(const Claim& claim) {
  absl::Status first_error;
  const bool leaving = api::IsBeingDeleted(claim.owner);
  std::vector<Object> claimed;
  for (Object& object : OwnedBy(claim.copies, api::UidOf(claim.owner))) {
    if (claim.selector.Matches(api::LabelsOf(*object))) {
      claimed.push_back(std::move(object));
    } else if (!leaving) {
      first_error.Update(Release(claim, *object));
    }
  }
  if (leaving) return claimed;
  std::optional<absl::Status> may_adopt;
  for (Object& orphan : Orphans(claim.copies, api::NamespaceOf(claim.owner))) {
    if (api::IsBeingDeleted(*orphan) || !claim.selector.Matches(api::LabelsOf(*orphan))) continue;
    if (claim.may_adopt && !claim.may_adopt(*orphan)) continue;
    if (!may_adopt) may_adopt = CheckMayAdopt(claim);
    const absl::Status status = may_adopt->ok() ? Adopt(claim, *orphan) : *may_adopt;
    if (status.ok()) {
      claimed.push_back(std::move(orphan));
    } else if (!api::IsNotFound(status)) {
      first_error.Update(status);
    }
  }
  if (!first_error.ok()) return first_error;
  return claimed;
}

Object OwnerAmong(const runtime::Informer& owners, std::string_view kind, const Json& object) {
  const Json* reference = api::ControllerOf(object);
  if (reference == nullptr || api::TextAt(*reference, "kind") != kind) return nullptr;
  Object owner = owners.Get(api::NamespaceOf(object), api::TextAt(*reference, "name"));
  if (owner == nullptr || api::UidOf(*owner) != api::TextAt(*reference, "uid")) return nullptr;
  return owner;
}

}  // namespace keelson::controllers
