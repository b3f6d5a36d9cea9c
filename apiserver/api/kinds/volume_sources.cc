// Where the contents of volumes come from, in pods and in persistent volumes.
#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/volume_files.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kFileMode = 0644;
constexpr size_t kDriverNameMax = 63;

using Check = void (*)(const Json& source, std::string_view path, FieldErrors& errors);

struct SourceRule {
  std::string_view name;
  std::vector<std::string_view> required = {};
  Check check = nullptr;
};

bool StartsWithAny(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [text](std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
  });
}

void RequireAt(const Json& object, std::string_view field, std::string_view path,
               FieldErrors& errors) {
  if (MeansTheSame(Find(object, field), nullptr)) errors.Required(Child(path, field));
}

void CheckHostPath(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string& file = TextAt(source, "path");
  if (file.empty()) return errors.Required(Child(path, "path"));
  CheckNoBackstep(file, Child(path, "path"), errors);
  CheckOptionalOneOf(Find(source, "type"),
                     {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File",
                      "FileOrCreate", "Socket"},
                     Child(path, "type"), errors);
}

void CheckGitRepo(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckDescendingPath(TextAt(source, "directory"), Child(path, "directory"), errors);
}

void CheckEmptyDir(const Json& source, std::string_view path, FieldErrors& errors) {
  const Json* limit = Find(source, "sizeLimit");
  if (limit != nullptr && Quantity::Of(*limit).IsNegative()) {
    errors.Forbidden(Child(path, "sizeLimit"), "SizeLimit field must be a valid resource quantity");
  }
}

void CheckPartition(const Json& source, std::string_view path, FieldErrors& errors) {
  const int64_t partition = NumberAt(source, "partition");
  if (partition < 0 || partition > 255) {
    errors.Invalid(Child(path, "partition"), partition, "must be between 1 and 255, inclusive");
  }
}

void CheckNfs(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string& file = TextAt(source, "path");
  if (file.empty() || file.front() != '/') {
    errors.Invalid(Child(path, "path"), file, "must be an absolute path");
  }
}

void CheckIscsiName(std::string_view name, std::string_view path, FieldErrors& errors) {
  static const std::regex iqn(R"(iqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9.-]+:[^,;*&$|\s]+)");
  static const std::regex eui("eui.[A-Za-z0-9]{16}");
  static const std::regex naa("naa.[A-Za-z0-9]{32}");
  if (!StartsWithAny(name, {"iqn", "eui", "naa"})) {
    return errors.Invalid(path, name, "must be valid format starting with iqn, eui, or naa");
  }
  // std::regex recurses for every character of what it repeats.
  constexpr size_t kNameMax = 223;
  const std::string text(name);
  if (name.size() > kNameMax || !(std::regex_match(text, iqn) || std::regex_match(text, eui) ||
                                  std::regex_match(text, naa))) {
    errors.Invalid(path, name, "must be valid format");
  }
}

void CheckIscsi(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string& name = TextAt(source, "iqn");
  if (!name.empty()) CheckIscsiName(name, Child(path, "iqn"), errors);
  CheckBetween(NumberAt(source, "lun"), 0, 255, Child(path, "lun"), errors);
  const bool chap = FlagAt(source, "chapAuthDiscovery") || FlagAt(source, "chapAuthSession");
  if (chap && Find(source, "secretRef") == nullptr) errors.Required(Child(path, "secretRef"));
  const Json* initiator = Find(source, "initiatorName");
  if (initiator != nullptr) {
    CheckIscsiName(TextAt(source, "initiatorName"), Child(path, "initiatorname"), errors);
  }
}

void CheckFlocker(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string& name = TextAt(source, "datasetName");
  const std::string& id = TextAt(source, "datasetUUID");
  if (name.empty() && id.empty()) {
    errors.Required(path, "one of datasetName and datasetUUID is required");
  }
  if (!name.empty() && !id.empty()) {
    errors.Invalid(path, "resource",
                   "datasetName and datasetUUID can not be specified simultaneously");
  }
  if (name.find('/') != std::string::npos) {
    errors.Invalid(Child(path, "datasetName"), name, "must not contain '/'");
  }
}

void CheckFibreChannel(const Json& source, std::string_view path, FieldErrors& errors) {
  const Json& names = ArrayAt(source, "targetWWNs");
  const bool ids = !ArrayAt(source, "wwids").empty();
  if (names.empty() && !ids) {
    errors.Required(Child(path, "targetWWNs"),
                    "must specify either targetWWNs or wwids, but not both");
  }
  if (!names.empty() && ids) {
    errors.Invalid(Child(path, "targetWWNs"), names,
                   "targetWWNs and wwids can not be specified simultaneously");
  }
  if (names.empty()) return;
  if (Find(source, "lun") == nullptr) {
    errors.Required(Child(path, "lun"), "lun is required if targetWWNs is specified");
  } else {
    CheckBetween(NumberAt(source, "lun"), 0, 255, Child(path, "lun"), errors);
  }
}

void CheckFlex(const Json& source, std::string_view path, FieldErrors& errors) {
  for (const auto& [name, value] : MapAt(source, "options").items()) {
    const std::string space = absl::AsciiStrToLower(Concat(".", name.substr(0, name.find('/'))));
    if (space.ends_with(".kubernetes.io") || space.ends_with(".k8s.io")) {
      errors.Invalid(Key(Child(path, "options"), name), name,
                     "kubernetes.io and k8s.io namespaces are reserved");
    }
  }
}

void CheckAzureDisk(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string& kind = TextAt(source, "kind");
  const std::string& uri = TextAt(source, "diskURI");
  CheckOptionalOneOf(Find(source, "cachingMode"), {"None", "ReadOnly", "ReadWrite"},
                     Child(path, "cachingMode"), errors);
  CheckOptionalOneOf(Find(source, "kind"), {"Dedicated", "Managed", "Shared"}, Child(path, "kind"),
                     errors);
  if (kind == "Managed" && !StartsWithAny(uri, {"/subscriptions/"})) {
    errors.NotSupported(Child(path, "diskURI"), uri,
                        {"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/"
                         "microsoft.compute/disks/{disk-id}"});
  } else if (!kind.empty() && kind != "Managed" && !StartsWithAny(uri, {"https://"})) {
    errors.NotSupported(
        Child(path, "diskURI"), uri,
        {"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"});
  }
}

void CheckStorageOs(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckRequiredName(TextAt(source, "volumeName"), IsLabel, Child(path, "volumeName"), errors);
  const std::string& space = TextAt(source, "volumeNamespace");
  if (!space.empty()) CheckName(space, IsLabel, Child(path, "volumeNamespace"), errors);
}

void CheckDriverName(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string& driver = TextAt(source, "driver");
  if (driver.empty()) errors.Required(path);
  if (driver.size() > kDriverNameMax) errors.TooLong(path, kDriverNameMax);
  std::string why;
  if (!IsSubdomain(absl::AsciiStrToLower(driver), &why)) errors.Invalid(path, driver, why);
}

void CheckCsi(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckDriverName(source, Child(path, "driver"), errors);
  if (const Json* secret = Find(source, "nodePublishSecretRef")) {
    CheckRequiredName(TextAt(*secret, "name"), IsSubdomain,
                      Child(path, "nodePublishSecretRef.name"), errors);
  }
}

void CheckSecretRef(const Json& source, std::string_view path, FieldErrors& errors) {
  if (const Json* secret = Find(source, "secretRef")) {
    RequireAt(*secret, "name", Child(path, "secretRef"), errors);
  }
}

void CheckEphemeral(const Json& source, std::string_view path, FieldErrors& errors) {
  if (const Json* claim = Find(source, "volumeClaimTemplate")) {
    ValidateVolumeClaimTemplate(*claim, Child(path, "volumeClaimTemplate"), errors);
  }
}

void CheckImage(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckOneOf(TextAt(source, "pullPolicy"), {"Always", "IfNotPresent", "Never"},
             Child(path, "pullPolicy"), errors);
}

// In a persistent volume, where secrets have namespaces.
void CheckSecretRefWithNamespace(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckSecretRef(source, path, errors);
  if (const Json* secret = Find(source, "secretRef")) {
    RequireAt(*secret, "namespace", Child(path, "secretRef"), errors);
  }
}

void CheckPersistentCsi(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckDriverName(source, Child(path, "driver"), errors);
  RequireAt(source, "volumeHandle", path, errors);
  for (std::string_view reference : {"controllerPublishSecretRef", "controllerExpandSecretRef",
                                     "nodePublishSecretRef", "nodeExpandSecretRef"}) {
    const Json* secret = Find(source, reference);
    if (secret == nullptr) continue;
    const std::string at = Child(path, reference);
    CheckRequiredName(TextAt(*secret, "name"), IsSubdomain, Child(at, "name"), errors);
    CheckRequiredName(TextAt(*secret, "namespace"), IsLabel, Child(at, "namespace"), errors);
  }
}

void CheckPersistentGluster(const Json& source, std::string_view path, FieldErrors& errors) {
  if (Find(source, "endpointsNamespace") == nullptr) return;
  const std::string& space = TextAt(source, "endpointsNamespace");
  if (space.empty()) {
    errors.Invalid(Child(path, "endpointsNamespace"), space,
                   "if the endpointnamespace is set, it must be a valid namespace name");
  } else {
    CheckName(space, IsLabel, Child(path, "endpointsNamespace"), errors);
  }
}

void CheckPersistentIscsi(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckIscsi(source, path, errors);
  CheckSecretRef(source, path, errors);
}

void CheckPersistentAzureFile(const Json& source, std::string_view path, FieldErrors& errors) {
  if (Find(source, "secretNamespace") != nullptr)
    RequireAt(source, "secretNamespace", path, errors);
}

void CheckPersistentStorageOs(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckStorageOs(source, path, errors);
  CheckSecretRefWithNamespace(source, path, errors);
}

void CheckLocal(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckNoBackstep(TextAt(source, "path"), Child(path, "path"), errors);
}

const std::vector<SourceRule>& PodSources() {
  static const std::vector<SourceRule> sources = {
      {"emptyDir", {}, CheckEmptyDir},
      {"hostPath", {}, CheckHostPath},
      {"gitRepo", {"repository"}, CheckGitRepo},
      {"gcePersistentDisk", {"pdName"}, CheckPartition},
      {"awsElasticBlockStore", {"volumeID"}, CheckPartition},
      {"secret", {"secretName"}, ValidateKeyFiles},
      {"nfs", {"server", "path"}, CheckNfs},
      {"iscsi", {"targetPortal", "iqn"}, CheckIscsi},
      {"glusterfs", {"endpoints", "path"}},
      {"flocker", {}, CheckFlocker},
      {"persistentVolumeClaim", {"claimName"}},
      {"rbd", {"monitors", "image"}},
      {"cinder", {"volumeID"}, CheckSecretRef},
      {"cephfs", {"monitors"}},
      {"quobyte", {"registry", "volume"}},
      {"downwardAPI", {}, ValidateDownwardFiles},
      {"fc", {}, CheckFibreChannel},
      {"flexVolume", {"driver"}, CheckFlex},
      {"configMap", {"name"}, ValidateKeyFiles},
      {"azureFile", {"secretName", "shareName"}},
      {"vsphereVolume", {"volumePath"}},
      {"photonPersistentDisk", {"pdID"}},
      {"portworxVolume", {"volumeID"}},
      {"azureDisk", {"diskName", "diskURI"}, CheckAzureDisk},
      {"storageos", {}, CheckStorageOs},
      {"projected", {}, ValidateProjectedFiles},
      {"scaleIO", {"gateway", "system", "volumeName"}},
      {"csi", {}, CheckCsi},
      {"ephemeral", {"volumeClaimTemplate"}, CheckEphemeral},
      {"image", {}, CheckImage},
  };
  return sources;
}

const std::vector<SourceRule>& PersistentSources() {
  static const std::vector<SourceRule> sources = {
      {"hostPath", {}, CheckHostPath},
      {"gcePersistentDisk", {"pdName"}, CheckPartition},
      {"awsElasticBlockStore", {"volumeID"}, CheckPartition},
      {"glusterfs", {"endpoints", "path"}, CheckPersistentGluster},
      {"flocker", {}, CheckFlocker},
      {"nfs", {"server", "path"}, CheckNfs},
      {"rbd", {"monitors", "image"}},
      {"quobyte", {"registry", "volume"}},
      {"cephfs", {"monitors"}},
      {"iscsi", {"targetPortal", "iqn"}, CheckPersistentIscsi},
      {"cinder", {"volumeID"}, CheckSecretRefWithNamespace},
      {"fc", {}, CheckFibreChannel},
      {"flexVolume", {"driver"}, CheckFlex},
      {"azureFile", {"secretName", "shareName"}, CheckPersistentAzureFile},
      {"vsphereVolume", {"volumePath"}},
      {"photonPersistentDisk", {"pdID"}},
      {"portworxVolume", {"volumeID"}},
      {"azureDisk", {"diskName", "diskURI"}, CheckAzureDisk},
      {"scaleIO", {"gateway", "system", "volumeName"}},
      {"local", {"path"}, CheckLocal},
      {"storageos", {}, CheckPersistentStorageOs},
      {"csi", {}, CheckPersistentCsi},
  };
  return sources;
}

void ValidateSource(const Json& volume, const std::vector<SourceRule>& rules, std::string_view path,
                    FieldErrors& errors) {
  bool found = false;
  for (const SourceRule& rule : rules) {
    const Json* source = Member(volume, rule.name);
    if (source == nullptr) continue;
    const std::string at = Child(path, rule.name);
    if (found) {
      errors.Forbidden(at, "may not specify more than 1 volume type");
      continue;
    }
    found = true;
    for (std::string_view field : rule.required) RequireAt(*source, field, at, errors);
    if (rule.check != nullptr) rule.check(*source, at, errors);
  }
  if (!found) errors.Required(path, "must specify a volume type");
}

// The name an ephemeral volume's claim gets must be one.
void ValidateClaimName(const Json& volume, std::string_view pod_name, std::string_view path,
                       FieldErrors& errors) {
  const std::string& name = TextAt(volume, "name");
  if (Find(volume, "ephemeral") == nullptr || pod_name.empty() || name.empty()) return;
  const std::string claim = Concat(pod_name, "-", name);
  std::string why;
  if (!IsSubdomain(claim, &why)) {
    errors.Invalid(Child(path, "name"), name, Concat("PVC name \"", claim, "\": ", why));
  }
}

void SetSourceDefaults(Json& volume) {
  if (Json* source = Find(volume, "hostPath")) SetDefault(*source, "type", "");
  if (Json* source = Find(volume, "iscsi")) DefaultText(*source, "iscsiInterface", "default");
  if (Json* source = Find(volume, "rbd")) {
    DefaultText(*source, "pool", "rbd");
    DefaultText(*source, "user", "admin");
    DefaultText(*source, "keyring", "/etc/ceph/keyring");
  }
  if (Json* source = Find(volume, "azureDisk")) {
    SetDefault(*source, "cachingMode", "ReadWrite");
    SetDefault(*source, "kind", "Shared");
    SetDefault(*source, "fsType", "ext4");
    SetDefault(*source, "readOnly", false);
  }
  if (Json* source = Find(volume, "scaleIO")) {
    DefaultText(*source, "storageMode", "ThinProvisioned");
    DefaultText(*source, "fsType", "xfs");
  }
}

}  // namespace

void SetVolumeDefaults(Json& volume) {
  const bool has_source = std::any_of(
      PodSources().begin(), PodSources().end(),
      [&volume](const SourceRule& rule) { return Member(volume, rule.name) != nullptr; });
  if (!has_source) volume["emptyDir"] = Json::object();
  SetSourceDefaults(volume);
  for (std::string_view name : {"secret", "configMap", "downwardAPI", "projected"}) {
    if (Json* source = Find(volume, name)) SetDefault(*source, "defaultMode", kFileMode);
  }
  for (Json* item : ElementsAt(volume, "downwardAPI.items")) {
    if (Json* field = Find(*item, "fieldRef")) DefaultText(*field, "apiVersion", "v1");
  }
  for (Json* source : ElementsAt(volume, "projected.sources")) {
    if (Json* token = Find(*source, "serviceAccountToken")) {
      SetDefault(*token, "expirationSeconds", 3600);
    }
    for (Json* item : ElementsAt(*source, "downwardAPI.items")) {
      if (Json* field = Find(*item, "fieldRef")) DefaultText(*field, "apiVersion", "v1");
    }
  }
  if (Json* claim = Find(volume, "ephemeral.volumeClaimTemplate")) {
    SetVolumeClaimSpecDefaults(Make(*claim, "spec"));
  }
  if (Json* image = Find(volume, "image")) {
    DefaultText(*image, "pullPolicy", DefaultPullPolicy(TextAt(*image, "reference")));
  }
}

void ValidateVolumes(const Json& volumes, std::string_view path, FieldErrors& errors,
                     const PodSpecOwner& owner) {
  std::set<std::string> names;
  std::set<std::string> own_claims;
  for (const Json& volume : volumes) {
    if (Find(volume, "ephemeral") != nullptr && !owner.pod_name.empty()) {
      own_claims.insert(Concat(owner.pod_name, "-", TextAt(volume, "name")));
    }
  }
  for (size_t i = 0; i < volumes.size(); ++i) {
    const Json& volume = volumes[i];
    const std::string at = Index(path, i);
    const std::string& name = TextAt(volume, "name");
    ValidateSource(volume, PodSources(), at, errors);
    ValidateClaimName(volume, owner.pod_name, at, errors);
    if (owner.is_pod && Find(volume, "image") != nullptr) {
      RequireAt(MapAt(volume, "image"), "reference", Child(at, "image"), errors);
    }
    CheckRequiredName(name, IsLabel, Child(at, "name"), errors);
    if (!names.insert(name).second) errors.Duplicate(Child(at, "name"), name);
    const std::string& claim = TextAt(volume, "persistentVolumeClaim.claimName");
    if (own_claims.contains(claim)) {
      errors.Invalid(Child(at, "persistentVolumeClaim.claimName"), claim,
                     "must not reference a PVC that gets created for an ephemeral volume");
    }
  }
}

void SetPersistentVolumeSourceDefaults(Json& spec) { SetSourceDefaults(spec); }

void ValidatePersistentVolumeSource(const Json& spec, std::string_view name, std::string_view path,
                                    FieldErrors& errors) {
  ValidateSource(spec, PersistentSources(), path, errors);
  const std::string& portal = TextAt(spec, "iscsi.targetPortal");
  constexpr size_t kNameAndPortalMax = 64;
  if (Find(spec, "iscsi.initiatorName") != nullptr &&
      name.size() + 1 + portal.size() > kNameAndPortalMax) {
    errors.Invalid(Child(path, "iscsi.targetportal"), portal,
                   "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
                   "if iscsi.initiatorName is specified.");
  }
}

Json PersistentVolumeSourceOf(const Json& spec) {
  Json source = Json::object();
  for (const SourceRule& rule : PersistentSources()) {
    if (const Json* found = Member(spec, rule.name)) source[std::string(rule.name)] = *found;
  }
  return source;
}

}  // namespace keelson::api
