#include <list>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "client/watch.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/subprocess.h"
#include "tools/kvctl/watch_arguments.h"
#include "tools/kvctl/words.h"

namespace keelson::kvctl {
namespace {

std::string QuotedList(const std::vector<std::string>& words) {
  return absl::StrCat("[", absl::StrJoin(words, " ", [](std::string* out, const std::string& word) {
                        *out += GoQuote(word);
                      }),
                      "]");
}

// Prints what one watch brings, and runs its command for each event. The streams are shared with other
// watches, one response at a time.
class WatchPrinter {
 public:
  WatchPrinter(Session& session, absl::Mutex& output) : session_(session), output_(output) {}

  // Until the watch ends, or its command fails; says which by what it returns.
  Exit Run(client::WatchQueue& queue, const std::vector<std::string>& command) {
    for (;;) {
      const auto response = queue.Next();
      if (!response.ok()) return End(queue.end());
      KVCTL_RETURN_IF_FAILED(Print(*response));
      if (!command.empty()) KVCTL_RETURN_IF_FAILED(RunFor(*response, command));
    }
  }

 private:
  Exit Print(const etcdserverpb::WatchResponse& response) {
    absl::MutexLock lock(&output_);
    if (response.events().empty()) {
      session_.out() << "progress notify: " << response.header().revision() << "\n";
    }
    Exit exit = session_.printer().Watch(response);
    session_.out().flush();
    return exit;
  }

  Exit RunFor(const etcdserverpb::WatchResponse& response,
              const std::vector<std::string>& command) {
    for (const mvccpb::Event& event : response.events()) {
      const absl::Status status = RunProgram(
          command,
          {absl::StrCat("ETCD_WATCH_REVISION=", response.header().revision()),
           absl::StrCat("ETCD_WATCH_EVENT_TYPE=",
                        GoQuote(mvccpb::Event::EventType_Name(event.type()))),
           absl::StrCat("ETCD_WATCH_KEY=", GoQuote(event.kv().key())),
           absl::StrCat("ETCD_WATCH_VALUE=", GoQuote(event.kv().value()))});
      if (status.ok()) continue;
      absl::MutexLock lock(&output_);
      session_.err() << "command " << QuotedList(command) << " error (" << status.message()
                     << ")\n";
      return {ExitCode::kError, ""};
    }
    return Ok();
  }

  Exit End(const client::WatchEnd& end) {
    absl::MutexLock lock(&output_);
    session_.err() << "watch was canceled (" << end.status.message() << ")\n";
    if (end.response.canceled()) KVCTL_RETURN_IF_FAILED(session_.printer().Watch(end.response));
    session_.out().flush();
    return {ExitCode::kInterrupted, "watch is canceled by the server"};
  }

  Session& session_;
  absl::Mutex& output_;
};

class WatchCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "watch",
            .summary = "Watches events stream on keys or prefixes",
            .usage = "[options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
            .description =
                "Prints every change until it is interrupted. It goes on by itself when a member fails.\n"
                "\n"
                "The command, if any, is run for each event with ETCD_WATCH_REVISION,\n"
                "ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY and ETCD_WATCH_VALUE (quoted) in its environment.\n"
                "With -i, lines `watch ...` and `progress` are read from the standard input. The key can\n"
                "be given as ETCDCTL_WATCH_KEY, with ETCDCTL_WATCH_RANGE_END.",
            .examples = "kvctl watch greeting\n"
                        "kvctl watch --prefix /app/ --prev-kv      with what was there before\n"
                        "kvctl watch greeting --rev 42             everything since revision 42\n"
                        "kvctl watch --prefix /app/ -- ./reload    run a program for each change"};
  }

  void AddFlags(Flags& flags) override {
    watch_.AddTo(flags);
    flags.Bool("interactive", 'i', &interactive_, "interactive mode");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const auto environment = [&](const std::string& name) {
      const std::string ours = session.environment("KVCTL_" + name);
      return ours.empty() ? session.environment("ETCDCTL_" + name) : ours;
    };
    const std::string key = environment("WATCH_KEY");
    const std::string range_end = environment("WATCH_RANGE_END");
    if (key.empty() && !range_end.empty()) {
      return BadArguments(absl::StrCat("ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=",
                                       GoQuote(range_end)));
    }
    if (interactive_) {
      KVCTL_RETURN_IF_FAILED(session.Open(flags));
      return RunInteractive(session, key, range_end);
    }
    WatchArguments parsed;
    KVCTL_RETURN_IF_FAILED(ParseWatchArguments(arguments, key, range_end, &parsed));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    client::WatchRequest request;
    KVCTL_RETURN_IF_FAILED(MakeWatchRequest(parsed, watch_, &request));
    absl::Mutex output;
    client::WatchQueue queue(session.client().core(), std::move(request));
    const auto created = queue.WaitCreated(session.globals().command_timeout);
    if (!created.ok() && absl::IsDeadlineExceeded(created.status())) {
      return {ExitCode::kBadConnection, std::string(created.status().message())};
    }
    return WatchPrinter(session, output).Run(queue, parsed.command);
  }

 private:
  // A watch that a line asked for, and the thread that prints it.
  struct Running {
    Running(Session& session, client::WatchRequest request)
        : queue(session.client().core(), std::move(request)) {}
    ~Running() {
      queue.Cancel();
      thread.join();
    }
    client::WatchQueue queue;
    std::thread thread;
  };

  static Exit RunInteractive(Session& session, const std::string& key,
                             const std::string& range_end) {
    absl::Mutex output;
    std::list<Running> watches;
    std::string line;
    while (std::getline(session.in(), line) && !session.in().eof()) {
      const absl::StatusOr<std::vector<std::string>> words = SplitWords(line);
      if (!words.ok()) return InvalidInput(std::string(words.status().message()));
      std::string complaint;
      if (words->empty()) {
        complaint = absl::StrCat("Invalid command: ", line, " (watch and progress supported)");
      } else if (words->front() == "progress") {
        for (Running& watch : watches) watch.queue.RequestProgress();
      } else if (words->front() != "watch") {
        complaint = absl::StrCat("Invalid command ", line, " (only support watch)");
      } else if (words->size() < 2 && key.empty()) {
        complaint =
            absl::StrCat("Invalid command ", line, " (command type or key is not provided)");
      } else {
        KVCTL_RETURN_IF_FAILED(
            StartWatch(session, *words, line, key, range_end, output, watches, &complaint));
      }
      if (!complaint.empty()) {
        absl::MutexLock lock(&output);
        session.err() << complaint << "\n";
        session.err().flush();
      }
    }
    return InvalidInput("error reading watch request line: EOF");
  }

  static Exit StartWatch(Session& session, const std::vector<std::string>& words,
                         const std::string& line, const std::string& key,
                         const std::string& range_end, absl::Mutex& output,
                         std::list<Running>& watches, std::string* complaint) {
    WatchFlags watch;
    Flags flags;
    watch.AddTo(flags);
    Arguments arguments;
    const absl::Status status = flags.Parse({words.begin() + 1, words.end()}, &arguments);
    if (!status.ok()) return BadArguments(std::string(status.message()));
    WatchArguments parsed;
    KVCTL_RETURN_IF_FAILED(ParseWatchArguments(arguments, key, range_end, &parsed));
    client::WatchRequest request;
    if (const Exit exit = MakeWatchRequest(parsed, watch, &request); !exit.ok()) {
      *complaint = absl::StrCat("Invalid command ", line, " (", exit.error, ")");
      return Ok();
    }
    Running& running = watches.emplace_back(session, std::move(request));
    running.thread = std::thread([&session, &output, &running, command = parsed.command] {
      // As etcdctl does: the end of one watch is printed and does not end the program.
      (void)WatchPrinter(session, output).Run(running.queue, command);
    });
    return Ok();
  }

  WatchFlags watch_;
  bool interactive_ = false;
};

}  // namespace

void AddWatchCommand(Commands& commands) { commands.push_back(std::make_unique<WatchCommand>()); }

}  // namespace keelson::kvctl
