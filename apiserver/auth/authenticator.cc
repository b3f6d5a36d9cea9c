#include "apiserver/auth/authenticator.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/errors.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::auth {
namespace {

using registry::User;

constexpr std::string_view kExtraPrefix = "impersonate-extra-";

// The fields of one line of comma-separated values; a quoted field may hold commas and, doubled,
// quotes. nullopt: a quote that has no end, or stands in the middle of a field.
std::optional<std::vector<std::string>> SplitCsv(std::string_view line) {
  std::vector<std::string> fields;
  size_t at = 0;
  for (;;) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      for (++at;; ++at) {
        if (at >= line.size()) return std::nullopt;
        if (line[at] == '"') {
          if (++at >= line.size() || line[at] != '"') break;
        }
        field += line[at];
      }
      if (at < line.size() && line[at] != ',') return std::nullopt;
    } else {
      const size_t end = std::min(line.find(',', at), line.size());
      field = line.substr(at, end - at);
      if (field.find('"') != std::string::npos) return std::nullopt;
      at = end;
    }
    fields.push_back(std::move(field));
    if (at >= line.size()) return fields;
    ++at;
  }
}

// The token of "Bearer TOKEN"; nullopt: something else.
std::optional<std::string> BearerToken(std::string_view header) {
  const std::string text(
      absl::StripAsciiWhitespace(absl::string_view(header.data(), header.size())));
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 2));
  if (parts.size() < 2 || !absl::EqualsIgnoreCase(parts[0], "bearer") || parts[1].empty()) {
    return std::nullopt;
  }
  return parts[1];
}

User WithAuthenticatedGroup(User user) {
  const auto none = std::none_of(user.groups.begin(), user.groups.end(), [](const auto& group) {
    return group == kAuthenticatedGroup || group == kUnauthenticatedGroup;
  });
  if (none) user.groups.emplace_back(kAuthenticatedGroup);
  return user;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Without its percent escapes; as it is when one of them is none.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::string(text);
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Collects the wanted user while it checks every part of him.
class Impersonation {
 public:
  Impersonation(const User& user, Authorizer& authorizer) : user_(user), authorizer_(authorizer) {}

  absl::StatusOr<User> Build(const http::HeaderBlock& headers) {
    const std::string name(headers.Get("impersonate-user"));
    if (name.empty()) return Nobody(headers);
    std::string name_space, account;
    const bool is_account = SplitServiceAccountUser(name, &name_space, &account);
    KV_RETURN_IF_ERROR(is_account ? Check("", "", "serviceaccounts", "", name_space, account)
                                  : Check("", "", "users", "", "", name));
    wanted_.name = name;
    for (size_t i = 0; i < headers.size(); ++i) {
      if (headers[i].name != "impersonate-group") continue;
      const std::string group(headers[i].value);
      KV_RETURN_IF_ERROR(Check("", "", "groups", "", "", group));
      wanted_.groups.push_back(group);
    }
    if (is_account && wanted_.groups.empty()) wanted_.groups = ServiceAccountGroups(name_space);
    KV_RETURN_IF_ERROR(AddExtra(headers));
    wanted_.uid = headers.Get("impersonate-uid");
    if (!wanted_.uid.empty()) {
      KV_RETURN_IF_ERROR(Check("authentication.k8s.io", "v1", "uids", "", "", wanted_.uid));
    }
    if (name != kAnonymousUser) return WithAuthenticatedGroup(std::move(wanted_));
    if (!HasGroup(wanted_, kUnauthenticatedGroup)) {
      wanted_.groups.emplace_back(kUnauthenticatedGroup);
    }
    return std::move(wanted_);
  }

 private:
  absl::StatusOr<User> Nobody(const http::HeaderBlock& headers) const {
    for (size_t i = 0; i < headers.size(); ++i) {
      const std::string_view name = headers[i].name;
      if (name == "impersonate-group" || name.starts_with(kExtraPrefix) ||
          (name == "impersonate-uid" && !headers[i].value.empty())) {
        return api::BadRequest(Concat("requested ", name, " without impersonating a user"));
      }
    }
    return user_;
  }

  absl::Status AddExtra(const http::HeaderBlock& headers) {
    for (size_t i = 0; i < headers.size(); ++i) {
      if (!headers[i].name.starts_with(kExtraPrefix)) continue;
      const std::string key = Unescaped(headers[i].name.substr(kExtraPrefix.size()));
      const std::string value(headers[i].value);
      KV_RETURN_IF_ERROR(Check("authentication.k8s.io", "v1", "userextras", key, "", value));
      const auto found = std::find_if(wanted_.extra.begin(), wanted_.extra.end(),
                                      [&key](const auto& one) { return one.first == key; });
      if (found == wanted_.extra.end()) {
        wanted_.extra.push_back({key, {value}});
      } else {
        found->second.push_back(value);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Check(std::string group, std::string version, std::string resource,
                     std::string subresource, std::string name_space, std::string name) {
    return authorizer_.Authorize({.user = user_,
                                  .verb = "impersonate",
                                  .group = std::move(group),
                                  .version = std::move(version),
                                  .resource = std::move(resource),
                                  .subresource = std::move(subresource),
                                  .name_space = std::move(name_space),
                                  .name = std::move(name),
                                  .is_resource = true});
  }

  const User& user_;
  Authorizer& authorizer_;
  User wanted_;
};

}  // namespace

absl::StatusOr<StaticTokens> ReadTokenFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(Concat("cannot read the token file ", path));
  StaticTokens tokens;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const auto fields = SplitCsv(line);
    if (!fields || fields->size() < 3) {
      return absl::InvalidArgumentError(
          Concat("line ", number, " of the token file ", path, " is not token,name,uid"));
    }
    if ((*fields)[0].empty()) continue;
    User user{.name = (*fields)[1], .uid = (*fields)[2], .groups = {}, .extra = {}};
    if (fields->size() > 3 && !(*fields)[3].empty()) {
      user.groups = absl::StrSplit((*fields)[3], ',');
    }
    tokens[(*fields)[0]] = std::move(user);
  }
  return tokens;
}

Authenticator::Authenticator(Options options, const ServiceAccountTokens* tokens)
    : options_(std::move(options)), tokens_(tokens) {}

absl::StatusOr<User> Authenticator::Authenticate(const http::PeerCertificate& certificate,
                                                 const http::HeaderBlock& headers) const {
  if (!certificate.common_name.empty()) {
    User user{
        .name = certificate.common_name,
        .uid = "",
        .groups = certificate.organizations,
        .extra = {{std::string(kCredentialIdKey), {Concat("X509SHA256=", certificate.sha256)}}}};
    return WithAuthenticatedGroup(std::move(user));
  }
  if (const auto token = BearerToken(headers.Get("authorization"))) {
    auto verified = AuthenticateToken(*token, {});
    if (!verified.ok()) return api::Unauthorized();
    return std::move(verified->user);
  }
  if (!certificate.refused.empty() || !options_.anonymous) return api::Unauthorized();
  return User{.name = std::string(kAnonymousUser),
              .uid = "",
              .groups = {std::string(kUnauthenticatedGroup)},
              .extra = {}};
}

absl::StatusOr<VerifiedToken> Authenticator::AuthenticateToken(
    std::string_view token, const std::vector<std::string>& audiences) const {
  const auto found = options_.static_tokens.find(std::string(token));
  if (found != options_.static_tokens.end()) {
    return VerifiedToken{WithAuthenticatedGroup(found->second),
                         audiences.empty() ? tokens_->audiences() : audiences};
  }
  KV_ASSIGN_OR_RETURN(VerifiedToken verified, tokens_->Verify(token, audiences));
  verified.user = WithAuthenticatedGroup(std::move(verified.user));
  return verified;
}

absl::StatusOr<User> Impersonate(const User& user, const http::HeaderBlock& headers,
                                 Authorizer& authorizer) {
  return Impersonation(user, authorizer).Build(headers);
}

}  // namespace keelson::auth
