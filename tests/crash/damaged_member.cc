#include "tests/crash/damaged_member.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/log_format.h"

namespace keelson::storage {
namespace {

Result Refusal(Outcome outcome, const absl::Status& status) {
  // Damage has one of two codes, and a message of one line that says what and where.
  if (!absl::IsDataLoss(status) && !absl::IsFailedPrecondition(status)) {
    return {Outcome::kWrong, absl::StrCat("a wrong code: ", status.ToString())};
  }
  if (absl::StrContains(std::string(status.message()), "\n")) {
    return {Outcome::kWrong, absl::StrCat("more than one line: ", status.ToString())};
  }
  return {outcome, status.ToString()};
}

}  // namespace

const char* Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kUnharmed:
      return "unharmed";
    case Outcome::kTailCut:
      return "tail cut";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kReadFails:
      return "read fails";
    case Outcome::kWrong:
      return "WRONG";
  }
  return "";
}

DamagedMember::DamagedMember(const Options& options)
    : random_(options.seed), disk_(options.seed), rocks_(disk_) {
  log_options_.directory = "raft";
  log_options_.segment_bytes = options.segment_bytes;
  log_options_.cache_bytes_max = 0;
  log_options_.background_thread = false;
  log_options_.file_system = &disk_;
  log_options_.random = &random_;
  store_options_.directory = "state";
  store_options_.memory_budget_bytes = 8 << 20;
  store_options_.environment = &rocks_;
  store_options_.flush_on_close = false;
  Build(options);
}

void DamagedMember::Build(const Options& options) {
  log_ = *RaftLog::Create(log_options_, {1, NodeId(2)});
  {
    const CrashingRocks::Running running(rocks_);
    store_ = *Store::Open(store_options_);
  }
  World world;
  while (entries_.size() < options.entries) {
    LogAppend append{.must_sync = true};
    const LogIndex before(entries_.size());
    const LogState state{Term(1 + entries_.size() / 100), NodeId(1 + entries_.size() % 3), before};
    append.state = state;
    for (uint64_t n = 1 + random_.Below(4); n > 0; --n) {
      entries_.emplace_back(state.term, DrawEntry(random_));
      append.records.push_back(
          {state.term, LogIndex(entries_.size()), 0, SharedBytes(entries_.back().second)});
    }
    KV_CHECK(log_->Append({append}).ok());
    appends_[LogIndex(entries_.size())] = state;
    // The last ones are left for the replay.
    while (world.applied < before && world.applied.value() + 20 < options.entries) {
      const auto& [term, entry] = entries_[world.applied.value()];
      KV_CHECK(ApplyEntry(entry, term, world, store_.get()).ok());
      KV_CHECK(store_->CommitBatch().ok());
      if (world.applied.value() % options.flush_every != 0) continue;
      const CrashingRocks::Running running(rocks_);
      KV_CHECK(store_->Flush().ok() && store_->CompactStep(100).ok());
    }
    rocks_.Run();
    if (options.truncate_log) {
      KV_CHECK(log_->TruncatePrefix(store_->durable_applied() + 1).ok());
    }
  }
  if (!options.orderly_end) disk_.Halt();
  Close();
  disk_.Restart(CrashingFileSystem::Survivors::kAll);
  image_ = disk_.Save();
  FindRecords();
}

void DamagedMember::FindRecords() {
  last_segment_ = Files("raft/", ".seg").back();
  const std::string_view bytes = image_[last_segment_];
  const RecordSalt salt(DecodeSegmentHeader(bytes)->salt);
  uint64_t at = kSegmentHeaderBytes;
  LogIndex index;
  while (const auto record = ParseRecord(salt, bytes.substr(at))) {
    const bool entry = record->header.kind == RecordKind::kEntry;
    if (entry || record->header.kind == RecordKind::kOpening) index = record->header.index;
    records_.push_back({at, at + record->padded_bytes, record->header.synced, index, entry,
                        (record->header.flags & kLastOfAppend) != 0});
    at += record->padded_bytes;
  }
  KV_CHECK(!records_.empty());
}

DamagedMember::Place DamagedMember::PlaceOf(LogIndex index) const {
  for (const Record& record : records_) {
    if (record.entry && record.index == index) return {last_segment_, record.begin, record.end};
  }
  KV_CHECK(false) << "entry " << index << " is not in the last segment";
  return {};
}

DamagedMember::Place DamagedMember::PlaceOfAppend(LogIndex index) const {
  Place place = PlaceOf(index);
  for (const Record& record : records_) {
    if (record.begin < place.begin) continue;
    place.end = record.end;
    if (record.ends_append) break;
  }
  return place;
}

DamagedMember::Place DamagedMember::Rest() const {
  return {last_segment_, records_.back().end, image_.at(last_segment_).size()};
}

LogIndex DamagedMember::FirstOfLastSegment() const { return records_.front().index + 1; }

LogIndex DamagedMember::Floor(const std::optional<Damage>& damage) const {
  if (!damage.has_value()) return std::prev(appends_.end(), 2)->first;
  if (damage->path != last_segment_) return last();
  LogIndex floor = records_.front().index;
  for (const Record& record : records_) {
    if (record.end <= damage->begin && record.ends_append) floor = record.index;
    // A record after it says that what was there had been on disk.
    if (record.begin >= damage->end && record.synced > damage->begin) return last();
  }
  return floor;
}

const std::map<std::string, std::string>& DamagedMember::Restore() {
  disk_.Load(image_);
  return image_;
}

std::vector<std::string> DamagedMember::Files(const std::string& prefix,
                                              const std::string& suffix) const {
  std::vector<std::string> found;
  for (const auto& [path, content] : image_) {
    if (absl::StartsWith(path, prefix) && absl::EndsWith(path, suffix)) found.push_back(path);
  }
  return found;
}

void DamagedMember::Close() {
  if (store_ != nullptr) {
    const CrashingRocks::Running running(rocks_);
    store_.reset();
  }
  log_.reset();
}

Result DamagedMember::Open(const std::optional<Damage>& damage) {
  const LogIndex floor = Floor(damage);
  Result result = OpenOnce(floor);
  const bool opened = result.outcome == Outcome::kUnharmed || result.outcome == Outcome::kTailCut;
  if (!opened) {
    Close();
    return result;
  }
  absl::Status status;
  {
    const CrashingRocks::Running running(rocks_);
    status = store_->Flush();
    if (status.ok()) status = store_->CompactStep(1000).status();
  }
  Close();
  if (!status.ok()) return Refusal(Outcome::kReadFails, status);
  disk_.FlipReads(0);
  const Result again = OpenOnce(floor);
  Close();
  if (again.outcome > result.outcome) result = again;
  return result;
}

// As server/data_directory.cc does it.
absl::Status DamagedMember::CheckLogCoversStore() const {
  if (log_->FirstIndex() > store_->applied() + 1 || log_->LastIndex() < store_->applied() ||
      log_->LastIndex() < log_->state().commit) {
    return absl::DataLossError("entries that were acknowledged are missing");
  }
  return absl::OkStatus();
}

absl::Status DamagedMember::Replay(World& world) {
  while (store_->applied() < log_->LastIndex()) {
    KV_ASSIGN_OR_RETURN(const auto records,
                        log_->Read(store_->applied() + 1, log_->LastIndex() + 1, 1 << 14));
    for (const LogRecord& record : records) {
      KV_RETURN_IF_ERROR(ApplyEntry(record.data.view(), record.term, world, store_.get()));
    }
    KV_RETURN_IF_ERROR(store_->CommitBatch());
  }
  return absl::OkStatus();
}

World DamagedMember::WorldAt(LogIndex index) const {
  World world;
  while (world.applied < index) {
    const auto& [term, entry] = entries_[world.applied.value()];
    KV_CHECK(ApplyEntry(entry, term, world, nullptr).ok());
  }
  return world;
}

Result DamagedMember::OpenOnce(LogIndex floor) {
  absl::StatusOr<std::unique_ptr<Store>> store;
  {
    const CrashingRocks::Running running(rocks_);
    store = Store::Open(store_options_);
  }
  if (!store.ok()) return Refusal(Outcome::kRefused, store.status());
  store_ = *std::move(store);
  if (!RaftLog::Exists("raft", &disk_)) {
    return Refusal(Outcome::kRefused, absl::FailedPreconditionError("the raft log is missing"));
  }
  auto log = RaftLog::Open(log_options_);
  if (!log.ok()) return Refusal(Outcome::kRefused, log.status());
  log_ = *std::move(log);
  if (const absl::Status status = CheckLogCoversStore(); !status.ok()) {
    return Refusal(Outcome::kRefused, status);
  }

  Result result;
  const LogIndex found = log_->LastIndex();
  if (found < last()) result.outcome = Outcome::kTailCut;
  if (found < floor || found > last()) {
    return {Outcome::kWrong, absl::StrCat("the log ends with ", found.value(), " instead of ",
                                          floor.value(), " to ", last().value())};
  }
  if (!appends_.contains(found)) return {Outcome::kWrong, "half an append"};
  if (!(log_->state() == appends_[found])) return {Outcome::kWrong, "another state of the log"};
  World world = WorldAt(store_->applied());
  for (int i = 0; i < 2; ++i) {
    const Comparison comparison = Compare(*store_, world, random_);
    if (!comparison.wrong.empty()) return {Outcome::kWrong, comparison.wrong};
    if (!comparison.refused.ok()) return Refusal(Outcome::kReadFails, comparison.refused);
    if (i == 1) break;
    if (const absl::Status status = Replay(world); !status.ok()) {
      return Refusal(Outcome::kReadFails, status);
    }
  }
  const auto records = log_->Read(log_->FirstIndex(), found + 1, uint64_t{1} << 40);
  if (!records.ok()) return Refusal(Outcome::kReadFails, records.status());
  for (const LogRecord& record : *records) {
    const auto& [term, entry] = entries_[record.index.value() - 1];
    if (record.term != term || record.data.view() != entry) {
      return {Outcome::kWrong, absl::StrCat("entry ", record.index.value(), " is another")};
    }
  }
  return result;
}

}  // namespace keelson::storage
