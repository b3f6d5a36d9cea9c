// TestCluster: real servers on loopback for the tests of the client, etcd or kvd: the program that
// KEELSON_TEST_SERVER names, else the one built beside the tests, else Debian's etcd. They start
// empty, in a directory of their own, and are killed with the cluster.
#ifndef KEELSON_CLIENT_TEST_CLUSTER_H_
#define KEELSON_CLIENT_TEST_CLUSTER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "client/client.h"

namespace keelson::client {

class TestCluster {
 public:
  // Starts the members and waits until they serve; stops the test program when they do not.
  explicit TestCluster(int members);
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;
  ~TestCluster();

  // Whether there is a server to start; tests are skipped when not.
  static bool Available();

  std::vector<std::string> endpoints() const;
  std::string endpoint(size_t member) const { return members_[member].client_url; }
  // The member that leads, asked of any that runs.
  size_t Leader();
  // SIGKILL, and back on the same data.
  void Kill(size_t member);
  void Restart(size_t member);
  // Until every running member answers a linearizable read.
  void WaitServing();
  // A client of the whole cluster, or of some members.
  std::unique_ptr<Client> NewClient(Balance balance = Balance::kRoundRobin) const;
  std::unique_ptr<Client> NewClient(std::vector<std::string> endpoints, Balance balance) const;

 private:
  struct Member {
    std::string client_url;
    std::string peer_url;
    pid_t pid = 0;  // 0: not running
  };

  void Start(size_t member);

  std::string directory_;
  std::string initial_cluster_;
  std::vector<Member> members_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_TEST_CLUSTER_H_
