#include "apiserver/controllers/expectations.h"

#include <algorithm>

namespace keelson::controllers {
namespace {

constexpr absl::Duration kLongest = absl::Minutes(5);

}  // namespace

bool Expectations::Satisfied(const std::string& key) {
  absl::MutexLock lock(&mu_);
  const auto found = awaited_.find(key);
  if (found == awaited_.end()) return true;
  const Awaited& awaited = found->second;
  return (awaited.creations <= 0 && awaited.deletions.empty()) ||
         clock_->Now() - awaited.since > kLongest;
}

void Expectations::ExpectCreations(const std::string& key, int count) {
  absl::MutexLock lock(&mu_);
  awaited_[key] = {.creations = count, .deletions = {}, .since = clock_->Now()};
}

void Expectations::ExpectMore(const std::string& key, int count) {
  absl::MutexLock lock(&mu_);
  Awaited& awaited = awaited_[key];
  awaited.creations = std::max(awaited.creations, 0) + count;
  awaited.since = clock_->Now();
}

void Expectations::ExpectDeletions(const std::string& key, const std::vector<std::string>& uids) {
  absl::MutexLock lock(&mu_);
  awaited_[key] = {.creations = 0, .deletions = {uids.begin(), uids.end()}, .since = clock_->Now()};
}

void Expectations::CreationObserved(const std::string& key) {
  absl::MutexLock lock(&mu_);
  const auto found = awaited_.find(key);
  if (found != awaited_.end()) --found->second.creations;
}

void Expectations::DeletionObserved(const std::string& key, const std::string& uid) {
  absl::MutexLock lock(&mu_);
  const auto found = awaited_.find(key);
  if (found != awaited_.end()) found->second.deletions.erase(uid);
}

void Expectations::Forget(const std::string& key) {
  absl::MutexLock lock(&mu_);
  awaited_.erase(key);
}

}  // namespace keelson::controllers
