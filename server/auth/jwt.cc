#include "server/auth/jwt.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/signature.h"
#include "nlohmann/json.hpp"

namespace keelson::server {
namespace {

using Json = nlohmann::json;

// etcd's words; a reason of ours follows.
absl::Status InvalidOptions(std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("auth: invalid auth options: ", std::string(why)));
}

std::string Base64Url(std::string_view bytes) {
  std::string text = absl::WebSafeBase64Escape(std::string(bytes));
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::optional<std::string> FromBase64Url(std::string_view text) {
  std::string bytes;
  if (text.find('=') != std::string_view::npos) return std::nullopt;
  if (!absl::WebSafeBase64Unescape(std::string(text), &bytes)) return std::nullopt;
  return bytes;
}

std::optional<Json> FromBase64UrlJson(std::string_view text) {
  const std::optional<std::string> bytes = FromBase64Url(text);
  if (!bytes) return std::nullopt;
  Json json = Json::parse(*bytes, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

// Seconds since 1970. nullopt: absent. A claim that is there and is no number is the infinite past,
// at which nothing is valid.
std::optional<absl::Time> TimeClaim(const Json& claims, const char* name, absl::Time malformed) {
  const auto found = claims.find(name);
  if (found == claims.end()) return std::nullopt;
  if (!found->is_number()) return malformed;
  return absl::UnixEpoch() + absl::Seconds(found->get<double>());
}

}  // namespace

absl::StatusOr<JwtOptions> ParseJwtOptions(std::string_view text) {
  JwtOptions options;
  std::set<std::string> seen;
  for (const std::string& part :
       std::vector<std::string>(absl::StrSplit(std::string(text), ',', absl::SkipEmpty()))) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos) return InvalidOptions(absl::StrCat(part, " has no value"));
    const std::string name = part.substr(0, equals);
    if (!seen.insert(name).second) return InvalidOptions(absl::StrCat(name, " is given twice"));
    const std::string value = part.substr(equals + 1);
    if (name == "sign-method") options.sign_method = value;
    if (name == "pub-key") options.public_key_file = value;
    if (name == "priv-key") options.private_key_file = value;
    if (name == "ttl" && !absl::ParseDuration(value, &options.ttl)) {
      return InvalidOptions(absl::StrCat("ttl=", value, " is not a duration"));
    }
  }
  return options;
}

struct Jwt::Key {
  crypto::SignatureKey key;
  std::string header;  // encoded
};

Jwt::Jwt(std::unique_ptr<Key> key, absl::Duration ttl, WallClock now)
    : key_(std::move(key)), ttl_(ttl), now_(std::move(now)) {}
Jwt::~Jwt() = default;

absl::StatusOr<std::unique_ptr<Jwt>> Jwt::Create(const JwtOptions& options, WallClock now) {
  auto key = crypto::SignatureKey::Load(options.sign_method, options.public_key_file,
                                        options.private_key_file);
  if (!key.ok()) return InvalidOptions(std::string(key.status().message()));
  std::string header = Base64Url(Json{{"alg", options.sign_method}, {"typ", "JWT"}}.dump());
  auto whole = std::make_unique<Key>(Key{*std::move(key), std::move(header)});
  return std::unique_ptr<Jwt>(new Jwt(std::move(whole), options.ttl, std::move(now)));
}

bool Jwt::can_sign() const { return key_->key.can_sign(); }

absl::StatusOr<std::string> Jwt::Sign(std::string_view user, uint64_t auth_revision) const {
  KV_CHECK(can_sign());
  const Json claims{{"username", std::string(user)},
                    {"revision", auth_revision},
                    {"exp", absl::ToUnixSeconds(now_() + ttl_)}};
  std::string token = absl::StrCat(key_->header, ".", Base64Url(claims.dump()));
  KV_ASSIGN_OR_RETURN(const std::string signature, key_->key.Sign(token));
  absl::StrAppend(&token, ".", Base64Url(signature));
  return token;
}

std::optional<Jwt::Claims> Jwt::Verify(std::string_view token) const {
  const size_t first = token.find('.');
  const size_t last = token.rfind('.');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  const auto header = FromBase64UrlJson(token.substr(0, first));
  const auto signature = FromBase64Url(token.substr(last + 1));
  if (!header || !signature) return std::nullopt;
  const auto alg = header->find("alg");
  // The method is ours to choose, not the token's.
  if (alg == header->end() || *alg != key_->key.method()) return std::nullopt;
  if (!key_->key.Verify(token.substr(0, last), *signature)) return std::nullopt;

  const auto claims = FromBase64UrlJson(token.substr(first + 1, last - first - 1));
  if (!claims) return std::nullopt;
  const absl::Time now = now_();
  const absl::Time expires =
      TimeClaim(*claims, "exp", absl::InfinitePast()).value_or(absl::InfiniteFuture());
  const absl::Time begins =
      TimeClaim(*claims, "nbf", absl::InfiniteFuture()).value_or(absl::InfinitePast());
  if (expires <= now || now < begins) return std::nullopt;
  const auto user = claims->find("username");
  const auto revision = claims->find("revision");
  if (user == claims->end() || !user->is_string()) return std::nullopt;
  if (revision == claims->end() || !revision->is_number()) return std::nullopt;
  const double value = revision->get<double>();
  if (!(value >= 0 && value < 9e15)) return std::nullopt;
  return Claims{{user->get<std::string>(), static_cast<uint64_t>(value)}, expires};
}

}  // namespace keelson::server
