// Contender: a client in the line for a lock, or for the leadership of an election, by etcd's
// recipe: a key under the name's prefix, attached to the client's lease; whose key was created
// first has it. A contender waits for the one just before it to go and then looks again, so that
// one key that goes wakes one contender.
//
//   key := name "/" lease in hexadecimal
//
// Two contenders of one lease share the key, and so the place in the line.
//
// Thread: the executor's. Kept alive by its owner and by what it waits for.
#ifndef KEELSON_SERVER_CONTENDER_H_
#define KEELSON_SERVER_CONTENDER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/etcd/rpc.pb.h"
#include "server/auth/caller.h"
#include "server/core_watch.h"
#include "server/member_core.h"

namespace keelson::server {

// The first key of all that contend for `name`.
std::string ContenderPrefix(const std::string& name);
// "create_revision(key) == revision": the key is still that contender's.
etcdserverpb::Compare HoldsKey(const std::string& key, Revision revision);
// The oldest key under `prefix`.
etcdserverpb::RangeRequest OldestUnder(const std::string& prefix);
// `operation` on the key of a contender, if it is still its key.
etcdserverpb::TxnRequest WhileHolding(const std::string& key, Revision revision,
                                      etcdserverpb::RequestOp operation);

// The status of an operation as the Lock and Election services pass it on: etcd carries these
// recipes out by a client of its own inside of the server, whose errors reach the wire as Unknown.
absl::Status AsRecipeError(const absl::Status& status);

// A write on behalf of `caller`, as of when it is proposed, for somebody who reads the answer: the
// body parsed, its header filled in.
template <typename Response>
using WriteDone = absl::AnyInvocable<void(absl::StatusOr<Response>)>;
void SubmitTxn(MemberCore* core, const Caller& caller, const etcdserverpb::TxnRequest& request,
               WriteDone<etcdserverpb::TxnResponse> done);

// A lease for a client that did not bring one: 60 s, not kept alive (etcd's). Given `lease` as it
// is if it is not 0.
void LeaseFor(MemberCore* core, const Caller& caller, int64_t lease,
              absl::AnyInvocable<void(absl::StatusOr<int64_t>)> done);

class Contender final : public std::enable_shared_from_this<Contender> {
 public:
  struct Options {
    std::string name;
    int64_t lease = 0;
    std::string value;
    Caller caller;
    // A key that the lease has already gets `value`.
    bool replace_value = false;
    absl::Status lost;  // what is said when the key has gone while it waited
  };
  struct Won {
    std::string key;
    Revision create_revision;
    etcdserverpb::ResponseHeader entered;  // of the write that made, or found, the key
    etcdserverpb::ResponseHeader won;      // when it was its turn
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<Won>)>;

  Contender(MemberCore* core, Options options);

  // `done` runs once, unless it is withdrawn before.
  void Start(Done done);
  // The client does not wait any more: its key goes, if it has not won.
  void Withdraw();

 private:
  void Enter();
  void OnEntered(absl::StatusOr<etcdserverpb::TxnResponse> response);
  void ReplaceValue();
  void Wait();
  void OnMyTurn();
  void Finish(absl::StatusOr<Won> result);
  // Deletes the key, if it is still this contender's. Nobody hears of it.
  void DeleteKey();
  std::unique_ptr<CoreWatch> WaitForDeletion(const std::string& key, Revision after);
  // The key is there, as far as this member knows, and is still this contender's.
  absl::StatusOr<bool> IsInLine() const;

  MemberCore* const core_;
  const Options options_;
  const std::string prefix_, key_;
  Done done_;
  bool withdrawn_ = false;
  bool made_key_ = false;  // by this one; otherwise the lease had it already
  Revision revision_;      // of the key's creation; 0: not in the line yet
  etcdserverpb::ResponseHeader entered_;
  std::unique_ptr<CoreWatch> before_, own_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_CONTENDER_H_
