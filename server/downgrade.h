// What etcd accepts as the target of a downgrade: the minor version before the cluster's.
#ifndef KEELSON_SERVER_DOWNGRADE_H_
#define KEELSON_SERVER_DOWNGRADE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace keelson::server {

// "X.Y" or "X.Y.Z" as "X.Y.0", which is how etcd keeps a cluster's version. Errors:
// ErrWrongDowngradeFormat; ErrInvalidDowngradeTarget if it is not one minor version below
// `cluster_version`.
absl::StatusOr<std::string> CheckDowngradeTarget(std::string_view version,
                                                 std::string_view cluster_version);
// "X.Y" of "X.Y.Z".
std::string MajorMinor(std::string_view version);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_DOWNGRADE_H_
