#include "server/member_tls.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keelson::server {
namespace {

// The first https URL of `urls`, or null.
const Url* FindSecure(const std::vector<Url>& urls) {
  const auto it =
      std::find_if(urls.begin(), urls.end(), [](const Url& url) { return url.secure(); });
  return it == urls.end() ? nullptr : &*it;
}

// One kind of connection: its listeners and what the flags say about it.
struct Kind {
  const char* prefix;  // of its flags: "" or "peer-"
  const TransportSecurity& security;
  std::vector<Url> listeners;
  const std::vector<Url>& advertised;
};

absl::StatusOr<http::TlsOptions> Options(const Config& config, const Kind& kind,
                                         std::vector<SelfSignedPlace>* self_signed) {
  const Url* const secure = FindSecure(kind.listeners);
  const http::TlsOptions& given = kind.security.tls;
  const bool has_certificate = !given.cert_file.empty() || !given.key_file.empty();
  if (has_certificate && secure == nullptr && !kind.listeners.empty()) {
    spdlog::warn("the scheme of {} is http although --{}cert-file is given; it is not encrypted",
                 kind.listeners.front().text, kind.prefix);
  }
  if (has_certificate && kind.security.auto_tls) {
    spdlog::warn("--{0}auto-tls is ignored: --{0}cert-file is given", kind.prefix);
  }
  if (has_certificate || secure == nullptr) return given;
  if (!kind.security.auto_tls) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot listen on ", secure->text, ": neither --", kind.prefix, "cert-file and --",
        kind.prefix, "key-file nor --", kind.prefix, "auto-tls are given"));
  }
  // A peer would be refused with the certificate that it makes for itself.
  if (*kind.prefix != '\0' && (given.require_client_cert || !given.trusted_ca_file.empty())) {
    return absl::InvalidArgumentError(absl::StrCat("--", kind.prefix, "auto-tls cannot go with --",
                                                   kind.prefix, "client-cert-auth or --",
                                                   kind.prefix, "trusted-ca-file"));
  }
  std::vector<std::string> hosts;
  for (const std::vector<Url>* urls : {&kind.listeners, &kind.advertised}) {
    for (const Url& url : *urls) {
      if (std::count(hosts.begin(), hosts.end(), url.host) == 0) hosts.push_back(url.host);
    }
  }
  const std::string directory =
      absl::StrCat(config.data_dir, "/fixtures/", kind.prefix == std::string() ? "client" : "peer");
  self_signed->push_back({directory, hosts, config.self_signed_cert_validity_years});
  KV_ASSIGN_OR_RETURN(const http::TlsOptions made,
                      http::SelfSigned(directory, hosts, config.self_signed_cert_validity_years));
  // The rest is as it was said: what clients have to show does not depend on who made our own.
  http::TlsOptions options = given;
  options.cert_file = made.cert_file;
  options.key_file = made.key_file;
  options.verify_server = made.verify_server;
  return options;
}

}  // namespace

absl::StatusOr<MemberTls> LoadMemberTls(const Config& config) {
  const auto notice = [](const std::string& line) { spdlog::warn("{}", line); };
  Kind client = {"", config.client_security, config.listen_client_urls,
                 config.advertise_client_urls};
  for (const auto* urls : {&config.listen_client_http_urls, &config.listen_metrics_urls}) {
    client.listeners.insert(client.listeners.end(), urls->begin(), urls->end());
  }
  const Kind peer = {"peer-", config.peer_security, config.listen_peer_urls,
                     config.initial_advertise_peer_urls};
  MemberTls result;
  KV_ASSIGN_OR_RETURN(const http::TlsOptions client_options,
                      Options(config, client, &result.self_signed));
  if (FindSecure(client.listeners) != nullptr) {
    KV_ASSIGN_OR_RETURN(result.client, http::TlsCredentials::Load(client_options, notice));
  }
  KV_ASSIGN_OR_RETURN(const http::TlsOptions peer_options,
                      Options(config, peer, &result.self_signed));
  KV_ASSIGN_OR_RETURN(result.peer, http::TlsCredentials::Load(peer_options, notice));
  KV_ASSIGN_OR_RETURN(result.snapshot, http::TlsCredentials::Load(peer_options, notice));
  return result;
}

absl::Status RenewSelfSigned(const MemberTls& tls) {
  for (const SelfSignedPlace& place : tls.self_signed) {
    KV_RETURN_IF_ERROR(
        http::SelfSigned(place.directory, place.hosts, place.validity_years).status());
  }
  return absl::OkStatus();
}

}  // namespace keelson::server
