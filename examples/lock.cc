// Adds one to a number under a lock. Reading and writing are two calls, so that only the lock keeps
// others from coming in between; and since a lock is a lease that can be lost meanwhile, the write
// is guarded: it happens only if the lock is still held when the store gets to it.
#include <cstdio>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/mutex.h"
#include "client/ops.h"
#include "client/session.h"

namespace keelson::client {
namespace {

// Something outside of the store that is written to, and refuses whoever has an older token than
// one it has seen: its lock is lost, though it may not know yet.
class Printer {
 public:
  bool Print(int64_t token, const std::string& line) {
    if (token < newest_) return false;
    newest_ = token;
    std::cout << line << "\n";
    return true;
  }

 private:
  int64_t newest_ = 0;
};

absl::Status Run(const std::string& endpoints, const std::string& name) {
  KV_ASSIGN_OR_RETURN(const auto client,
                      Client::Create({.endpoints = absl::StrSplit(endpoints, ',')}));
  KV_ASSIGN_OR_RETURN(const auto session, Session::Open(*client, {.ttl_seconds = 10}));
  Mutex mutex(*session, name);
  KV_RETURN_IF_ERROR(mutex.Lock(absl::Seconds(60)));

  const std::string counter = name + "-counter";
  KV_ASSIGN_OR_RETURN(const auto found, client->kv().Get(counter));
  int64_t number = 0;
  if (found.kvs_size() > 0 && !absl::SimpleAtoi(found.kvs(0).value(), &number)) {
    return absl::DataLossError("the counter is no number");
  }
  KV_RETURN_IF_ERROR(
      mutex.Guarded(Txn().Then(PutOp(counter, absl::StrCat(number + 1))).Build()).status());
  Printer printer;
  if (!printer.Print(mutex.token(),
                     absl::StrCat("counted to ", number + 1, " with token ", mutex.token()))) {
    return absl::FailedPreconditionError("somebody holds the lock by now");
  }
  KV_RETURN_IF_ERROR(mutex.Unlock());
  return session->Close();
}

}  // namespace
}  // namespace keelson::client

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: example_lock ENDPOINTS NAME\n", stderr), 2;
  const absl::Status status = keelson::client::Run(argv[1], argv[2]);
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
