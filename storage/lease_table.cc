#include "storage/lease_table.h"

#include "base/check.h"

namespace keelson::storage {

void LeaseTable::Put(const LeaseRecord& lease) {
  absl::MutexLock lock(&mutex_);
  leases_[lease.id].record = lease;
}

void LeaseTable::Remove(LeaseId id) {
  absl::MutexLock lock(&mutex_);
  auto it = leases_.find(id);
  if (it == leases_.end()) return;
  KV_CHECK(it->second.keys.empty()) << "lease " << id << " still has keys";
  leases_.erase(it);
}

void LeaseTable::Attach(LeaseId id, std::string_view key) {
  absl::MutexLock lock(&mutex_);
  auto it = leases_.find(id);
  KV_CHECK(it != leases_.end()) << "no lease " << id;
  it->second.keys.insert(std::string(key));
  const bool added = lease_of_.emplace(std::string(key), id).second;
  KV_CHECK(added) << "the key has a lease";
}

LeaseId LeaseTable::Detach(std::string_view key) {
  absl::MutexLock lock(&mutex_);
  auto it = lease_of_.find(key);
  if (it == lease_of_.end()) return LeaseId();
  const LeaseId id = it->second;
  lease_of_.erase(it);
  auto& keys = leases_.find(id)->second.keys;
  keys.erase(keys.find(key));
  return id;
}

std::vector<LeaseRecord> LeaseTable::All() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<LeaseRecord> all;
  all.reserve(leases_.size());
  for (const auto& [id, entry] : leases_) all.push_back(entry.record);
  return all;
}

std::optional<LeaseRecord> LeaseTable::Find(LeaseId id) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto it = leases_.find(id);
  if (it == leases_.end()) return std::nullopt;
  return it->second.record;
}

bool LeaseTable::Contains(LeaseId id) const {
  absl::ReaderMutexLock lock(&mutex_);
  return leases_.contains(id);
}

std::vector<std::string> LeaseTable::Keys(LeaseId id) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto it = leases_.find(id);
  if (it == leases_.end()) return {};
  return {it->second.keys.begin(), it->second.keys.end()};
}

LeaseId LeaseTable::LeaseOf(std::string_view key) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto it = lease_of_.find(key);
  return it == lease_of_.end() ? LeaseId() : it->second;
}

}  // namespace keelson::storage
