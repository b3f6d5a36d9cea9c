#include "jepsen/checkers/watch.h"

#include <algorithm>
#include <utility>

namespace keelson::checkers {
namespace {

// Follows one stream: what must come next is known from the truth alone.
class Follower {
 public:
  Follower(const KeySpace& truth, int64_t compacted, const WatchHistory& history)
      : truth_(truth), compacted_(compacted), history_(history) {}

  Verdict Run() {
    for (const WatchStream& stream : history_.streams) {
      Begin(stream);
      for (const WatchAnswer& answer : stream.answers) {
        if (Verdict verdict = Take(answer); verdict.broken()) return verdict;
      }
    }
    if (history_.complete_through > 0 && known_start_ && !cancelled_) {
      const int64_t last = std::min(history_.complete_through, truth_.revision());
      if (next_ <= last) return CheckNothingBetween(last, "never came, up to the end");
    }
    return {};
  }

 private:
  void Begin(const WatchStream& stream) {
    created_ = cancelled_ = in_fragment_ = false;
    header_ = 0;
    moves_ = stream.moves;
    known_start_ = stream.start_revision > 0;
    next_ = stream.start_revision;
    requested_ = stream.start_revision;
    partial_.clear();
  }

  Verdict Take(const WatchAnswer& answer) {
    if (cancelled_) return Broken("something came after the cancellation");
    if (answer.cancelled) return TakeCancelled(answer);
    if (answer.created) return TakeCreated(answer);
    if (!created_) return Broken("something came before the watch was created");
    if (answer.revision < header_ && !moves_) return Broken("the header's revision went back");
    header_ = answer.revision;
    if (answer.events.empty() && !answer.fragment && !in_fragment_) return TakeBookmark(answer);
    in_fragment_ = answer.fragment;
    for (const Change& event : answer.events) {
      if (event.kv.mod_revision > answer.revision) {
        return Broken("an event is newer than its answer's header: " + Describe(event));
      }
      if (Verdict verdict = TakeEvent(event); verdict.broken()) return verdict;
    }
    // A revision does not go over the end of an answer.
    if (!answer.fragment && !partial_.empty()) {
      return Broken("a revision came in part: " + std::to_string(partial_revision_));
    }
    return {};
  }

  Verdict TakeCreated(const WatchAnswer& answer) {
    if (created_) return Broken("it was created twice");
    created_ = true;
    header_ = std::max(header_, answer.revision);
    if (!known_start_) {
      // From now on: from the next revision of the member that created it.
      known_start_ = true;
      next_ = answer.revision + 1;
    }
    return {};
  }

  Verdict TakeCancelled(const WatchAnswer& answer) {
    cancelled_ = true;
    if (answer.compact_revision == 0) return {};
    if (answer.compact_revision > compacted_) {
      return Broken("it was told of a compaction at " + std::to_string(answer.compact_revision) +
                    ", and nobody compacted so far");
    }
    if (next_ >= answer.compact_revision) {
      return Broken("it was cancelled for a compaction at " +
                    std::to_string(answer.compact_revision) + ", and needed nothing before " +
                    std::to_string(next_));
    }
    return {};
  }

  Verdict TakeBookmark(const WatchAnswer& answer) {
    if (!partial_.empty()) return Broken("a bookmark came in the middle of a revision");
    // One that begins in the future has nothing to say before that.
    if (answer.revision < requested_ - 1) {
      return Broken("a bookmark at " + std::to_string(answer.revision) +
                    " came to a watch that begins at " + std::to_string(requested_));
    }
    if (answer.revision < next_) return {};
    Verdict verdict = CheckNothingBetween(answer.revision, "was passed over by a bookmark");
    if (!verdict.broken()) next_ = answer.revision + 1;
    return verdict;
  }

  Verdict TakeEvent(const Change& event) {
    const int64_t revision = event.kv.mod_revision;
    if (partial_.empty()) {
      if (revision < next_) {
        return Broken(std::string(revision < requested_ ? "an event from before the start"
                                                        : "an event came twice or out of order") +
                      ": " + Describe(event));
      }
      if (revision > truth_.revision()) {
        return Broken("an event of no revision: " + Describe(event));
      }
      if (Verdict verdict = CheckNothingBetween(revision - 1, "was lost"); verdict.broken()) {
        return verdict;
      }
      partial_ = Wanted(revision);
      partial_revision_ = revision;
      if (partial_.empty()) return Broken("an event that there was not: " + Describe(event));
    }
    if (!(partial_.front() == event)) {
      return Broken("instead of the " + Describe(partial_.front()) + " came the " +
                    Describe(event));
    }
    partial_.erase(partial_.begin());
    if (partial_.empty()) next_ = revision + 1;
    return {};
  }

  // What of a revision this watcher is to see.
  std::vector<Change> Wanted(int64_t revision) const {
    std::vector<Change> wanted;
    if (revision < KeySpace::first_revision) return wanted;
    for (const Change& change : truth_.At(revision)) {
      if (change.deleted ? history_.no_deletes : history_.no_puts) continue;
      if (InRange(change.kv.key, history_.key, history_.end)) wanted.push_back(change);
    }
    return wanted;
  }

  // Revisions from next_ through `last` have nothing for this watcher.
  Verdict CheckNothingBetween(int64_t last, const std::string& what) const {
    for (int64_t revision = next_; revision <= std::min(last, truth_.revision()); ++revision) {
      const std::vector<Change> wanted = Wanted(revision);
      if (!wanted.empty()) return Broken("the " + Describe(wanted.front()) + " " + what);
    }
    return {};
  }

  Verdict Broken(const std::string& why) const {
    return Verdict::Broken("watch of client " + std::to_string(history_.client) + " on " +
                           Quoted(history_.key) + ", next revision " + std::to_string(next_) +
                           ": " + why);
  }

  const KeySpace& truth_;
  const int64_t compacted_;
  const WatchHistory& history_;
  bool created_ = false;
  bool cancelled_ = false;
  bool in_fragment_ = false;
  bool known_start_ = false;
  int64_t requested_ = 0;
  int64_t header_ = 0;
  bool moves_ = false;
  int64_t next_ = 0;             // revisions before it have come
  std::vector<Change> partial_;  // what is still to come of the revision under way
  int64_t partial_revision_ = 0;
};

}  // namespace

Verdict CheckWatch(const KeySpace& truth, int64_t compacted, const WatchHistory& history) {
  return Follower(truth, compacted, history).Run();
}

}  // namespace keelson::checkers
