// Publisher: tells the cluster a member's name and client URLs when it starts, again until it is
// known. Before that a member that was added does not count as started.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_PUBLISHER_H_
#define KEELSON_SERVER_PUBLISHER_H_

#include <functional>
#include <memory>

#include "proto/keelson/command.pb.h"
#include "server/executor.h"
#include "server/member_core.h"

namespace keelson::server {

class Publisher {
 public:
  // `on_known` runs once. `core` outlives this.
  Publisher(MemberCore* core, proto::MemberAttributes attributes, std::function<void()> on_known);
  void Start();

 private:
  MemberCore* const core_;
  const proto::MemberAttributes attributes_;
  const std::function<void()> on_known_;
  const std::unique_ptr<Timer> retry_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PUBLISHER_H_
