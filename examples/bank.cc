// Moves money between accounts from several threads. A transfer reads both accounts and writes both
// in a transaction that takes place only if neither has changed since; else it begins anew.
#include <atomic>
#include <cstdio>
#include <iostream>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/ops.h"

namespace keelson::client {
namespace {

constexpr int kAccounts = 5;
constexpr int64_t kStart = 100;
constexpr int kTellers = 4;
constexpr int kTransfers = 25;

std::string Account(int number) { return absl::StrCat("bank/", number); }

struct Balance {
  int64_t money = 0;
  int64_t revision = 0;  // as of which
};

absl::StatusOr<Balance> Read(Client& client, const std::string& account) {
  KV_ASSIGN_OR_RETURN(const auto found, client.kv().Get(account));
  Balance balance;
  if (found.kvs_size() != 1 || !absl::SimpleAtoi(found.kvs(0).value(), &balance.money)) {
    return absl::DataLossError(account + " has no balance");
  }
  balance.revision = found.kvs(0).mod_revision();
  return balance;
}

absl::Status Transfer(Client& client, const std::string& from, const std::string& to,
                      int64_t amount, std::atomic<int>* repeated) {
  for (;; ++*repeated) {
    KV_ASSIGN_OR_RETURN(const Balance giver, Read(client, from));
    KV_ASSIGN_OR_RETURN(const Balance taker, Read(client, to));
    if (giver.money < amount) return absl::OkStatus();  // it cannot give so much
    KV_ASSIGN_OR_RETURN(const auto done,
                        client.kv().Txn(Txn()
                                            .If(ModRevision(from) == giver.revision)
                                            .If(ModRevision(to) == taker.revision)
                                            .Then(PutOp(from, absl::StrCat(giver.money - amount)))
                                            .Then(PutOp(to, absl::StrCat(taker.money + amount)))
                                            .Build()));
    if (done.succeeded()) return absl::OkStatus();
  }
}

absl::Status Run(const std::string& endpoints) {
  KV_ASSIGN_OR_RETURN(const auto client,
                      Client::Create({.endpoints = absl::StrSplit(endpoints, ',')}));
  for (int i = 0; i < kAccounts; ++i) {
    KV_RETURN_IF_ERROR(client->kv().Put(Account(i), absl::StrCat(kStart)).status());
  }
  std::vector<absl::Status> results(kTellers);
  std::atomic<int> repeated = 0;  // counted by all
  std::vector<std::thread> tellers;
  for (int t = 0; t < kTellers; ++t) {
    tellers.emplace_back([&, t] {
      for (int i = 0; i < kTransfers && results[t].ok(); ++i) {
        const int from = (t + i) % kAccounts;
        const int to = (from + 1 + i % (kAccounts - 1)) % kAccounts;
        results[t] = Transfer(*client, Account(from), Account(to), 1 + i, &repeated);
      }
    });
  }
  for (std::thread& teller : tellers) teller.join();
  for (const absl::Status& result : results) KV_RETURN_IF_ERROR(result);

  // One read of all: as of one revision.
  KV_ASSIGN_OR_RETURN(const auto all, client->kv().Range(PrefixRange("bank/")));
  int64_t sum = 0;
  for (const auto& kv : all.kvs()) {
    int64_t money = 0;
    if (!absl::SimpleAtoi(kv.value(), &money)) return absl::DataLossError(kv.key());
    std::cout << kv.key() << " = " << money << "\n";
    sum += money;
  }
  std::cout << "sum " << sum << ", " << repeated << " transfers were repeated\n";
  return sum == kAccounts * kStart ? absl::OkStatus()
                                   : absl::DataLossError("money was made or lost");
}

}  // namespace
}  // namespace keelson::client

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: example_bank ENDPOINTS\n", stderr), 2;
  const absl::Status status = keelson::client::Run(argv[1]);
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
