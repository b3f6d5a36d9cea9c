#include "apiserver/api/kinds/volume_files.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kTokenSecondsMin = 600;
constexpr int64_t kTokenSecondsMax = int64_t{1} << 32;

bool IsOneOf(std::string_view text, const std::vector<std::string_view>& texts) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

void ValidateKeyToPath(const Json& item, std::string_view path, FieldErrors& errors) {
  CheckRequired(TextAt(item, "key"), Child(path, "key"), errors);
  CheckRequired(TextAt(item, "path"), Child(path, "path"), errors);
  CheckFileInVolume(TextAt(item, "path"), Child(path, "path"), errors);
  CheckFileMode(item, "mode", path, errors);
}

void ValidateDownwardFile(const Json& file, std::string_view path, FieldErrors& errors) {
  CheckRequired(TextAt(file, "path"), Child(path, "path"), errors);
  CheckFileInVolume(TextAt(file, "path"), Child(path, "path"), errors);
  const Json* field = Find(file, "fieldRef");
  const Json* resource = Find(file, "resourceFieldRef");
  if (field != nullptr) {
    ValidateFieldReference(*field, DownwardUse::kFile, Child(path, "fieldRef"), errors);
    if (resource != nullptr) {
      errors.Invalid(path, "resource",
                     "fieldRef and resourceFieldRef can not be specified simultaneously");
    }
  } else if (resource != nullptr) {
    ValidateResourceFieldReference(*resource, DownwardUse::kFile, Child(path, "resourceFieldRef"),
                                   errors);
  } else {
    errors.Required(path, "one of fieldRef and resourceFieldRef is required");
  }
  CheckFileMode(file, "mode", path, errors);
}

// The paths that files of one volume have taken.
class TakenPaths {
 public:
  explicit TakenPaths(std::string_view volume_path) : volume_path_(volume_path) {}
  void Take(const std::string& file, std::string_view told, FieldErrors& errors) {
    if (!file.empty() && !taken_.insert(file).second) {
      errors.Invalid(volume_path_, told, "conflicting duplicate paths");
    }
  }

 private:
  const std::string_view volume_path_;
  std::set<std::string> taken_;
};

void ValidateProjectedKeys(const Json& source, std::string_view path, TakenPaths& taken,
                           FieldErrors& errors) {
  CheckRequired(TextAt(source, "name"), Child(path, "name"), errors);
  const Json& items = ArrayAt(source, "items");
  for (size_t i = 0; i < items.size(); ++i) {
    ValidateKeyToPath(items[i], Index(Child(path, "items"), i), errors);
    taken.Take(TextAt(items[i], "path"), TextAt(source, "name"), errors);
  }
}

void ValidateProjectedToken(const Json& token, std::string_view path, std::string_view volume_path,
                            FieldErrors& errors) {
  const int64_t seconds = NumberAt(token, "expirationSeconds");
  if (seconds < kTokenSecondsMin) {
    errors.Invalid(Child(path, "expirationSeconds"), seconds,
                   "may not specify a duration less than 10 minutes");
  }
  if (seconds > kTokenSecondsMax) {
    errors.Invalid(Child(path, "expirationSeconds"), seconds,
                   "may not specify a duration larger than 2^32 seconds");
  }
  CheckRequired(TextAt(token, "path"), Child(volume_path, "path"), errors);
  CheckFileInVolume(TextAt(token, "path"), Child(volume_path, "path"), errors);
}

void ValidateProjectedBundle(const Json& bundle, std::string_view path, TakenPaths& taken,
                             FieldErrors& errors) {
  const bool named = Find(bundle, "name") != nullptr;
  const bool signer = Find(bundle, "signerName") != nullptr;
  if (named && signer) {
    errors.Invalid(path, bundle, "only one of name and signerName may be used");
  } else if (named) {
    if (TextAt(bundle, "name").empty()) {
      errors.Required(Child(path, "name"), "must be a valid object name");
    }
    if (const Json* selector = Find(bundle, "labelSelector")) {
      errors.Invalid(Child(path, "labelSelector"), *selector,
                     "labelSelector must be unset if name is specified");
    }
  } else if (signer) {
    if (TextAt(bundle, "signerName").empty()) {
      errors.Required(Child(path, "signerName"), "must be a valid signer name");
    }
    ValidateLabelSelector(MapAt(bundle, "labelSelector"), Child(path, "labelSelector"), errors);
  } else {
    errors.Required(path, "either name or signerName must be specified");
  }
  const std::string& file = TextAt(bundle, "path");
  CheckRequired(file, Child(path, "path"), errors);
  CheckFileInVolume(file, Child(path, "path"), errors);
  taken.Take(file, file, errors);
}

void ValidateProjectedSource(const Json& source, std::string_view path,
                             std::string_view volume_path, TakenPaths& taken, FieldErrors& errors) {
  int kinds = 0;
  for (std::string_view name : {"secret", "configMap"}) {
    const Json* keys = Find(source, name);
    if (keys == nullptr) continue;
    ++kinds;
    ValidateProjectedKeys(*keys, Child(path, name), taken, errors);
  }
  if (const Json* downward = Find(source, "downwardAPI")) {
    ++kinds;
    for (const Json& file : ArrayAt(*downward, "items")) {
      ValidateDownwardFile(file, Child(path, "downwardAPI"), errors);
      taken.Take(TextAt(file, "path"), TextAt(file, "path"), errors);
    }
  }
  if (const Json* token = Find(source, "serviceAccountToken")) {
    ++kinds;
    ValidateProjectedToken(*token, Child(path, "serviceAccountToken"), volume_path, errors);
  }
  if (const Json* bundle = Find(source, "clusterTrustBundle")) {
    ++kinds;
    ValidateProjectedBundle(*bundle, Child(path, "clusterTrustBundle"), taken, errors);
  }
  if (kinds > 1) errors.Forbidden(path, "may not specify more than 1 volume type per source");
}

// "metadata.labels['a']" in two; nullopt: no subscript.
std::optional<std::pair<std::string, std::string>> SplitSubscript(const std::string& field) {
  const size_t bracket = field.find("['");
  if (bracket == std::string::npos || !field.ends_with("']")) return std::nullopt;
  const size_t begin = bracket + 2;
  if (field.size() < begin + 2) return std::nullopt;
  return std::pair(field.substr(0, bracket), field.substr(begin, field.size() - 2 - begin));
}

// Whether a pod has the field at all, beside what may be read of it here.
bool IsPodField(std::string_view field) {
  return IsOneOf(field,
                 {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
                  "metadata.uid", "spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName",
                  "spec.schedulerName", "status.phase", "status.hostIP", "status.hostIPs",
                  "status.podIP", "status.podIPs"});
}

void ValidateSubscript(const std::string& map, const std::string& key, std::string_view path,
                       FieldErrors& errors) {
  if (map == "metadata.labels") return CheckName(key, IsQualifiedName, path, errors);
  CheckName(absl::AsciiStrToLower(key), IsQualifiedName, path, errors);
}

void ValidateDivisor(const std::string& resource, const Json& reference, std::string_view path,
                     FieldErrors& errors) {
  const Quantity divisor = AmountAt(reference, "divisor");
  if (divisor.IsZero()) return;
  const std::string text = divisor.ToString();
  const auto refuse = [&](std::string_view values, std::string_view what) {
    errors.Invalid(
        Child(path, "divisor"), resource,
        Concat("only divisor's values ", values, " are supported with the ", what, " resource"));
  };
  if (resource.ends_with(".cpu")) {
    if (text != "1m" && text != "1") refuse("1m and 1", "cpu");
    return;
  }
  constexpr std::string_view kSizes = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei";
  if (IsOneOf(text, {"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi",
                     "1Ei"})) {
    return;
  }
  if (resource.ends_with(".memory")) {
    refuse(kSizes, "memory");
  } else if (resource.ends_with(".ephemeral-storage")) {
    refuse(kSizes, "local ephemeral storage");
  } else if (resource.find(".hugepages-") != std::string::npos) {
    refuse(kSizes, "hugepages");
  }
}

}  // namespace

void ValidateKeyFiles(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckFileMode(source, "defaultMode", path, errors);
  const Json& items = ArrayAt(source, "items");
  for (size_t i = 0; i < items.size(); ++i) {
    ValidateKeyToPath(items[i], Index(Child(path, "items"), i), errors);
  }
}

void ValidateDownwardFiles(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckFileMode(source, "defaultMode", path, errors);
  for (const Json& file : ArrayAt(source, "items")) ValidateDownwardFile(file, path, errors);
}

void ValidateProjectedFiles(const Json& source, std::string_view path, FieldErrors& errors) {
  CheckFileMode(source, "defaultMode", path, errors);
  TakenPaths taken(path);
  const Json& sources = ArrayAt(source, "sources");
  for (size_t i = 0; i < sources.size(); ++i) {
    ValidateProjectedSource(sources[i], Index(Child(path, "sources"), i), path, taken, errors);
  }
}

void ValidateFieldReference(const Json& reference, DownwardUse use, std::string_view path,
                            FieldErrors& errors) {
  const std::string& version = TextAt(reference, "apiVersion");
  const std::string& field = TextAt(reference, "fieldPath");
  if (version.empty()) return errors.Required(Child(path, "apiVersion"));
  if (field.empty()) return errors.Required(Child(path, "fieldPath"));
  const auto refuse = [&](std::string_view why) {
    errors.Invalid(Child(path, "fieldPath"), field, Concat("error converting fieldPath: ", why));
  };
  if (version != "v1") return refuse(Concat("unsupported pod version: ", version));
  if (const auto split = SplitSubscript(field)) {
    const auto& [map, key] = *split;
    if (map != "metadata.annotations" && map != "metadata.labels") {
      return refuse(Concat("field label does not support subscript: ", field));
    }
    return ValidateSubscript(map, key, path, errors);
  }
  if (!IsPodField(field)) return refuse(Concat("field label not supported: ", field));
  if (use == DownwardUse::kFile) {
    CheckOneOf(field,
               {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
                "metadata.uid"},
               Child(path, "fieldPath"), errors);
  } else {
    CheckOneOf(field,
               {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
                "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP",
                "status.podIPs"},
               Child(path, "fieldPath"), errors);
  }
}

void ValidateResourceFieldReference(const Json& reference, DownwardUse use, std::string_view path,
                                    FieldErrors& errors) {
  const std::string& resource = TextAt(reference, "resource");
  if (use == DownwardUse::kFile && TextAt(reference, "containerName").empty()) {
    errors.Required(Child(path, "containerName"));
  } else if (resource.find("limits.hugepages-") != 0 && resource.find("requests.hugepages-") != 0) {
    CheckOneOf(resource,
               {"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu",
                "requests.ephemeral-storage", "requests.memory"},
               Child(path, "resource"), errors);
  }
  ValidateDivisor(resource, reference, path, errors);
}

}  // namespace keelson::api
