#include "server/responses.h"

#include "server/proto_writer.h"

namespace keelson::server {

void AppendHeader(const Header& header, std::string& to) {
  std::string encoded;
  ProtoWriter writer(&encoded);
  writer.Uint(1, header.cluster_id);
  writer.Uint(2, header.member_id.value());
  writer.Int(3, header.revision.value());
  writer.Uint(4, header.term.value());
  ProtoWriter(&to).Message(1, encoded);
}

std::string WithHeader(const Header& header, std::string_view body) {
  std::string out;
  out.reserve(body.size() + 48);
  AppendHeader(header, out);
  out.append(body);
  return out;
}

void FillHeader(const Header& header, etcdserverpb::ResponseHeader* out) {
  out->set_cluster_id(header.cluster_id);
  out->set_member_id(header.member_id.value());
  out->set_revision(header.revision.value());
  out->set_raft_term(header.term.value());
}

}  // namespace keelson::server
