// Library: the client library (client/) as a client of a run has it: the code of production, in the
// run's time and on the run's network. What waits in it is done on virtual threads.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_LIBRARY_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_LIBRARY_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "client/client.h"
#include "tests/simulation/cluster/coroutine.h"
#include "tests/simulation/cluster/virtual_runtime.h"

namespace keelson::simulation {

struct CallResult {
  absl::Status status;
  std::string body;
};

class Library {
 public:
  struct Options {
    const void* connection;  // what members know the client's calls by
    std::string user;        // whose password is the name; empty: nobody
    uint64_t seed;
    bool sticky;  // one endpoint until it fails
  };
  // It is told the addresses of the members that there are.
  Library(World* world, const Options& options);
  // REQUIRES: End was called.
  ~Library();
  // Ends what waits; nothing more comes of it.
  void End();

  client::Client& client() { return *client_; }
  client::Core& core() { return client_->core(); }
  // `work` on a thread that may wait in the library.
  Coroutine<> Do(std::function<void()> work);
  // Whether the library has a function for the method, and that: one that waits, or, where there is
  // one, one that calls back.
  static bool Has(std::string_view method);
  enum class Way : uint8_t { kWaiting, kCallingBack };
  Coroutine<CallResult> Call(std::string method, std::string request, Time timeout, Way way);

 private:
  World* const world_;
  VirtualRuntime* runtime_;  // the client's
  std::unique_ptr<client::Client> client_;
  std::deque<VirtualThread> threads_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_LIBRARY_H_
