// The answers that are lists, as rows of text: what the simple format joins with commas and the
// table format draws.
#ifndef KEELSON_TOOLS_KVCTL_ROWS_H_
#define KEELSON_TOOLS_KVCTL_ROWS_H_

#include <string>
#include <vector>

#include "proto/etcd/rpc.pb.h"
#include "tools/kvctl/printer.h"

namespace keelson::kvctl {

struct Rows {
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
};

Rows MemberRows(const etcdserverpb::MemberListResponse& response);
Rows HealthRows(const std::vector<EndpointHealth>& endpoints);
Rows StatusRows(const std::vector<EndpointStatus>& endpoints);
Rows HashRows(const std::vector<EndpointHash>& endpoints);
Rows OfflineHashRows(const OfflineHash& hash);
Rows SnapshotRows(const SnapshotStatus& status);

// A boxed table: headers in capitals and centred, cells to the right. A cell is one line.
std::string DrawTable(const Rows& rows);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_ROWS_H_
