// ServerProcess: a cluster of one member, etcd or kvd, as a process on loopback with its data in
// memory. It starts empty, is killed with the object, and dies with the test however that dies.
#ifndef KEELSON_TESTS_DIFFERENTIAL_SERVER_PROCESS_H_
#define KEELSON_TESTS_DIFFERENTIAL_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>

namespace keelson::differential {

class ServerProcess {
 public:
  explicit ServerProcess(std::string program);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  const std::string& target() const { return target_; }  // for gRPC: address and port
  int port() const { return port_; }
  const std::string& client_url() const { return client_url_; }
  const std::string& peer_url() const { return peer_url_; }
  bool Running();
  // The last lines of what it logged.
  std::string LogTail() const;

 private:
  void Start();

  std::string program_;
  std::string folder_;
  int port_;  // of clients
  std::string target_;
  std::string client_url_;
  std::string peer_url_;
  pid_t pid_ = 0;
};

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_SERVER_PROCESS_H_
