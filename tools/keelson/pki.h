// The certificates of a local cluster: an authority of its own and what it vouches for, in the
// folder pki/. Made once; leaves are made anew when they are about to expire.
#ifndef KEELSON_TOOLS_KEELSON_PKI_H_
#define KEELSON_TOOLS_KEELSON_PKI_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tools/keelson/cluster_plan.h"

namespace keelson::program {

// Who has a certificate: "apiserver", and the clients "admin", "scheduler", "controllers", "nodes".
struct PkiFiles {
  explicit PkiFiles(const ClusterPlan& plan) : directory(plan.File("pki")) {}
  const std::string directory;
  std::string authority() const { return directory + "/ca.crt"; }
  std::string certificate(std::string_view of) const {
    return directory + "/" + std::string(of) + ".crt";
  }
  std::string key(std::string_view of) const { return directory + "/" + std::string(of) + ".key"; }
  std::string service_account_key() const { return directory + "/service-account.key"; }
};

absl::Status EnsurePki(const ClusterPlan& plan, absl::Time now);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_PKI_H_
