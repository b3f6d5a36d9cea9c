#include "apiserver/controllers/volume_protection.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

// Adds the finalizer to what lives, and takes it from what is being deleted and not in use.
class Protection : public runtime::QueueController {
 protected:
  Protection(std::string name, const ControllerContext& context, const runtime::Resource& resource,
             std::string finalizer)
      : QueueController(std::move(name), context.clock, 2),
        client_(context.client),
        objects_(Copies(context, resource)),
        resource_(resource),
        finalizer_(std::move(finalizer)) {
    const auto enqueue = [this](const Object& object) {
      if (api::IsBeingDeleted(*object) || !api::HasFinalizer(*object, finalizer_)) {
        queue().Add(api::KeyOf(*object));
      }
    };
    objects_.AddHandler(OnPresent(enqueue));
  }

  virtual absl::StatusOr<bool> IsUsed(const Json& object) = 0;

  runtime::ApiClient* const client_;
  Informer& objects_;

 private:
  absl::Status Reconcile(const std::string& key) override {
    const Object object = AtKey(objects_, key);
    if (object == nullptr) return absl::OkStatus();
    const bool has = api::HasFinalizer(*object, finalizer_);
    Json wanted = *object;
    Json& finalizers = api::Make(wanted, "metadata.finalizers");
    if (!api::IsBeingDeleted(*object)) {
      if (has) return absl::OkStatus();
      if (!finalizers.is_array()) finalizers = Json::array();
      finalizers.push_back(finalizer_);
    } else {
      if (!has) return absl::OkStatus();
      const absl::StatusOr<bool> used = IsUsed(*object);
      if (!used.ok()) return used.status();
      if (*used) return absl::OkStatus();
      Json kept = Json::array();
      for (const Json& one : finalizers) {
        if (one != finalizer_) kept.push_back(one);
      }
      finalizers = std::move(kept);
    }
    const absl::Status status =
        PatchObject(client_, resource_, *object, wanted, Condition::kSameVersion).status();
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  const runtime::Resource resource_;
  const std::string finalizer_;
};

class ClaimProtection final : public Protection {
 public:
  explicit ClaimProtection(const ControllerContext& context)
      : Protection("pvc-protection-controller", context, kClaims, "kubernetes.io/pvc-protection"),
        pods_(PodCopies(context)) {
    const auto enqueue_claims = [this](const Object& pod) {
      for (const Json& volume : api::ArrayAt(*pod, "spec.volumes")) {
        queue().Add(Concat(api::NamespaceOf(*pod), "/", ClaimOf(*pod, volume)));
      }
    };
    pods_.AddHandler({
        .on_update =
            [enqueue_claims](const Object& before, const Object& now) {
              if (IsTerminal(*before) != IsTerminal(*now)) enqueue_claims(now);
            },
        .on_delete = enqueue_claims,
    });
  }

 private:
  static std::string ClaimOf(const Json& pod, const Json& volume) {
    if (api::Find(volume, "ephemeral") != nullptr) {
      return Concat(api::NameOf(pod), "-", api::TextAt(volume, "name"));
    }
    return api::TextAt(volume, "persistentVolumeClaim.claimName");
  }

  static bool Uses(const Json& pod, const std::string& claim) {
    // A node that has not seen the pod yet will refuse it: the claim is being deleted.
    if (api::TextAt(pod, "spec.nodeName").empty()) return false;
    for (const Json& volume : api::ArrayAt(pod, "spec.volumes")) {
      if (ClaimOf(pod, volume) == claim) return true;
    }
    return false;
  }

  absl::StatusOr<bool> IsUsed(const Json& claim) override {
    const std::string& space = api::NamespaceOf(claim);
    const std::string& name = api::NameOf(claim);
    for (const Object& pod : pods_.List(space)) {
      if (Uses(*pod, name)) return true;
    }
    // The copies may be old, and what is deleted is gone.
    const absl::StatusOr<Json> live = client_->List(kPods, space);
    if (!live.ok()) return live.status();
    for (const Json& pod : api::ArrayAt(*live, "items")) {
      if (Uses(pod, name)) return true;
    }
    return false;
  }

  Informer& pods_;
};

class VolumeProtection final : public Protection {
 public:
  explicit VolumeProtection(const ControllerContext& context)
      : Protection("pv-protection-controller", context, kVolumes, "kubernetes.io/pv-protection") {}

 private:
  absl::StatusOr<bool> IsUsed(const Json& volume) override {
    return api::TextAt(volume, "status.phase") == "Bound";
  }
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeClaimProtection(const ControllerContext& context) {
  return std::make_unique<ClaimProtection>(context);
}
std::unique_ptr<runtime::Controller> MakeVolumeProtection(const ControllerContext& context) {
  return std::make_unique<VolumeProtection>(context);
}

}  // namespace keelson::controllers
