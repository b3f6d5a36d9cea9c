// Writes, reads, reads what was, and a range. Knows one member, finds the others.
#include <cstdio>
#include <iostream>

#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/ops.h"

namespace keelson::client {
namespace {

absl::Status Run(const std::string& endpoints) {
  KV_ASSIGN_OR_RETURN(const auto client,
                      Client::Create({.endpoints = absl::StrSplit(endpoints, ',')}));
  KV_RETURN_IF_ERROR(client->SyncEndpoints());
  std::cout << "the cluster has " << client->endpoints().size() << " members\n";

  KV_ASSIGN_OR_RETURN(const auto first, client->kv().Put("example/greeting", "hello"));
  KV_RETURN_IF_ERROR(client->kv().Put("example/greeting", "good day").status());
  KV_ASSIGN_OR_RETURN(const auto now, client->kv().Get("example/greeting"));
  std::cout << "now: " << now.kvs(0).value() << "\n";

  // Every revision can be read until it is compacted.
  RangeRequest past = KeyRange("example/greeting");
  past.set_revision(first.header().revision());
  KV_ASSIGN_OR_RETURN(const auto then, client->kv().Range(past));
  std::cout << "then: " << then.kvs(0).value() << "\n";

  KV_RETURN_IF_ERROR(client->kv().Put("example/other", "1").status());
  KV_ASSIGN_OR_RETURN(const auto all, client->kv().Range(PrefixRange("example/")));
  for (const auto& kv : all.kvs()) std::cout << kv.key() << " = " << kv.value() << "\n";
  etcdserverpb::DeleteRangeRequest both;
  both.set_key("example/");
  both.set_range_end(PrefixEnd("example/"));
  KV_ASSIGN_OR_RETURN(const auto deleted, client->kv().DeleteRange(both));
  std::cout << "deleted " << deleted.deleted() << "\n";
  return absl::OkStatus();
}

}  // namespace
}  // namespace keelson::client

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: example_put_get ENDPOINTS\n", stderr), 2;
  const absl::Status status = keelson::client::Run(argv[1]);
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
