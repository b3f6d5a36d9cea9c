// The language of `kvctl txn`: lines of comparisons, an empty line, lines of requests for when all of
// them hold, an empty line, lines of requests for when one does not, an empty line.
//
//   compare := target '("' key '") ' op ' "' value '"'
//   target  := ver | version | c | create | m | mod | val | value | lease
//   op      := < | = | > | !=
//   request := get ... | put ... | del ...      with the flags of those commands
#ifndef KEELSON_TOOLS_KVCTL_TXN_LANGUAGE_H_
#define KEELSON_TOOLS_KVCTL_TXN_LANGUAGE_H_

#include <istream>
#include <string>

#include "proto/etcd/rpc.pb.h"
#include "tools/kvctl/exit.h"

namespace keelson::kvctl {

// `line` without blanks around it. kInvalidInput with etcdctl's words when it is malformed.
Exit ParseCompare(const std::string& line, etcdserverpb::Compare* compare);
// `in` is where `put key` without a value reads it from.
Exit ParseRequest(const std::string& line, std::istream& in, etcdserverpb::RequestOp* request);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_TXN_LANGUAGE_H_
