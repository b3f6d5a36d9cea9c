// Encoded answers: the response header and the bodies of KV answers, field by field as etcd sends
// them.
#ifndef KEELSON_SERVER_RESPONSES_H_
#define KEELSON_SERVER_RESPONSES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/types.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::server {

// etcdserverpb.ResponseHeader.
struct Header {
  uint64_t cluster_id = 0;
  NodeId member_id;
  Revision revision;
  Term term;
};

// Appends `header` as field 1 of an answer.
void AppendHeader(const Header& header, std::string& to);
// An answer of the given header and an already encoded rest.
std::string WithHeader(const Header& header, std::string_view body);
void FillHeader(const Header& header, etcdserverpb::ResponseHeader* out);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_RESPONSES_H_
