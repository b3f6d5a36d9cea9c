#include "tools/kvbench/process_meter.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>

#include "base/check.h"

namespace keelson::kvbench {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string ProcessFile(int pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

absl::Duration Ticks(uint64_t ticks) {
  static const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return absl::Seconds(static_cast<double>(ticks) / per_second);
}

absl::Duration OwnCpu() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text, int base) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Names in a folder of /proc that are numbers; empty when it cannot be read.
std::vector<int> Numbers(const std::string& folder) {
  std::vector<int> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(folder.c_str()), closedir);
  while (const dirent* entry = open ? readdir(open.get()) : nullptr) {
    if (const auto number = ParseNumber<int>(entry->d_name, 10)) numbers.push_back(*number);
  }
  return numbers;
}

// The inode of a descriptor that is a socket.
std::optional<uint64_t> SocketInode(int pid, int fd) {
  char target[64];
  const std::string link = ProcessFile(pid, "fd/") + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), target, sizeof(target));
  std::string_view text(target, size > 0 ? static_cast<size_t>(size) : 0);
  if (!text.starts_with("socket:[") || !text.ends_with(']')) return std::nullopt;
  return ParseNumber<uint64_t>(text.substr(8, text.size() - 9), 10);
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

std::vector<ListeningSocket> ParseListeningSockets(std::string_view proc_net_tcp) {
  std::vector<ListeningSocket> sockets;
  std::istringstream lines{std::string(proc_net_tcp)};
  std::string line;
  std::getline(lines, line);  // the titles
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    const std::vector<std::string> word{std::istream_iterator<std::string>(words), {}};
    // sl local_address rem_address st queues timer retransmits uid timeout inode ...
    if (word.size() < 10 || word[3] != "0A") continue;
    const std::string_view local = word[1];
    const auto port = ParseNumber<uint16_t>(local.substr(local.rfind(':') + 1), 16);
    const auto inode = ParseNumber<uint64_t>(word[9], 10);
    if (port && inode) sockets.push_back({*port, *inode});
  }
  return sockets;
}

std::optional<absl::Duration> ParseProcessCpu(std::string_view proc_pid_stat) {
  // The second field is the program's name in parentheses and may itself have some, and spaces.
  const size_t name_end = proc_pid_stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  std::istringstream rest{std::string(proc_pid_stat.substr(name_end + 1))};
  const std::vector<std::string> word{std::istream_iterator<std::string>(rest), {}};
  if (word.size() < 13) return std::nullopt;  // utime and stime are fields 14 and 15 of all
  const auto user = ParseNumber<uint64_t>(word[11], 10);
  const auto system = ParseNumber<uint64_t>(word[12], 10);
  if (!user || !system) return std::nullopt;
  return Ticks(*user + *system);
}

std::vector<int> FindServers(const std::vector<Endpoint>& endpoints) {
  std::map<uint64_t, uint16_t> port_of;  // inode -> port
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    for (const ListeningSocket& socket : ParseListeningSockets(ReadFile(file))) {
      port_of[socket.inode] = socket.port;
    }
  }
  std::map<uint16_t, int> pid_of;  // port -> process
  for (const int pid : Numbers("/proc")) {
    for (const int fd : Numbers(ProcessFile(pid, "fd"))) {
      const auto inode = SocketInode(pid, fd);
      const auto found = inode ? port_of.find(*inode) : port_of.end();
      if (found != port_of.end()) pid_of[found->second] = pid;
    }
  }
  std::vector<int> pids;
  for (const Endpoint& endpoint : endpoints) {
    const auto found = pid_of.find(endpoint.port);
    if (!IsLoopback(endpoint.host) || found == pid_of.end()) continue;
    if (std::find(pids.begin(), pids.end(), found->second) == pids.end()) {
      pids.push_back(found->second);
    }
  }
  return pids;
}

absl::StatusOr<ProcessMeter> ProcessMeter::Make(const std::vector<int>& pids) {
  for (const int pid : pids) {
    if (!ParseProcessCpu(ReadFile(ProcessFile(pid, "stat")))) {
      return absl::NotFoundError("--server-pids: no process " + std::to_string(pid));
    }
  }
  return ProcessMeter(pids);
}

ProcessMeter::Moment ProcessMeter::Read() const {
  Moment moment;
  for (size_t i = 0; i < pids_.size(); ++i) {
    const auto cpu = ParseProcessCpu(ReadFile(ProcessFile(pids_[i], "stat")));
    const bool known = i < start_.servers.size();
    moment.servers.push_back(cpu.value_or(known ? start_.servers[i] : absl::ZeroDuration()));
  }
  moment.client = OwnCpu();
  std::istringstream stat(ReadFile("/proc/stat"));
  std::string title;
  stat >> title;
  // user nice system idle iowait irq softirq steal: of all processors together.
  for (int field = 0; field < 8; ++field) {
    uint64_t ticks = 0;
    stat >> ticks;
    moment.machine_total += Ticks(ticks);
    if (field != 3 && field != 4) moment.machine_busy += Ticks(ticks);
  }
  return moment;
}

void ProcessMeter::Start() { start_ = Read(); }

Cost ProcessMeter::Stop() const {
  const Moment end = Read();
  Cost cost;
  cost.client_cpu = end.client - start_.client;
  absl::Duration other = end.machine_busy - start_.machine_busy - cost.client_cpu;
  static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  for (size_t i = 0; i < pids_.size(); ++i) {
    ServerCost server;
    server.pid = pids_[i];
    server.name = ReadFile(ProcessFile(pids_[i], "comm"));
    if (server.name.ends_with('\n')) server.name.pop_back();
    server.cpu = end.servers[i] - start_.servers[i];
    std::istringstream statm(ReadFile(ProcessFile(pids_[i], "statm")));
    uint64_t all_pages = 0;
    uint64_t resident_pages = 0;
    statm >> all_pages >> resident_pages;
    server.rss_bytes = resident_pages * page_bytes;
    other -= server.cpu;
    cost.servers.push_back(std::move(server));
  }
  const absl::Duration total = end.machine_total - start_.machine_total;
  if (total > absl::ZeroDuration()) {
    cost.other_share = std::max(0.0, absl::FDivDuration(other, total));
  }
  return cost;
}

}  // namespace keelson::kvbench
