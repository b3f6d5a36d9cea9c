#include "jepsen/checkers/list_append.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "jepsen/checkers/dependency_graph.h"

namespace keelson::checkers {
namespace {

using Kind = DependencyGraph::Kind;

class Analysis {
 public:
  explicit Analysis(const std::vector<ListTransaction>& history)
      : history_(history), graph_(history.size()) {}

  Verdict Run() {
    IndexAppends();
    for (const auto step : {&Analysis::CheckReads, &Analysis::CheckOrders}) {
      if (Verdict verdict = (this->*step)(); verdict.broken()) return verdict;
    }
    AddDependencies();
    if (Verdict verdict = FindAnomaly(0, ""); verdict.broken()) return verdict;
    AddRealTime();
    return FindAnomaly(Kind::kRealTime, "-realtime");
  }

 private:
  struct List {
    std::map<int64_t, size_t> writers;  // by value
    std::vector<int64_t> order;         // the longest that was read
  };

  void IndexAppends() {
    for (size_t i = 0; i < history_.size(); ++i) {
      for (const auto& operation : history_[i].operations) {
        if (operation.append) lists_[operation.key].writers.emplace(operation.value, i);
      }
    }
  }

  template <typename Visit>
  void ForEachRead(Visit visit) {
    for (size_t i = 0; i < history_.size(); ++i) {
      if (history_[i].outcome != Outcome::kOk) continue;
      std::map<std::string, std::vector<int64_t>> own;
      for (const auto& operation : history_[i].operations) {
        if (operation.append) {
          own[operation.key].push_back(operation.value);
        } else {
          visit(i, operation, own[operation.key]);
        }
      }
    }
  }

  static std::string Describe(const std::vector<int64_t>& list) {
    std::string text = "[";
    for (const int64_t value : list) text += (text.size() > 1 ? " " : "") + std::to_string(value);
    return text + "]";
  }
  std::string Name(size_t transaction) const {
    return "transaction " + std::to_string(transaction) + " of client " +
           std::to_string(history_[transaction].client);
  }

  // Each read by itself.
  Verdict CheckReads() {
    Verdict verdict;
    ForEachRead(
        [&](size_t i, const ListTransaction::Operation& read, const std::vector<int64_t>& own) {
          if (verdict.broken()) return;
          verdict = CheckRead(i, read, own);
        });
    return verdict;
  }

  Verdict CheckRead(size_t i, const ListTransaction::Operation& read,
                    const std::vector<int64_t>& own) {
    const auto broken = [&](const std::string& what) {
      return Verdict::Broken(what + ": " + Name(i) + " read '" + read.key +
                             "' = " + Describe(read.read));
    };
    List& list = lists_[read.key];
    std::set<int64_t> seen;
    for (const int64_t value : read.read) {
      if (!seen.insert(value).second) return broken("duplicate " + std::to_string(value));
      const auto writer = list.writers.find(value);
      if (writer == list.writers.end()) return broken("garbage " + std::to_string(value));
      if (history_[writer->second].outcome == Outcome::kRefused) return broken("G1a");
    }
    // A transaction sees its own appends, at the end.
    if (own.size() > read.read.size() ||
        !std::equal(own.rbegin(), own.rend(), read.read.rbegin())) {
      return broken("internal");
    }
    // The list was cut between two appends of another.
    if (own.empty() && !read.read.empty()) {
      const size_t writer = list.writers.at(read.read.back());
      const auto& operations = history_[writer].operations;
      const auto last = std::find_if(operations.rbegin(), operations.rend(),
                                     [&](const auto& o) { return o.append && o.key == read.key; });
      if (writer != i && last->value != read.read.back()) return broken("G1b");
    }
    // Its own appends are last, so they tell nothing of the order of others'.
    if (read.read.size() > list.order.size()) list.order = read.read;
    return {};
  }

  // All that were read of a list are beginnings of the longest.
  Verdict CheckOrders() {
    Verdict verdict;
    ForEachRead([&](size_t i, const ListTransaction::Operation& read, const auto&) {
      const std::vector<int64_t>& order = lists_[read.key].order;
      if (verdict.broken() || std::equal(read.read.begin(), read.read.end(), order.begin())) return;
      verdict = Verdict::Broken("incompatible order: " + Name(i) + " read '" + read.key +
                                "' = " + Describe(read.read) + ", and another " + Describe(order));
    });
    return verdict;
  }

  void AddDependencies() {
    for (auto& [key, list] : lists_) {
      for (size_t at = 1; at < list.order.size(); ++at) {
        graph_.Add(list.writers.at(list.order[at - 1]), list.writers.at(list.order[at]),
                   Kind::kWriteWrite);
      }
      // An append that was acknowledged and that the longest list lacks came after it.
      const std::set<int64_t> read(list.order.begin(), list.order.end());
      for (const auto& [value, writer] : list.writers) {
        if (history_[writer].outcome == Outcome::kOk && !read.contains(value)) {
          list_ends_[key].push_back(writer);
          if (!list.order.empty()) {
            graph_.Add(list.writers.at(list.order.back()), writer, Kind::kWriteWrite);
          }
        }
      }
    }
    ForEachRead([&](size_t i, const ListTransaction::Operation& read, const auto& own) {
      const List& list = lists_[read.key];
      if (read.read.size() > own.size()) {
        graph_.Add(list.writers.at(read.read[read.read.size() - own.size() - 1]), i,
                   Kind::kWriteRead);
      }
      if (read.read.size() < list.order.size()) {
        graph_.Add(i, list.writers.at(list.order[read.read.size()]), Kind::kReadWrite);
      } else {
        for (const size_t writer : list_ends_[read.key]) graph_.Add(i, writer, Kind::kReadWrite);
      }
    });
  }

  // What returned before another was called came before it. An edge for each pair would be too
  // many: those suffice that no third one lies between.
  void AddRealTime() {
    std::vector<size_t> by_call, by_return;
    for (size_t i = 0; i < history_.size(); ++i) {
      if (history_[i].outcome == Outcome::kRefused) continue;
      by_call.push_back(i);
      if (history_[i].outcome == Outcome::kOk) by_return.push_back(i);
    }
    std::sort(by_call.begin(), by_call.end(),
              [&](size_t a, size_t b) { return history_[a].invoked < history_[b].invoked; });
    std::sort(by_return.begin(), by_return.end(),
              [&](size_t a, size_t b) { return history_[a].returned < history_[b].returned; });
    std::vector<size_t> frontier;  // returned, and nobody that was called after them has
    size_t next = 0;
    for (const size_t call : by_call) {
      for (; next < by_return.size() && history_[by_return[next]].returned < history_[call].invoked;
           ++next) {
        const size_t done = by_return[next];
        std::erase_if(frontier, [&](size_t earlier) {
          return history_[earlier].returned < history_[done].invoked;
        });
        frontier.push_back(done);
      }
      for (const size_t earlier : frontier) graph_.Add(earlier, call, Kind::kRealTime);
    }
  }

  Verdict FindAnomaly(uint8_t also, const std::string& suffix) const {
    const auto with = [also](uint8_t kinds) { return static_cast<uint8_t>(kinds | also); };
    const auto convict = [&](const char* name, const std::vector<DependencyGraph::Edge>& cycle) {
      return Verdict::Broken(name + suffix + ": " + Describe(cycle));
    };
    if (const auto cycle = graph_.FindCycle(with(Kind::kWriteWrite)); !cycle.empty()) {
      return convict("G0", cycle);
    }
    constexpr uint8_t kInformation = Kind::kWriteWrite | Kind::kWriteRead;
    if (const auto cycle = graph_.FindCycle(with(kInformation)); !cycle.empty()) {
      return convict("G1c", cycle);
    }
    if (const auto cycle = graph_.FindCycleWithOne(Kind::kReadWrite, with(kInformation));
        !cycle.empty()) {
      return convict("G-single", cycle);
    }
    if (const auto cycle = graph_.FindCycle(with(kInformation | Kind::kReadWrite));
        !cycle.empty()) {
      return convict("G2", cycle);
    }
    return {};
  }

  std::string Describe(const std::vector<DependencyGraph::Edge>& cycle) const {
    const auto name = [](Kind kind) {
      switch (kind) {
        case Kind::kWriteWrite:
          return " appended before ";
        case Kind::kWriteRead:
          return " was read by ";
        case Kind::kReadWrite:
          return " did not see ";
        case Kind::kRealTime:
          return " ended before ";
      }
      return "";
    };
    std::string text = cycle.empty() ? "" : Name(cycle.front().from);
    for (const DependencyGraph::Edge& edge : cycle) text += name(edge.kind) + Name(edge.to);
    return text;
  }

  const std::vector<ListTransaction>& history_;
  DependencyGraph graph_;
  std::map<std::string, List> lists_;
  // Who appended to a list after all that was read of it, in no known order.
  std::map<std::string, std::vector<size_t>> list_ends_;
};

}  // namespace

Verdict CheckListAppend(const std::vector<ListTransaction>& history) {
  return Analysis(history).Run();
}

}  // namespace keelson::checkers
