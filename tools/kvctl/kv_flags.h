// The flags and arguments of get, put and del, as requests. Commands and the lines of a transaction
// both use them, as in etcdctl.
#ifndef KEELSON_TOOLS_KVCTL_KV_FLAGS_H_
#define KEELSON_TOOLS_KVCTL_KV_FLAGS_H_

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "proto/etcd/rpc.pb.h"
#include "tools/kvctl/exit.h"
#include "tools/kvctl/flags.h"

namespace keelson::kvctl {

struct GetFlags {
  std::string consistency = "l";
  std::string order;
  std::string sort_by;
  int64_t limit = 0;
  int64_t rev = 0;
  int64_t min_create_rev = 0;
  int64_t max_create_rev = 0;
  int64_t min_mod_rev = 0;
  int64_t max_mod_rev = 0;
  bool prefix = false;
  bool from_key = false;
  bool keys_only = false;
  bool count_only = false;
  bool print_value_only = false;

  void AddTo(Flags& flags);
  Exit ToRequest(const std::vector<std::string>& arguments,
                 etcdserverpb::RangeRequest* request) const;
};

struct PutFlags {
  std::string lease = "0";
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;

  void AddTo(Flags& flags);
  // Reads the value from `in` when the arguments do not have it.
  Exit ToRequest(const std::vector<std::string>& arguments, std::istream& in,
                 etcdserverpb::PutRequest* request) const;
};

struct DelFlags {
  bool prefix = false;
  bool prev_kv = false;
  bool from_key = false;
  bool range = false;

  void AddTo(Flags& flags);
  Exit ToRequest(const std::vector<std::string>& arguments,
                 etcdserverpb::DeleteRangeRequest* request) const;
};

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_KV_FLAGS_H_
