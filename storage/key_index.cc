#include "storage/key_index.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "storage/history_chunks.h"

namespace keelson::storage {
namespace {

constexpr size_t kHeldPerLock = 256;
constexpr int kSecondChances = 64;
constexpr int kSplitsPerBatch = 8;
constexpr int kMergesPerBatch = 16;
// How far a page may lie behind the one whose count is known.
constexpr int64_t kMemoWalk = 4096;
constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

absl::Status MalformedHistory() {
  return absl::DataLossError("state store: malformed history of a key");
}

bool EndsBefore(const KeyRange& range, std::string_view key) {
  return !range.open_end && key >= range.end;
}

void Tick(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

KeyIndex::KeyIndex(const Rocks& rocks, const Options& options, LivenessScan scan)
    : rocks_(rocks), options_(options), scan_(std::move(scan)), blocks_(options.blocks) {
  clean_.newer = clean_.older = &clean_;
}

KeyIndex::~KeyIndex() = default;

// ------------------------------------------------------------------------------------------ at
// open

bool KeyIndex::LoadLeaf(std::string_view first, std::string_view bytes) {
  auto& [as_of, blocks] = loaded_leaves_.emplace_back();
  return ParseLeaf(first, bytes, as_of, blocks);
}

void KeyIndex::LoadThrough(Revision through) { through_ = through; }

bool KeyIndex::FinishLoad(Revision floor) {
  floor_ = floor;
  absl::MutexLock lock(&mutex_);
  settled_ = std::max(settled_, through_);
  if (loaded_leaves_.empty()) return !through_;
  const bool loaded = blocks_.Load(std::move(loaded_leaves_));
  loaded_leaves_.clear();
  return loaded;
}

absl::Status KeyIndex::Replay(std::string_view key, const IndexVersion& version, int live) {
  bool fits = true;
  const absl::Status status = ChangeEntry(key, [&](Entry& entry) {
    mutex_.AssertHeld();
    const KeyHistory& history = entry.history;
    const bool known = !history.empty();
    if ((live != 0 || !known) && !KV_PLANTED("index-counts-lost")) {
      blocks_.Add(key, live, known ? 0 : 1, version.id.main);
    }
    if (known && history.newest().id >= version.id) return;
    fits = version.deleted() ? history.live()
                             : version.version == history.newest().version + 1 &&
                                   (!history.live() || version.create == history.newest().create);
    if (!fits) return;
    entry.history.Push(version);
    MarkDirty(entry);
    ++counters_.replayed;
  });
  ++lag_;
  if (!fits) {
    return absl::DataLossError(absl::StrCat("state store: version ", version.id.main.value(),
                                            " does not follow what the index has of its key"));
  }
  return status;
}

// ------------------------------------------------------------------------------------------
// entries

absl::StatusOr<KeyHistory> KeyIndex::Load(std::string_view key) const {
  Tick(read_counters_.loads);
  KeyHistory history;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = rocks_.db->Get({}, rocks_.idx, ToSlice(key), &value);
  if (status.IsNotFound()) return history;
  KV_RETURN_IF_ERROR(FromRocks(status, "cannot read the state store"));
  if (!KeyHistory::Parse(ToView(value), history)) return MalformedHistory();
  return history;
}

absl::Status KeyIndex::ChangeEntry(std::string_view key, Change change) {
  {
    absl::MutexLock lock(&mutex_);
    if (Entry* entry = FindEntry(key)) {
      change(*entry);
      return absl::OkStatus();
    }
  }
  // Nobody else changes it meanwhile; a reader may make the entry.
  KV_ASSIGN_OR_RETURN(KeyHistory history, Load(key));
  absl::MutexLock lock(&mutex_);
  Entry* entry = FindEntry(key);
  if (entry == nullptr) entry = &AddEntry(key, std::move(history));
  change(*entry);
  if (!entry->dirty && entry->history.empty()) RemoveEntry(*entry);
  return absl::OkStatus();
}

KeyIndex::Entry& KeyIndex::AddEntry(std::string_view key, KeyHistory history) const {
  auto made = std::make_unique<Entry>();
  Entry& entry = *made;
  entry.key = key;
  entry.history = std::move(history);
  by_hash_.emplace(entry.key, std::move(made));
  Weigh(entry);
  Link(entry);
  return entry;
}

void KeyIndex::RemoveEntry(Entry& entry) const {
  Unlink(entry);
  bytes_ -= entry.weight;
  by_hash_.erase(by_hash_.find(entry.key));
}

// The tree, the table and the allocator need about 96 bytes an entry.
void KeyIndex::Weigh(Entry& entry) const {
  const size_t weight = sizeof(Entry) + entry.key.size() + 96 + entry.history.older_bytes();
  bytes_ += weight - entry.weight;
  entry.weight = static_cast<uint32_t>(weight);
}

void KeyIndex::Link(Entry& entry) const {
  entry.newer = &clean_;
  entry.older = clean_.older;
  entry.older->newer = &entry;
  clean_.older = &entry;
}

void KeyIndex::Unlink(Entry& entry) const {
  entry.newer->older = entry.older;
  entry.older->newer = entry.newer;
  entry.newer = entry.older = nullptr;
}

void KeyIndex::MarkDirty(Entry& entry) {
  const uint32_t before = entry.dirty ? entry.weight : 0;
  Weigh(entry);
  pending_bytes_ += entry.weight - std::min(before, entry.weight);
  entry.changed = true;
  if (entry.dirty) return;
  entry.dirty = true;
  Unlink(entry);
  pending_.emplace(entry.key, &entry);
}

void KeyIndex::Evict() const {
  int chances = kSecondChances;
  while (bytes_ > options_.bytes_max && clean_.newer != &clean_) {
    Entry& oldest = *clean_.newer;
    if (oldest.used.load(std::memory_order_relaxed) && chances-- > 0) {
      oldest.used.store(false, std::memory_order_relaxed);
      Unlink(oldest);
      Link(oldest);
      continue;
    }
    RemoveEntry(oldest);
    ++counters_.evictions;
  }
}

// ------------------------------------------------------------------------------------------
// changes

absl::StatusOr<KeyIndex::PutResult> KeyIndex::Put(std::string_view key, VersionId id) {
  PutResult result{.now = {.id = id, .create = id.main, .version = 1}, .replaced = std::nullopt};
  KV_RETURN_IF_ERROR(ChangeEntry(key, [&](Entry& entry) {
    mutex_.AssertHeld();
    const bool known = !entry.history.empty();
    if (entry.history.live()) {
      const IndexVersion& replaced = entry.history.newest();
      result.replaced = replaced;
      result.now.create = replaced.create;
      result.now.version = replaced.version + 1;
    } else {
      unsettled_.push_back({std::string(key), 1, known ? 0 : 1});
    }
    entry.used.store(true, std::memory_order_relaxed);
    entry.history.Push(result.now);
    MarkDirty(entry);
  }));
  ++changes_;
  return result;
}

absl::StatusOr<IndexVersion> KeyIndex::Delete(std::string_view key, VersionId id) {
  IndexVersion replaced;
  KV_RETURN_IF_ERROR(ChangeEntry(key, [&](Entry& entry) {
    mutex_.AssertHeld();
    KV_CHECK(entry.history.live()) << "deleting an absent key";
    replaced = entry.history.newest();
    unsettled_.push_back({std::string(key), -1, 0});
    entry.history.Push({.id = id, .create = Revision(), .version = 0});
    MarkDirty(entry);
  }));
  ++changes_;
  return replaced;
}

void KeyIndex::Settle(Revision revision) {
  absl::MutexLock lock(&mutex_);
  for (const LivenessChange& change : unsettled_) {
    blocks_.Add(change.key, change.live, change.size, Revision());
  }
  unsettled_.clear();
  settled_ = revision;
  Evict();
}

absl::Status KeyIndex::Trim(std::string_view key, rocksdb::WriteBatch& batch) {
  Entry* trimmed = nullptr;
  KV_RETURN_IF_ERROR(ChangeEntry(key, [&](Entry& entry) {
    mutex_.AssertHeld();
    const size_t older = entry.history.older_count();
    const bool spilled = entry.history.spilled(), known = !entry.history.empty();
    TrimEntry(entry);
    const bool same = older == entry.history.older_count() && known != entry.history.empty();
    if (!entry.dirty && !spilled && same) return;
    MarkDirty(entry);  // and so it stays where it is
    trimmed = &entry;
  }));
  return trimmed == nullptr ? absl::OkStatus() : AddToPiece(*trimmed, batch);
}

void KeyIndex::TrimEntry(Entry& entry) {
  if (entry.history.empty()) return;
  const bool spilled = entry.history.spilled();
  if (entry.history.Trim(floor_) && spilled) entry.chunks_obsolete = true;
  if (entry.history.empty()) blocks_.Add(entry.key, 0, -1, Revision());
}

// ---------------------------------------------------------------------------------------
// write-back

absl::Status KeyIndex::WriteDue(rocksdb::WriteBatch& batch) {
  if (!piece_.empty()) return absl::OkStatus();  // the batch is tried again
  KV_RETURN_IF_ERROR(MaintainBlocks(batch));
  const uint64_t changes = std::exchange(changes_, 0);
  lag_ += changes;
  {
    absl::MutexLock lock(&mutex_);
    if (!round_open_ && !RoundIsDue()) return absl::OkStatus();
    if (!round_open_) BeginRound();
  }
  // Twice as fast as they come: the round ends before the next is half full.
  return AddPiece(batch, 4 + 2 * changes + round_entries_ / 4096, 1 + changes / 32);
}

absl::StatusOr<bool> KeyIndex::WriteSome(rocksdb::WriteBatch& batch, size_t keys) {
  KV_CHECK(piece_.empty()) << "a piece is under way";
  {
    absl::MutexLock lock(&mutex_);
    if (!round_open_ && pending_.empty() && through_ >= settled_) return false;
    if (!round_open_) BeginRound();
  }
  KV_RETURN_IF_ERROR(AddPiece(batch, keys, 1 + keys / 32));
  return true;
}

bool KeyIndex::RoundIsDue() const {
  return lag_ >= options_.lag_max || pending_bytes_ > options_.bytes_max / 2;
}

void KeyIndex::BeginRound() {
  KV_CHECK(frozen_.empty() && unsettled_.empty());
  frozen_.swap(pending_);
  pending_bytes_ = 0;
  blocks_.BeginRound();
  round_open_ = true;
  round_through_ = settled_;
  round_entries_ = frozen_.size();
  lag_ = 0;
  ++counters_.rounds;
}

absl::Status KeyIndex::AddPiece(rocksdb::WriteBatch& batch, size_t keys, size_t leaves) {
  std::vector<Entry*> entries;
  bool all;
  {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = frozen_.begin();
    for (; it != frozen_.end() && entries.size() < keys; ++it) entries.push_back(it->second);
    all = it == frozen_.end();
  }
  for (Entry* entry : entries) KV_RETURN_IF_ERROR(AddToPiece(*entry, batch));
  absl::MutexLock lock(&mutex_);
  ++counters_.pieces;
  if (!all) return absl::OkStatus();
  const bool more =
      blocks_.TakeChanged(leaves, settled_, [&](std::string_view first, const std::string* bytes) {
        batch.Put(rocks_.meta, CountsMetaKey(first), *bytes);
      });
  if (more) return absl::OkStatus();
  batch.Put(rocks_.meta, MetaKey(MetaTable::kIndexThrough),
            EncodeIndexThrough(KV_PLANTED("index-through-early") ? settled_ : round_through_));
  piece_.complete = true;
  return absl::OkStatus();
}

// Only this thread changes histories, so it may read them without the lock.
absl::Status KeyIndex::AddToPiece(Entry& entry, rocksdb::WriteBatch& batch) {
  {
    absl::MutexLock lock(&mutex_);
    TrimEntry(entry);
    Weigh(entry);
  }
  const KeyHistory& history = entry.history;
  Piece::Item item{&entry, 0, entry.chunks_obsolete};
  if (item.drops_chunks || history.spilled()) {
    const auto which = item.drops_chunks ? ChunksToDrop::kAll : ChunksToDrop::kSuperseded;
    KV_RETURN_IF_ERROR(DropChunks(rocks_, entry.key, floor_, which, batch));
  }
  entry.chunks_obsolete = false;
  entry.changed = false;
  if (history.empty()) {
    batch.Delete(rocks_.idx, entry.key);
  } else {
    std::string value;
    uint64_t chunks = 0;
    if (history.older_count() > options_.inline_versions) {
      item.spilled = history.older_count() - options_.inline_versions / 2;
      const std::vector<IndexVersion> older = history.Older();
      chunks = WriteChunks(rocks_, entry.key, absl::MakeConstSpan(older).first(item.spilled),
                           4 * options_.inline_versions, batch);
      KeyHistory left = history;
      left.Spill(item.spilled);
      left.AppendTo(value);
    } else {
      history.AppendTo(value);
    }
    batch.Put(rocks_.idx, entry.key, value);
    absl::MutexLock lock(&mutex_);
    counters_.chunks += chunks;
    ++counters_.records;
  }
  piece_.items.push_back(item);
  return absl::OkStatus();
}

void KeyIndex::Written() {
  if (piece_.empty()) return;
  absl::MutexLock lock(&mutex_);
  ++pieces_written_;
  for (const Piece::Item& item : piece_.items) {
    Entry& entry = *item.entry;
    if (item.spilled > 0) entry.history.Spill(item.spilled);
    Weigh(entry);
    const bool was_frozen = frozen_.erase(entry.key) > 0;
    if (entry.changed) {
      if (was_frozen) pending_.emplace(entry.key, &entry);
      continue;
    }
    if (!was_frozen) pending_.erase(entry.key);
    entry.dirty = false;
    Link(entry);
    if (entry.history.empty()) RemoveEntry(entry);
  }
  if (piece_.complete) {
    through_ = round_through_;
    round_open_ = false;
  }
  piece_ = Piece();
  Evict();
}

void KeyIndex::Abandoned() {
  for (const Piece::Item& item : piece_.items) {
    item.entry->chunks_obsolete = item.drops_chunks;
  }
  piece_ = Piece();
  absl::MutexLock lock(&mutex_);
  blocks_.PutBack();
}

absl::Status KeyIndex::MaintainBlocks(rocksdb::WriteBatch& batch) {
  for (int i = 0; i < kSplitsPerBatch; ++i) {
    BlockCounts::Oversized block;
    {
      absl::ReaderMutexLock lock(&mutex_);
      if (!blocks_.FindOversized(block)) break;
    }
    KV_RETURN_IF_ERROR(SplitBlock(block));
  }
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < kMergesPerBatch && blocks_.MergeOne(); ++i) {
  }
  blocks_.TakeReshaped(settled_, [&](std::string_view first, const std::string* bytes) {
    if (bytes == nullptr) {
      batch.Delete(rocks_.meta, CountsMetaKey(first));
    } else {
      batch.Put(rocks_.meta, CountsMetaKey(first), *bytes);
    }
  });
  return absl::OkStatus();
}

absl::Status KeyIndex::SplitBlock(const BlockCounts::Oversized& block) {
  Revision at;
  {
    absl::ReaderMutexLock lock(&mutex_);
    at = settled_;
  }
  int64_t live = 0, size = 0;
  std::string cut;
  const KeyRange range{block.first, block.end, block.end.empty()};
  KV_RETURN_IF_ERROR(Scan(range, at, [&](std::string_view key, const KeyHistory::Lookup& found) {
    if (size == options_.blocks.block_keys / 2) {
      cut = key;
      return false;
    }
    ++size;
    live += found.version.has_value() && !found.version->deleted() ? 1 : 0;
    return true;
  }));
  absl::MutexLock lock(&mutex_);
  if (cut.empty()) {
    blocks_.Resize(block.first, size);
  } else {
    blocks_.Split(cut, live, size);
  }
  return absl::OkStatus();
}

// --------------------------------------------------------------------------------------------
// reads

absl::StatusOr<std::optional<IndexVersion>> KeyIndex::FindAny(std::string_view key,
                                                              Revision at) const {
  KeyHistory::Lookup found;
  bool held = false;
  uint64_t pieces_written;
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (const Entry* entry = FindEntry(key)) {
      entry->used.store(true, std::memory_order_relaxed);
      found = entry->history.At(at);
      held = true;
    }
    pieces_written = pieces_written_;
  }
  if (!held) {
    KV_ASSIGN_OR_RETURN(KeyHistory history, Load(key));
    found = history.At(at);
    if (!history.empty()) {
      absl::MutexLock lock(&mutex_);
      if (pieces_written == pieces_written_ && FindEntry(key) == nullptr) {
        AddEntry(key, std::move(history));
        Evict();
      }
    }
  }
  if (!found.in_chunks) return found.version;
  Tick(read_counters_.chunk_reads);
  return FindInChunks(rocks_, key, at);
}

absl::StatusOr<std::optional<IndexVersion>> KeyIndex::Find(std::string_view key,
                                                           Revision at) const {
  auto found = FindAny(key, at);
  if (found.ok() && found->has_value() && (*found)->deleted()) found->reset();
  return found;
}

bool KeyIndex::CollectHeld(std::string_view from, const KeyRange& range, Revision at,
                           std::vector<Held>& held) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto pending = pending_.lower_bound(from), frozen = frozen_.lower_bound(from);
  if (KV_PLANTED("index-scan-skips-frozen")) frozen = frozen_.end();
  while (held.size() < kHeldPerLock) {
    auto* next = &pending;
    if (pending == pending_.end()) {
      if (frozen == frozen_.end()) return true;
      next = &frozen;
    } else if (frozen != frozen_.end() && frozen->first < pending->first) {
      next = &frozen;
    }
    const Entry& entry = *(*next)->second;
    if (EndsBefore(range, entry.key)) return true;
    held.push_back({entry.key, entry.history.At(at), !entry.history.empty()});
    ++*next;
  }
  return false;
}

absl::Status KeyIndex::Scan(const KeyRange& range, Revision at, Scanner visit) const {
  std::string resume(range.begin);
  const rocksdb::Slice end = ToSlice(range.end);
  rocksdb::ReadOptions read;
  if (!range.open_end) read.iterate_upper_bound = &end;
  std::unique_ptr<rocksdb::Iterator> it;
  std::vector<Held> held;
  while (true) {
    held.clear();
    // Memory first: what leaves it from now on is in RocksDB when that is looked at.
    const bool all = CollectHeld(resume, range, at, held);
    if (it == nullptr) {
      it.reset(rocks_.db->NewIterator(read, rocks_.idx));
    } else {
      KV_RETURN_IF_ERROR(FromRocks(it->Refresh(), "cannot read the state store"));
    }
    it->Seek(resume);
    for (auto mine = held.cbegin(); mine != held.cend() || (all && it->Valid());) {
      const int order = mine == held.cend() ? 1
                        : !it->Valid()      ? -1
                                       : std::string_view(mine->key).compare(ToView(it->key()));
      if (order <= 0) {
        if (mine->known && !visit(mine->key, mine->found)) return absl::OkStatus();
        ++mine;
      } else {
        KeyHistory::Lookup found;
        if (!FindInHistory(ToView(it->value()), at, found)) return MalformedHistory();
        if (!visit(ToView(it->key()), found)) return absl::OkStatus();
      }
      if (order >= 0) it->Next();
    }
    KV_RETURN_IF_ERROR(FromRocks(it->status(), "cannot read the state store"));
    if (all) return absl::OkStatus();
    resume = held.back().key;
    resume.push_back('\0');
  }
}

absl::Status KeyIndex::Walk(const KeyRange& range, Revision at, Visitor visit) const {
  if (range.single()) {
    KV_ASSIGN_OR_RETURN(const auto found, Find(range.begin, at));
    if (found.has_value()) visit(range.begin, *found);
    return absl::OkStatus();
  }
  absl::Status status;
  KV_RETURN_IF_ERROR(Scan(range, at, [&](std::string_view key, const KeyHistory::Lookup& found) {
    std::optional<IndexVersion> version = found.version;
    if (found.in_chunks) {
      Tick(read_counters_.chunk_reads);
      auto in_chunks = FindInChunks(rocks_, key, at);
      status = in_chunks.status();
      if (!in_chunks.ok()) return false;
      version = *in_chunks;
    }
    return !version.has_value() || version->deleted() || visit(key, *version);
  }));
  return status;
}

absl::StatusOr<int64_t> KeyIndex::Count(const KeyRange& range, Revision at) const {
  if (range.single()) {
    KV_ASSIGN_OR_RETURN(const auto found, Find(range.begin, at));
    return found.has_value() ? 1 : 0;
  }
  if (!range.open_end && range.end <= range.begin) return 0;
  Revision settled;
  {
    absl::ReaderMutexLock lock(&mutex_);
    settled = settled_;
  }
  if (at < settled) {
    KV_ASSIGN_OR_RETURN(const auto known, CountFromMemo(range, at));
    if (known.has_value()) return *known;
  }
  KV_ASSIGN_OR_RETURN(const int64_t count, CountByBlocks(range, at));
  if (at <= settled && count > options_.blocks.block_keys) memo_.Keep(range, at, count);
  return count;
}

absl::StatusOr<std::optional<int64_t>> KeyIndex::CountFromMemo(const KeyRange& range,
                                                               Revision at) const {
  const auto known = memo_.Find(range, at);
  if (!known.has_value()) return std::nullopt;
  int64_t before = 0;
  if (known->begin < range.begin) {
    KV_ASSIGN_OR_RETURN(const auto walked,
                        CountByWalk({known->begin, range.begin, false}, at, kMemoWalk));
    if (!walked.has_value()) return std::nullopt;
    before = *walked;
  }
  Tick(read_counters_.counts_from_memo);
  memo_.Keep(range, at, known->count - before);
  return known->count - before;
}

absl::StatusOr<std::optional<int64_t>> KeyIndex::CountByWalk(const KeyRange& range, Revision at,
                                                             int64_t most) const {
  int64_t count = 0;
  KV_RETURN_IF_ERROR(
      Walk(range, at, [&](std::string_view, const IndexVersion&) { return ++count <= most; }));
  if (count > most) return std::nullopt;
  return count;
}

absl::StatusOr<int64_t> KeyIndex::CountByBlocks(const KeyRange& range, Revision at) const {
  BlockCounts::Whole whole;
  Revision settled;
  int64_t unsettled = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    settled = settled_;
    whole = blocks_.Within(range);
    if (at > settled && whole.any) {
      const KeyRange within{whole.begin, whole.end, whole.to_end};
      for (const LivenessChange& change : unsettled_) {
        if (within.Contains(change.key)) unsettled += change.live;
      }
    }
  }
  // A change costs about twice what a step of a walk does.
  if (!whole.any || (at < settled && 2 * (settled - at) > whole.live)) {
    Tick(read_counters_.counts_by_walk);
    KV_ASSIGN_OR_RETURN(const auto count, CountByWalk(range, at, kNoLimit));
    return *count;
  }
  int64_t total = whole.live + unsettled;
  if (at < settled) {
    Tick(read_counters_.counts_by_changes);
    KV_ASSIGN_OR_RETURN(const int64_t change, LiveChange(whole, at + 1, settled));
    total -= change;
  } else {
    Tick(read_counters_.counts_by_blocks);
  }
  if (range.begin < whole.begin) {
    KV_ASSIGN_OR_RETURN(const auto head,
                        CountByWalk({range.begin, whole.begin, false}, at, kNoLimit));
    total += *head;
  }
  if (!whole.to_end && whole.end < range.end) {
    KV_ASSIGN_OR_RETURN(const auto tail, CountByWalk({whole.end, range.end, false}, at, kNoLimit));
    total += *tail;
  }
  return total;
}

absl::StatusOr<int64_t> KeyIndex::LiveChange(const BlockCounts::Whole& range, Revision first,
                                             Revision last) const {
  const KeyRange within{range.begin, range.end, range.to_end};
  int64_t change = 0;
  KV_RETURN_IF_ERROR(scan_(first, last, [&](std::string_view key, int live) {
    if (within.Contains(key)) change += live;
    return true;
  }));
  return change;
}

int64_t KeyIndex::LiveKeys() const {
  absl::ReaderMutexLock lock(&mutex_);
  return blocks_.live();
}

IndexCounters KeyIndex::counters() const {
  const auto read = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  absl::ReaderMutexLock lock(&mutex_);
  IndexCounters counters = counters_;
  counters.loads = read(read_counters_.loads);
  counters.chunk_reads = read(read_counters_.chunk_reads);
  counters.counts_by_blocks = read(read_counters_.counts_by_blocks);
  counters.counts_by_changes = read(read_counters_.counts_by_changes);
  counters.counts_by_walk = read(read_counters_.counts_by_walk);
  counters.counts_from_memo = read(read_counters_.counts_from_memo);
  counters.block_splits = blocks_.counters().block_splits;
  counters.block_merges = blocks_.counters().block_merges;
  counters.leaf_splits = blocks_.counters().leaf_splits;
  counters.leaf_merges = blocks_.counters().leaf_merges;
  counters.bytes = bytes_;
  counters.dirty = pending_.size() + frozen_.size();
  counters.blocks = blocks_.blocks();
  return counters;
}

}  // namespace keelson::storage
