#include "apiserver/controllers/volumes.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/volume_match.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr char kProvisioner[] = "keelson.io/simulated";
constexpr char kProvisionedBy[] = "pv.kubernetes.io/provisioned-by";
constexpr char kBoundByController[] = "pv.kubernetes.io/bound-by-controller";
constexpr char kBindCompleted[] = "pv.kubernetes.io/bind-completed";
constexpr char kStorageProvisioner[] = "volume.kubernetes.io/storage-provisioner";
constexpr char kSelectedNode[] = "volume.kubernetes.io/selected-node";
// In the queue, before the name of a volume; names of namespaces have no colon.
constexpr std::string_view kVolume = "volume:";
constexpr absl::Duration kRetry = absl::Seconds(15);

bool HasAnnotation(const Json& object, std::string_view name) {
  return api::Member(api::AnnotationsOf(object), name) != nullptr;
}

class VolumeController final : public runtime::QueueController {
 public:
  // One worker: two claims must not be promised one volume.
  explicit VolumeController(const ControllerContext& context)
      : QueueController("persistentvolume-controller", context.clock, 1),
        client_(context.client),
        events_(context.events->As("persistentvolume-controller")),
        claims_(Copies(context, kClaims)),
        volumes_(Copies(context, kVolumes)),
        classes_(Copies(context, kStorageClasses)) {
    const auto claim_changed = [this](const Object& claim) {
      queue().Add(api::KeyOf(*claim));
      const std::string& volume = api::TextAt(*claim, "spec.volumeName");
      if (!volume.empty()) queue().Add(Concat(kVolume, volume));
    };
    claims_.AddHandler(OnPresent(claim_changed, claim_changed));
    const auto volume_changed = [this](const Object& volume) {
      queue().Add(Concat(kVolume, api::NameOf(*volume)));
      if (const Json* reference = api::Find(*volume, "spec.claimRef")) {
        queue().Add(
            Concat(api::TextAt(*reference, "namespace"), "/", api::TextAt(*reference, "name")));
      } else {
        EnqueuePending();
      }
    };
    volumes_.AddHandler(OnPresent(volume_changed, volume_changed));
    classes_.AddHandler({
        .on_add = [this](const Object&) { EnqueuePending(); },
        .on_update = [this](const Object&, const Object&) { EnqueuePending(); },
    });
  }

 private:
  void EnqueuePending() {
    for (const Object& claim : claims_.List()) {
      if (api::TextAt(*claim, "spec.volumeName").empty()) queue().Add(api::KeyOf(*claim));
    }
  }

  absl::Status Reconcile(const std::string& key) override {
    if (key.starts_with(kVolume)) {
      const Object volume = volumes_.Get("", key.substr(kVolume.size()));
      return volume == nullptr ? absl::OkStatus() : SyncVolume(*volume);
    }
    const Object claim = AtKey(claims_, key);
    if (claim == nullptr) return absl::OkStatus();
    return HasAnnotation(*claim, kBindCompleted) ? SyncBound(*claim) : SyncPending(*claim);
  }

  // A claim that was bound once.
  absl::Status SyncBound(const Json& claim) {
    const std::string& name = api::TextAt(claim, "spec.volumeName");
    if (name.empty()) {
      return Lose(claim, "ClaimLost",
                  "Bound claim has lost reference to PersistentVolume. Data on the volume is "
                  "lost!");
    }
    const Object volume = volumes_.Get("", name);
    if (volume == nullptr) {
      const absl::Status live = client_->Get(kVolumes, "", name).status();
      if (!api::IsNotFound(live)) return live;  // the copies show it soon
      return Lose(claim, "ClaimLost",
                  "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    }
    if (api::Find(*volume, "spec.claimRef") == nullptr || IsFor(*volume, claim)) {
      KV_RETURN_IF_ERROR(Expand(claim, *volume));
      return Bind(*volume, claim);
    }
    return Lose(claim, "ClaimMisbound",
                "Two claims are bound to the same volume, this one is bound incorrectly");
  }

  absl::Status Lose(const Json& claim, std::string_view reason, std::string_view message) {
    if (api::TextAt(claim, "status.phase") == "Lost") return absl::OkStatus();
    Json status = api::MapAt(claim, "status");
    status["phase"] = "Lost";
    status.erase("capacity");
    status.erase("accessModes");
    events_->Warning(claim, reason, message);
    return PatchStatus(client_, kClaims, claim, status);
  }

  absl::Status SyncPending(const Json& claim) {
    if (api::IsBeingDeleted(claim)) return absl::OkStatus();
    const std::string& name = api::TextAt(claim, "spec.volumeName");
    if (!name.empty()) {
      const Object volume = volumes_.Get("", name);
      if (volume == nullptr) return SetPending(claim);
      if (api::Find(*volume, "spec.claimRef") != nullptr) {
        return IsFor(*volume, claim) ? Bind(*volume, claim) : SetPending(claim);
      }
      if (Fits(*volume, claim)) return Bind(*volume, claim);
      events_->Warning(claim, "VolumeMismatch",
                       Concat("Cannot bind to requested volume \"", name,
                              "\": it is not what the claim asks for"));
      return SetPending(claim);
    }
    const std::vector<Object> classes = classes_.List();
    if (!NamesClass(claim)) {
      if (const Object standard = DefaultClass(classes)) {
        Json wanted = claim;
        wanted["spec"]["storageClassName"] = api::NameOf(*standard);
        return PatchObject(client_, kClaims, claim, wanted, Condition::kSameVersion).status();
      }
    }
    const std::string class_name = ClassOf(claim);
    const Object storage_class = classes_.Get("", class_name);
    const bool waits = storage_class != nullptr &&
                       api::TextAt(*storage_class, "volumeBindingMode") == "WaitForFirstConsumer" &&
                       !HasAnnotation(claim, kSelectedNode);
    if (const Object volume = FindVolume(volumes_.List(), claim, !waits)) {
      return Bind(*volume, claim);
    }
    if (waits) {
      events_->Normal(claim, "WaitForFirstConsumer",
                      "waiting for first consumer to be created before binding");
    } else if (class_name.empty()) {
      events_->Normal(claim, "FailedBinding",
                      "no persistent volumes available for this claim and no storage class is set");
    } else if (storage_class == nullptr) {
      events_->Warning(claim, "ProvisioningFailed",
                       Concat("storageclass.storage.k8s.io \"", class_name, "\" not found"));
    } else {
      return Provision(claim, *storage_class);
    }
    return SetPending(claim);
  }

  absl::Status SetPending(const Json& claim) {
    if (!api::TextAt(claim, "status.phase").empty()) return absl::OkStatus();
    Json status = api::MapAt(claim, "status");
    status["phase"] = "Pending";
    return PatchStatus(client_, kClaims, claim, status);
  }

  absl::Status Provision(const Json& claim, const Json& storage_class) {
    const std::string& provisioner = api::TextAt(storage_class, "provisioner");
    if (provisioner == "kubernetes.io/no-provisioner") return SetPending(claim);
    const Json* noted = api::Member(api::AnnotationsOf(claim), kStorageProvisioner);
    if (noted == nullptr || *noted != provisioner) {
      // Whoever it is finds his claims by it.
      Json wanted = claim;
      api::Make(wanted, "metadata.annotations")[kStorageProvisioner] = provisioner;
      wanted["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-provisioner"] =
          provisioner;
      return PatchObject(client_, kClaims, claim, wanted, Condition::kSameVersion).status();
    }
    if (provisioner != kProvisioner) {
      events_->Normal(
          claim, "ExternalProvisioning",
          Concat("Waiting for a volume to be created either by the external provisioner '",
                 provisioner,
                 "' or manually by the system administrator. If volume creation is delayed, please "
                 "verify that the provisioner is running and correctly registered."));
      return SetPending(claim);
    }
    const std::string name = Concat("pvc-", api::UidOf(claim));
    const Json* request = api::Find(claim, "spec.resources.requests.storage");
    const std::string& reclaim = api::TextAt(storage_class, "reclaimPolicy");
    const std::string& mode = api::TextAt(claim, "spec.volumeMode");
    Json volume = {
        {"apiVersion", "v1"},
        {"kind", "PersistentVolume"},
        {"metadata",
         {{"name", name},
          {"annotations", {{kProvisionedBy, kProvisioner}, {kBoundByController, "yes"}}}}},
        {"spec",
         {{"capacity", {{"storage", request == nullptr ? Json("1Gi") : *request}}},
          {"accessModes", api::ArrayAt(claim, "spec.accessModes")},
          {"persistentVolumeReclaimPolicy", reclaim.empty() ? "Delete" : reclaim},
          {"storageClassName", api::NameOf(storage_class)},
          {"volumeMode", mode.empty() ? "Filesystem" : mode},
          {"hostPath", {{"path", Concat("/var/lib/keelson/volumes/", name)}}},
          {"claimRef", ReferenceTo(claim)}}}};
    const absl::Status made = client_->Create(kVolumes, "", volume).status();
    if (api::IsAlreadyExists(made)) return absl::OkStatus();
    if (!made.ok()) {
      events_->Warning(claim, "ProvisioningFailed",
                       Concat("failed to provision volume with StorageClass \"",
                              api::NameOf(storage_class), "\": ", std::string(made.message())));
      return made;
    }
    events_->Normal(claim, "ProvisioningSucceeded",
                    Concat("Successfully provisioned volume ", name, " using ", kProvisioner));
    return SetPending(claim);
  }

  static Json ReferenceTo(const Json& claim) {
    return {{"apiVersion", "v1"},
            {"kind", "PersistentVolumeClaim"},
            {"namespace", api::NamespaceOf(claim)},
            {"name", api::NameOf(claim)},
            {"uid", api::UidOf(claim)},
            {"resourceVersion", api::TextAt(claim, "metadata.resourceVersion")}};
  }

  // Four writes in this order; each look goes on where the last one ended.
  absl::Status Bind(const Json& volume, const Json& claim) {
    Json wanted = volume;
    if (api::TextAt(volume, "spec.claimRef.uid") != api::UidOf(claim)) {
      if (api::Find(volume, "spec.claimRef") == nullptr) {
        api::Make(wanted, "metadata.annotations")[kBoundByController] = "yes";
      }
      wanted["spec"]["claimRef"] = ReferenceTo(claim);
    }
    KV_ASSIGN_OR_RETURN(const Json owned,
                        PatchObject(client_, kVolumes, volume, wanted, Condition::kSameVersion));
    KV_RETURN_IF_ERROR(SetPhase(owned, "Bound"));
    wanted = claim;
    Json& annotations = api::Make(wanted, "metadata.annotations");
    if (api::TextAt(claim, "spec.volumeName").empty()) annotations[kBoundByController] = "yes";
    annotations[kBindCompleted] = "yes";
    wanted["spec"]["volumeName"] = api::NameOf(volume);
    KV_ASSIGN_OR_RETURN(const Json bound,
                        PatchObject(client_, kClaims, claim, wanted, Condition::kSameVersion));
    Json status = api::MapAt(bound, "status");
    status["phase"] = "Bound";
    status["accessModes"] = api::ArrayAt(owned, "spec.accessModes");
    status["capacity"] = api::MapAt(owned, "spec.capacity");
    return PatchStatus(client_, kClaims, bound, status);
  }

  // Of our own volumes only: they are as large as they say.
  absl::Status Expand(const Json& claim, const Json& volume) {
    const Json* by = api::Member(api::AnnotationsOf(volume), kProvisionedBy);
    const Json* asked = api::Find(claim, "spec.resources.requests.storage");
    const Json* has = api::Find(volume, "spec.capacity.storage");
    if (by == nullptr || *by != kProvisioner || asked == nullptr || has == nullptr ||
        api::Quantity::Of(*asked) <= api::Quantity::Of(*has)) {
      return absl::OkStatus();
    }
    const Object storage_class = classes_.Get("", ClassOf(claim));
    if (storage_class == nullptr || !api::FlagAt(*storage_class, "allowVolumeExpansion")) {
      return absl::OkStatus();
    }
    Json wanted = volume;
    wanted["spec"]["capacity"]["storage"] = *asked;
    // What the claim says of it follows when the copies show this.
    return PatchObject(client_, kVolumes, volume, wanted, Condition::kSameVersion).status();
  }

  absl::Status SetPhase(const Json& volume, std::string_view phase) {
    if (api::TextAt(volume, "status.phase") == phase) return absl::OkStatus();
    Json status = api::MapAt(volume, "status");
    status["phase"] = phase;
    return PatchStatus(client_, kVolumes, volume, status);
  }

  absl::Status SyncVolume(const Json& volume) {
    const Json* reference = api::Find(volume, "spec.claimRef");
    if (reference == nullptr || api::TextAt(*reference, "uid").empty()) {
      return SetPhase(volume, "Available");
    }
    const std::string& space = api::TextAt(*reference, "namespace");
    const std::string& name = api::TextAt(*reference, "name");
    Object claim = claims_.Get(space, name);
    const auto is_ours = [&](const Json& one) {
      return api::UidOf(one) == api::TextAt(*reference, "uid");
    };
    if (claim == nullptr || !is_ours(*claim)) {
      // The copies may be old; what is released is given away or deleted.
      const absl::StatusOr<Json> live = client_->Get(kClaims, space, name);
      if (!live.ok() && !api::IsNotFound(live.status())) return live.status();
      if (!live.ok() || !is_ours(*live)) return Release(volume);
      queue().AddAfter(Concat(kVolume, api::NameOf(volume)), kRetry);
      return absl::OkStatus();
    }
    const std::string& chosen = api::TextAt(*claim, "spec.volumeName");
    if (chosen.empty()) {
      queue().Add(api::KeyOf(*claim));
      return absl::OkStatus();
    }
    if (chosen == api::NameOf(volume)) return SetPhase(volume, "Bound");
    // The claim took another one.
    if (HasAnnotation(volume, kProvisionedBy) &&
        api::TextAt(volume, "spec.persistentVolumeReclaimPolicy") == "Delete") {
      return Release(volume);
    }
    if (!HasAnnotation(volume, kBoundByController)) return absl::OkStatus();
    Json wanted = volume;
    wanted["metadata"]["annotations"].erase(kBoundByController);
    wanted["spec"].erase("claimRef");
    return PatchObject(client_, kVolumes, volume, wanted, Condition::kSameVersion).status();
  }

  absl::Status Release(const Json& volume) {
    const std::string& phase = api::TextAt(volume, "status.phase");
    if (phase != "Released" && phase != "Failed") {
      KV_RETURN_IF_ERROR(SetPhase(volume, "Released"));
    }
    if (api::TextAt(volume, "spec.persistentVolumeReclaimPolicy") != "Delete" ||
        api::IsBeingDeleted(volume)) {
      return absl::OkStatus();
    }
    const Json* by = api::Member(api::AnnotationsOf(volume), kProvisionedBy);
    // Another provisioner deletes its own.
    if (by == nullptr || *by != kProvisioner) return absl::OkStatus();
    const absl::Status status = client_->Delete(kVolumes, "", api::NameOf(volume),
                                                {{"preconditions", {{"uid", api::UidOf(volume)}}}});
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Informer& claims_;
  Informer& volumes_;
  Informer& classes_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeVolumeController(const ControllerContext& context) {
  return std::make_unique<VolumeController>(context);
}

}  // namespace keelson::controllers
