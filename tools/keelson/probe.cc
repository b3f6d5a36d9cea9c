#include "tools/keelson/probe.h"

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/pki.h"

namespace keelson::program {
namespace {

using Json = nlohmann::json;

size_t Collect(char* data, size_t size, size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

struct Answer {
  long code;
  std::string body;
};

// `post`: nullptr for a GET. `pki`: for https.
absl::StatusOr<Answer> Ask(const std::string& url, const char* post, const PkiFiles* pki,
                           absl::Duration timeout) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(
      ready == CURLE_OK ? curl_easy_init() : nullptr, curl_easy_cleanup);
  if (curl == nullptr) return absl::InternalError("curl cannot be used");
  Answer answer{0, ""};
  const std::string authority = pki == nullptr ? "" : pki->authority();
  const std::string certificate = pki == nullptr ? "" : pki->certificate("admin");
  const std::string key = pki == nullptr ? "" : pki->key("admin");
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS,
                   static_cast<long>(timeout / absl::Milliseconds(1)));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, Collect);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  if (post != nullptr) curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, post);
  if (pki != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, authority.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_SSLCERT, certificate.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_SSLKEY, key.c_str());
  }
  const CURLcode result = curl_easy_perform(curl.get());
  if (result != CURLE_OK) return absl::UnavailableError(curl_easy_strerror(result));
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.code);
  return answer;
}

Json Parsed(const absl::StatusOr<Answer>& answer) {
  if (!answer.ok() || answer->code != 200) return Json::object();
  Json json = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json::object();
}

// The text at a path of names; empty where there is none.
std::string TextAt(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* name : path) {
    if (!at->is_object() || !at->contains(name)) return "";
    at = &(*at)[name];
  }
  return at->is_string() ? at->get<std::string>() : "";
}

bool IsReady(const Json& node) {
  if (!node.is_object() || !node.contains("status") || !node["status"].is_object()) return false;
  const Json conditions = node["status"].value("conditions", Json::array());
  for (const Json& condition : conditions) {
    if (TextAt(condition, {"type"}) == "Ready") return TextAt(condition, {"status"}) == "True";
  }
  return false;
}

}  // namespace

StoreMember AskStore(const ClusterPlan& plan, int index, absl::Duration timeout) {
  StoreMember member;
  const std::string url = plan.StoreUrl(index);
  member.healthy =
      TextAt(Parsed(Ask(url + "/health", nullptr, nullptr, timeout)), {"health"}) == "true";
  const Json status = Parsed(Ask(url + "/v3/maintenance/status", "{}", nullptr, timeout));
  const std::string leader = TextAt(status, {"leader"});
  member.leads = !leader.empty() && leader == TextAt(status, {"header", "member_id"});
  member.version = TextAt(status, {"version"});
  return member;
}

ApiServerAnswer AskApiServer(const ClusterPlan& plan, const std::string& url,
                             absl::Duration timeout) {
  const PkiFiles pki(plan);
  const auto ready = Ask(url + "/readyz", nullptr, &pki, timeout);
  ApiServerAnswer answer{.ready = ready.ok() && ready->code == 200};
  if (ready.ok()) {
    answer.version = TextAt(Parsed(Ask(url + "/version", nullptr, &pki, timeout)), {"gitVersion"});
  }
  return answer;
}

bool IsAlive(int status_port, absl::Duration timeout) {
  const auto answer =
      Ask(Concat("http://", kHost, ":", status_port, "/healthz"), nullptr, nullptr, timeout);
  return answer.ok() && answer->code == 200;
}

absl::StatusOr<Json> GetFromApi(const ClusterPlan& plan, const std::string& path,
                                absl::Duration timeout) {
  const PkiFiles pki(plan);
  KV_ASSIGN_OR_RETURN(const Answer answer, Ask(plan.Url() + path, nullptr, &pki, timeout));
  if (answer.code != 200) {
    return absl::UnavailableError(Concat("GET ", path, " answers ", answer.code));
  }
  return Parsed(answer);
}

std::string LeaseHolder(const ClusterPlan& plan, const std::string& lease, absl::Duration timeout) {
  const auto object = GetFromApi(
      plan, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/" + lease, timeout);
  return object.ok() ? TextAt(*object, {"spec", "holderIdentity"}) : "";
}

NodeCount CountNodes(const ClusterPlan& plan, absl::Duration timeout) {
  NodeCount count;
  const auto list = GetFromApi(plan, "/api/v1/nodes?resourceVersion=0", timeout);
  if (!list.ok() || !list->contains("items") || !(*list)["items"].is_array()) return count;
  for (const Json& node : (*list)["items"]) {
    ++count.all;
    if (IsReady(node)) ++count.ready;
  }
  return count;
}

}  // namespace keelson::program
