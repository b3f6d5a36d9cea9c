#include "jepsen/checkers/replay.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace keelson::checkers {
namespace {

std::string Name(const KvOperation& operation) {
  static constexpr const char* kNames[] = {"transaction", "revocation", "compaction"};
  return std::string(kNames[static_cast<int>(operation.kind)]) + " of client " +
         std::to_string(operation.client) + " called at " + std::to_string(operation.invoked) +
         " and answered at " + std::to_string(operation.returned) + " with revision " +
         std::to_string(operation.revision);
}

template <typename T>
bool Holds(Comparison::Relation relation, const T& found, const T& wanted) {
  switch (relation) {
    case Comparison::Relation::kEqual:
      return found == wanted;
    case Comparison::Relation::kGreater:
      return found > wanted;
    case Comparison::Relation::kLess:
      return found < wanted;
    case Comparison::Relation::kNotEqual:
      return found != wanted;
  }
  return false;
}

bool Holds(const Comparison& comparison, const std::optional<KeyVersion>& found) {
  // An absent key has no value to compare; its numbers are 0.
  if (comparison.target == Comparison::Target::kValue) {
    return found && Holds(comparison.relation, found->value, comparison.value);
  }
  const KeyVersion version = found.value_or(KeyVersion());
  switch (comparison.target) {
    case Comparison::Target::kVersion:
      return Holds(comparison.relation, version.version, comparison.number);
    case Comparison::Target::kCreate:
      return Holds(comparison.relation, version.create_revision, comparison.number);
    case Comparison::Target::kMod:
      return Holds(comparison.relation, version.mod_revision, comparison.number);
    case Comparison::Target::kLease:
      return Holds(comparison.relation, version.lease, comparison.number);
    case Comparison::Target::kValue:
      break;
  }
  return false;
}

// What an operation does to the key space of one revision, and answers.
struct Effect {
  bool succeeded = true;
  std::vector<Response> responses;
  std::vector<Change> changes;
};

class Execution {
 public:
  Execution(const KeySpace& space, int64_t base) : space_(space), base_(base) {}

  Effect Run(const KvOperation& operation) {
    if (operation.kind == KvOperation::Kind::kRevoke) {
      for (const std::string& key : space_.KeysOf(operation.lease, base_)) Delete(key);
      return std::move(effect_);
    }
    if (operation.kind == KvOperation::Kind::kCompact) return {};
    for (const Comparison& comparison : operation.compare) {
      effect_.succeeded =
          effect_.succeeded && Holds(comparison, space_.Find(comparison.key, base_));
    }
    for (const Request& request : effect_.succeeded ? operation.success : operation.failure) {
      effect_.responses.push_back(Run(request));
    }
    return std::move(effect_);
  }

 private:
  Response Run(const Request& request) {
    switch (request.kind) {
      case Request::Kind::kPut:
        Put(request);
        return {};
      case Request::Kind::kDelete: {
        Response response;
        for (const KeyVersion& version : RangeNow(request.key, request.end)) {
          Delete(version.key);
          ++response.count;
        }
        return response;
      }
      case Request::Kind::kRange:
        break;
    }
    Response response;
    response.kvs = request.revision > 0 && request.revision <= base_
                       ? space_.Range(request.key, request.end, request.revision)
                       : RangeNow(request.key, request.end);
    response.count = static_cast<int64_t>(response.kvs.size());
    if (request.limit > 0 && response.count > request.limit) {
      response.kvs.resize(static_cast<size_t>(request.limit));
      response.more = true;
    }
    return response;
  }

  // With what the operation itself has done so far.
  std::vector<KeyVersion> RangeNow(const std::string& begin, const std::string& end) {
    std::map<std::string, KeyVersion> found;
    for (KeyVersion& version : space_.Range(begin, end, base_)) {
      found.emplace(version.key, std::move(version));
    }
    for (const auto& [key, version] : own_) {
      if (!InRange(key, begin, end)) continue;
      found.erase(key);
      if (version) found.emplace(key, *version);
    }
    std::vector<KeyVersion> versions;
    for (auto& [key, version] : found) versions.push_back(std::move(version));
    return versions;
  }

  void Put(const Request& request) {
    const auto own = own_.find(request.key);
    const std::optional<KeyVersion> before =
        own != own_.end() ? own->second : space_.Find(request.key, base_);
    KeyVersion version{request.key, request.value, base_ + 1, base_ + 1, 1, request.lease};
    if (before) {
      version.create_revision = before->create_revision;
      version.version = before->version + 1;
    }
    own_[request.key] = version;
    effect_.changes.push_back({false, std::move(version)});
  }
  void Delete(const std::string& key) {
    own_[key] = std::nullopt;
    Change change{true, {}};
    change.kv.key = key;
    change.kv.mod_revision = base_ + 1;
    effect_.changes.push_back(std::move(change));
  }

  const KeySpace& space_;
  const int64_t base_;
  std::map<std::string, std::optional<KeyVersion>> own_;
  Effect effect_;
};

std::string Describe(const std::vector<Change>& changes) {
  std::string text;
  for (const Change& change : changes) {
    text += (text.empty() ? "" : ", ") + checkers::Describe(change);
  }
  return text.empty() ? "nothing" : text;
}

class Replay {
 public:
  Replay(const KeySpace& truth, const std::vector<KvOperation>& history,
         const std::vector<std::string>& servers_own)
      : truth_(truth),
        history_(history),
        servers_own_(servers_own),
        explained_by_(truth.revision() + 1, nullptr) {}

  Verdict Run() {
    for (const KvOperation& operation : history_) {
      if (operation.outcome != Outcome::kOk) continue;
      if (Verdict verdict = CheckAnswer(operation); verdict.broken()) return verdict;
    }
    if (Verdict verdict = ExplainTheRest(); verdict.broken()) return verdict;
    if (Verdict verdict = CheckOrder(); verdict.broken()) return verdict;
    return CheckRefusals();
  }

 private:
  static bool Changes(const Effect& effect) { return !effect.changes.empty(); }

  // A write answers with the revision it made, and so was carried out on the one before; all else
  // was answered from the revision of the header.
  Verdict CheckAnswer(const KvOperation& operation) {
    const int64_t revision = operation.revision;
    if (revision > truth_.revision()) {
      return Verdict::Broken("no watcher saw the revision of the " + Name(operation));
    }
    if (operation.kind == KvOperation::Kind::kCompact) return {};
    if (revision >= KeySpace::first_revision && explained_by_[revision] == nullptr) {
      // Two may have wanted the same change; the one that made it has the answer that tells so.
      const Effect effect = Execution(truth_, revision - 1).Run(operation);
      if (Changes(effect) && effect.changes == truth_.At(revision) &&
          Compare(operation, effect).holds()) {
        explained_by_[revision] = &operation;
        return {};
      }
    }
    const Effect effect = Execution(truth_, revision).Run(operation);
    if (!Changes(effect)) return Compare(operation, effect);
    if (revision < KeySpace::first_revision) {
      return Verdict::Broken("the " + Name(operation) + " changed something and made no revision");
    }
    if (explained_by_[revision] != nullptr) {
      return Verdict::Broken("two writes have one revision: the " + Name(operation) + ", and the " +
                             Name(*explained_by_[revision]));
    }
    return Verdict::Broken("the " + Name(operation) + " should have done " +
                           Describe(Execution(truth_, revision - 1).Run(operation).changes) +
                           ", and its revision did " + Describe(truth_.At(revision)));
  }

  static Verdict Compare(const KvOperation& operation, const Effect& effect) {
    if (operation.kind != KvOperation::Kind::kTxn) return {};
    if (operation.succeeded != effect.succeeded) {
      return Verdict::Broken("the " + Name(operation) + " took the wrong branch");
    }
    if (operation.responses.size() != effect.responses.size()) {
      return Verdict::Broken("the " + Name(operation) + " has the wrong number of answers");
    }
    for (size_t i = 0; i < effect.responses.size(); ++i) {
      const Response& found = operation.responses[i];
      const Response& wanted = effect.responses[i];
      if (found == wanted) continue;
      std::string text = "answer " + std::to_string(i) + " of the " + Name(operation) + " is " +
                         std::to_string(found.count) + " keys";
      for (const KeyVersion& version : found.kvs) text += ", " + checkers::Describe(version);
      text += " and should be " + std::to_string(wanted.count) + " keys";
      for (const KeyVersion& version : wanted.kvs) text += ", " + checkers::Describe(version);
      return Verdict::Broken(std::move(text));
    }
    return {};
  }

  // Revisions that no answered write made: each needs an unanswered one of its own, which had been
  // called before anybody was told of the revision. Alike ones are many (the deletion of one key),
  // and not all of them were carried out, so they are matched, not taken as they come.
  Verdict ExplainTheRest() {
    std::vector<const KvOperation*> unknown;
    for (const KvOperation& operation : history_) {
      if (operation.outcome == Outcome::kUnknown) unknown.push_back(&operation);
    }
    const std::vector<Time> told = FirstTold();
    Matching matching;
    for (int64_t revision = KeySpace::first_revision; revision <= truth_.revision(); ++revision) {
      if (explained_by_[revision] != nullptr || IsServersOwn(revision) || EndsLeases(revision)) {
        continue;
      }
      std::vector<size_t>& candidates = matching.candidates[revision];
      for (size_t i = 0; i < unknown.size(); ++i) {
        if (unknown[i]->invoked <= told[static_cast<size_t>(revision)] &&
            Execution(truth_, revision - 1).Run(*unknown[i]).changes == truth_.At(revision)) {
          candidates.push_back(i);
        }
      }
      std::set<size_t> tried;
      if (Match(matching, revision, tried)) continue;
      return Verdict::Broken("no client asked for revision " + std::to_string(revision) + ": " +
                             Describe(truth_.At(revision)));
    }
    for (const auto& [i, revision] : matching.made) explained_by_[revision] = unknown[i];
    return {};
  }

  struct Matching {
    std::map<int64_t, std::vector<size_t>> candidates;  // of a revision: unanswered writes
    std::map<size_t, int64_t> made;                     // by such a write
  };

  // Finds one for `revision`, by giving those that have taken it another one where need be.
  static bool Match(Matching& matching, int64_t revision, std::set<size_t>& tried) {
    for (const size_t i : matching.candidates[revision]) {
      if (!tried.insert(i).second) continue;
      const auto taken = matching.made.find(i);
      if (taken == matching.made.end() || Match(matching, taken->second, tried)) {
        matching.made[i] = revision;
        return true;
      }
    }
    return false;
  }

  // When somebody was first answered from each revision or a later one.
  std::vector<Time> FirstTold() const {
    std::vector<Time> told(static_cast<size_t>(truth_.revision()) + 2, kNever);
    for (const KvOperation& operation : history_) {
      if (operation.outcome != Outcome::kOk || operation.revision > truth_.revision()) continue;
      Time& first = told[static_cast<size_t>(std::max<int64_t>(operation.revision, 0))];
      first = std::min(first, operation.returned);
    }
    for (size_t i = told.size() - 1; i > 0; --i) told[i - 1] = std::min(told[i - 1], told[i]);
    return told;
  }

  bool IsServersOwn(int64_t revision) const {
    const auto is_own = [this](const Change& change) {
      return std::any_of(servers_own_.begin(), servers_own_.end(), [&](const std::string& prefix) {
        return change.kv.key.starts_with(prefix);
      });
    };
    const KeySpace::Changes& changes = truth_.At(revision);
    return std::all_of(changes.begin(), changes.end(), is_own);
  }

  // Nothing but deletions of all keys of some leases: they expired, or were revoked.
  bool EndsLeases(int64_t revision) const {
    std::set<std::string> deleted;
    std::set<int64_t> leases;
    for (const Change& change : truth_.At(revision)) {
      const auto before = truth_.Find(change.kv.key, revision - 1);
      if (!change.deleted || !before || before->lease == 0) return false;
      deleted.insert(change.kv.key);
      leases.insert(before->lease);
    }
    std::set<std::string> attached;
    for (const int64_t lease : leases) {
      for (std::string& key : truth_.KeysOf(lease, revision - 1)) attached.insert(std::move(key));
    }
    return deleted == attached;
  }

  bool MadeRevision(const KvOperation& operation) const {
    return operation.revision >= KeySpace::first_revision &&
           explained_by_[operation.revision] == &operation;
  }

  // What had returned before an operation was called has no later revision; and an earlier one than
  // a write that came after it. By time of call, with the highest revision that had returned.
  Verdict CheckOrder() const {
    struct Placed {
      const KvOperation* operation;
      int64_t revision;
      bool is_write;
    };
    std::vector<Placed> placed;
    for (const KvOperation& operation : history_) {
      if (operation.outcome != Outcome::kOk) continue;
      placed.push_back({&operation, operation.revision, MadeRevision(operation)});
    }
    for (int64_t revision = KeySpace::first_revision; revision <= truth_.revision(); ++revision) {
      const KvOperation* const by = explained_by_[revision];
      if (by != nullptr && by->outcome == Outcome::kUnknown) placed.push_back({by, revision, true});
    }
    std::vector<Placed> returned = placed;
    std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
      return a.operation->invoked < b.operation->invoked;
    });
    std::sort(returned.begin(), returned.end(), [](const Placed& a, const Placed& b) {
      return a.operation->returned < b.operation->returned;
    });
    const Placed* newest = nullptr;
    size_t next = 0;
    for (const Placed& now : placed) {
      for (; next < returned.size() && returned[next].operation->returned < now.operation->invoked;
           ++next) {
        if (newest == nullptr || returned[next].revision > newest->revision) {
          newest = &returned[next];
        }
      }
      if (newest == nullptr || now.operation->serializable) continue;
      if (now.is_write ? newest->revision < now.revision : newest->revision <= now.revision) {
        continue;
      }
      // Before the first change there is none to tell of.
      const bool some = now.revision >= KeySpace::first_revision;
      return Verdict::Broken("stale: the " + Name(*now.operation) + ", at revision " +
                             std::to_string(now.revision) + " (" +
                             (some ? Describe(truth_.At(now.revision)) : "nothing") +
                             "), came after the " + Name(*newest->operation));
    }
    return {};
  }

  static int64_t OldestAsked(const KvOperation& operation) {
    int64_t oldest = kNever;
    for (const auto* const requests : {&operation.success, &operation.failure}) {
      for (const Request& request : *requests) {
        if (request.revision > 0) oldest = std::min(oldest, request.revision);
      }
    }
    return oldest;
  }
  static int64_t NewestAsked(const KvOperation& operation) {
    int64_t newest = 0;
    for (const auto* const requests : {&operation.success, &operation.failure}) {
      for (const Request& request : *requests) newest = std::max(newest, request.revision);
    }
    return newest;
  }

  Verdict CheckRefusals() const {
    for (const KvOperation& operation : history_) {
      if (operation.kind != KvOperation::Kind::kTxn) continue;
      const int64_t oldest = OldestAsked(operation);
      const bool answered =
          operation.outcome == Outcome::kOk && oldest != kNever && !operation.serializable;
      const bool compacted = operation.refusal == KvOperation::Refusal::kCompacted;
      if (operation.refusal == KvOperation::Refusal::kFuture) {
        if (Verdict verdict = CheckFuture(operation); verdict.broken()) return verdict;
      }
      if (!answered && !compacted) continue;
      bool justified = false;
      for (const KvOperation& by : history_) {
        if (by.kind != KvOperation::Kind::kCompact || by.outcome == Outcome::kRefused) continue;
        if (by.compact_revision <= oldest) continue;
        justified = justified || by.invoked < operation.returned;
        if (answered && by.outcome == Outcome::kOk && by.returned < operation.invoked) {
          return Verdict::Broken("the " + Name(operation) + " read revision " +
                                 std::to_string(oldest) + ", which the " + Name(by) +
                                 " had compacted");
        }
      }
      if (compacted && !justified) {
        return Verdict::Broken("the " + Name(operation) + " was refused revision " +
                               std::to_string(oldest) + " as compacted, and nobody compacted it");
      }
    }
    return {};
  }

  Verdict CheckFuture(const KvOperation& operation) const {
    const int64_t asked = NewestAsked(operation);
    for (const KvOperation& before : history_) {
      if (before.outcome != Outcome::kOk || before.returned >= operation.invoked) continue;
      if (operation.serializable || before.revision < asked) continue;
      return Verdict::Broken("the " + Name(operation) + " was refused revision " +
                             std::to_string(asked) + " as one of the future after the " +
                             Name(before));
    }
    return {};
  }

  const KeySpace& truth_;
  const std::vector<KvOperation>& history_;
  const std::vector<std::string>& servers_own_;
  std::vector<const KvOperation*> explained_by_;  // by revision
};

}  // namespace

Verdict CheckReplay(const KeySpace& truth, const std::vector<KvOperation>& history,
                    const std::vector<std::string>& servers_own) {
  return Replay(truth, history, servers_own).Run();
}

}  // namespace keelson::checkers
