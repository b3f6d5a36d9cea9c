// Secret.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr size_t kDataBytesMax = 1 << 20;
constexpr std::string_view kImmutable = "field is immutable when `immutable` is set";

// stringData is what clients write plain texts to; it is never read.
void SetDefaults(Json& secret) {
  const Json texts = MapAt(secret, "stringData");
  for (const auto& [key, text] : texts.items()) {
    Make(secret, "data")[key] = absl::Base64Escape(TextAt(text, ""));
  }
  secret.erase("stringData");
  DefaultText(secret, "type", "Opaque");
}

std::optional<std::string> DataAt(const Json& secret, std::string_view key) {
  const Json* value = Member(MapAt(secret, "data"), key);
  if (value == nullptr) return std::nullopt;
  std::string bytes;
  absl::Base64Unescape(TextAt(*value, ""), &bytes);
  return bytes;
}

void RequireKey(const Json& secret, std::string_view key, FieldErrors& errors) {
  if (!DataAt(secret, key)) errors.Required(Key("data", key));
}

void RequireDockerConfig(const Json& secret, std::string_view key, FieldErrors& errors) {
  const std::optional<std::string> config = DataAt(secret, key);
  if (!config) return errors.Required(Key("data", key));
  if (!Json::parse(*config, nullptr, /*allow_exceptions=*/false).is_object()) {
    errors.Invalid(Key("data", key), "<secret contents redacted>", "must be a JSON object");
  }
}

void ValidateByType(const Json& secret, FieldErrors& errors) {
  const std::string& type = TextAt(secret, "type");
  if (type == "kubernetes.io/service-account-token") {
    constexpr std::string_view kAccount = "kubernetes.io/service-account.name";
    const Json* account = Member(AnnotationsOf(secret), kAccount);
    if (account == nullptr || *account == "") {
      errors.Required(Key("metadata.annotations", kAccount));
    }
  } else if (type == "kubernetes.io/dockercfg") {
    RequireDockerConfig(secret, ".dockercfg", errors);
  } else if (type == "kubernetes.io/dockerconfigjson") {
    RequireDockerConfig(secret, ".dockerconfigjson", errors);
  } else if (type == "kubernetes.io/basic-auth") {
    if (DataAt(secret, "username") || DataAt(secret, "password")) return;
    errors.Required("data[username]");
    errors.Required("data[password]");
  } else if (type == "kubernetes.io/ssh-auth") {
    if (DataAt(secret, "ssh-privatekey").value_or("").empty()) {
      errors.Required("data[ssh-privatekey]");
    }
  } else if (type == "kubernetes.io/tls") {
    RequireKey(secret, "tls.crt", errors);
    RequireKey(secret, "tls.key", errors);
  }
}

void Validate(const Json& secret, FieldErrors& errors) {
  size_t bytes = 0;
  for (const auto& [key, value] : MapAt(secret, "data").items()) {
    CheckName(key, IsConfigKey, Key("data", key), errors);
    bytes += DataAt(secret, key).value_or("").size();
  }
  if (bytes > kDataBytesMax) errors.TooLong("data", kDataBytesMax);
  ValidateByType(secret, errors);
}

void PrepareUpdate(Json& secret, const Json& old) {
  DefaultText(secret, "type", TextAt(old, "type"));
}

void ValidateUpdate(const Json& secret, const Json& old, FieldErrors& errors) {
  CheckImmutable(secret, old, "type", "type", errors);
  if (!FlagAt(old, "immutable")) return;
  if (!FlagAt(secret, "immutable")) errors.Forbidden("immutable", kImmutable);
  if (MapAt(secret, "data") != MapAt(old, "data")) errors.Forbidden("data", kImmutable);
}

void Print(const Json& secret, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(secret));
  cells->push_back(TextAt(secret, "type"));
  cells->push_back(MapAt(secret, "data").size());
  cells->push_back(AgeCell(secret, context));
}

}  // namespace

const Kind& SecretKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Secret",
      .plural = "secrets",
      .singular = "secret",
      .message = "core.v1.Secret",
      .storage_prefix = "secrets",
      .set_defaults = SetDefaults,
      .prepare_update = PrepareUpdate,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .columns = {NameColumn(), {"Type"}, {"Data"}, {"Age"}},
      .print = Print,
      .field_labels = {{"type", "type"}},
  };
  return kind;
}

}  // namespace keelson::api
