// SimulatedCall: one gRPC call of a simulated client to a simulated member, both ends of it: the
// Call that the member's handler has, and what the client hears and says. What one end says reaches
// the other after the network's time, in order. When something is lost on the way nothing comes
// after it, and later both ends notice that the connection is dead.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_CALL_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_CALL_H_

#include <functional>
#include <memory>
#include <string>

#include "server/executor.h"
#include "server/rpc/call.h"
#include "server/rpc/load_control.h"
#include "server/rpc/served_call.h"
#include "tests/simulation/cluster/virtual_time.h"

namespace keelson::simulation {

// What is between a client and a member.
class ClientLink {
 public:
  virtual ~ClientLink() = default;
  // What is sent now arrives; false: it is lost without a word.
  virtual bool Carries(int member, const void* connection) const = 0;
  virtual Time Delay() = 0;
  // For want of room; for not reading while others want the room.
  virtual void OnCallRefused() = 0;
  virtual void OnCallShed() = 0;
  virtual Scheduler& scheduler() = 0;
};

class SimulatedCall final : public rpc::Call,
                            public rpc::LoadControl::Guest,
                            public std::enable_shared_from_this<SimulatedCall> {
 public:
  struct Caller {
    const void* connection;   // the same for all calls of a client
    std::string token;        // empty: nobody in particular
    bool has_leader = false;  // it wants to hear when the member has none
  };
  SimulatedCall(ClientLink* link, int member, std::string method, Caller caller,
                uint64_t queue_scale)
      : link_(link),
        member_(member),
        method_(std::move(method)),
        caller_(std::move(caller)),
        queue_scale_(queue_scale) {}
  ~SimulatedCall() override;

  // --- the client's end

  std::function<void(std::string)> on_message;
  std::function<void(absl::Status)> on_end;
  // One more message of a stream.
  void ClientSend(std::string message);
  void ClientCancel();
  // The client takes no messages until told otherwise; they wait.
  void SetReading(bool reading);

  // --- the member's

  // What a call is served with; all of it lives until Break, or longer.
  struct Service {
    const rpc::Handler* handler;
    server::Executor* executor;
    const Clock* clock;
    rpc::LoadControl* load;
  };
  // The call has arrived: it is handled once its lane has room. Runs on the executor.
  void Begin(const Service& service, std::string request);
  // The member has crashed, or was never there.
  void Break();

  std::string_view method() const override { return method_; }
  std::optional<std::string_view> metadata(std::string_view name) const override {
    if (name == "hasleader" && caller_.has_leader) return "true";
    if (name != "token" || caller_.token.empty()) return std::nullopt;
    return caller_.token;
  }
  std::optional<absl::Duration> deadline() const override { return std::nullopt; }
  std::string peer() const override { return "client"; }
  void Send(ByteChain message) override;
  void Finish(const absl::Status& status) override;
  size_t queued_bytes() const override { return queued_ * queue_scale_; }
  bool cancelled() const override { return cancelled_; }
  bool congested() override;
  void Hold(size_t bytes) override;
  void OnCancel(std::function<void()> callback) override {
    if (open_) on_cancel_ = std::move(callback);
  }

 private:
  static constexpr size_t kHighWater = 512 << 10;
  static constexpr Time kNoticed = 5 * kSecond;  // that the connection is dead
  void OnAdmitted() override { RunHandler(); }
  void OnRefused() override;
  void OnShed() override;
  void OnUncongested() override;
  uint64_t unsent_bytes() const override { return queued_bytes(); }
  uint64_t taken_bytes() const override { return taken_; }
  uint64_t connection_unsent_bytes() const override { return queued_bytes(); }
  const void* connection() const override { return caller_.connection; }

  void RunHandler();
  // What the call's lane has unsent; REQUIRES: executor_ is not null.
  size_t& LaneUnsent();
  void DropHeld();
  // The client has taken so much; nothing of what is left will ever reach it.
  void TakeUnsent(size_t bytes);
  void DropUnsent();
  void LeaveLoad();
  // False: what is said now is lost.
  bool Carried();
  void MemberCancel();
  // Runs `step` when what is said now has arrived, if it does.
  void ToClient(std::function<void()> step);
  void ToMember(std::function<void()> step);
  void Deliver(std::string message);
  void End(absl::Status status);
  void DropReceiver();
  void NoticeDrained();

  ClientLink* const link_;
  const int member_;
  const std::string method_;
  const Caller caller_;
  const uint64_t queue_scale_;
  Service service_ = {};                  // valid while executor_ is
  server::Executor* executor_ = nullptr;  // null: it has not arrived
  std::string request_;                   // while it waits for room
  std::vector<std::string> early_;        // messages that came before it was handled
  std::unique_ptr<rpc::StreamReceiver> receiver_;
  std::function<void()> on_cancel_;
  bool open_ = true;  // of the member's end: neither finished nor cancelled
  bool cancelled_ = false;
  bool client_open_ = true;
  bool dead_ = false;  // the connection
  bool reading_ = true;
  std::vector<std::string> held_;  // while the client does not read
  size_t queued_ = 0;
  size_t held_bytes_ = 0;      // of an answer that is not whole yet
  size_t counted_unsent_ = 0;  // in its lane
  uint64_t taken_ = 0;
  bool begun_ = false;
  bool above_ = false;  // the high-water mark
  Time to_client_ = 0;  // when the last message arrives
  Time to_member_ = 0;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_CALL_H_
