#include "storage/crashing_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace keelson::storage {
namespace {

bool IsUnder(const std::string& path, const std::string& prefix) {
  return path.compare(0, prefix.size(), prefix) == 0;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

}  // namespace

class CrashingFileSystem::MemoryFile final : public File {
 public:
  MemoryFile(CrashingFileSystem& files, std::string path, std::shared_ptr<Inode> inode)
      : files_(files), path_(std::move(path)), inode_(std::move(inode)) {}

  absl::Status Write(uint64_t offset, absl::Span<const std::string_view> pieces) override {
    absl::MutexLock lock(&files_.mutex_);
    absl::Status status = files_.MayChange(path_, Change::kGrow);
    if (status.ok()) status = std::exchange(files_.fail_write_, absl::OkStatus());
    if (files_.halted_) return status;
    // One that fails may have come some way.
    uint64_t left = UINT64_MAX;
    if (!status.ok()) left = files_.random_.Below(1 + (pieces.empty() ? 0 : pieces[0].size()));
    for (std::string_view piece : pieces) {
      piece = piece.substr(0, left);
      left -= piece.size();
      const uint64_t used = files_.Used();
      const uint64_t room =
          inode_->live.size() + files_.capacity_ - std::min(used, files_.capacity_);
      const bool full = offset + piece.size() > std::max<uint64_t>(room, inode_->live.size());
      if (full) piece = piece.substr(0, room > offset ? room - offset : 0);
      if (!piece.empty()) Put(*inode_, offset, piece);
      files_.Trace(offset);
      files_.Trace(piece.size());
      if (full) return absl::ResourceExhaustedError("the disk is full");
      offset += piece.size();
    }
    return status;
  }

  absl::StatusOr<uint64_t> Read(uint64_t offset, uint64_t count, char* to) const override {
    absl::MutexLock lock(&files_.mutex_);
    KV_RETURN_IF_ERROR(files_.Alive());
    if (offset >= inode_->live.size()) return uint64_t{0};
    count = std::min<uint64_t>(count, inode_->live.size() - offset);
    std::memcpy(to, inode_->live.data() + offset, count);
    if (count > 0 && files_.FlipsRead(path_)) {
      const uint64_t bit = files_.random_.Below(8 * count);
      to[bit / 8] = static_cast<char>(to[bit / 8] ^ (1 << (bit % 8)));
    }
    return count;
  }

  absl::Status Sync() override {
    absl::MutexLock lock(&files_.mutex_);
    absl::Status status = files_.MayChange(path_, Change::kSync);
    if (status.ok()) status = std::exchange(files_.fail_sync_, absl::OkStatus());
    if (files_.halted_) return status;
    for (const uint64_t sector : inode_->dirty) {
      if (status.ok() || files_.random_.Below(2) == 0) SaveSector(*inode_, sector);
    }
    inode_->dirty.clear();
    return status;
  }

  absl::StatusOr<uint64_t> Size() const override {
    absl::MutexLock lock(&files_.mutex_);
    KV_RETURN_IF_ERROR(files_.Alive());
    return inode_->live.size();
  }

 private:
  CrashingFileSystem& files_;
  const std::string path_;
  const std::shared_ptr<Inode> inode_;
};

class CrashingFileSystem::MemoryLock final : public DirectoryLock {
 public:
  MemoryLock(CrashingFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  MemoryLock(const MemoryLock&) = delete;
  MemoryLock& operator=(const MemoryLock&) = delete;
  ~MemoryLock() override {
    absl::MutexLock lock(&files_.mutex_);
    files_.locks_.erase(path_);
  }

 private:
  CrashingFileSystem& files_;
  const std::string path_;
};

absl::Status CrashingFileSystem::Alive() const {
  return halted_ ? absl::UnavailableError("halted") : absl::OkStatus();
}

absl::Status CrashingFileSystem::MayChange(const std::string& path, Change change) {
  if (changes_left_.has_value() && !halted_) halted_ = (*changes_left_)-- == 0;
  KV_RETURN_IF_ERROR(Alive());
  ++changes_;
  for (const char c : path) Trace(static_cast<uint8_t>(c));
  Trace(static_cast<uint64_t>(change));
  if (!failure_.has_value() || !IsUnder(path, failure_->under)) return absl::OkStatus();
  if (failure_after_ > 0) {
    --failure_after_;
    return absl::OkStatus();
  }
  const bool no_space = failure_->kind == Failure::Kind::kNoSpace;
  if (no_space && change != Change::kGrow) return absl::OkStatus();
  ++failures_;
  if (!failure_->lasting) failure_.reset();
  if (no_space) return absl::ResourceExhaustedError("injected: no space");
  return absl::UnavailableError("injected: input/output error");
}

void CrashingFileSystem::Trace(uint64_t word) {
  trace_ = (trace_ ^ word) * 0x9e3779b97f4a7c15 + (trace_ >> 29);
}

void CrashingFileSystem::Put(Inode& inode, uint64_t offset, std::string_view bytes) {
  if (inode.live.size() < offset + bytes.size()) inode.live.resize(offset + bytes.size());
  std::memcpy(inode.live.data() + offset, bytes.data(), bytes.size());
  for (uint64_t s = offset / kSector; s * kSector < offset + bytes.size(); ++s) {
    inode.dirty.insert(s);
  }
}

void CrashingFileSystem::SaveSector(Inode& inode, uint64_t sector) {
  const uint64_t begin = sector * kSector;
  const uint64_t end = std::min<uint64_t>(begin + kSector, inode.live.size());
  if (inode.durable.size() < end) inode.durable.resize(end);
  std::memcpy(inode.durable.data() + begin, inode.live.data() + begin, end - begin);
}

absl::StatusOr<std::unique_ptr<File>> CrashingFileSystem::Open(const std::string& path,
                                                               OpenMode mode) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  auto it = names_.find(path);
  if (mode == OpenMode::kExisting) {
    if (it == names_.end()) return absl::NotFoundError(path);
    return std::make_unique<MemoryFile>(*this, path, it->second);
  }
  if (it != names_.end()) return absl::AlreadyExistsError(path);
  KV_RETURN_IF_ERROR(MayChange(path, Change::kGrow));
  auto inode = std::make_shared<Inode>();
  names_[path] = inode;
  NameChanged();
  return std::make_unique<MemoryFile>(*this, path, std::move(inode));
}

absl::Status CrashingFileSystem::Rename(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(MayChange(from, Change::kGrow));
  if (directories_.contains(from)) {
    RenameDirectory(from, to);
    return absl::OkStatus();
  }
  auto it = names_.find(from);
  if (it == names_.end()) return absl::NotFoundError(from);
  std::shared_ptr<Inode> inode = it->second;
  names_.erase(it);
  names_[to] = std::move(inode);
  NameChanged();
  return absl::OkStatus();
}

void CrashingFileSystem::RenameDirectory(const std::string& from, const std::string& to) {
  const std::string prefix = from + "/";
  const auto move = [&](Names& names) {
    Names moved;
    auto it = names.lower_bound(prefix);
    while (it != names.end() && it->first.starts_with(prefix)) {
      moved.emplace(to + "/" + it->first.substr(prefix.size()), std::move(it->second));
      it = names.erase(it);
    }
    names.merge(moved);
  };
  move(names_);
  move(durable_names_);
  for (Names& names : history_) move(names);
  directories_.erase(from);
  directories_.insert(to);
}

absl::Status CrashingFileSystem::Remove(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(MayChange(path, Change::kRemove));
  if (names_.erase(path) == 0) return absl::NotFoundError(path);
  NameChanged();
  return absl::OkStatus();
}

absl::Status CrashingFileSystem::RemoveTree(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const auto within = [&path](const std::string& name) {
    return name == path || name.compare(0, path.size() + 1, path + "/") == 0;
  };
  std::erase_if(directories_, within);
  for (auto it = names_.begin(); it != names_.end();) {
    if (!within(it->first)) {
      ++it;
      continue;
    }
    KV_RETURN_IF_ERROR(MayChange(path, Change::kRemove));  // it may end in the middle
    it = names_.erase(it);
    NameChanged();
  }
  return Alive();
}

absl::Status CrashingFileSystem::SyncDirectory(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(MayChange(path, Change::kSync));
  // Those of a directory lie together.
  const std::string prefix = path + "/";
  const auto for_each_in = [&prefix](auto& names, auto visit) {
    auto it = names.lower_bound(prefix);
    while (it != names.end() && it->first.starts_with(prefix)) {
      const auto entry = it++;
      if (entry->first.find('/', prefix.size()) == std::string::npos) visit(entry);
    }
  };
  const auto sync = [&](Names& names, const Names& live) {
    for_each_in(names, [&names](auto entry) { names.erase(entry); });
    for_each_in(live, [&names](auto entry) { names.insert(*entry); });
  };
  sync(durable_names_, names_);
  for (Names& names : history_) sync(names, names_);
  if (durable_names_ == names_) history_.clear();
  return absl::OkStatus();
}

absl::Status CrashingFileSystem::CreateDirectory(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(MayChange(path, Change::kGrow));
  directories_.insert(path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> CrashingFileSystem::List(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  if (!directories_.contains(path)) return absl::NotFoundError(path);
  std::set<std::string> found;
  for (const auto& [name, inode] : names_) {
    if (name.compare(0, path.size() + 1, path + "/") != 0) continue;
    found.insert(name.substr(path.size() + 1, name.find('/', path.size() + 1) - path.size() - 1));
  }
  return std::vector<std::string>(found.begin(), found.end());
}

void CrashingFileSystem::NameChanged() {
  history_.push_back(names_);
  if (history_.size() <= kHistoryMax) return;
  durable_names_ = std::move(history_.front());
  history_.erase(history_.begin());
}

// A file with several names takes its room once.
uint64_t CrashingFileSystem::Used() {
  uint64_t used = 0;
  ++counts_of_used_;
  for (const auto& [name, inode] : names_) {
    if (std::exchange(inode->counted, counts_of_used_) == counts_of_used_) continue;
    used += inode->live.size();
  }
  return used;
}

absl::StatusOr<uint64_t> CrashingFileSystem::FreeBytes(const std::string&) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  return capacity_ - std::min(capacity_, Used());
}

void CrashingFileSystem::SetCapacity(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  capacity_ = bytes;
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> CrashingFileSystem::Lock(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  if (!locks_.insert(path).second) return absl::UnavailableError(path + " is in use");
  return std::make_unique<MemoryLock>(*this, path);
}

void CrashingFileSystem::Halt() {
  absl::MutexLock lock(&mutex_);
  halted_ = true;
}

void CrashingFileSystem::HaltAfter(uint64_t count) {
  absl::MutexLock lock(&mutex_);
  changes_left_ = count;
}

bool CrashingFileSystem::halted() const {
  absl::MutexLock lock(&mutex_);
  return halted_;
}

void CrashingFileSystem::ClearFaults() {
  halted_ = false;
  changes_left_.reset();
  fail_sync_ = fail_write_ = absl::OkStatus();
  failure_.reset();
  failures_ = 0;
}

void CrashingFileSystem::Restart(Survivors survivors) {
  absl::MutexLock lock(&mutex_);
  ClearFaults();
  names_ = durable_names_ = SurvivingNames(survivors);
  history_.clear();
  std::set<Inode*> done;
  for (const auto& [name, inode] : names_) {
    if (done.insert(inode.get()).second) Forget(*inode, survivors);
  }
}

void CrashingFileSystem::Revive() {
  absl::MutexLock lock(&mutex_);
  ClearFaults();
}

const CrashingFileSystem::Names& CrashingFileSystem::DrawNames() {
  const uint64_t kept = random_.Below(history_.size() + 1);
  return kept == 0 ? durable_names_ : history_[kept - 1];
}

CrashingFileSystem::Names CrashingFileSystem::SurvivingNames(Survivors survivors) {
  if (survivors == Survivors::kNothing || history_.empty()) return durable_names_;
  if (survivors == Survivors::kAll) return names_;
  if (random_.Below(2) == 0) return DrawNames();
  // Each directory keeps what it likes.
  std::map<std::string, const Names*> state_of;
  for (const Names* names : {&durable_names_, &names_}) {
    for (const auto& [name, inode] : *names) state_of.emplace(DirectoryOf(name), nullptr);
  }
  Names surviving;
  for (auto& [directory, names] : state_of) {
    names = &DrawNames();
    for (const auto& [name, inode] : *names) {
      if (DirectoryOf(name) == directory) surviving.emplace(name, inode);
    }
  }
  return surviving;
}

void CrashingFileSystem::Forget(Inode& inode, Survivors survivors) {
  // Now all of the unsynced, now none, mostly some; by sectors, by pages, or the first ones.
  const uint64_t chance = survivors == Survivors::kNothing ? 0
                          : survivors == Survivors::kAll   ? 4
                                                           : random_.Below(5);
  const uint64_t unit = random_.Below(2) == 0 ? 1 : kPage / kSector;
  const bool prefix = survivors == Survivors::kDrawn && random_.Below(3) == 0;
  uint64_t left = prefix ? random_.Below(inode.dirty.size() + 1) : inode.dirty.size();
  uint64_t last = UINT64_MAX;
  bool survives = false;
  for (const uint64_t sector : inode.dirty) {
    if (left-- == 0) break;
    if (sector / unit != last) survives = prefix || random_.Below(4) < chance;
    last = sector / unit;
    if (survives) SaveSector(inode, sector);
  }
  inode.dirty.clear();
  inode.live = inode.durable;
}

void CrashingFileSystem::FailNextSync(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  fail_sync_ = std::move(status);
}

void CrashingFileSystem::FailNextWrite(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  fail_write_ = std::move(status);
}

void CrashingFileSystem::FailAfter(uint64_t count, Failure failure) {
  absl::MutexLock lock(&mutex_);
  failure_after_ = count;
  failure_ = std::move(failure);
}

uint64_t CrashingFileSystem::failures() const {
  absl::MutexLock lock(&mutex_);
  return failures_;
}

void CrashingFileSystem::FlipReads(uint64_t one_in, const std::string& under, uint64_t count,
                                   uint64_t skip) {
  absl::MutexLock lock(&mutex_);
  flip_one_in_ = one_in;
  flip_under_ = under;
  flips_left_ = count;
  flips_skip_ = skip;
}

bool CrashingFileSystem::FlipsRead(const std::string& path) {
  if (flip_one_in_ == 0 || flips_left_ == 0 || !IsUnder(path, flip_under_)) return false;
  if (flips_skip_ > 0) {
    --flips_skip_;
    return false;
  }
  if (random_.Below(flip_one_in_) != 0) return false;
  ++flips_;
  --flips_left_;
  return true;
}

uint64_t CrashingFileSystem::flips() const {
  absl::MutexLock lock(&mutex_);
  return flips_;
}

uint64_t CrashingFileSystem::changes() const {
  absl::MutexLock lock(&mutex_);
  return changes_;
}

uint64_t CrashingFileSystem::trace() const {
  absl::MutexLock lock(&mutex_);
  return trace_;
}

absl::Status CrashingFileSystem::Link(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(MayChange(to, Change::kGrow));
  auto it = names_.find(from);
  if (it == names_.end()) return absl::NotFoundError(from);
  if (!names_.emplace(to, it->second).second) return absl::AlreadyExistsError(to);
  NameChanged();
  return absl::OkStatus();
}

std::map<std::string, std::string> CrashingFileSystem::Save() const {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, std::string> contents;
  for (const auto& [name, inode] : names_) contents.emplace(name, inode->live);
  return contents;
}

void CrashingFileSystem::Load(const std::map<std::string, std::string>& contents) {
  absl::MutexLock lock(&mutex_);
  ClearFaults();
  names_.clear();
  for (const auto& [name, content] : contents) {
    names_[name] = std::make_shared<Inode>(Inode{content, content, {}});
    directories_.insert(DirectoryOf(name));
  }
  durable_names_ = names_;
  history_.clear();
}

std::string CrashingFileSystem::Content(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  auto it = names_.find(path);
  KV_CHECK(it != names_.end()) << path;
  return it->second->live;
}

void CrashingFileSystem::Overwrite(const std::string& path, uint64_t offset,
                                   const std::string& bytes) {
  absl::MutexLock lock(&mutex_);
  auto it = names_.find(path);
  KV_CHECK(it != names_.end()) << path;
  for (std::string* content : {&it->second->live, &it->second->durable}) {
    if (offset >= content->size()) continue;
    content->replace(offset, std::min(bytes.size(), content->size() - offset), bytes, 0,
                     std::min(bytes.size(), content->size() - offset));
  }
}

void CrashingFileSystem::Replace(const std::string& path, const std::string& bytes) {
  absl::MutexLock lock(&mutex_);
  auto it = names_.find(path);
  KV_CHECK(it != names_.end()) << path;
  it->second->live = it->second->durable = bytes;
  it->second->dirty.clear();
}

}  // namespace keelson::storage
