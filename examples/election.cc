// Campaigns, leads for a moment, says what it does, and hands over. What a leader writes is
// guarded, so that a former one that does not know yet cannot write.
#include "client/election.h"

#include <cstdio>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/ops.h"
#include "client/session.h"

namespace keelson::client {
namespace {

absl::Status Run(const std::string& endpoints, const std::string& name, const std::string& me) {
  KV_ASSIGN_OR_RETURN(const auto client,
                      Client::Create({.endpoints = absl::StrSplit(endpoints, ',')}));
  KV_ASSIGN_OR_RETURN(const auto session, Session::Open(*client, {.ttl_seconds = 10}));
  Election election(*session, name);
  KV_RETURN_IF_ERROR(election.Campaign(me, absl::Seconds(60)));
  std::cout << me << " leads in term " << election.token() << std::endl;

  KV_RETURN_IF_ERROR(election.Proclaim(absl::StrCat(me, ": at work")));
  KV_ASSIGN_OR_RETURN(const auto leader, FindLeader(*client, name));
  std::cout << leader.kvs(0).value() << std::endl;
  KV_RETURN_IF_ERROR(election.Guarded(Txn().Then(PutOp(name + "-last", me)).Build()).status());

  KV_RETURN_IF_ERROR(election.Resign());
  // A leader no more: what it was about to write is refused.
  const auto late = election.Guarded(Txn().Then(PutOp(name + "-last", "nobody")).Build());
  std::cout << "afterwards: " << late.status().message() << std::endl;
  return session->Close();
}

}  // namespace
}  // namespace keelson::client

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: example_election ENDPOINTS NAME ME\n", stderr), 2;
  const absl::Status status = keelson::client::Run(argv[1], argv[2], argv[3]);
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
