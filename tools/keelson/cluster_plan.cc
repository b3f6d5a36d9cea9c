#include "tools/keelson/cluster_plan.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/durable_file.h"

namespace keelson::program {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
// Below those that the system gives to outgoing connections.
constexpr int kChosenPortFirst = 20'000;
constexpr int kChosenPortLast = 31'999;

// Nobody listens there.
bool IsFree(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                    ::listen(fd, 1) == 0;
  ::close(fd);
  return free;
}

std::vector<int> AllPorts(const ClusterPlan& plan) {
  std::vector<int> ports = {plan.port};
  for (const auto* list :
       {&plan.client_ports, &plan.peer_ports, &plan.server_ports, &plan.status_ports}) {
    ports.insert(ports.end(), list->begin(), list->end());
  }
  return ports;
}

size_t StatusPortsOf(int members) { return 2 * static_cast<size_t>(std::max(members, 0)) + 1; }

int ChoosePort(std::set<int>* taken) {
  std::random_device chance;
  std::uniform_int_distribution<int> ports(kChosenPortFirst, kChosenPortLast);
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    const int port = ports(chance);
    if (taken->count(port) == 0 && IsFree(port)) {
      taken->insert(port);
      return port;
    }
  }
  return 0;
}

// Where etcd's users expect the members of a cluster on one machine: 2379, 22379, 32379, and more
// where those came from.
std::vector<int> UsualPorts(int first, int members) {
  std::vector<int> ports = {first};
  for (int i = 1; i < members; ++i) ports.push_back(i < 3 ? (i + 1) * 10'000 + first : 0);
  return ports;
}

absl::Status CheckWishes(const PlanWishes& wishes, const ClusterPlan& plan) {
  const auto bad = [](std::string_view text) {
    return absl::InvalidArgumentError(std::string(text));
  };
  if (plan.members < 1 || plan.members > kMembersMax) {
    return bad(Concat("--members must be 1 to ", kMembersMax));
  }
  if (plan.nodes < 0 || plan.nodes > kNodesMax) {
    return bad(Concat("--nodes must be 0 to ", kNodesMax));
  }
  std::set<int> seen;
  for (const auto& [flag, ports] : {std::pair("--client-ports", &wishes.client_ports),
                                    std::pair("--peer-ports", &wishes.peer_ports),
                                    std::pair("--server-ports", &wishes.server_ports)}) {
    if (!ports->empty() && ports->size() != static_cast<size_t>(plan.members)) {
      return bad(Concat(flag, " needs as many ports as there are members: ", plan.members));
    }
  }
  for (const int port : AllPorts(plan)) {
    if (port < 1 || port > 65535) return bad(Concat(port, " is no port"));
    if (!seen.insert(port).second) return bad(Concat("port ", port, " is used twice"));
  }
  return absl::OkStatus();
}

void Choose(ClusterPlan* plan, const PlanWishes& wishes) {
  if (wishes.port != 0) plan->port = wishes.port;
  plan->client_ports =
      wishes.client_ports.empty() ? UsualPorts(2379, plan->members) : wishes.client_ports;
  plan->peer_ports =
      wishes.peer_ports.empty() ? UsualPorts(2380, plan->members) : wishes.peer_ports;
  plan->server_ports = wishes.server_ports.empty()
                           ? std::vector<int>(static_cast<size_t>(std::max(plan->members, 0)), 0)
                           : wishes.server_ports;
  plan->status_ports.assign(StatusPortsOf(plan->members), 0);
  std::set<int> taken;
  for (const int port : AllPorts(*plan)) taken.insert(port);
  for (auto* list :
       {&plan->client_ports, &plan->peer_ports, &plan->server_ports, &plan->status_ports}) {
    for (int& port : *list) {
      if (port == 0) port = ChoosePort(&taken);
    }
  }
}

std::vector<int> PortsAt(const Json& json, const char* field) {
  std::vector<int> ports;
  if (!json.contains(field) || !json[field].is_array()) return ports;
  for (const Json& port : json[field]) {
    if (port.is_number_integer()) ports.push_back(port.get<int>());
  }
  return ports;
}

}  // namespace

std::string ClusterPlan::File(std::string_view name) const { return Concat(directory, "/", name); }
std::string ClusterPlan::MemberName(int index) const { return Concat("m", index + 1); }
std::string ClusterPlan::Url() const { return Concat("https://", kHost, ":", port); }
std::string ClusterPlan::ServerUrl(int index) const {
  return Concat("https://", kHost, ":", server_ports[static_cast<size_t>(index)]);
}
std::string ClusterPlan::StoreUrl(int index) const {
  return Concat("http://", kHost, ":", client_ports[static_cast<size_t>(index)]);
}

absl::StatusOr<ClusterPlan> LoadPlan(const std::string& directory) {
  const std::string path = Concat(directory, "/cluster.json");
  KV_ASSIGN_OR_RETURN(const std::string text, ReadWhole(path));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", Json()) != kFormat) {
    return absl::InvalidArgumentError(Concat(path, " is not of a form that this program knows"));
  }
  const auto number = [&json](const char* field) {
    return json.contains(field) && json[field].is_number_integer() ? json[field].get<int>() : 0;
  };
  ClusterPlan plan;
  plan.directory = directory;
  plan.members = number("members");
  plan.nodes = number("nodes");
  plan.port = number("port");
  plan.client_ports = PortsAt(json, "clientPorts");
  plan.peer_ports = PortsAt(json, "peerPorts");
  plan.server_ports = PortsAt(json, "serverPorts");
  plan.status_ports = PortsAt(json, "statusPorts");
  if (json.contains("contextBefore") && json["contextBefore"].is_string()) {
    plan.context_before = json["contextBefore"].get<std::string>();
  }
  const auto members = static_cast<size_t>(std::max(plan.members, 0));
  if (plan.client_ports.size() != members || plan.peer_ports.size() != members ||
      plan.server_ports.size() != members ||
      plan.status_ports.size() != StatusPortsOf(plan.members) || !CheckWishes({}, plan).ok()) {
    return absl::InvalidArgumentError(Concat(path, " contradicts itself"));
  }
  return plan;
}

absl::Status SavePlan(const ClusterPlan& plan) {
  const Json json = {{"format", kFormat},
                     {"members", plan.members},
                     {"nodes", plan.nodes},
                     {"port", plan.port},
                     {"clientPorts", plan.client_ports},
                     {"peerPorts", plan.peer_ports},
                     {"serverPorts", plan.server_ports},
                     {"statusPorts", plan.status_ports},
                     {"contextBefore", plan.context_before}};
  return WriteWhole(plan.File("cluster.json"), json.dump(2) + "\n", 0600);
}

absl::StatusOr<ClusterPlan> MakePlan(const std::string& directory, const PlanWishes& wishes) {
  absl::StatusOr<ClusterPlan> plan = LoadPlan(directory);
  const bool is_new = absl::IsNotFound(plan.status());
  if (!plan.ok() && !is_new) return plan.status();
  if (is_new) {
    plan = ClusterPlan();
    plan->directory = directory;
    if (wishes.members != 0) plan->members = wishes.members;
    Choose(&*plan, wishes);
  } else {
    const auto differs = [](const std::vector<int>& wish, const std::vector<int>& is) {
      return !wish.empty() && wish != is;
    };
    if ((wishes.members != 0 && wishes.members != plan->members) ||
        (wishes.port != 0 && wishes.port != plan->port) ||
        differs(wishes.client_ports, plan->client_ports) ||
        differs(wishes.peer_ports, plan->peer_ports) ||
        differs(wishes.server_ports, plan->server_ports)) {
      return absl::InvalidArgumentError(
          Concat("the cluster in ", directory,
                 " has other members or ports; `keelson delete` it first, or use another --dir"));
    }
  }
  if (wishes.nodes >= 0) plan->nodes = wishes.nodes;
  KV_RETURN_IF_ERROR(CheckWishes(wishes, *plan));
  return plan;
}

absl::Status CheckPorts(const ClusterPlan& plan) {
  const std::vector<std::pair<const char*, std::vector<int>>> all = {
      {"--port", {plan.port}},
      {"--client-ports", plan.client_ports},
      {"--peer-ports", plan.peer_ports},
      {"--server-ports", plan.server_ports},
      {"another --dir", plan.status_ports}};
  for (const auto& [flag, ports] : all) {
    for (const int port : ports) {
      if (!IsFree(port)) {
        return absl::UnavailableError(Concat("port ", port,
                                             " is taken by another program; stop it, or choose "
                                             "others with ",
                                             flag));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace keelson::program
