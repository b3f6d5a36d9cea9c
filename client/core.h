// Core: what the parts of a client share: the channels to the endpoints, the choice among them, the
// token, the runtime, and the operations in flight. Internal to client/; thread-safe.
#ifndef KEELSON_CLIENT_CORE_H_
#define KEELSON_CLIENT_CORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/random.h"
#include "client/channel.h"
#include "client/event_loop.h"
#include "client/options.h"
#include "client/retry.h"
#include "client/runtime.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

// One server.
struct Endpoint {
  const std::string name;  // as the user wrote it
  const std::shared_ptr<Channel> channel;
};

// Something in flight that must end before the client does.
class Operation {
 public:
  virtual ~Operation() = default;
  // Makes it end soon. Called at most once, from the thread that destroys the client.
  virtual void Abort() = 0;
};

class Core {
 public:
  // `runtime` null: that of production.
  static absl::StatusOr<std::unique_ptr<Core>> Create(Options options,
                                                      std::unique_ptr<Runtime> runtime = nullptr);
  // Aborts the operations in flight and waits for their last callback.
  ~Core();

  const Options& options() const { return options_; }
  Runtime& runtime() { return *runtime_; }
  const Clock& clock() const { return runtime_->clock(); }
  EventLoop& loop() { return runtime_->loop(); }

  // The endpoint for the next attempt: connected ones first, `avoid` (may be null) last.
  std::shared_ptr<Endpoint> Pick(const Endpoint* avoid);
  // The endpoint of that name, whether it is among the client's or not.
  absl::StatusOr<std::shared_ptr<Endpoint>> Named(const std::string& name);
  absl::Status SetEndpoints(const std::vector<std::string>& names);
  std::vector<std::string> endpoint_names() const;
  int endpoint_count() const;

  // Authenticates, where there is a user and no token yet.
  absl::Status LogIn() { return Token(options_.request_timeout).status(); }
  // The metadata every call carries; returns the token in it, "" for none. Authenticates first
  // where there is a user and no token yet; that blocks, at most for the header's time_left or the
  // request timeout. Whoever else wants the token meanwhile waits for it instead of authenticating
  // too.
  absl::StatusOr<std::string> AddMetadata(CallHeader& header);
  // The server does not take `token`: unless there is a newer one already, the next AddMetadata
  // authenticates again.
  void DropToken(const std::string& token);

  double Jitter();

  // Every operation that uses the loop is enrolled from before its start until after its last
  // event.
  void Enroll(Operation* operation);
  void Dismiss(Operation* operation);

 private:
  Core(Options options, std::unique_ptr<Runtime> runtime);

  absl::StatusOr<std::string> Token(absl::Duration time_left);
  absl::StatusOr<std::string> Authenticate(absl::Duration time_left);

  const Options options_;

  mutable absl::Mutex mutex_;
  std::vector<std::shared_ptr<Endpoint>> endpoints_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Endpoint>> others_ ABSL_GUARDED_BY(mutex_);
  size_t next_endpoint_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  bool needs_token_ ABSL_GUARDED_BY(mutex_) = false;
  bool authenticating_ ABSL_GUARDED_BY(mutex_) = false;  // one call does, for all
  SeededRandom random_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<Operation*> operations_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  const std::unique_ptr<Runtime> runtime_;  // last: its loop uses all of the above
};

// The attempts of one call: where each goes, until when, and whether there is another one. Not
// thread-safe; used by one call.
class Attempts {
 public:
  // `only` pins the call to one endpoint; null lets the core choose.
  Attempts(Core& core, CallKind kind, const CallOptions& options,
           std::shared_ptr<Endpoint> only = nullptr);

  // Prepares the header of the next attempt and says where it goes; null when it cannot be made,
  // see status().
  Endpoint* Begin(CallHeader& header);

  struct Next {
    bool again;
    absl::Duration delay;  // before Begin
  };
  // After a failed attempt. When there is no other, status() is the answer.
  Next After(const absl::Status& status);
  const absl::Status& status() const { return status_; }

 private:
  absl::Duration Remaining() const;
  void Fail(absl::Status status) { status_ = std::move(status); }

  Core& core_;
  const CallKind kind_;
  const std::shared_ptr<Endpoint> only_;
  const bool bounded_;
  const absl::Duration deadline_;  // on core_.clock(); valid when bounded_
  std::shared_ptr<Endpoint> endpoint_;
  int attempt_ = 0;
  std::string token_;  // of the attempt under way
  bool refreshed_token_ = false;
  std::string last_failure_;
  absl::Status status_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_CORE_H_
