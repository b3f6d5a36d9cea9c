#include "apiserver/scheduler/queue.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace keelson::scheduler {
namespace {

constexpr absl::Duration kBackoffFirst = absl::Seconds(1);
constexpr absl::Duration kBackoffMax = absl::Seconds(10);
constexpr absl::Duration kRefusedMax = absl::Minutes(5);

}  // namespace

bool SchedulingQueue::MoreImportant::operator()(const Entry* a, const Entry* b) const {
  if (a->pod->priority != b->pod->priority) return a->pod->priority > b->pod->priority;
  return a->number < b->number;
}

bool SchedulingQueue::Earlier::operator()(const Entry* a, const Entry* b) const {
  return a->since != b->since ? a->since < b->since : a->number < b->number;
}

absl::Duration SchedulingQueue::BackoffEnd(const Entry& entry) const {
  absl::Duration backoff = kBackoffFirst;
  for (int i = 1; i < entry.attempts && backoff < kBackoffMax; ++i) backoff *= 2;
  return entry.since + std::min(backoff, kBackoffMax);
}

void SchedulingQueue::TakeOut(Entry* entry) {
  switch (entry->place) {
    case Place::kActive:
      active_.erase(entry);
      break;
    case Place::kBackingOff:
      backing_off_.erase({BackoffEnd(*entry), entry});
      break;
    case Place::kRefused:
      refused_.erase(entry);
      break;
    case Place::kGated:
      --gated_;
      break;
    case Place::kPopped:
      break;
  }
  entry->place = Place::kPopped;
}

void SchedulingQueue::Activate(Entry* entry) {
  if (entry->pod->gated) return Gate(entry);
  TakeOut(entry);
  entry->number = next_number_++;
  entry->place = Place::kActive;
  active_.insert(entry);
}

void SchedulingQueue::Retry(Entry* entry) {
  if (entry->pod->gated || entry->attempts == 0 || BackoffEnd(*entry) <= clock_->Now()) {
    Activate(entry);
    return;
  }
  TakeOut(entry);
  entry->place = Place::kBackingOff;
  backing_off_.emplace(BackoffEnd(*entry), entry);
}

void SchedulingQueue::Gate(Entry* entry) {
  TakeOut(entry);
  entry->place = Place::kGated;
  ++gated_;
}

void SchedulingQueue::Set(std::shared_ptr<const Pod> pod) {
  std::unique_ptr<Entry>& known = entries_[pod->uid];
  if (known == nullptr) {
    known = std::make_unique<Entry>();
    known->pod = std::move(pod);
    Activate(known.get());
    return;
  }
  Entry* entry = known.get();
  if (entry->place == Place::kPopped) {
    entry->pod = std::move(pod);
    return;
  }
  const std::shared_ptr<const Pod> before = entry->pod;
  if (entry->place == Place::kActive && (pod->priority != before->priority || pod->gated)) {
    TakeOut(entry);  // its order depends on the pod
    entry->pod = std::move(pod);
    Activate(entry);
    return;
  }
  entry->pod = std::move(pod);
  if (entry->place == Place::kGated || (entry->pod->gated && !before->gated)) {
    Activate(entry);
  } else if (entry->place == Place::kRefused && MayHelp(*before, *entry->pod)) {
    Retry(entry);
  }
}

void SchedulingQueue::Remove(const std::string& uid) {
  const auto found = entries_.find(uid);
  if (found == entries_.end()) return;
  TakeOut(found->second.get());
  entries_.erase(found);
}

std::shared_ptr<const Pod> SchedulingQueue::Pop() {
  if (active_.empty()) return nullptr;
  Entry* entry = *active_.begin();
  TakeOut(entry);
  ++entry->attempts;
  return entry->pod;
}

void SchedulingQueue::Refused(const std::string& uid, PluginSet by) {
  const auto found = entries_.find(uid);
  if (found == entries_.end()) return;
  Entry* entry = found->second.get();
  KV_CHECK(entry->place == Place::kPopped);
  if (entry->pod->gated) return Gate(entry);
  entry->since = clock_->Now();
  entry->number = next_number_++;
  entry->refused_by = by;
  entry->place = Place::kRefused;
  refused_.insert(entry);
}

void SchedulingQueue::Failed(const std::string& uid) {
  const auto found = entries_.find(uid);
  if (found == entries_.end() || found->second->place != Place::kPopped) return;
  found->second->since = clock_->Now();
  Retry(found->second.get());
}

void SchedulingQueue::Wake(const std::string& uid) {
  const auto found = entries_.find(uid);
  if (found != entries_.end() && found->second->place == Place::kRefused) {
    Retry(found->second.get());
  }
}

void SchedulingQueue::OnEvent(const ClusterEvent& event) {
  std::vector<Entry*> helped;
  for (Entry* entry : refused_) {
    if (MayHelp(event, *entry->pod, entry->refused_by)) helped.push_back(entry);
  }
  for (Entry* entry : helped) Retry(entry);
}

void SchedulingQueue::Flush() {
  const absl::Duration now = clock_->Now();
  while (!backing_off_.empty() && backing_off_.begin()->first <= now) {
    Activate(backing_off_.begin()->second);
  }
  while (!refused_.empty() && (*refused_.begin())->since + kRefusedMax <= now) {
    Retry(*refused_.begin());
  }
}

absl::Duration SchedulingQueue::NextFlush() const {
  absl::Duration next = absl::InfiniteDuration();
  if (!backing_off_.empty()) next = backing_off_.begin()->first;
  if (!refused_.empty()) next = std::min(next, (*refused_.begin())->since + kRefusedMax);
  return next;
}

std::shared_ptr<const Pod> SchedulingQueue::Find(const std::string& uid) const {
  const auto found = entries_.find(uid);
  return found == entries_.end() ? nullptr : found->second->pod;
}

}  // namespace keelson::scheduler
