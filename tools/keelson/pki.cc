#include "tools/keelson/pki.h"

#include <unistd.h>

#include <vector>

#include "base/status_macros.h"
#include "crypto/certificate.h"
#include "tools/keelson/durable_file.h"

namespace keelson::program {
namespace {

constexpr int kHoursOfYear = 365 * 24;
constexpr absl::Duration kAuthorityValidity = absl::Hours(10 * kHoursOfYear);
constexpr absl::Duration kLeafValidity = absl::Hours(kHoursOfYear);
constexpr absl::Duration kRenewBefore = absl::Hours(30 * 24);

absl::StatusOr<crypto::KeyPair> ReadPair(const PkiFiles& files, std::string_view of) {
  crypto::KeyPair pair;
  KV_ASSIGN_OR_RETURN(pair.certificate, ReadWhole(files.certificate(of)));
  KV_ASSIGN_OR_RETURN(pair.key, ReadWhole(files.key(of)));
  return pair;
}

// The key first: a certificate that is there has its key.
absl::Status WritePair(const PkiFiles& files, std::string_view of, const crypto::KeyPair& pair) {
  KV_RETURN_IF_ERROR(WriteWhole(files.key(of), pair.key, 0600));
  return WriteWhole(files.certificate(of), pair.certificate, 0644);
}

absl::StatusOr<crypto::KeyPair> EnsureAuthority(const PkiFiles& files, absl::Time now) {
  auto pair = ReadPair(files, "ca");
  if (pair.ok() && crypto::IsValidAt(pair->certificate, now + kRenewBefore)) return pair;
  if (!pair.ok() && !absl::IsNotFound(pair.status())) return pair.status();
  pair = crypto::MakeCertificate(
      {.common_name = "keelson", .authority = true, .not_after = now + kAuthorityValidity},
      nullptr);
  if (!pair.ok()) return pair.status();
  KV_RETURN_IF_ERROR(WritePair(files, "ca", *pair));
  return pair;
}

// Names under which the API servers are reached, from outside and by pods.
std::vector<std::string> ServerNames() {
  return {"localhost",
          "127.0.0.1",
          "::1",
          "10.96.0.1",
          "kubernetes",
          "kubernetes.default",
          "kubernetes.default.svc",
          "kubernetes.default.svc.cluster.local"};
}

}  // namespace

absl::Status EnsurePki(const ClusterPlan& plan, absl::Time now) {
  const PkiFiles files(plan);
  KV_RETURN_IF_ERROR(MakeDirectory(files.directory, 0700));
  KV_ASSIGN_OR_RETURN(const crypto::KeyPair authority, EnsureAuthority(files, now));
  struct Leaf {
    const char* name;
    crypto::CertificateSpec spec;
  };
  const std::vector<Leaf> leaves = {
      {"apiserver", {.common_name = "kube-apiserver", .hosts = ServerNames(), .server = true}},
      {"admin",
       {.common_name = "kubernetes-admin", .organizations = {"system:masters"}, .client = true}},
      {"scheduler", {.common_name = "system:kube-scheduler", .client = true}},
      {"controllers", {.common_name = "system:kube-controller-manager", .client = true}},
      {"nodes", {.common_name = "keelson:simulated-nodes", .client = true}},
  };
  for (Leaf leaf : leaves) {
    const auto there = ReadPair(files, leaf.name);
    if (there.ok() && crypto::IsValidAt(there->certificate, now + kRenewBefore, &authority)) {
      continue;
    }
    leaf.spec.not_after = now + kLeafValidity;
    KV_ASSIGN_OR_RETURN(const crypto::KeyPair pair, crypto::MakeCertificate(leaf.spec, &authority));
    KV_RETURN_IF_ERROR(WritePair(files, leaf.name, pair));
  }
  if (::access(files.service_account_key().c_str(), F_OK) == 0) return absl::OkStatus();
  KV_ASSIGN_OR_RETURN(const std::string key, crypto::MakeKey());
  return WriteWhole(files.service_account_key(), key, 0600);
}

}  // namespace keelson::program
