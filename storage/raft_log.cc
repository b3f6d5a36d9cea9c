#include "storage/raft_log.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "storage/log_format.h"
#include "storage/log_recovery.h"
#include "storage/log_table.h"
#include "storage/segment_pool.h"

namespace keelson::storage {
namespace {

// Payloads from this size on are written from where they lie instead of being copied together.
constexpr uint64_t kGatherBytesMin = 8 << 10;
// Records of one segment that lie this close together are read in one piece.
constexpr uint64_t kReadGapMax = 4 << 10;

class EntropyRandom final : public Random {
 public:
  uint64_t Next() override { return SystemSeed(); }
};

RaftLogOptions WithDefaults(RaftLogOptions options) {
  static EntropyRandom* const entropy = new EntropyRandom;
  if (options.file_system == nullptr) options.file_system = &PosixFileSystem();
  if (options.random == nullptr) options.random = entropy;
  return options;
}

// The bytes of one write: small pieces copied together, large ones by reference.
class GatheredWrite {
 public:
  uint64_t bytes() const { return bytes_; }

  void AddRecord(const RecordSalt& salt, const RecordHeader& header, std::string_view payload) {
    AppendRecordHeader(salt, header, payload, copied_);
    if (payload.size() < kGatherBytesMin) {
      copied_.append(payload);
    } else {
      CloseCopied();
      pieces_.push_back({payload, 0, 0});
    }
    const uint64_t padded = PaddedRecordBytes(payload.size());
    copied_.append(padded - kRecordHeaderBytes - payload.size(), '\0');
    bytes_ += padded;
  }

  std::vector<std::string_view> Pieces() {
    CloseCopied();
    std::vector<std::string_view> views;
    for (const Piece& piece : pieces_) {
      views.push_back(piece.large.empty()
                          ? std::string_view(copied_).substr(piece.begin, piece.end - piece.begin)
                          : piece.large);
    }
    return views;
  }

 private:
  struct Piece {
    std::string_view large;
    size_t begin, end;  // in copied_, when `large` is empty
  };

  void CloseCopied() {
    if (copied_.size() > closed_) pieces_.push_back({{}, closed_, copied_.size()});
    closed_ = copied_.size();
  }

  std::string copied_;
  size_t closed_ = 0;
  std::vector<Piece> pieces_;
  uint64_t bytes_ = 0;
};

class SegmentedLog final : public RaftLog {
 public:
  SegmentedLog(const RaftLogOptions& options, std::unique_ptr<DirectoryLock> lock)
      : options_(options), lock_(std::move(lock)), table_(options.cache_bytes_max) {}

  ~SegmentedLog() override {
    if (pool_ != nullptr && active_ != nullptr) WriteMark();  // else it was never open
  }

  absl::Status Create(const LogIdentity& identity);
  absl::Status Recover();

  const LogIdentity& identity() const override { return identity_; }
  absl::Status Append(absl::Span<const LogAppend> group) override;
  absl::Status TruncatePrefix(LogIndex first_kept) override;

  LogState state() const override {
    absl::MutexLock lock(&mutex_);
    return state_;
  }
  LogIndex FirstIndex() const override {
    absl::MutexLock lock(&mutex_);
    return table_.first();
  }
  LogIndex LastIndex() const override {
    absl::MutexLock lock(&mutex_);
    return table_.last();
  }
  std::optional<Term> TermAt(LogIndex index) const override {
    absl::MutexLock lock(&mutex_);
    return table_.TermAt(index);
  }
  absl::StatusOr<std::vector<LogRecord>> Read(LogIndex begin, LogIndex end,
                                              uint64_t bytes_max) const override;
  uint64_t SizeOnDisk() const override;

 private:
  // A change of the table that becomes visible when its group is written.
  struct Pending {
    std::optional<LogPosition> cut{};
    std::optional<LogPosition> reset{};
    const LogRecord* record = nullptr;
    LogTable::Place place{};
  };
  // A record of Read() that is not in the cache.
  struct Wanted {
    size_t position;  // in the result
    LogTable::Place place;
    std::shared_ptr<Segment> segment;
  };

  absl::Status AppendGroup(absl::Span<const LogAppend> group);
  absl::Status Roll();
  void Build(absl::Span<const LogAppend> group, GatheredWrite& write, std::vector<Pending>& pending,
             LogState& state);
  void AddAppend(const LogAppend& append, LogIndex& last, GatheredWrite& write,
                 std::vector<Pending>& pending);
  // The term of `index` as the appends before left it. REQUIRES: it is in the log, or the last
  // before it.
  Term TermBehind(LogIndex index, const std::vector<Pending>& pending) const;
  void Publish(const std::vector<Pending>& pending, const LogState& state);
  // Gives up the segments before the one of this sequence, whose state is on disk.
  void DropSegmentsBefore(uint64_t sequence);
  absl::Status Sync();
  absl::Status RewriteUnsynced(uint64_t from);
  absl::Status Poison(absl::Status status);
  absl::Status poisoned() const {
    absl::MutexLock lock(&mutex_);
    return poison_;
  }
  void WriteMark();
  absl::Status ReadRun(absl::Span<const Wanted> run, LogIndex begin,
                       std::vector<LogRecord>& records) const;

  const RaftLogOptions options_;
  const std::unique_ptr<DirectoryLock> lock_;
  LogIdentity identity_;
  std::unique_ptr<SegmentPool> pool_;

  // Owned by the writer thread.
  std::shared_ptr<Segment> active_;
  uint64_t end_ = 0;                      // where the next record goes
  uint64_t synced_ = 0;                   // all before it is on disk
  std::optional<uint64_t> previous_end_;  // set: the active segment needs its opening
  bool refused_in_part_ = false;          // parts of a group may lie behind end_

  mutable absl::Mutex mutex_;
  LogTable table_ ABSL_GUARDED_BY(mutex_);
  LogState state_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Segment>> segments_ ABSL_GUARDED_BY(mutex_);  // by sequence
  absl::Status poison_ ABSL_GUARDED_BY(mutex_);
};

absl::Status SegmentedLog::Create(const LogIdentity& identity) {
  identity_ = identity;
  pool_ = std::make_unique<SegmentPool>(options_, identity);
  uint64_t bytes = 0;
  KV_ASSIGN_OR_RETURN(active_, pool_->MakeFirst(1, [&](const RecordSalt& salt) {
    const std::string opening = EncodeOpening({});
    std::string record;
    AppendRecordHeader(salt, {.kind = RecordKind::kOpening, .flags = kLastOfAppend}, opening,
                       record);
    record += opening;
    bytes = record.size();
    return record;
  }));
  end_ = synced_ = kSegmentHeaderBytes + bytes;
  {
    absl::MutexLock lock(&mutex_);
    segments_.push_back(active_);
  }
  pool_->Prepare(active_->header.sequence + 1);
  return absl::OkStatus();
}

absl::Status SegmentedLog::Recover() {
  absl::MutexLock lock(&mutex_);
  KV_ASSIGN_OR_RETURN(RecoveredLog log, RecoverLog(options_, table_));
  identity_ = log.identity;
  state_ = log.state;
  segments_.assign(log.segments.begin(), log.segments.end());
  active_ = segments_.back();
  end_ = log.end;
  KV_RETURN_IF_ERROR(RewriteUnsynced(log.synced));
  pool_ = std::make_unique<SegmentPool>(options_, identity_);
  pool_->Prepare(active_->header.sequence + 1);
  return absl::OkStatus();
}

// What an earlier process wrote may be in the page cache only, and, if a sync failed then, the
// kernel takes it for written: only what is written again is sure to be synced.
absl::Status SegmentedLog::RewriteUnsynced(uint64_t from) {
  std::string bytes(end_ - from, '\0');
  KV_ASSIGN_OR_RETURN(const uint64_t got, active_->file->Read(from, bytes.size(), bytes.data()));
  // Read a second time, so checked a second time: what is written now stays.
  std::string_view rest = std::string_view(bytes).substr(0, got);
  while (const auto record = ParseRecord(active_->salt, rest)) {
    rest.remove_prefix(record->padded_bytes);
  }
  if (got != bytes.size() || !rest.empty()) {
    return absl::DataLossError(absl::StrCat("raft log: ", active_->path, " at offset ",
                                            end_ - rest.size(), ": record is damaged"));
  }
  if (!bytes.empty()) KV_RETURN_IF_ERROR(active_->file->Write(from, {bytes}));
  KV_RETURN_IF_ERROR(active_->file->Sync());
  synced_ = end_;
  return absl::OkStatus();
}

absl::Status SegmentedLog::Poison(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  if (poison_.ok()) poison_ = std::move(status);
  return poison_;
}

absl::Status SegmentedLog::Append(absl::Span<const LogAppend> group) {
  KV_RETURN_IF_ERROR(poisoned());
  const absl::Status status = AppendGroup(group);
  // Nothing of the group counts yet: the same bytes go to the same place when there is room.
  return status.ok() || absl::IsResourceExhausted(status) ? status : Poison(status);
}

absl::Status SegmentedLog::AppendGroup(absl::Span<const LogAppend> group) {
  uint64_t bytes = 0;
  bool must_sync = false, reset = false;
  for (const LogAppend& append : group) {
    KV_CHECK(!append.reset.has_value() || append.must_sync) << "a reset that need not last";
    const bool only_state = append.records.empty() && !append.reset.has_value();
    must_sync = must_sync || (append.must_sync && !(only_state && KV_PLANTED("log-vote-unsynced")));
    reset = reset || append.reset.has_value();
    bytes += 2 * PaddedRecordBytes(0) + PaddedRecordBytes(sizeof(LogState));
    for (const LogRecord& record : append.records) bytes += PaddedRecordBytes(record.data.size());
  }
  if (end_ + bytes > active_->bytes && end_ > kSegmentHeaderBytes) KV_RETURN_IF_ERROR(Roll());

  GatheredWrite write;
  std::vector<Pending> pending;
  LogState state;
  Build(group, write, pending, state);
  if (write.bytes() > 0) {
    const absl::Duration began = RealClock().Now();
    const absl::Status written = active_->file->Write(end_, write.Pieces());
    refused_in_part_ = !written.ok();
    KV_RETURN_IF_ERROR(written);
    times_.write.Observe(RealClock().Now() - began);
    times_.written_bytes.fetch_add(write.bytes(), std::memory_order_relaxed);
    end_ += write.bytes();
    previous_end_.reset();
  }
  if (must_sync) KV_RETURN_IF_ERROR(Sync());
  Publish(pending, state);
  // The reset says all that the segments before it said.
  if (reset && synced_ == end_) DropSegmentsBefore(active_->header.sequence);
  return absl::OkStatus();
}

absl::Status SegmentedLog::Sync() {
  if (synced_ == end_) return absl::OkStatus();
  if (options_.unsafe_no_sync) return absl::OkStatus();  // and claims nothing: synced_ stays
  const absl::Duration began = RealClock().Now();
  KV_FAILPOINT(walBeforeSync);
  if (const absl::Status status = active_->file->Sync(); !status.ok()) {
    // Whatever the reason: what the disk holds now is not known, and another sync would not tell.
    if (KV_PLANTED("log-sync-tried-again") && active_->file->Sync().ok()) synced_ = end_;
    if (synced_ == end_) return absl::OkStatus();
    return absl::InternalError(status.message());
  }
  KV_FAILPOINT(walAfterSync);
  times_.sync.Observe(RealClock().Now() - began);
  synced_ = end_;
  return absl::OkStatus();
}

// A record in a segment says that all segments before it are whole on disk; recovery relies on it.
absl::Status SegmentedLog::Roll() {
  if (!KV_PLANTED("log-segment-unsynced")) KV_RETURN_IF_ERROR(Sync());
  const uint64_t sequence = active_->header.sequence + 1;
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Segment> next, pool_->Take(sequence));
  previous_end_ = end_;
  active_ = std::move(next);
  end_ = synced_ = kSegmentHeaderBytes;
  {
    absl::MutexLock lock(&mutex_);
    segments_.push_back(active_);
  }
  pool_->Prepare(sequence + 1);
  return absl::OkStatus();
}

void SegmentedLog::Build(absl::Span<const LogAppend> group, GatheredWrite& write,
                         std::vector<Pending>& pending, LogState& state) {
  LogIndex last;
  std::optional<Term> last_term;
  {
    absl::MutexLock lock(&mutex_);
    last = table_.last();
    last_term = table_.TermAt(last);
    state = state_;
  }
  if (previous_end_.has_value()) {
    write.AddRecord(active_->salt,
                    {.kind = RecordKind::kOpening,
                     .flags = kLastOfAppend,
                     .synced = synced_,
                     .index = last,
                     .term = last_term.value_or(Term())},
                    EncodeOpening({*previous_end_, state}));
  }
  for (const LogAppend& append : group) {
    AddAppend(append, last, write, pending);
    if (append.state.has_value()) state = *append.state;
  }
}

void SegmentedLog::AddAppend(const LogAppend& append, LogIndex& last, GatheredWrite& write,
                             std::vector<Pending>& pending) {
  RecordHeader header{.synced = synced_};
  if (append.reset.has_value()) {
    header.kind = RecordKind::kReset;
    header.index = last = append.reset->index;
    header.term = append.reset->term;
    header.flags = append.records.empty() && !append.state.has_value() ? kLastOfAppend : 0;
    write.AddRecord(active_->salt, header, {});
    pending.push_back({.reset = append.reset});
    header.flags = 0;
  }
  if (!append.records.empty() && append.records.front().index <= last) {
    const LogIndex kept = append.records.front().index - 1;
    header.kind = RecordKind::kCut;
    header.index = kept;
    header.term = TermBehind(kept, pending);
    if (!KV_PLANTED("log-cut-unwritten")) write.AddRecord(active_->salt, header, {});
    pending.push_back({.cut = LogPosition{header.term, kept}});
    last = kept;
  }
  for (const LogRecord& record : append.records) {
    KV_CHECK_EQ(record.index, last + 1) << "entries are not consecutive";
    header.kind = RecordKind::kEntry;
    header.index = record.index;
    header.term = record.term;
    header.type = record.type;
    const bool ends = &record == &append.records.back() && !append.state.has_value();
    header.flags = ends ? kLastOfAppend : 0;
    pending.push_back(
        {.record = &record,
         .place = {active_->header.sequence, end_ + write.bytes(), record.data.size()}});
    write.AddRecord(active_->salt, header, record.data.view());
    last = record.index;
  }
  if (append.state.has_value()) {
    write.AddRecord(active_->salt,
                    {.kind = RecordKind::kState, .flags = kLastOfAppend, .synced = synced_},
                    EncodeLogState(*append.state));
  }
}

Term SegmentedLog::TermBehind(LogIndex index, const std::vector<Pending>& pending) const {
  // The entry may be one of an earlier append of this group.
  for (auto p = pending.rbegin(); p != pending.rend(); ++p) {
    if (p->record != nullptr && p->record->index == index) return p->record->term;
    if (!p->reset.has_value()) continue;
    KV_CHECK_EQ(p->reset->index, index) << "append before the first entry";
    return p->reset->term;
  }
  absl::MutexLock lock(&mutex_);
  KV_CHECK_GE(index + 1, table_.first()) << "append before the first entry";
  return *table_.TermAt(index);
}

void SegmentedLog::Publish(const std::vector<Pending>& pending, const LogState& state) {
  absl::MutexLock lock(&mutex_);
  for (const Pending& change : pending) {
    if (change.reset.has_value()) table_.Reset(change.reset->index, change.reset->term);
    if (change.cut.has_value()) table_.CutAfter(change.cut->index, change.cut->term);
    if (change.record != nullptr) table_.Append(*change.record, change.place);
  }
  state_ = state;
}

absl::Status SegmentedLog::TruncatePrefix(LogIndex first_kept) {
  KV_RETURN_IF_ERROR(poisoned());
  uint64_t first_segment;
  {
    absl::MutexLock lock(&mutex_);
    KV_CHECK_LE(first_kept, table_.last() + 1);
    if (first_kept < table_.first()) return absl::OkStatus();
    first_segment =
        first_kept > table_.last() ? active_->header.sequence : table_.PlaceOf(first_kept).segment;
    // The state in the segments dropped must be on disk in one that is kept: each begins with it,
    // but for one in which nothing was written yet.
    if (previous_end_.has_value() && first_segment == active_->header.sequence) --first_segment;
    if (first_segment == segments_.front()->header.sequence) return absl::OkStatus();
  }
  if (const absl::Status status = Sync(); !status.ok()) return Poison(status);
  DropSegmentsBefore(first_segment);
  return absl::OkStatus();
}

void SegmentedLog::DropSegmentsBefore(uint64_t sequence) {
  std::vector<std::shared_ptr<Segment>> dropped;
  {
    absl::MutexLock lock(&mutex_);
    table_.DropSegmentsBefore(sequence);
    while (segments_.front()->header.sequence < sequence) {
      dropped.push_back(std::move(segments_.front()));
      segments_.pop_front();
    }
  }
  for (auto& segment : dropped) pool_->Recycle(std::move(segment));
}

absl::StatusOr<std::vector<LogRecord>> SegmentedLog::Read(LogIndex begin, LogIndex end,
                                                          uint64_t bytes_max) const {
  std::vector<LogRecord> records;
  std::vector<Wanted> wanted;
  {
    absl::MutexLock lock(&mutex_);
    KV_RETURN_IF_ERROR(poison_);
    if (begin < table_.first()) {
      return absl::OutOfRangeError(absl::StrCat("raft log: entry ", begin.value(),
                                                " is before the first, ", table_.first().value()));
    }
    end = std::min(end, table_.last() + 1);
    uint64_t bytes = 0;
    for (LogIndex i = begin; i < end; ++i) {
      const LogTable::Place place = table_.PlaceOf(i);
      bytes += place.size;
      if (bytes > bytes_max && !records.empty()) break;
      if (const LogRecord* cached = table_.Cached(i)) {
        records.push_back(*cached);
        continue;
      }
      const uint64_t position = place.segment - segments_.front()->header.sequence;
      wanted.push_back({records.size(), place, segments_[position]});
      records.emplace_back();
    }
  }
  for (size_t i = 0; i < wanted.size();) {
    size_t run = i + 1;
    while (run < wanted.size() && wanted[run].segment == wanted[i].segment &&
           wanted[run].place.offset <= wanted[run - 1].place.offset +
                                           PaddedRecordBytes(wanted[run - 1].place.size) +
                                           kReadGapMax) {
      ++run;
    }
    KV_RETURN_IF_ERROR(ReadRun(absl::MakeSpan(wanted).subspan(i, run - i), begin, records));
    i = run;
  }
  return records;
}

absl::Status SegmentedLog::ReadRun(absl::Span<const Wanted> run, LogIndex begin,
                                   std::vector<LogRecord>& records) const {
  const Segment& segment = *run.front().segment;
  const uint64_t from = run.front().place.offset;
  const uint64_t bytes = run.back().place.offset + PaddedRecordBytes(run.back().place.size) - from;
  std::string buffer(bytes, '\0');
  KV_ASSIGN_OR_RETURN(const uint64_t got, segment.file->Read(from, bytes, buffer.data()));
  const auto shared = std::make_shared<const std::string>(std::move(buffer));
  for (const Wanted& want : run) {
    const uint64_t at = want.place.offset - from;
    const LogIndex index = begin + want.position;
    std::optional<ParsedRecord> record;
    if (at < got) {
      record = ParseRecord(segment.salt, std::string_view(*shared).substr(at, got - at));
    }
    if (!record.has_value() || record->header.kind != RecordKind::kEntry ||
        record->header.index != index) {
      return absl::DataLossError(absl::StrCat("raft log: ", segment.path, " at offset ",
                                              want.place.offset, ": entry ", index.value(),
                                              " is damaged"));
    }
    records[want.position] = {record->header.term, index, record->header.type,
                              SharedBytes(shared, record->payload)};
  }
  return absl::OkStatus();
}

uint64_t SegmentedLog::SizeOnDisk() const {
  uint64_t bytes = pool_->Bytes();
  absl::MutexLock lock(&mutex_);
  for (const auto& segment : segments_) bytes += segment->bytes;
  return bytes;
}

// Says, for the next opening, that everything so far is on disk: after an orderly end no damage
// passes for a torn tail. Not in front of what is left of a group that the disk had no room for: the
// mark would take the place of its first record, and the others would follow it.
void SegmentedLog::WriteMark() {
  if (refused_in_part_ || !poisoned().ok() || previous_end_.has_value() || options_.unsafe_no_sync) return;
  if (end_ + PaddedRecordBytes(0) > active_->bytes || !Sync().ok()) return;
  std::string mark;
  AppendRecordHeader(active_->salt,
                     {.kind = RecordKind::kMark, .flags = kLastOfAppend, .synced = synced_}, {},
                     mark);
  // Only an aid: without it the log opens as after a crash.
  active_->file->Write(end_, {mark}).IgnoreError();
}

}  // namespace

absl::Status RaftLog::Reset(const LogPosition& last, const LogState& state) {
  const LogAppend append{.reset = last, .state = state, .must_sync = true};
  return Append({append});
}

bool RaftLog::Exists(const std::string& directory, FileSystem* file_system) {
  FileSystem& files = file_system != nullptr ? *file_system : PosixFileSystem();
  const auto names = files.List(directory);
  return names.ok() && std::any_of(names->begin(), names->end(), [](const std::string& name) {
           return ParseSegmentName(name).has_value();
         });
}

absl::StatusOr<std::unique_ptr<RaftLog>> RaftLog::Create(const RaftLogOptions& options,
                                                         const LogIdentity& identity) {
  const RaftLogOptions complete = WithDefaults(options);
  KV_RETURN_IF_ERROR(complete.file_system->CreateDirectory(complete.directory));
  KV_ASSIGN_OR_RETURN(auto lock, complete.file_system->Lock(complete.directory));
  if (Exists(complete.directory, complete.file_system)) {
    return absl::AlreadyExistsError(absl::StrCat("there is a raft log in ", complete.directory));
  }
  auto log = std::make_unique<SegmentedLog>(complete, std::move(lock));
  KV_RETURN_IF_ERROR(log->Create(identity));
  return log;
}

absl::StatusOr<std::unique_ptr<RaftLog>> RaftLog::Open(const RaftLogOptions& options) {
  const RaftLogOptions complete = WithDefaults(options);
  if (!Exists(complete.directory, complete.file_system)) {
    return absl::NotFoundError(absl::StrCat("no raft log in ", complete.directory));
  }
  KV_ASSIGN_OR_RETURN(auto lock, complete.file_system->Lock(complete.directory));
  auto log = std::make_unique<SegmentedLog>(complete, std::move(lock));
  KV_RETURN_IF_ERROR(log->Recover());
  return log;
}

}  // namespace keelson::storage
