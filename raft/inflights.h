// Inflights: the AppendRequests under way to one follower, oldest first, bounded in number and in
// bytes. The bound stops the stream; it is not a reservation: the message that reaches it is sent.
//
// Invariant: the last indexes are increasing from oldest to newest.
#ifndef KEELSON_RAFT_INFLIGHTS_H_
#define KEELSON_RAFT_INFLIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"

namespace keelson::raft {

struct InflightLimits {
  size_t messages_max = 256;
  uint64_t bytes_max = 16 << 20;
};

class Inflights {
 public:
  explicit Inflights(const InflightLimits& limits);

  // A message whose last entry is `last` was sent. REQUIRES: !IsFull(); `last` is beyond all
  // others.
  void Add(LogIndex last, uint64_t bytes);
  // Everything up to `index` has arrived.
  void FreeThrough(LogIndex index);
  void Clear();

  bool IsFull() const { return count_ >= limits_.messages_max || bytes_ >= limits_.bytes_max; }
  size_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Sent {
    LogIndex last;
    uint64_t bytes = 0;
  };

  Sent& At(size_t position) { return ring_[(begin_ + position) % ring_.size()]; }
  void Grow();

  InflightLimits limits_;
  std::vector<Sent> ring_;  // grows by doubling: most followers never come near the limit
  size_t begin_ = 0;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_INFLIGHTS_H_
