// DeadlineQueue: the deadlines of all calls of a server, with one timer for the nearest.
//
// Thread: the server's loop.
#ifndef KEELSON_SERVER_RPC_DEADLINE_QUEUE_H_
#define KEELSON_SERVER_RPC_DEADLINE_QUEUE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "base/clock.h"

namespace keelson::rpc {

// What has a deadline.
class DeadlineOwner {
 public:
  virtual void OnDeadline() = 0;

 protected:
  ~DeadlineOwner() = default;
};

class DeadlineQueue {
 public:
  using Key = std::pair<absl::Duration, uint64_t>;

  // REQUIRES: both outlive the queue.
  DeadlineQueue(asio::io_context* loop, const Clock* clock);
  ~DeadlineQueue();

  // Calls owner->OnDeadline() from the loop once `at` (by the clock) has come, unless the key is
  // removed before.
  Key Add(absl::Duration at, DeadlineOwner* owner);
  // No effect when the deadline has passed.
  void Remove(const Key& key) { owners_.erase(key); }

 private:
  void Arm();

  const Clock* const clock_;
  asio::steady_timer timer_;
  absl::btree_map<Key, DeadlineOwner*> owners_;
  uint64_t next_number_ = 0;
  // When the timer fires; later than the first deadline only while Arm runs. Removing a deadline
  // leaves it, so that the usual call, which is answered long before, does not touch the timer.
  absl::Duration armed_at_ = absl::InfiniteDuration();
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // seen by the timer's handler
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_DEADLINE_QUEUE_H_
