// SchedulingQueue: the pods that need a node and have none. Those that can be tried are given out
// by priority, then by how long they have waited; one that was refused waits until something
// happens that may help it (hints.h) or five minutes have passed, and in any case for its back-off;
// one with scheduling gates waits outside.
//
// A pod that was popped stays known until it is refused, fails, or is removed, so that it is in the
// queue at most once. Thread: one, the scheduler's.
#ifndef KEELSON_APISERVER_SCHEDULER_QUEUE_H_
#define KEELSON_APISERVER_SCHEDULER_QUEUE_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "apiserver/scheduler/hints.h"
#include "apiserver/scheduler/pod.h"
#include "base/clock.h"

namespace keelson::scheduler {

class SchedulingQueue {
 public:
  explicit SchedulingQueue(const Clock* clock) : clock_(clock) {}
  SchedulingQueue(const SchedulingQueue&) = delete;
  SchedulingQueue& operator=(const SchedulingQueue&) = delete;

  // A new pod, or a new version of one that is known.
  void Set(std::shared_ptr<const Pod> pod);
  void Remove(const std::string& uid);

  // The next to be tried. nullptr: none now.
  std::shared_ptr<const Pod> Pop();
  // What became of a popped pod: no node would do; or something went wrong on the way, and it is
  // tried again after its back-off.
  void Refused(const std::string& uid, PluginSet by);
  void Failed(const std::string& uid);
  // A refused pod is to be tried again after all.
  void Wake(const std::string& uid);

  void OnEvent(const ClusterEvent& event);
  // Puts what has waited long enough where it is tried. Infinite: nothing waits for a time.
  void Flush();
  absl::Duration NextFlush() const;

  // As it was last seen; nullptr: unknown.
  std::shared_ptr<const Pod> Find(const std::string& uid) const;

  size_t active() const { return active_.size(); }
  size_t backing_off() const { return backing_off_.size(); }
  size_t unschedulable() const { return refused_.size(); }
  size_t gated() const { return gated_; }

 private:
  enum class Place { kActive, kBackingOff, kRefused, kGated, kPopped };
  struct Entry {
    std::shared_ptr<const Pod> pod;
    Place place = Place::kPopped;
    int attempts = 0;
    uint64_t number = 0;   // ascending as they are queued
    absl::Duration since;  // refused, or failed
    PluginSet refused_by = 0;
  };
  struct MoreImportant {
    bool operator()(const Entry* a, const Entry* b) const;
  };
  struct Earlier {
    bool operator()(const Entry* a, const Entry* b) const;
  };
  absl::Duration BackoffEnd(const Entry& entry) const;
  void TakeOut(Entry* entry);
  void Gate(Entry* entry);
  // Gated, if the pod says so.
  void Activate(Entry* entry);
  // Active, or backing off if it must.
  void Retry(Entry* entry);

  const Clock* const clock_;
  absl::flat_hash_map<std::string, std::unique_ptr<Entry>> entries_;
  std::set<Entry*, MoreImportant> active_;
  // By the end of their back-off, and by when they were refused.
  std::set<std::pair<absl::Duration, Entry*>, std::less<>> backing_off_;
  std::set<Entry*, Earlier> refused_;
  size_t gated_ = 0;
  uint64_t next_number_ = 1;
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_QUEUE_H_
