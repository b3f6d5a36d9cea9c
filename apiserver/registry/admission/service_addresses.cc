// Addresses of services and their ports on nodes: given when a service is made or begins to need
// them, each once in the cluster, and free again when the service is gone or needs them no more.
#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/service.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"
#include "apiserver/registry/admission/reservations.h"
#include "apiserver/registry/metadata.h"
#include "apiserver/registry/registry.h"
#include "apiserver/registry/watch_cache.h"
#include "base/check.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::registry {
namespace {

using api::Json;

// Tries at random before the whole range is looked through.
constexpr int kRandomTries = 16;

uint64_t Random(uint64_t below) {
  static thread_local std::mt19937_64 chance{(uint64_t{std::random_device{}()} << 32) |
                                             std::random_device{}()};
  return std::uniform_int_distribution<uint64_t>(0, below - 1)(chance);
}

// The addresses of an IPv4 range, without its first and its last, which are not hosts'.
class AddressRange {
 public:
  explicit AddressRange(const std::string& text) : text_(text) {
    const size_t slash = text.find('/');
    in_addr address{};
    int bits = 0;
    KV_CHECK(slash != std::string::npos &&
             inet_pton(AF_INET, text.substr(0, slash).c_str(), &address) == 1 &&
             absl::SimpleAtoi(text.substr(slash + 1), &bits) && bits >= 8 && bits <= 29);
    first_ = (ntohl(address.s_addr) & ~((uint32_t{1} << (32 - bits)) - 1)) + 1;
    size_ = (uint64_t{1} << (32 - bits)) - 2;
  }

  const std::string& text() const { return text_; }
  uint64_t size() const { return size_; }
  std::string At(uint64_t index) const {
    in_addr address{};
    address.s_addr = htonl(first_ + static_cast<uint32_t>(index));
    char buffer[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, &address, buffer, sizeof(buffer));
  }
  bool Contains(const std::string& ip) const {
    in_addr address{};
    if (inet_pton(AF_INET, ip.c_str(), &address) != 1) return false;
    const uint32_t number = ntohl(address.s_addr);
    return number >= first_ && number - first_ < size_;
  }

 private:
  const std::string text_;
  uint32_t first_ = 0;
  uint64_t size_ = 0;
};

// Things in a row, by their index and by the name they are reserved under.
struct Choice {
  uint64_t size;
  uint64_t asked_first;  // those below are left to clients that ask for one
  std::function<std::string(uint64_t)> name;
};

// What one request reserved so far, to give it back if it comes to nothing.
class Basket {
 public:
  Basket(Reservations* reservations, Reservations::Held held, std::string uid, bool dry_run)
      : reservations_(reservations),
        held_(std::move(held)),
        uid_(std::move(uid)),
        dry_run_(dry_run) {}

  // False: somebody else has it.
  absl::StatusOr<bool> Take(const std::string& name) {
    if (dry_run_) {
      KV_ASSIGN_OR_RETURN(const std::set<std::string> taken, reservations_->Taken());
      return !taken.contains(name);
    }
    KV_ASSIGN_OR_RETURN(const bool done, reservations_->Reserve(name, uid_, held_));
    if (done) taken_.push_back(name);
    return done;
  }

  // Any that is free. ResourceExhausted: none is.
  absl::StatusOr<std::string> TakeAny(const Choice& choice) {
    for (int i = 0; i < kRandomTries; ++i) {
      const uint64_t index =
          choice.asked_first + Random(std::max<uint64_t>(choice.size - choice.asked_first, 1));
      KV_ASSIGN_OR_RETURN(const bool done, Take(choice.name(index)));
      if (done) return choice.name(index);
    }
    if (!dry_run_) KV_RETURN_IF_ERROR(reservations_->Sweep(held_));
    KV_ASSIGN_OR_RETURN(const std::set<std::string> taken, reservations_->Taken());
    for (uint64_t i = 0; i < choice.size; ++i) {
      const std::string name = choice.name((choice.asked_first + i) % choice.size);
      if (taken.contains(name)) continue;
      KV_ASSIGN_OR_RETURN(const bool done, Take(name));
      if (done) return name;
    }
    return absl::ResourceExhaustedError("range is full");
  }

  void GiveBack() {
    for (const std::string& name : taken_) reservations_->Release(name, uid_);
    taken_.clear();
  }

 private:
  Reservations* const reservations_;
  const Reservations::Held held_;
  const std::string uid_;
  const bool dry_run_;
  std::vector<std::string> taken_;
};

absl::Status InvalidAt(const Json& service, std::string_view path, const Json& value,
                       std::string_view why) {
  api::FieldErrors errors;
  errors.Invalid(path, value, why);
  return api::Invalid("", "Service", api::NameOf(service), errors);
}

std::vector<std::string> PortNamesOf(const Json& service) {
  std::vector<std::string> names;
  for (const int64_t port : api::NodePortsOf(service)) names.push_back(std::to_string(port));
  return names;
}

using NamesOf = std::vector<std::string> (*)(const Json& service);

Reservations::Held HeldBy(Registry& registry, NamesOf names_of) {
  return [&registry, names_of]() -> absl::StatusOr<std::set<std::string>> {
    KV_ASSIGN_OR_RETURN(const ListResult all, registry.List({.kind = &api::ServiceKind()}));
    std::set<std::string> held;
    for (const auto& entry : all.items) {
      for (std::string& name : names_of(entry->Parse())) held.insert(std::move(name));
    }
    return held;
  };
}

class ServiceAddresses : public AdmissionPlugin {
 public:
  explicit ServiceAddresses(const AdmissionOptions& options)
      : range_(options.service_range),
        port_first_(options.node_port_first),
        port_last_(options.node_port_last) {}

  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsService(request)) return absl::OkStatus();
    Json& service = *request.object;
    api::NormalizeService(service, request.old);
    // What will be refused need not get anything.
    api::FieldErrors errors;
    ValidateMetadata(*request.kind, service, errors);
    api::ValidateService(service, errors);
    if (request.old != nullptr) {
      ValidateMetadataUpdate(service, *request.old, errors);
      api::ValidateServiceUpdate(service, *request.old, errors);
    }
    if (!errors.empty()) return absl::OkStatus();

    Reservations ips = Ips(registry);
    Reservations ports = Ports(registry);
    Basket ip_basket(&ips, HeldBy(registry, api::ClusterIpsOf), api::UidOf(service),
                     request.dry_run);
    Basket port_basket(&ports, HeldBy(registry, PortNamesOf), api::UidOf(service), request.dry_run);
    absl::Status status = GiveIp(service, request.old, ip_basket);
    if (status.ok()) status = GivePorts(service, request.old, port_basket);
    if (!status.ok()) {
      ip_basket.GiveBack();
      port_basket.GiveBack();
    }
    return status;
  }

  absl::Status Validate(Registry& registry, const AdmissionRequest& request) override {
    // What the service has had, and will not have if this succeeds.
    if (request.old == nullptr || request.dry_run || !IsKind(request, "", "services") ||
        !request.subresource.empty()) {
      return absl::OkStatus();
    }
    const Json nothing = Json::object();
    ForEachLost(registry, *request.old, request.object != nullptr ? *request.object : nothing,
                &Reservations::SayLeaving);
    return absl::OkStatus();
  }

  void Undo(Registry& registry, const AdmissionRequest& request) override {
    if (!IsService(request) || request.dry_run) return;
    const Json nothing = Json::object();
    ForEachLost(registry, *request.object, request.old != nullptr ? *request.old : nothing,
                &Reservations::Release);
  }

 private:
  static bool IsService(const AdmissionRequest& request) {
    return IsKind(request, "", "services") && request.subresource.empty() &&
           request.operation != Operation::kDelete;
  }
  static Reservations Ips(Registry& registry) {
    return {&registry.store(), "/registry/ranges/serviceips/"};
  }
  static Reservations Ports(Registry& registry) {
    return {&registry.store(), "/registry/ranges/servicenodeports/"};
  }

  // What `service` has and `other` has not.
  static void ForEachLost(Registry& registry, const Json& service, const Json& other,
                          void (Reservations::*act)(std::string_view, std::string_view)) {
    const auto lost = [&](NamesOf names_of, Reservations reservations) {
      const std::vector<std::string> kept = names_of(other);
      for (const std::string& name : names_of(service)) {
        if (std::find(kept.begin(), kept.end(), name) != kept.end()) continue;
        (reservations.*act)(name, api::UidOf(service));
      }
    };
    lost(api::ClusterIpsOf, Ips(registry));
    lost(PortNamesOf, Ports(registry));
  }

  absl::Status GiveIp(Json& service, const Json* old, Basket& basket) const {
    if (!api::HasClusterIp(service) || api::IsHeadless(service)) return absl::OkStatus();
    std::vector<std::string> asked = api::ClusterIpsOf(service);
    const bool first_of_all =
        api::NamespaceOf(service) == "default" && api::NameOf(service) == "kubernetes";
    if (asked.empty() && first_of_all) asked.push_back(range_.At(0));
    if (asked.empty()) {
      const uint64_t asked_first = std::min(
          range_.size() - 1, std::min<uint64_t>(std::max<uint64_t>(16, range_.size() / 16), 256));
      const Choice choice{.size = range_.size(),
                          .asked_first = asked_first,
                          .name = [this](uint64_t index) { return range_.At(index); }};
      absl::StatusOr<std::string> ip = basket.TakeAny(choice);
      if (absl::IsResourceExhausted(ip.status())) {
        return api::Internal("failed to allocate a serviceIP: range is full");
      }
      if (!ip.ok()) return ip.status();
      SetIp(service, *ip);
      return absl::OkStatus();
    }
    const std::vector<std::string> had =
        old != nullptr ? api::ClusterIpsOf(*old) : std::vector<std::string>();
    for (const std::string& ip : asked) {
      if (std::find(had.begin(), had.end(), ip) != had.end()) continue;
      if (!range_.Contains(ip)) {
        return Refused(
            service, ip,
            Concat("the provided IP (", ip,
                   ") is not in the valid range. The range of valid IPs is ", range_.text()));
      }
      KV_ASSIGN_OR_RETURN(const bool done, basket.Take(ip));
      if (!done) return Refused(service, ip, "provided IP is already allocated");
    }
    if (api::ClusterIpsOf(service).empty()) SetIp(service, asked[0]);
    return absl::OkStatus();
  }

  static void SetIp(Json& service, const std::string& ip) {
    service["spec"]["clusterIP"] = ip;
    service["spec"]["clusterIPs"] = Json::array({ip});
  }

  static absl::Status Refused(const Json& service, const std::string& ip, std::string_view why) {
    return InvalidAt(service, "spec.clusterIPs", api::ArrayAt(service, "spec.clusterIPs"),
                     Concat("failed to allocate IP ", ip, ": ", why));
  }

  Choice AnyPort() const {
    const uint64_t size = static_cast<uint64_t>(port_last_ - port_first_ + 1);
    return {.size = size,
            .asked_first =
                std::min(size - 1, std::min<uint64_t>(std::max<uint64_t>(16, size / 32), 128)),
            .name = [this](uint64_t index) {
              return std::to_string(port_first_ + static_cast<int64_t>(index));
            }};
  }

  static absl::StatusOr<int64_t> NumberOf(const absl::StatusOr<std::string>& port) {
    if (absl::IsResourceExhausted(port.status())) {
      return api::Internal("failed to allocate a nodePort: range is full");
    }
    if (!port.ok()) return port.status();
    int64_t number = 0;
    KV_CHECK(absl::SimpleAtoi(*port, &number));
    return number;
  }

  absl::Status TakePort(const Json& service, int64_t port, std::string_view path,
                        Basket& basket) const {
    if (port < port_first_ || port > port_last_) {
      return InvalidAt(service, path, port,
                       Concat("provided port is not in the valid range. The range of valid ports "
                              "is ",
                              port_first_, "-", port_last_));
    }
    KV_ASSIGN_OR_RETURN(const bool done, basket.Take(std::to_string(port)));
    return done ? absl::OkStatus()
                : InvalidAt(service, path, port, "provided port is already allocated");
  }

  absl::Status GivePorts(Json& service, const Json* old, Basket& basket) const {
    std::set<int64_t> had;
    if (old != nullptr) {
      for (const int64_t port : api::NodePortsOf(*old)) had.insert(port);
    }
    // One port for what is one port of the service, whatever the protocol.
    std::map<int64_t, int64_t> given;
    Json* ports = api::Find(service, "spec.ports");
    for (size_t i = 0; ports != nullptr && i < ports->size(); ++i) {
      const int64_t port = api::NumberAt((*ports)[i], "nodePort");
      if (port == 0) continue;
      given.emplace(api::NumberAt((*ports)[i], "port"), port);
      if (!had.insert(port).second) continue;
      KV_RETURN_IF_ERROR(
          TakePort(service, port, api::Child(api::Index("spec.ports", i), "nodePort"), basket));
    }
    for (size_t i = 0; api::NeedsNodePorts(service) && ports != nullptr && i < ports->size(); ++i) {
      Json& port = (*ports)[i];
      if (api::NumberAt(port, "nodePort") != 0) continue;
      int64_t& number = given[api::NumberAt(port, "port")];
      if (number == 0) {
        KV_ASSIGN_OR_RETURN(number, NumberOf(basket.TakeAny(AnyPort())));
      }
      port["nodePort"] = number;
    }
    return GiveHealthCheckPort(service, had, basket);
  }

  absl::Status GiveHealthCheckPort(Json& service, const std::set<int64_t>& had,
                                   Basket& basket) const {
    constexpr std::string_view kPath = "spec.healthCheckNodePort";
    if (!api::NeedsHealthCheckPort(service)) return absl::OkStatus();
    const int64_t asked = api::NumberAt(service, kPath);
    if (asked != 0) {
      return had.contains(asked) ? absl::OkStatus() : TakePort(service, asked, kPath, basket);
    }
    KV_ASSIGN_OR_RETURN(const int64_t port, NumberOf(basket.TakeAny(AnyPort())));
    service["spec"]["healthCheckNodePort"] = port;
    return absl::OkStatus();
  }

  const AddressRange range_;
  const int64_t port_first_;
  const int64_t port_last_;
};

}  // namespace

PluginPtr MakeServiceAddresses(const AdmissionOptions& options) {
  return std::make_unique<ServiceAddresses>(options);
}

}  // namespace keelson::registry
