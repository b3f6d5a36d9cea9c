#include "base/failpoint.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/check.h"
#include "base/status_macros.h"

namespace keelson {
namespace {

// etcd's names. A place of ours that has none there has none here.
const std::vector<std::string_view>& Names() {
  static const auto* const names = new std::vector<std::string_view>{
      "afterCommit",
      "afterStartDBTxn",
      "afterWritebackBuf",
      "applyAfterOpenSnapshot",
      "applyBeforeOpenSnapshot",
      "beforeApplyOneConfChange",
      "beforeApplyOneEntryNormal",
      "beforeCommit",
      "beforeLookupWhenForwardLeaseTimeToLive",
      "beforeLookupWhenLeaseTimeToLive",
      "beforePublishing",
      "beforeRangeStreamChunk",
      "beforeSendWatchResponse",
      "beforeServeHTTPLeaseRenew",
      "beforeStartDBTxn",
      "beforeSyncWatchers",
      "beforeWritebackBuf",
      "compactAfterCommitBatch",
      "compactAfterCommitScheduledCompact",
      "compactAfterSetFinishedCompact",
      "compactBeforeCommitBatch",
      "compactBeforeCommitScheduledCompact",
      "compactBeforeSetFinishedCompact",
      "defragBeforeCopy",
      "defragdbFail",
      "raftAfterApplySnap",
      "raftAfterSave",
      "raftAfterSaveSnap",
      "raftAfterWALRelease",
      "raftBeforeAdvance",
      "raftBeforeApplySnap",
      "raftBeforeFollowerSend",
      "raftBeforeLeaderSend",
      "raftBeforeSave",
      "raftBeforeSaveSnap",
      "raftBeforeWALSaveSnaphot",
      "raftDropHeartbeat",
      "walAfterSync",
      "walBeforeSync",
  };
  return *names;
}

}  // namespace

std::optional<std::string> Failpoint::Reach() {
  if (!enabled_.load(std::memory_order_relaxed)) return std::nullopt;
  FailpointAct act;
  {
    const std::lock_guard lock(mutex_);
    if (!terms_) return std::nullopt;
    ++reached_;
    act = terms_->Next(random_);
  }
  switch (act.kind) {
    case FailpointAct::Kind::kNothing:
      return std::nullopt;
    case FailpointAct::Kind::kReturn:
      return std::move(act.value);
    case FailpointAct::Kind::kSleep:
      std::this_thread::sleep_for(absl::ToChronoNanoseconds(act.sleep));
      return std::nullopt;
    case FailpointAct::Kind::kPrint:
      std::fprintf(stderr, "failpoint print: %s %s\n", name_.c_str(), act.value.c_str());
      return std::nullopt;
    case FailpointAct::Kind::kPanic:
      std::fprintf(stderr, "failpoint panic: %s %s\n", name_.c_str(), act.value.c_str());
      std::abort();
  }
  return std::nullopt;
}

FailpointRegistry::FailpointRegistry(const std::vector<std::string_view>& names) {
  std::vector<std::string_view> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const uint64_t seed = SystemSeed();
  for (const std::string_view name : sorted) points_.emplace_back(name, seed + points_.size());
}

FailpointRegistry& FailpointRegistry::Global() {
  static FailpointRegistry* const registry = [] {
    auto* const made = new FailpointRegistry(Names());
    if (const char* const list = std::getenv("GOFAIL_FAILPOINTS")) {
      if (const absl::Status status = made->EnableAll(list); !status.ok()) {
        std::fprintf(stderr, "GOFAIL_FAILPOINTS: %s\n", status.ToString().c_str());
        std::exit(1);
      }
    }
    return made;
  }();
  return *registry;
}

Failpoint* FailpointRegistry::Find(std::string_view name) {
  for (Failpoint& point : points_) {
    if (point.name_ == name) return &point;
  }
  return nullptr;
}

Failpoint& FailpointRegistry::Get(std::string_view name) {
  Failpoint* const point = Find(name);
  KV_CHECK(point != nullptr) << name << " is not among the failpoints";
  return *point;
}

absl::Status FailpointRegistry::Enable(std::string_view name, std::string_view terms) {
  Failpoint* const point = Find(name);
  if (point == nullptr) return absl::NotFoundError("failpoint: failpoint does not exist");
  KV_ASSIGN_OR_RETURN(FailpointTerms parsed, FailpointTerms::Parse(terms));
  const std::lock_guard lock(point->mutex_);
  point->terms_ = std::move(parsed);
  point->reached_ = 0;
  point->enabled_ = true;
  return absl::OkStatus();
}

absl::Status FailpointRegistry::EnableAll(std::string_view list) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  while (!list.empty()) {
    const size_t end = std::min(list.find(';'), list.size());
    const std::string_view item = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      return absl::InvalidArgumentError("failpoint: no \"=\" in \"" + std::string(item) + "\"");
    }
    pairs.emplace_back(item.substr(0, equals), item.substr(equals + 1));
    if (Find(pairs.back().first) == nullptr) {
      return absl::NotFoundError("failpoint: failpoint does not exist: " + std::string(item));
    }
    KV_RETURN_IF_ERROR(FailpointTerms::Parse(pairs.back().second).status());
  }
  for (const auto& [name, terms] : pairs) KV_RETURN_IF_ERROR(Enable(name, terms));
  return absl::OkStatus();
}

absl::Status FailpointRegistry::Disable(std::string_view name) {
  Failpoint* const point = Find(name);
  if (point == nullptr) return absl::NotFoundError("failpoint: failpoint does not exist");
  const std::lock_guard lock(point->mutex_);
  if (!point->terms_) return absl::FailedPreconditionError("failpoint: failpoint is disabled");
  point->enabled_ = false;
  point->terms_.reset();
  return absl::OkStatus();
}

absl::StatusOr<std::string> FailpointRegistry::Terms(std::string_view name) {
  Failpoint* const point = Find(name);
  if (point == nullptr) return absl::NotFoundError("failpoint: failpoint does not exist");
  const std::lock_guard lock(point->mutex_);
  if (!point->terms_) return absl::FailedPreconditionError("failpoint: failpoint is disabled");
  return point->terms_->text();
}

absl::StatusOr<uint64_t> FailpointRegistry::Reached(std::string_view name) {
  Failpoint* const point = Find(name);
  if (point == nullptr) return absl::NotFoundError("failpoint: failpoint does not exist");
  const std::lock_guard lock(point->mutex_);
  if (!point->terms_) return absl::FailedPreconditionError("failpoint: failpoint is disabled");
  return point->reached_;
}

std::vector<std::pair<std::string, std::string>> FailpointRegistry::List() {
  std::vector<std::pair<std::string, std::string>> list;
  for (Failpoint& point : points_) {
    const std::lock_guard lock(point.mutex_);
    list.emplace_back(point.name_, point.terms_ ? point.terms_->text() : "");
  }
  return list;
}

}  // namespace keelson
