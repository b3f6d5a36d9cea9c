// LogModel: what a raft log may be found to hold after a crash: everything it acknowledged, and
// then of the appends under way the first few, each whole.
#ifndef KEELSON_TESTS_CRASH_LOG_MODEL_H_
#define KEELSON_TESTS_CRASH_LOG_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/raft_log.h"

namespace keelson::storage {

class LogModel {
 public:
  struct Entry {
    Term term;
    std::string data;
  };
  struct Image {
    std::vector<Entry> entries;  // from index 1 on
    LogState state;

    LogIndex last() const { return LogIndex(entries.size()); }
    const Entry& At(LogIndex index) const { return entries[index.value() - 1]; }
    void Take(const LogAppend& append) {
      for (const LogRecord& record : append.records) {
        entries.resize(record.index.value() - 1);
        entries.push_back({record.term, std::string(record.data.view())});
      }
      if (append.state.has_value()) state = *append.state;
    }
  };

  // On disk for certain; and what a reader of the log sees.
  const Image& durable() const { return durable_; }
  const Image& newest() const { return newest_; }

  // The last entry that is on disk for certain and has not been replaced since.
  LogIndex durable_last() const {
    LogIndex last = std::min(durable_.last(), newest_.last());
    while (last > LogIndex(0) && durable_.At(last).term != newest_.At(last).term) --last;
    return last;
  }

  // Before the log is asked.
  void Begin(const std::vector<LogAppend>& group) {
    for (const LogAppend& append : group) {
      pending_.push_back(append);
      newest_.Take(append);
    }
  }
  // The log has said that all so far is durable.
  void Synced() {
    durable_ = newest_;
    pending_.clear();
  }

  // Compares the log with what it may be, and takes it for durable from now on: opening a log makes
  // it so. Empty: it is one of those.
  std::string Reopened(const RaftLog& log) {
    Image image = durable_;
    std::string wrong = Difference(log, image);
    for (const LogAppend& append : pending_) {
      image.Take(append);
      if (wrong.empty() && Difference(log, image).empty()) durable_ = image;
      if (!wrong.empty() && Difference(log, image).empty()) {
        wrong.clear();
        durable_ = image;
      }
    }
    pending_.clear();
    newest_ = durable_;
    return wrong;
  }

  // Empty: the log is this one, but for entries it has dropped at the front.
  static std::string Difference(const RaftLog& log, const Image& image) {
    if (log.LastIndex() != image.last()) {
      return absl::StrCat("the log ends with ", log.LastIndex().value(), ", not ",
                          image.last().value());
    }
    if (!(log.state() == image.state)) return "the state of the log differs";
    const LogIndex first = log.FirstIndex();
    const auto records = log.Read(first, log.LastIndex() + 1, uint64_t{1} << 40);
    if (!records.ok()) return std::string(records.status().message());
    if (first + records->size() != image.last() + 1) return "entries are missing";
    for (const LogRecord& record : *records) {
      const Entry& entry = image.At(record.index);
      if (record.term != entry.term || record.data.view() != entry.data) {
        return absl::StrCat("entry ", record.index.value(), " differs");
      }
    }
    return {};
  }

 private:
  Image durable_, newest_;
  std::deque<LogAppend> pending_;  // between the two
};

}  // namespace keelson::storage

#endif  // KEELSON_TESTS_CRASH_LOG_MODEL_H_
