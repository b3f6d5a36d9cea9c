#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/election.h"
#include "client/mutex.h"
#include "client/session.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/interrupt.h"
#include "tools/kvctl/subprocess.h"

namespace keelson::kvctl {
namespace {

constexpr int64_t kElectTtl = 60;

// Waits until a signal came, or the session is lost. True: a signal.
class SignalOrLoss {
 public:
  void OnSignal() { Set(true); }
  void OnLoss() { Set(false); }
  bool Wait() {
    absl::MutexLock lock(&mutex_);
    const auto known = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return known_; };
    mutex_.Await(absl::Condition(&known));
    return signal_;
  }

 private:
  void Set(bool signal) {
    absl::MutexLock lock(&mutex_);
    if (!known_) signal_ = signal;
    known_ = true;
  }

  absl::Mutex mutex_;
  bool known_ ABSL_GUARDED_BY(mutex_) = false;
  bool signal_ ABSL_GUARDED_BY(mutex_) = false;
};

// Calls SignalOrLoss::OnLoss for as long as it is there.
class LossListener {
 public:
  LossListener(client::Session& session, SignalOrLoss& event)
      : session_(session), number_(session.AddListener([&event] { event.OnLoss(); })) {}
  LossListener(const LossListener&) = delete;
  LossListener& operator=(const LossListener&) = delete;
  ~LossListener() { session_.RemoveListener(number_); }

 private:
  client::Session& session_;
  const uint64_t number_;
};

// The key with which something is held, as `get` prints it.
Exit PrintKey(Session& session, const std::string& key, const char* gone) {
  const auto response = session.client().kv().Get(key);
  if (!response.ok()) return session.CallFailed(response.status());
  if (response->kvs().empty()) return Failed(gone);
  KVCTL_RETURN_IF_FAILED(session.printer().Get(*response));
  session.out().flush();
  return Ok();
}

class LockCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {
        .name = "lock",
        .summary = "Acquires a named lock",
        .usage = "[options] <lockname> [-- exec-command arg1 arg2 ...]",
        .description =
            "Waits for the lock, prints its key, and holds it until it is interrupted. With a\n"
            "command: holds it while the command runs, which finds the key and its revision in\n"
            "ETCD_LOCK_KEY and ETCD_LOCK_REV, and ends with the command's exit code.\n"
            "Whoever is killed holds it until the TTL is over.",
        .examples =
            "kvctl lock deploy\n"
            "kvctl lock --ttl=30 deploy -- ./deploy.sh --all"};
  }

  void AddFlags(Flags& flags) override { flags.Int("ttl", &ttl_, "timeout for session"); }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    std::vector<std::string> words = arguments.all();
    if (words.empty()) {
      return BadArguments("lock takes a lock name argument and an optional command to execute");
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto held = client::Session::Open(session.client(), {.ttl_seconds = ttl_});
    if (!held.ok()) return session.CallFailed(held.status());
    const Exit exit = Hold(session, **held, words);
    // The others need not wait for the TTL. What cannot be told the store now, it finds out itself.
    (*held)->Close().IgnoreError();
    return exit;
  }

 private:
  static Exit Hold(Session& session, client::Session& held, const std::vector<std::string>& words) {
    client::Mutex mutex(held, words[0]);
    SignalOrLoss event;
    const Interrupt interrupt([&] {
      mutex.Cancel();
      event.OnSignal();
    });
    if (const absl::Status status = mutex.Lock(); !status.ok()) {
      return session.CallFailed(status);
    }
    if (words.size() > 1) return RunUnder(session, mutex, {words.begin() + 1, words.end()});
    KVCTL_RETURN_IF_FAILED(PrintKey(session, mutex.key(), "lock lost on init"));
    const LossListener listener(held, event);
    if (!event.Wait()) return Failed("session expired");
    return Unlock(session, mutex);
  }

  static Exit RunUnder(Session& session, client::Mutex& mutex,
                       const std::vector<std::string>& command) {
    session.out().flush();
    int exit_status = 0;
    const absl::Status ran = RunProgram(command,
                                        {absl::StrCat("ETCD_LOCK_KEY=", mutex.key()),
                                         absl::StrCat("ETCD_LOCK_REV=", mutex.header().revision())},
                                        &exit_status);
    const Exit unlocked = Unlock(session, mutex);
    if (ran.ok()) return unlocked;
    return {static_cast<ExitCode>(exit_status), std::string(ran.message())};
  }

  static Exit Unlock(Session& session, client::Mutex& mutex) {
    const absl::Status status = mutex.Unlock(session.call_options());
    return status.ok() ? Ok() : session.CallFailed(status);
  }

  int64_t ttl_ = 10;
};

class ElectCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "elect",
            .summary = "Observes and participates in leader election",
            .usage = "[options] <election-name> [proposal]",
            .description =
                "With a proposal: campaigns with it, prints the key when elected, and leads until\n"
                "it is interrupted. With --listen: prints every leader and what it proclaims.",
            .examples =
                "kvctl elect scheduler node-7\n"
                "kvctl elect --listen scheduler"};
  }

  void AddFlags(Flags& flags) override { flags.Bool("listen", 'l', &listen_, "observation mode"); }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.empty() || words.size() > 2) {
      return BadArguments(
          "elect takes one election name argument and an optional proposal argument");
    }
    if (words.size() == 1 && !listen_) return BadArguments("no proposal argument but -l not set");
    if (words.size() == 2 && listen_) return BadArguments("proposal given but -l is set");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    if (listen_) return Observe(session, words[0]);
    const auto held = client::Session::Open(session.client(), {.ttl_seconds = kElectTtl});
    if (!held.ok()) return session.CallFailed(held.status());
    const Exit exit = Campaign(session, **held, words[0], words[1]);
    // As with lock.
    (*held)->Close().IgnoreError();
    return exit;
  }

 private:
  static Exit Campaign(Session& session, client::Session& held, const std::string& name,
                       const std::string& proposal) {
    client::Election election(held, name);
    SignalOrLoss event;
    const Interrupt interrupt([&] {
      election.Cancel();
      event.OnSignal();
    });
    if (const absl::Status status = election.Campaign(proposal); !status.ok()) {
      return session.CallFailed(status);
    }
    KVCTL_RETURN_IF_FAILED(PrintKey(session, election.key(), "elect: session expired"));
    const LossListener listener(held, event);
    if (!event.Wait()) return Failed("elect: session expired");
    const absl::Status status = election.Resign(session.call_options());
    return status.ok() ? Ok() : session.CallFailed(status);
  }

  static Exit Observe(Session& session, const std::string& name) {
    client::LeaderObserver observer(session.client(), name);
    const Interrupt interrupt([&observer] { observer.Cancel(); });
    while (true) {
      const auto leader = observer.Next();
      if (absl::IsCancelled(leader.status())) return Ok();
      if (!leader.ok()) return session.CallFailed(leader.status(), "elect: observer lost: ");
      KVCTL_RETURN_IF_FAILED(session.printer().Get(*leader));
      session.out().flush();
    }
  }

  bool listen_ = false;
};

}  // namespace

void AddElectCommand(Commands& commands) { commands.push_back(std::make_unique<ElectCommand>()); }
void AddLockCommand(Commands& commands) { commands.push_back(std::make_unique<LockCommand>()); }

}  // namespace keelson::kvctl
