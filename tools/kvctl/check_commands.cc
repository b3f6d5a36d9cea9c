#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "client/ops.h"
#include "tools/kvctl/check_load.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/http_get.h"

namespace keelson::kvctl {
namespace {

// The measures of etcdctl.
constexpr double kRateShareMin = 0.9;
constexpr double kSlowestMax = 0.5;    // seconds
constexpr double kDeviationMax = 0.1;  // seconds
constexpr char kMemoryMetric[] = "process_resident_memory_bytes";

// How many writes have begun, on a terminal.
class Progress {
 public:
  Progress(std::ostream& out, int64_t of) : out_(out), of_(of), shown_(clock_.Now()) {}
  ~Progress() {
    if (on_terminal_) out_ << "\r\x1b[K" << std::flush;
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Show(int64_t begun) {
    if (!on_terminal_ || clock_.Now() - shown_ < absl::Milliseconds(200)) return;
    shown_ = clock_.Now();
    out_ << absl::StreamFormat("\r%d / %d  %d%%", begun, of_, begun * 100 / of_) << std::flush;
  }

 private:
  const RealClock clock_;
  const bool on_terminal_ = isatty(STDERR_FILENO) != 0;
  std::ostream& out_;
  const int64_t of_;
  absl::Duration shown_;
};

// What both checks have in common: a prefix that must be empty and is emptied again.
class CheckCommand : public Command {
 public:
  explicit CheckCommand(std::string prefix) : prefix_(std::move(prefix)) {}

  void AddFlags(Flags& flags) override {
    flags.String("load", 0, &load_, "how much: s(small), m(medium), l(large), xl(xLarge)");
    flags.String("prefix", 0, &prefix_, "write the keys below this; there must be none");
    flags.Bool("auto-compact", 0, &auto_compact_, "compact the store when it is over");
    flags.Bool("auto-defrag", 0, &auto_defrag_, "defragment the endpoints when it is over");
  }

 protected:
  // One of s, m, l, xl, or "".
  std::string size() const {
    for (const auto& [size, names] :
         std::map<std::string, std::vector<std::string>>{{"s", {"s", "small"}},
                                                         {"m", {"m", "medium"}},
                                                         {"l", {"l", "large"}},
                                                         {"xl", {"xl", "xLarge"}}}) {
      if (std::count(names.begin(), names.end(), load_) > 0) return size;
    }
    return "";
  }
  Exit UnknownLoad() const { return BadFeature(absl::StrCat("unknown load option ", load_)); }

  Exit CheckEmpty(Session& session) const {
    client::RangeRequest request = client::PrefixRange(prefix_);
    request.set_limit(1);
    const auto found = session.client().kv().Range(request, session.call_options());
    if (!found.ok()) return session.CallFailed(found.status());
    if (found->kvs().empty()) return Ok();
    return InvalidInput(absl::StrCat("prefix ", "\"", prefix_,
                                     "\" has keys. Delete with kvctl del --prefix ", prefix_,
                                     " first"));
  }

  Exit CleanUp(Session& session) const {
    etcdserverpb::DeleteRangeRequest request;
    request.set_key(prefix_);
    request.set_range_end(client::PrefixEnd(prefix_));
    // However much there is to delete, it is to be gone.
    const client::CallOptions patient = {.timeout = absl::Minutes(5)};
    const auto deleted = session.client().kv().DeleteRange(request, patient);
    if (!deleted.ok()) return session.CallFailed(deleted.status());
    if (auto_compact_) {
      const int64_t revision = deleted->header().revision();
      session.out() << "Compacting with revision " << revision << "\n";
      etcdserverpb::CompactionRequest compaction;
      compaction.set_revision(revision);
      compaction.set_physical(true);
      const auto compacted = session.client().kv().Compact(compaction, patient);
      if (!compacted.ok()) return session.CallFailed(compacted.status());
      session.out() << "Compacted with revision " << revision << "\n";
    }
    if (!auto_defrag_) return Ok();
    for (const std::string& endpoint : session.globals().endpoints) {
      session.out() << "Defragmenting \"" << endpoint << "\"\n" << std::flush;
      const absl::Status done = session.client().maintenance().Defragment(endpoint, patient);
      if (!done.ok()) return session.CallFailed(done);
      session.out() << "Defragmented \"" << endpoint << "\"\n";
    }
    return Ok();
  }

  // A load under the prefix, with `per_second` 0 as fast as it goes.
  WriteLoadResult Write(Session& session, WriteLoadOptions options) const {
    options.prefix = prefix_;
    options.call = session.call_options();
    Progress progress(session.err(), options.writes);
    return RunWriteLoad(session.client().kv(), options,
                        [&](int64_t begun) { progress.Show(begun); });
  }

  const std::string& prefix() const { return prefix_; }

 private:
  std::string load_ = "s";
  std::string prefix_;
  bool auto_compact_ = false;
  bool auto_defrag_ = false;
};

class CheckPerfCommand final : public CheckCommand {
 public:
  CheckPerfCommand() : CheckCommand("/etcdctl-check-perf/") {}

  CommandHelp help() const override {
    return {
        .name = "check perf",
        .summary = "Checks whether the cluster writes as fast as a workload needs",
        .usage = "[options]",
        .description =
            "Writes for a minute at the pace of the workload, 150, 1000, 8000 or 15000 writes\n"
            "of 1 KiB a second by 50, 200, 500 or 1000 clients. Fails with exit 1 when less\n"
            "than 90 % of the pace was reached, one write took more than 0.5 s, or their times\n"
            "deviate by more than 0.1 s. What it wrote is deleted.",
        .examples =
            "kvctl check perf\n"
            "kvctl check perf --load m --auto-compact --auto-defrag\n"
            "kvctl check perf --duration 5s            a glance"};
  }

  void AddFlags(Flags& flags) override {
    CheckCommand::AddFlags(flags);
    flags.Duration("duration", &duration_, "how long to write");
  }

  Exit Run(Session& session, Flags& flags, const Arguments&) override {
    static const std::map<std::string, Load> kLoads = {
        {"s", {150, 50}}, {"m", {1000, 200}}, {"l", {8000, 500}}, {"xl", {15000, 1000}}};
    const auto load = kLoads.find(size());
    if (load == kLoads.end()) return UnknownLoad();
    const double seconds = absl::ToDoubleSeconds(duration_);
    if (seconds < 1 || seconds > 86400) return BadArguments("--duration must be from 1s to 24h");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    KVCTL_RETURN_IF_FAILED(CheckEmpty(session));
    const auto [rate, clients] = load->second;
    const WriteLoadResult result =
        Write(session, {.writes = static_cast<int64_t>(static_cast<double>(rate) * seconds),
                        .clients = clients,
                        .rate = static_cast<double>(rate),
                        .time_max = duration_});
    KVCTL_RETURN_IF_FAILED(CleanUp(session));
    const bool passed = Judge(session.out(), result, static_cast<double>(rate));
    session.out() << (passed ? "PASS\n" : "FAIL\n");
    return {passed ? ExitCode::kOk : ExitCode::kError, ""};
  }

 private:
  struct Load {
    int64_t rate;
    int64_t clients;
  };

  static bool Judge(std::ostream& out, const WriteLoadResult& result, double rate) {
    bool passed = true;
    const auto say = [&](bool good, const std::string& pass, const std::string& fail) {
      out << (good ? "PASS: " : "FAIL: ") << (good ? pass : fail) << "\n";
      passed = passed && good;
    };
    const auto per_second = static_cast<int64_t>(result.rate()) + 1;
    if (result.failed > 0) {
      say(false, "",
          absl::StrCat(result.failed,
                       " writes failed, the first by: ", result.first_failure.message()));
    }
    say(result.rate() > rate * kRateShareMin,
        absl::StrFormat("Throughput is %d writes/s", per_second),
        absl::StrFormat("Throughput too low: %d writes/s", per_second));
    say(result.slowest <= kSlowestMax, absl::StrFormat("Slowest request took %fs", result.slowest),
        absl::StrFormat("Slowest request took too long: %fs", result.slowest));
    say(result.deviation <= kDeviationMax, absl::StrFormat("Stddev is %fs", result.deviation),
        absl::StrFormat("Stddev too high: %fs", result.deviation));
    return passed;
  }

  absl::Duration duration_ = absl::Seconds(60);
};

class CheckDatascaleCommand final : public CheckCommand {
 public:
  CheckDatascaleCommand() : CheckCommand("/etcdctl-check-datascale/") {}

  CommandHelp help() const override {
    return {.name = "check datascale",
            .summary = "Measures the memory that a server takes to hold a workload's data",
            .usage = "[options]",
            .description =
                "Writes 10000, 100000, 1000000 or 3000000 keys of 1 KiB, as fast as it goes, and\n"
                "compares the server's resident memory before and after, which it reads from the\n"
                "metrics of the first endpoint. What it wrote is deleted.",
            .examples =
                "kvctl check datascale\n"
                "kvctl check datascale --load m --auto-compact --auto-defrag"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments&) override {
    static const std::map<std::string, Load> kLoads = {
        {"s", {10000, 50}}, {"m", {100000, 200}}, {"l", {1000000, 500}}, {"xl", {3000000, 500}}};
    const auto load = kLoads.find(size());
    if (load == kLoads.end()) return UnknownLoad();
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    KVCTL_RETURN_IF_FAILED(CheckEmpty(session));
    const auto [keys, clients] = load->second;
    session.out() << absl::StreamFormat(
                         "Start data scale check for work load [%d key-value pairs, %d bytes per "
                         "key-value, %d concurrent clients].\n",
                         keys, kCheckValueBytes, clients)
                  << std::flush;
    const auto before = Memory(session);
    if (!before.ok()) return NoMemory(session, before.status(), "before");
    const WriteLoadResult result = Write(session, {.writes = keys, .clients = clients});
    const auto after = Memory(session);
    KVCTL_RETURN_IF_FAILED(CleanUp(session));
    if (!after.ok()) return NoMemory(session, after.status(), "after");
    if (result.failed > 0) {
      session.out() << "FAIL: " << result.failed
                    << " writes failed, the first by: " << result.first_failure.message() << "\n";
      return {ExitCode::kError, ""};
    }
    session.out() << absl::StreamFormat("PASS: Approximate system memory used : %.2f MB.\n",
                                        (*after - *before) / (1 << 20));
    return Ok();
  }

 private:
  struct Load {
    int64_t keys;
    int64_t clients;
  };

  static Exit NoMemory(Session& session, const absl::Status& status, const char* when) {
    session.err() << "kvctl: " << status.message() << "\n";
    session.out() << "FAIL: Could not read " << kMemoryMetric << " " << when
                  << " the put operations.\n";
    return {ExitCode::kError, ""};
  }

  // Of the first endpoint's process, in bytes.
  static absl::StatusOr<double> Memory(Session& session) {
    const GlobalFlags& globals = session.globals();
    std::string url = globals.endpoints.front();
    const bool tls = !globals.cert.empty() || !globals.cacert.empty() || !globals.key.empty() ||
                     globals.insecure_skip_tls_verify || !globals.insecure_transport;
    if (!absl::StrContains(url, "://")) url = absl::StrCat(tls ? "https://" : "http://", url);
    const auto text = HttpGet(absl::StrCat(url, "/metrics"),
                              {.ca_file = globals.cacert,
                               .cert_file = globals.cert,
                               .key_file = globals.key,
                               .skip_verification = globals.insecure_skip_tls_verify},
                              globals.command_timeout);
    if (!text.ok()) return text.status();
    for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
      const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, ' ');
      double bytes;
      if (parts.first == kMemoryMetric && absl::SimpleAtod(parts.second, &bytes)) return bytes;
    }
    return absl::NotFoundError(absl::StrCat(url, " has no metric ", kMemoryMetric));
  }
};

}  // namespace

void AddCheckCommands(Commands& commands) {
  commands.push_back(std::make_unique<CheckDatascaleCommand>());
  commands.push_back(std::make_unique<CheckPerfCommand>());
}

}  // namespace keelson::kvctl
