#include "apiserver/auth/endpoint_registration.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/ops.h"
#include "client/session.h"

namespace keelson::auth {
namespace {

using api::Json;

constexpr std::string_view kPrefix = "/registry/masterleases/";

// Creates the object, or sets one field of it.
absl::Status Set(Objects& objects, const Resource& resource, const Json& object,
                 std::string_view field) {
  const std::string& name = api::NameOf(object);
  const std::string key(field);
  const auto updated =
      objects.Update(resource, "default", name, [&](const Json& newest) -> absl::StatusOr<Json> {
        Json changed = newest;
        changed[key] = object[key];
        return changed;
      });
  if (updated.ok() || !api::IsNotFound(updated.status())) return updated.status();
  const auto created = objects.Create(resource, "default", object);
  return created.ok() || api::IsAlreadyExists(created.status()) ? absl::OkStatus()
                                                                : created.status();
}

Json Port(int port) { return {{"name", "https"}, {"port", port}, {"protocol", "TCP"}}; }

}  // namespace

std::string AdvertisedAddress(const std::string& host) {
  in_addr given{};
  const bool is_address = inet_pton(AF_INET, host.c_str(), &given) == 1;
  const uint32_t number = ntohl(given.s_addr);
  if (is_address && number != INADDR_ANY && number >> 24 != 127) return host;
  if (!is_address && !host.empty() && host != "localhost" && host != "::" && host != "::1") {
    return host;
  }
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "";
  std::string found;
  for (const ifaddrs* at = list; at != nullptr && found.empty(); at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET ||
        (at->ifa_flags & IFF_LOOPBACK) != 0 || (at->ifa_flags & IFF_UP) == 0) {
      continue;
    }
    char text[INET_ADDRSTRLEN];
    const auto* const address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
    if (inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text)) != nullptr) found = text;
  }
  freeifaddrs(list);
  return found;
}

absl::Status WriteEndpoints(Objects& objects, const ServerEndpoints& servers) {
  std::map<int, std::set<std::string>> by_port;
  for (const auto& [address, port] : servers) by_port[port].insert(address);
  Json endpoints = {{"apiVersion", "v1"},
                    {"kind", "Endpoints"},
                    {"metadata",
                     {{"name", "kubernetes"},
                      {"namespace", "default"},
                      {"labels", {{"endpointslice.kubernetes.io/skip-mirror", "true"}}}}},
                    {"subsets", Json::array()}};
  Json slice = {{"apiVersion", "discovery.k8s.io/v1"},
                {"kind", "EndpointSlice"},
                {"metadata",
                 {{"name", "kubernetes"},
                  {"namespace", "default"},
                  {"labels", {{"kubernetes.io/service-name", "kubernetes"}}}}},
                {"addressType", "IPv4"},
                {"endpoints", Json::array()},
                {"ports", Json::array()}};
  for (const auto& [port, addresses] : by_port) {
    Json subset = {{"addresses", Json::array()}, {"ports", Json::array({Port(port)})}};
    for (const std::string& address : addresses) subset["addresses"].push_back({{"ip", address}});
    endpoints["subsets"].push_back(std::move(subset));
  }
  KV_RETURN_IF_ERROR(Set(objects, kEndpoints, endpoints, "subsets"));
  // A slice has the same ports for all its addresses: one of each further port.
  std::set<std::string> names;
  for (const auto& [port, addresses] : by_port) {
    Json own = slice;
    if (!names.empty()) own["metadata"]["name"] = Concat("kubernetes-", port);
    names.insert(api::NameOf(own));
    for (const std::string& address : addresses) {
      own["endpoints"].push_back(
          {{"addresses", Json::array({address})}, {"conditions", {{"ready", true}}}});
    }
    own["ports"].push_back(Port(port));
    KV_RETURN_IF_ERROR(Set(objects, kEndpointSlices, own, "endpoints"));
    KV_RETURN_IF_ERROR(Set(objects, kEndpointSlices, own, "ports"));
  }
  for (const Object& other : objects.List(kEndpointSlices, "default")) {
    const Json* const service = api::Member(api::LabelsOf(*other), "kubernetes.io/service-name");
    if (service == nullptr || *service != "kubernetes" || names.count(api::NameOf(*other)) > 0 ||
        api::ArrayAt(*other, "endpoints").empty()) {
      continue;
    }
    Json none = *other;
    none["endpoints"] = Json::array();
    KV_RETURN_IF_ERROR(Set(objects, kEndpointSlices, none, "endpoints"));
  }
  return absl::OkStatus();
}

class EndpointRegistration::Impl {
 public:
  Impl(client::Client* store, Objects* objects, Options options)
      : store_(store),
        objects_(objects),
        options_(std::move(options)),
        thread_([this] { Run(); }) {}
  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    thread_.join();
  }

 private:
  void Run() {
    for (;;) {
      // What fails, the store being away, is tried again in the next round.
      if (EnsureRecord().ok()) static_cast<void>(WriteAll());
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopped_), options_.interval)) break;
    }
    if (session_ == nullptr) return;
    if (session_->Close({.timeout = absl::Seconds(2)}).ok()) static_cast<void>(WriteAll());
  }

  std::string Key() const { return Concat(kPrefix, options_.address, ":", options_.port); }

  absl::Status EnsureRecord() {
    if (session_ != nullptr && session_->status().ok()) return absl::OkStatus();
    KV_ASSIGN_OR_RETURN(std::unique_ptr<client::Session> session,
                        client::Session::Open(
                            *store_, {.ttl_seconds = absl::ToInt64Seconds(options_.time_to_live)}));
    KV_RETURN_IF_ERROR(store_->kv().Put(Key(), "{}", session->lease()).status());
    session_ = std::move(session);  // only with the record in it
    return absl::OkStatus();
  }

  absl::Status WriteAll() {
    KV_ASSIGN_OR_RETURN(const auto records, store_->kv().Range(client::PrefixRange(kPrefix)));
    ServerEndpoints servers;
    for (const auto& record : records.kvs()) {
      const std::string_view place = std::string_view(record.key()).substr(kPrefix.size());
      const size_t colon = place.rfind(':');
      int port = 0;
      if (colon == std::string_view::npos ||
          !absl::SimpleAtoi(std::string(place.substr(colon + 1)), &port)) {
        continue;
      }
      servers.emplace_back(place.substr(0, colon), port);
    }
    return WriteEndpoints(*objects_, servers);
  }

  client::Client* const store_;
  Objects* const objects_;
  const Options options_;
  std::unique_ptr<client::Session> session_;  // the thread's
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the others
};

EndpointRegistration::EndpointRegistration(client::Client* store, Objects* objects, Options options)
    : impl_(std::make_unique<Impl>(store, objects, std::move(options))) {}
EndpointRegistration::~EndpointRegistration() = default;

}  // namespace keelson::auth
