// Mirror: keeps a copy of a part of one store's keys in another store. First all that is there is
// copied, as of one revision; then every change is, in order, what happened together in one
// transaction together, unless it is more than a transaction may hold. The other store's own
// revisions, and keys that are there already, are its own affair; leases are not copied.
//
// Thread: one.
#ifndef KEELSON_TOOLS_KVCTL_MIRROR_H_
#define KEELSON_TOOLS_KVCTL_MIRROR_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "client/client.h"
#include "client/ops.h"

namespace keelson::kvctl {

struct MirrorOptions {
  std::string prefix = {};        // of the keys to copy; "": all
  std::string dest_prefix = {};   // takes the place of `prefix`
  int64_t ops_max = 128;          // in a transaction
  client::CallOptions call = {};  // of each call
};

// The name of a copied key.
std::string MirroredKey(const MirrorOptions& options, const std::string& key);

class Mirror {
 public:
  // `on_report` is called with the number of changes written so far, every report_interval.
  Mirror(client::Client& source, client::Client& destination, MirrorOptions options,
         std::function<void(int64_t)> on_report);

  // Copies what is there now; returns the revision that the copy is of.
  absl::StatusOr<int64_t> CopyAll();
  // Copies all changes from `revision` on, for as long as it can. IsCompacted: they are gone.
  absl::Status Follow(int64_t revision);

 private:
  static constexpr absl::Duration kReportInterval = absl::Seconds(30);

  absl::Status Add(client::RequestOp op, size_t bytes);
  absl::Status Flush();
  absl::Status Apply(const etcdserverpb::WatchResponse& response);
  void MaybeReport();

  client::Client& source_;
  client::Client& destination_;
  const MirrorOptions options_;
  const std::function<void(int64_t)> on_report_;
  const RealClock clock_;
  absl::Duration next_report_;
  client::TxnRequest batch_;
  size_t batch_bytes_ = 0;
  int64_t written_ = 0;
};

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_MIRROR_H_
