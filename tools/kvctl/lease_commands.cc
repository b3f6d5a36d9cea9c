#include <deque>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "client/errors.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

Exit ParseLeaseId(const std::string& text, int64_t* id) {
  const absl::StatusOr<int64_t> parsed = ParseGoInt(text, 16);
  if (!parsed.ok()) {
    return BadArguments(
        absl::StrCat("bad lease ID arg (", parsed.status().message(), "), expecting ID in Hex"));
  }
  *id = *parsed;
  return Ok();
}

class GrantCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "lease grant",
            .summary = "Creates leases",
            .usage = "<ttl>",
            .description = "The time to live is in seconds. Keys put with --lease=ID vanish with the lease.",
            .examples = "kvctl lease grant 60"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("lease grant command needs TTL argument");
    const absl::StatusOr<int64_t> ttl = ParseGoInt(words[0], 10);
    if (!ttl.ok()) return BadArguments(absl::StrCat("bad TTL (", ttl.status().message(), ")"));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().lease().Grant(*ttl, 0, session.call_options());
    if (!response.ok()) {
      return session.CallFailed(response.status(), "failed to grant lease (", ")");
    }
    return session.printer().LeaseGrant(*response);
  }
};

class RevokeCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "lease revoke",
            .summary = "Revokes leases",
            .usage = "<leaseID>",
            .description = "Deletes the lease and every key attached to it.",
            .examples = "kvctl lease revoke 694d5765fc71500b"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("lease revoke command needs 1 argument");
    int64_t id;
    KVCTL_RETURN_IF_FAILED(ParseLeaseId(words[0], &id));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().lease().Revoke(id, session.call_options());
    if (!response.ok()) {
      return session.CallFailed(response.status(), "failed to revoke lease (", ")");
    }
    return session.printer().LeaseRevoke(id, *response);
  }
};

class TimeToLiveCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "lease timetolive",
            .summary = "Get lease information",
            .usage = "[options] <leaseID>",
            .description = "",
            .examples = "kvctl lease timetolive 694d5765fc71500b --keys"};
  }

  void AddFlags(Flags& flags) override {
    flags.Bool("keys", 0, &keys_, "get keys attached to this lease");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) {
      return BadArguments("lease timetolive command needs lease ID as argument");
    }
    int64_t id;
    KVCTL_RETURN_IF_FAILED(ParseLeaseId(words[0], &id));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    etcdserverpb::LeaseTimeToLiveRequest request;
    request.set_id(id);
    request.set_keys(keys_);
    const auto response = session.client().lease().TimeToLive(request, session.call_options());
    if (!response.ok()) {
      session.ExplainTimeout(response.status());
      return {ExitCode::kBadConnection, std::string(response.status().message())};
    }
    return session.printer().LeaseTimeToLive(*response, keys_);
  }

 private:
  bool keys_ = false;
};

class ListCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "lease list",
            .summary = "List all active leases",
            .usage = "",
            .description = "",
            .examples = "kvctl lease list"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments&) override {
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().lease().List(session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().LeaseList(*response);
  }
};

// Hands what the loop hears to the thread of the command.
class KeepAliveQueue final : public client::LeaseListener {
 public:
  void OnRenewed(const etcdserverpb::LeaseKeepAliveResponse& response) override {
    absl::MutexLock lock(&mutex_);
    renewals_.push_back(response);
  }
  void OnLost(const absl::Status& why) override {
    absl::MutexLock lock(&mutex_);
    lost_ = why;
  }
  // Nothing once the lease is lost.
  std::optional<etcdserverpb::LeaseKeepAliveResponse> Next() {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !renewals_.empty() || lost_.has_value();
    };
    mutex_.Await(absl::Condition(&ready));
    if (renewals_.empty()) return std::nullopt;
    auto renewal = std::move(renewals_.front());
    renewals_.pop_front();
    return renewal;
  }
  // REQUIRES: Next has returned nothing.
  absl::Status lost() {
    absl::MutexLock lock(&mutex_);
    return *lost_;
  }

 private:
  absl::Mutex mutex_;
  std::deque<etcdserverpb::LeaseKeepAliveResponse> renewals_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> lost_ ABSL_GUARDED_BY(mutex_);
};

class KeepAliveCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "lease keep-alive",
            .summary = "Keeps leases alive (renew)",
            .usage = "[options] <leaseID>",
            .description = "Renews the lease until it is interrupted, or the lease is gone.",
            .examples = "kvctl lease keep-alive 694d5765fc71500b\n"
                        "kvctl lease keep-alive --once 694d5765fc71500b"};
  }

  void AddFlags(Flags& flags) override {
    flags.Bool("once", 0, &once_,
               "resets the keep-alive time to its original value and exits immediately");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) {
      return BadArguments("lease keep-alive command needs lease ID as argument");
    }
    int64_t id;
    KVCTL_RETURN_IF_FAILED(ParseLeaseId(words[0], &id));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    return once_ ? RenewOnce(session, id) : RenewForever(session, id);
  }

 private:
  static Exit RenewOnce(Session& session, int64_t id) {
    const auto response = session.client().lease().KeepAliveOnce(id, session.call_options());
    if (!response.ok()) {
      session.ExplainTimeout(response.status());
      return {ExitCode::kBadConnection, std::string(response.status().message())};
    }
    return session.printer().LeaseKeepAlive(*response);
  }

  static Exit RenewForever(Session& session, int64_t id) {
    KeepAliveQueue queue;
    client::LeaseKeeper keeper(session.client().core(), id, &queue);
    while (const auto renewal = queue.Next()) {
      KVCTL_RETURN_IF_FAILED(session.printer().LeaseKeepAlive(*renewal));
      session.out().flush();
    }
    const absl::Status why = queue.lost();
    if (!client::IsLeaseNotFound(why) && !absl::IsDeadlineExceeded(why)) return Failed(why);
    if (session.printer().format() == "simple") {
      session.out() << absl::StreamFormat("lease %016x expired or revoked.\n",
                                          static_cast<uint64_t>(id));
    }
    return Ok();
  }

  bool once_ = false;
};

}  // namespace

void AddLeaseCommands(Commands& commands) {
  commands.push_back(std::make_unique<GrantCommand>());
  commands.push_back(std::make_unique<KeepAliveCommand>());
  commands.push_back(std::make_unique<ListCommand>());
  commands.push_back(std::make_unique<RevokeCommand>());
  commands.push_back(std::make_unique<TimeToLiveCommand>());
}

}  // namespace keelson::kvctl
