#include "tests/differential/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "client/free_port.h"

namespace keelson::differential {
ServerProcess::ServerProcess(std::string program)
    : program_(std::move(program)), port_(client::FreePort()) {
  // Memory, where there is some as a folder: a sync costs nothing there, and etcd 3.4 cannot be
  // told to leave it.
  std::string folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  folder += "/keelson-differential.XXXXXX";
  KV_CHECK(mkdtemp(folder.data()) != nullptr);
  folder_ = folder;
  target_ = absl::StrCat("127.0.0.1:", port_);
  client_url_ = absl::StrCat("http://", target_);
  peer_url_ = absl::StrCat("http://127.0.0.1:", client::FreePort());
  Start();
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;  // a folder left behind is no failure of the test
  std::filesystem::remove_all(folder_, ignored);
}

void ServerProcess::Start() {
  std::vector<std::string> arguments = {program_,
                                        "--name=m",
                                        "--data-dir=" + folder_ + "/data",
                                        "--listen-client-urls=" + client_url_,
                                        "--advertise-client-urls=" + client_url_,
                                        "--listen-peer-urls=" + peer_url_,
                                        "--initial-advertise-peer-urls=" + peer_url_,
                                        "--initial-cluster=m=" + peer_url_,
                                        "--bcrypt-cost=4",
                                        "--log-level=error"};
  if (absl::EndsWith(program_, "etcd")) arguments.push_back("--logger=zap");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log = folder_ + "/log";
  pid_ = fork();
  KV_CHECK_GE(pid_, 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    // Nothing in our environment configures it.
    char* const environment[] = {nullptr};
    execve(argv[0], argv.data(), environment);
    _exit(127);
  }
}

bool ServerProcess::Running() {
  if (pid_ <= 0) return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

std::string ServerProcess::LogTail() const {
  std::ifstream in(folder_ + "/log");
  std::stringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  constexpr size_t kTail = 3000;
  return all.size() <= kTail ? all : all.substr(all.size() - kTail);
}

}  // namespace keelson::differential
