// ForwardedReads: a follower's linearizable reads, asked of the leader in batches: one request and
// one answer for all that wait together. A batch that is not answered in time is asked again under
// its number: an answer to any of the attempts began after all reads of the batch did.
//
// A batch number is not used again, nor by an earlier life of this member (an answer meant for that
// one would be too old), which is why the first is drawn at random.
#ifndef KEELSON_RAFT_FORWARDED_READS_H_
#define KEELSON_RAFT_FORWARDED_READS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace keelson::raft {

class ForwardedReads {
 public:
  static constexpr size_t kUnderWayMax = 2;

  // Batches are numbered from `first_number` on, without 0.
  explicit ForwardedReads(uint64_t first_number) : next_number_(first_number) {}

  void Add(uint64_t context) { waiting_.push_back(context); }
  bool CanBegin() const { return !waiting_.empty() && under_way_.size() < kUnderWayMax; }
  // All that wait become a batch; returns its number. REQUIRES: CanBegin().
  uint64_t Begin();
  // The contexts of the batch; empty if it is unknown or answered before.
  std::vector<uint64_t> TakeAnswered(uint64_t number);
  // One tick passed. Returns the batches to ask for again.
  std::vector<uint64_t> TickAndTakeOverdue(int patience_ticks);
  // Another leader, or none: forgets everything, returns what was asked.
  std::vector<uint64_t> TakeAll();

 private:
  struct Batch {
    uint64_t number = 0;
    int ticks = 0;  // since it was asked last
    std::vector<uint64_t> contexts;
  };

  std::vector<uint64_t> waiting_;
  std::deque<Batch> under_way_;  // oldest first
  uint64_t next_number_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_FORWARDED_READS_H_
