#include "tools/keelson/supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/durable_file.h"

namespace keelson::program {
namespace {

using Json = nlohmann::json;

sigset_t OurSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&set, number);
  return set;
}

std::string DescribeEnd(int status) {
  return WIFSIGNALED(status) ? Concat("signal ", WTERMSIG(status))
                             : Concat("exit status ", WEXITSTATUS(status));
}

void Say(const std::string& line) {
  std::fprintf(stderr, "%s %s\n",
               absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()).c_str(),
               line.c_str());
}

// In the child: never returns. Only what may be called after a fork.
[[noreturn]] void Become(char* const* command, int log, pid_t parent, const sigset_t& unblock) {
  // A supervisor that was killed leaves nothing behind; it may be gone already.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::setpgid(0, 0);  // the terminal's Ctrl-C is the supervisor's: it has an order to stop in
  ::sigprocmask(SIG_UNBLOCK, &unblock, nullptr);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(command[0], command);
  constexpr char kText[] = "cannot be executed\n";
  if (::write(STDERR_FILENO, kText, sizeof(kText) - 1) < 0) ::_exit(126);
  ::_exit(127);
}

class Component {
 public:
  Component(const ComponentSpec& spec, const SupervisorOptions& options)
      : spec_(spec), options_(options), backoff_(options.backoff_first) {}

  const ComponentSpec& spec() const { return spec_; }
  pid_t pid() const { return state_.pid; }
  const ComponentState& state() const { return state_; }
  // When it is to be started; only counts while it does not run.
  absl::Duration due() const { return due_; }
  void StartAt(absl::Duration when) { due_ = when; }

  void Start(absl::Duration now) {
    std::vector<char*> command;
    for (const std::string& word : spec_.command)
      command.push_back(const_cast<char*>(word.c_str()));
    command.push_back(nullptr);
    const int log = OpenLog();
    const pid_t parent = ::getpid();
    const sigset_t signals = OurSignals();
    const pid_t child = log < 0 ? -1 : ::fork();
    if (child == 0) Become(command.data(), log, parent, signals);
    if (child < 0) {
      Say(Concat(spec_.name, " cannot be started: ", std::strerror(errno)));
      Ended(now, "not started");
    } else {
      state_.pid = child;
      started_ = now;
      WritePid();
    }
    if (log >= 0) ::close(log);
  }

  void Ended(absl::Duration now, std::string how) {
    state_.pid = 0;
    state_.last_end = std::move(how);
    ++state_.restarts;
    if (now - started_ >= options_.steady) backoff_ = options_.backoff_first;
    due_ = now + backoff_;
    backoff_ = std::min(2 * backoff_, options_.backoff_max);
    WritePid();
  }

  void Signal(int number) const {
    if (state_.pid != 0) ::kill(state_.pid, number);
  }

 private:
  int OpenLog() const {
    const std::string path = spec_.directory + "/log";
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && info.st_size > options_.log_bytes_max) {
      ::rename(path.c_str(), (path + ".old").c_str());
    }
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  void WritePid() const {
    const std::string path = spec_.directory + "/pid";
    if (state_.pid == 0) {
      ::unlink(path.c_str());
    } else if (const absl::Status status =
                   WriteWhole(path, Concat(state_.pid, "\n"), 0644, Survives::kProcess);
               !status.ok()) {
      Say(std::string(status.message()));
    }
  }

  const ComponentSpec spec_;
  const SupervisorOptions& options_;
  ComponentState state_;
  absl::Duration backoff_;
  absl::Duration started_;
  absl::Duration due_;
};

class Supervisor {
 public:
  Supervisor(const std::vector<ComponentSpec>& specs, const SupervisorOptions& options)
      : options_(options), signals_(OurSignals()) {
    for (const ComponentSpec& spec : specs) {
      components_.emplace_back(spec, options_);
      components_.back().StartAt(absl::InfiniteDuration());
      last_stage_ = std::max(last_stage_, spec.stage);
    }
    ::sigprocmask(SIG_BLOCK, &signals_, nullptr);
  }

  void Run() {
    BeginStage(0);
    while (!stop_) {
      StartDue();
      WaitForSignal(UntilNext());
      if (stage_ < last_stage_ && !stop_ && options_.ready(stage_)) BeginStage(stage_ + 1);
    }
    for (int stage = last_stage_; stage >= 0; --stage) StopStage(stage);
    Say("stopped");
  }

 private:
  void BeginStage(int stage) {
    stage_ = stage;
    for (Component& component : components_) {
      if (component.spec().stage == stage) component.StartAt(clock_.Now());
    }
  }

  void StartDue() {
    bool changed = false;
    for (Component& component : components_) {
      if (component.pid() != 0 || component.due() > clock_.Now()) continue;
      component.Start(clock_.Now());
      changed = true;
    }
    if (changed) WriteState();
  }

  absl::Duration UntilNext() const {
    absl::Duration next = stage_ < last_stage_ ? options_.ready_interval : absl::Minutes(1);
    for (const Component& component : components_) {
      if (component.pid() == 0) next = std::min(next, component.due() - clock_.Now());
    }
    return std::max(next, absl::ZeroDuration());
  }

  void WaitForSignal(absl::Duration timeout) {
    const timespec limit = absl::ToTimespec(timeout);
    const int number = ::sigtimedwait(&signals_, nullptr, &limit);
    if (number == SIGTERM || number == SIGINT) stop_ = true;
    Reap();
  }

  void Reap() {
    int status = 0;
    bool changed = false;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      for (Component& component : components_) {
        if (component.pid() != pid) continue;
        component.Ended(clock_.Now(), DescribeEnd(status));
        changed = true;
        if (!stop_) Say(Concat(component.spec().name, " ended: ", component.state().last_end));
      }
    }
    if (changed) WriteState();
  }

  bool StageRuns(int stage) const {
    return std::any_of(components_.begin(), components_.end(), [stage](const Component& one) {
      return one.spec().stage == stage && one.pid() != 0;
    });
  }

  void StopStage(int stage) {
    const auto signal = [this, stage](int number) {
      for (const Component& one : components_) {
        if (one.spec().stage == stage) one.Signal(number);
      }
    };
    signal(SIGTERM);
    const absl::Duration deadline = clock_.Now() + options_.stop_grace;
    while (StageRuns(stage) && clock_.Now() < deadline) WaitForSignal(deadline - clock_.Now());
    if (!StageRuns(stage)) return;
    Say("what does not stop is killed");
    signal(SIGKILL);
    while (StageRuns(stage)) WaitForSignal(absl::Seconds(1));
  }

  void WriteState() {
    Json list = Json::array();
    for (const Component& component : components_) {
      const ComponentState& state = component.state();
      list.push_back({{"name", component.spec().name},
                      {"pid", state.pid},
                      {"restarts", state.restarts},
                      {"lastEnd", state.last_end}});
    }
    const Json json = {{"components", std::move(list)}};
    if (const absl::Status status =
            WriteWhole(options_.state_file, json.dump(2) + "\n", 0600, Survives::kProcess);
        !status.ok()) {
      Say(std::string(status.message()));
    }
  }

  const SupervisorOptions& options_;
  const sigset_t signals_;
  const RealClock clock_;
  std::vector<Component> components_;
  int stage_ = 0;  // the last that was begun
  int last_stage_ = 0;
  bool stop_ = false;
};

}  // namespace

absl::StatusOr<std::vector<ComponentState>> ReadSupervisorState(const std::string& file) {
  KV_ASSIGN_OR_RETURN(const std::string text, ReadWhole(file));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::vector<ComponentState> states;
  if (!json.is_object() || !json.contains("components")) {
    return absl::InvalidArgumentError(Concat(file, " is not what a supervisor writes"));
  }
  for (const Json& one : json["components"]) {
    if (!one.is_object()) continue;
    ComponentState state;
    state.name = one.value("name", "");
    state.pid = one.value("pid", 0);
    state.restarts = one.value("restarts", 0);
    state.last_end = one.value("lastEnd", "");
    states.push_back(std::move(state));
  }
  return states;
}

void Supervise(const std::vector<ComponentSpec>& components, const SupervisorOptions& options) {
  Supervisor(components, options).Run();
}

}  // namespace keelson::program
