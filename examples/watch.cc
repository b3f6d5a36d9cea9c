// Tells the next changes below a key. The watch goes on by itself when a member dies; it ends only
// when what it needs is compacted, and then the range is read again.
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/errors.h"
#include "client/ops.h"

namespace keelson::client {
namespace {

absl::Status Run(const std::string& endpoints, const std::string& prefix, int wanted) {
  KV_ASSIGN_OR_RETURN(const auto client,
                      Client::Create({.endpoints = absl::StrSplit(endpoints, ',')}));
  KV_ASSIGN_OR_RETURN(const auto state, client->kv().Range(PrefixRange(prefix)));
  std::cout << "there are " << state.kvs_size() << std::endl;
  // All that comes after what was read: nothing is missed in between.
  int64_t revision = state.header().revision() + 1;
  while (wanted > 0) {
    WatchQueue watch(client->core(),
                     {.key = prefix, .range_end = PrefixEnd(prefix), .start_revision = revision});
    auto changes = watch.Next();
    for (; changes.ok() && wanted > 0; changes = watch.Next()) {
      for (const mvccpb::Event& event : changes->events()) {
        std::cout << (event.type() == mvccpb::Event::PUT ? "put " : "delete ") << event.kv().key()
                  << " " << event.kv().value() << std::endl;
        --wanted;
      }
      if (wanted <= 0) break;
    }
    if (changes.ok()) break;
    if (!IsCompacted(changes.status())) return changes.status();
    KV_ASSIGN_OR_RETURN(const auto again, client->kv().Range(PrefixRange(prefix)));
    std::cout << "some changes are gone; there are " << again.kvs_size() << " now" << std::endl;
    revision = again.header().revision() + 1;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace keelson::client

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: example_watch ENDPOINTS KEY COUNT\n", stderr), 2;
  const absl::Status status = keelson::client::Run(argv[1], argv[2], std::atoi(argv[3]));
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
