// PendingRequests: clients' commands between proposal and apply. Ids are unique at this member,
// also over restarts as far as 40 random bits go, so that an entry replayed from an earlier life
// answers nobody.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_PENDING_REQUESTS_H_
#define KEELSON_SERVER_PENDING_REQUESTS_H_

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/planted_bug.h"
#include "base/random.h"
#include "server/state_machine.h"

namespace keelson::server {

class PendingRequests {
 public:
  using Done = absl::AnyInvocable<void(Answer)>;

  explicit PendingRequests(Random* random)
      : last_(KV_PLANTED("request-ids-reused") ? 0 : random->Next() >> 24 << 24) {}

  // The id to put into the command. `deadline` must not be before that of an earlier Add.
  uint64_t Add(absl::Duration deadline, Done done) {
    const uint64_t id = ++last_;
    pending_.emplace(id, std::move(done));
    deadlines_.emplace_back(deadline, id);
    return id;
  }

  // Hands the answer to whoever waits for it; false: nobody does any more.
  bool Complete(Answer answer) {
    auto node = pending_.extract(answer.request);
    if (node.empty()) return false;
    node.mapped()(std::move(answer));
    return true;
  }

  // Gives `status` to all whose deadline is at or before `now`; returns how many they are.
  size_t Expire(absl::Duration now, const absl::Status& status) {
    size_t expired = 0;
    while (!deadlines_.empty() && deadlines_.front().first <= now) {
      if (Complete(Answer{deadlines_.front().second, status, {}, Revision()})) ++expired;
      deadlines_.pop_front();
    }
    return expired;
  }

  size_t FailAll(const absl::Status& status) { return Expire(absl::InfiniteDuration(), status); }
  size_t size() const { return pending_.size(); }

 private:
  uint64_t last_;
  absl::flat_hash_map<uint64_t, Done> pending_;
  std::deque<std::pair<absl::Duration, uint64_t>> deadlines_;  // ascending; may name answered ones
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PENDING_REQUESTS_H_
