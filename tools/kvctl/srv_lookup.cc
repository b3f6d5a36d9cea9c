#include "tools/kvctl/srv_lookup.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keelson::kvctl {
namespace {

constexpr size_t kFixedBytes = 6;  // priority, weight and port, before the name

struct Server {
  unsigned priority;
  unsigned weight;
  std::string address;
};

absl::StatusOr<std::vector<std::string>> LookUp(const std::string& service,
                                                const std::string& domain) {
  const std::string name = absl::StrCat("_", service, "._tcp.", domain);
  std::string answer(64 << 10, '\0');
  const int size =
      res_query(name.c_str(), ns_c_in, ns_t_srv, reinterpret_cast<unsigned char*>(answer.data()),
                static_cast<int>(answer.size()));
  if (size < 0) return absl::NotFoundError(absl::StrCat("lookup ", name, ": ", hstrerror(h_errno)));
  answer.resize(std::min<size_t>(static_cast<size_t>(size), answer.size()));
  return ParseSrvAnswer(answer);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseSrvAnswer(std::string_view message) {
  const absl::Status malformed = absl::InvalidArgumentError("a malformed answer from DNS");
  ns_msg parsed;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(message.data());
  if (ns_initparse(bytes, static_cast<int>(message.size()), &parsed) != 0) return malformed;
  std::vector<Server> servers;
  for (int i = 0; i < ns_msg_count(parsed, ns_s_an); ++i) {
    ns_rr record;
    if (ns_parserr(&parsed, ns_s_an, i, &record) != 0) return malformed;
    if (ns_rr_type(record) != ns_t_srv) continue;  // the way there, by CNAME
    const unsigned char* const data = ns_rr_rdata(record);
    char target[NS_MAXDNAME];
    if (ns_rr_rdlen(record) <= kFixedBytes ||
        dn_expand(bytes, bytes + message.size(), data + kFixedBytes, target, sizeof(target)) < 0) {
      return malformed;
    }
    // A target of the root says that there is no such service (RFC 2782).
    if (target[0] == '\0') continue;
    servers.push_back(
        {ns_get16(data), ns_get16(data + 2), absl::StrCat(target, ":", ns_get16(data + 4))});
  }
  std::stable_sort(servers.begin(), servers.end(), [](const Server& a, const Server& b) {
    return std::tuple(a.priority, b.weight) < std::tuple(b.priority, a.weight);
  });
  std::vector<std::string> addresses;
  for (Server& server : servers) addresses.push_back(std::move(server.address));
  return addresses;
}

absl::StatusOr<std::vector<std::string>> LookUpServers(const std::string& domain,
                                                       const std::string& name) {
  const std::string suffix = name.empty() ? "" : absl::StrCat("-", name);
  std::vector<std::string> urls;
  std::string errors;
  for (const auto& [service, scheme] :
       {std::pair{"etcd-client-ssl", "https://"}, std::pair{"etcd-client", "http://"}}) {
    const auto addresses = LookUp(absl::StrCat(service, suffix), domain);
    if (!addresses.ok()) {
      absl::StrAppend(&errors, errors.empty() ? "" : " and ", addresses.status().message());
      continue;
    }
    for (const std::string& address : *addresses) urls.push_back(absl::StrCat(scheme, address));
  }
  if (urls.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "dns lookup errors: ", errors.empty() ? "no servers are named" : errors.c_str()));
  }
  return urls;
}

}  // namespace keelson::kvctl
