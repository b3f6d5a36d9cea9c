// Client: what every client of a run can do: calls to a member, with a deadline, and the operations
// on keys, each of which is written down for the checkers. What clients are for is told by the
// coroutines of workloads.h.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_CLIENT_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/message_lite.h"
#include "jepsen/checkers/replay.h"
#include "proto/etcd/rpc.pb.h"
#include "tests/simulation/cluster/coroutine.h"
#include "tests/simulation/cluster/histories.h"
#include "tests/simulation/cluster/library.h"
#include "tests/simulation/cluster/world.h"

namespace keelson::simulation {

// What a client may conclude from a status.
checkers::Outcome OutcomeOf(const absl::Status& status);
checkers::KeyVersion ToKeyVersion(const mvccpb::KeyValue& kv);

class Client {
 public:
  Client(World* world, Histories* histories, int number, Time stops);

  World& world() { return *world_; }
  Histories& histories() { return *histories_; }
  Dice& dice() { return dice_; }
  int number() const { return number_; }
  Time now() const { return world_->now(); }
  Time stops() const { return stops_; }
  bool stopped() const { return world_->now() >= stops_; }
  // The last time that an operation of this client succeeded.
  Time succeeded() const { return succeeded_; }

  Coroutine<> Sleep(Time time);
  // A while between two operations.
  Coroutine<> Think() { return Sleep(dice_.Between(kMillisecond, world_->options().think_max)); }

  // Whose calls these are, where users are told apart; the password is the name. Empty: nobody's.
  void SetUser(std::string user) { user_ = std::move(user); }
  const std::string& user() const { return user_; }
  const std::string& token() const { return token_; }
  SimulatedCall::Caller caller() const { return {this, token_}; }
  // From now on it speaks to the members through the client library, where that has a function.
  void UseLibrary(bool sticky);
  // null: it does not.
  Library* library() const { return library_.get(); }
  // See Library::End; before what its coroutines hold goes.
  void EndLibrary();
  // Gets a token if a call has ended for the want of one. (A call is made again then, once.)
  Coroutine<> LogInIfDue();
  // How a call has ended; true: for the want of a token.
  bool OnEnd(const absl::Status& status);
  // Of the last one.
  const absl::Status& status() const { return status_; }

  // The member it is with; now and then, and after trouble, another.
  int member();
  void ChooseMember();
  Coroutine<CallResult> Call(int member, std::string method, std::string request,
                             Time timeout = 8 * kSecond);
  template <typename Request>
  Coroutine<CallResult> Call(std::string method, const Request& request) {
    return Call(member(), std::move(method), request.SerializeAsString());
  }

  // Carries it out and writes it down.
  Coroutine<checkers::KvOperation> Run(checkers::KvOperation operation);
  Coroutine<checkers::KvOperation> Put(std::string key, std::string value, int64_t lease = 0);
  Coroutine<checkers::KvOperation> Delete(std::string key, std::string end = "");
  Coroutine<checkers::KvOperation> Get(std::string key, std::string end = "");

  // A text that no other operation writes.
  std::string Unique();

 private:
  Coroutine<CallResult> CallByLibrary(std::string method, std::string request, Time timeout);
  Coroutine<absl::Status> LogIn();
  Coroutine<CallResult> CallOnce(int member, std::string method, std::string request, Time timeout);

  World* const world_;
  Histories* const histories_;
  const int number_;
  const Time stops_;
  Dice dice_;
  std::string user_;
  std::string token_;
  bool log_in_due_ = false;
  absl::Status status_;
  int member_ = 0;
  int unique_ = 0;
  Time succeeded_ = 0;
  std::unique_ptr<Library> library_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_CLIENT_H_
