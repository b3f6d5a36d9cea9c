#include "tools/kvctl/http_get.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace keelson::kvctl {
namespace {

constexpr size_t kBodyBytesMax = 64 << 20;

size_t OnBody(char* bytes, size_t size, size_t count, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size * count > kBodyBytesMax) return 0;  // ends the transfer
  body.append(bytes, size * count);
  return size * count;
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const std::string& url, const client::TlsOptions& tls,
                                    absl::Duration timeout) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (curl == nullptr) return absl::InternalError("libcurl cannot be used");
  std::string body;
  const auto set_text = [&](CURLoption option, const std::string& text) {
    if (!text.empty()) curl_easy_setopt(curl.get(), option, text.c_str());
  };
  set_text(CURLOPT_URL, url);
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");  // as the gRPC beside it
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS,
                   static_cast<long>(timeout / absl::Milliseconds(1)));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  set_text(CURLOPT_CAINFO, tls.ca_file);
  set_text(CURLOPT_SSLCERT, tls.cert_file);
  set_text(CURLOPT_SSLKEY, tls.key_file);
  if (tls.skip_verification) {
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  const CURLcode done = curl_easy_perform(curl.get());
  if (done != CURLE_OK) {
    return absl::UnavailableError(absl::StrCat("GET ", url, ": ", curl_easy_strerror(done)));
  }
  return body;
}

}  // namespace keelson::kvctl
