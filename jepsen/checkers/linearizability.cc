#include "jepsen/checkers/linearizability.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <unordered_set>
#include <utility>

namespace keelson::checkers {
namespace {

// A value, by number; 0: absent.
using State = uint32_t;

struct Operation {
  RegisterOperation::Kind kind;
  State value;
  State expected;
  bool swapped;
  bool known;
  const RegisterOperation* source;
};

// Nullopt: a register in `state` does not answer so.
std::optional<State> Step(const Operation& operation, State state) {
  switch (operation.kind) {
    case RegisterOperation::Kind::kRead:
      if (operation.value != state) return std::nullopt;
      return state;
    case RegisterOperation::Kind::kWrite:
      return operation.value;
    case RegisterOperation::Kind::kCompareAndSet:
      if (!operation.known) return state == operation.expected ? operation.value : state;
      if ((state == operation.expected) != operation.swapped) return std::nullopt;
      return operation.swapped ? operation.value : state;
  }
  return std::nullopt;
}

// A call or a return, in a list ordered by time from which operations are lifted out and into which
// they are put back, the last one first.
struct Entry {
  size_t operation = 0;
  bool is_call = false;
  Entry* match = nullptr;  // of a call: its return; null: it never returns
  Entry* previous = nullptr;
  Entry* next = nullptr;
};

void Lift(Entry* entry) {
  entry->previous->next = entry->next;
  if (entry->next != nullptr) entry->next->previous = entry->previous;
}
void PutBack(Entry* entry) {
  entry->previous->next = entry;
  if (entry->next != nullptr) entry->next->previous = entry;
}

// The operations done so far and the state after them, as bytes.
class Configuration {
 public:
  explicit Configuration(size_t operations) : bytes_(sizeof(State) + (operations + 7) / 8, '\0') {}
  void Set(size_t operation) { Byte(operation) |= Bit(operation); }
  void Clear(size_t operation) {
    Byte(operation) = static_cast<char>(Byte(operation) & ~Bit(operation));
  }
  const std::string& In(State state) {
    for (size_t i = 0; i < sizeof(State); ++i) bytes_[i] = static_cast<char>(state >> (8 * i));
    return bytes_;
  }

 private:
  char& Byte(size_t operation) { return bytes_[sizeof(State) + operation / 8]; }
  static char Bit(size_t operation) { return static_cast<char>(1 << (operation % 8)); }
  std::string bytes_;
};

class Search {
 public:
  Search(std::vector<Operation> operations, uint64_t& states_left)
      : operations_(std::move(operations)), states_left_(states_left) {
    BuildList();
  }

  Verdict Run() {
    Configuration done(operations_.size());
    State state = 0;
    std::vector<std::pair<Entry*, State>> stack;  // calls lifted out, and the state before each
    std::unordered_set<std::string> tried;
    Entry* entry = head_.next;
    while (returns_left_ > 0) {
      if (entry != nullptr && entry->is_call) {
        const auto next = Step(operations_[entry->operation], state);
        done.Set(entry->operation);
        if (next && tried.insert(done.In(*next)).second) {
          if (states_left_ == 0) return Undecided();
          --states_left_;
          stack.emplace_back(entry, std::exchange(state, *next));
          Take(entry);
          entry = head_.next;
        } else {
          done.Clear(entry->operation);
          entry = entry->next;
        }
        continue;
      }
      // A return, whose operation would have had to be done by now; or nothing is left to try.
      if (entry != nullptr) Note(entry->operation);
      if (stack.empty()) return Broken();
      const auto [call, before] = stack.back();
      stack.pop_back();
      state = before;
      done.Clear(call->operation);
      Return(call);
      entry = call->next;
    }
    return {};
  }

 private:
  void BuildList() {
    struct Event {
      Time at;
      bool is_return;  // of two at one time the call is first: they may overlap
      size_t operation;
    };
    std::vector<Event> events;
    for (size_t i = 0; i < operations_.size(); ++i) {
      events.push_back({operations_[i].source->invoked, false, i});
      if (operations_[i].known) events.push_back({operations_[i].source->returned, true, i});
    }
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      return std::pair(a.at, a.is_return) < std::pair(b.at, b.is_return);
    });
    entries_.resize(events.size());
    std::vector<Entry*> calls(operations_.size());
    Entry* last = &head_;
    for (size_t i = 0; i < events.size(); ++i) {
      Entry* const entry = &entries_[i];
      entry->operation = events[i].operation;
      entry->is_call = !events[i].is_return;
      entry->previous = last;
      last->next = entry;
      last = entry;
      if (entry->is_call) {
        calls[entry->operation] = entry;
      } else {
        calls[entry->operation]->match = entry;
        ++returns_left_;
      }
    }
  }

  void Take(Entry* call) {
    Lift(call);
    if (call->match == nullptr) return;
    Lift(call->match);
    --returns_left_;
  }
  void Return(Entry* call) {
    if (call->match != nullptr) {
      PutBack(call->match);
      ++returns_left_;
    }
    PutBack(call);
  }

  // Keeps the operation that was farthest among those that could not be fitted in.
  void Note(size_t operation) {
    const RegisterOperation* const source = operations_[operation].source;
    if (stuck_ == nullptr || source->returned > stuck_->returned) stuck_ = source;
  }
  Verdict Broken() const {
    std::string why = "key '" + operations_[0].source->key + "' is not linearizable";
    if (stuck_ != nullptr) {
      why += ": no order explains what client " + std::to_string(stuck_->client) + " saw of '" +
             stuck_->value.value_or("(absent)") + "' in " + std::to_string(stuck_->invoked) + ".." +
             std::to_string(stuck_->returned);
    }
    return Verdict::Broken(std::move(why));
  }
  Verdict Undecided() const {
    return Verdict::Undecided("too many orders to try for key '" + operations_[0].source->key +
                              "'");
  }

  const std::vector<Operation> operations_;
  uint64_t& states_left_;
  std::vector<Entry> entries_;
  Entry head_;
  size_t returns_left_ = 0;
  const RegisterOperation* stuck_ = nullptr;
};

class Values {
 public:
  State Number(const std::optional<std::string>& value) {
    if (!value) return 0;
    return numbers_.emplace(*value, static_cast<State>(numbers_.size() + 1)).first->second;
  }

 private:
  std::map<std::string, State> numbers_;
};

}  // namespace

Verdict CheckRegisters(const std::vector<RegisterOperation>& history, const SearchLimits& limits) {
  std::map<std::string, std::vector<Operation>> keys;
  std::map<std::string, Values> values;
  for (const RegisterOperation& operation : history) {
    if (operation.outcome == Outcome::kRefused) continue;
    const bool known = operation.outcome == Outcome::kOk;
    // What nobody knows the answer of tells nothing and changes nothing.
    if (!known && operation.kind == RegisterOperation::Kind::kRead) continue;
    Values& numbers = values[operation.key];
    keys[operation.key].push_back({operation.kind, numbers.Number(operation.value),
                                   numbers.Number(operation.expected), operation.swapped, known,
                                   &operation});
  }
  uint64_t states_left = limits.states_max;
  Verdict verdict;
  for (auto& [key, operations] : keys) {
    Verdict of_key = Search(std::move(operations), states_left).Run();
    if (of_key.broken()) return of_key;
    if (!of_key.holds()) verdict = std::move(of_key);
  }
  return verdict;
}

}  // namespace keelson::checkers
