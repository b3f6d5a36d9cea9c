// Failpoints: named places in the code where a test has a member stop, wait or fail, with etcd's
// names (docs/testing.md lists them). The points exist only in builds with KEELSON_FAILPOINTS; in
// all others the macros are nothing.
//
//   KV_FAILPOINT(raftBeforeSave);
//   if (const auto error = KV_FAILPOINT_VALUE(defragdbFail)) return absl::InternalError(*error);
//
// FailpointRegistry: all of them, and what each is told to do. Thread: any.
#ifndef KEELSON_BASE_FAILPOINT_H_
#define KEELSON_BASE_FAILPOINT_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/failpoint_terms.h"
#include "base/random.h"

namespace keelson {

class Failpoint {
 public:
  Failpoint(std::string_view name, uint64_t seed) : name_(name), random_(seed) {}
  Failpoint(const Failpoint&) = delete;
  Failpoint& operator=(const Failpoint&) = delete;

  // The place was reached: does what it is told (a sleep is here; a panic ends the process), and
  // gives the value of a "return".
  std::optional<std::string> Reach();

  const std::string& name() const { return name_; }

 private:
  friend class FailpointRegistry;
  const std::string name_;
  // Not owned by a thread: it is what makes a point that is told nothing cost one load.
  std::atomic<bool> enabled_ = false;
  std::mutex mutex_;
  SeededRandom random_;                  // guarded by mutex_
  std::optional<FailpointTerms> terms_;  // guarded by mutex_; set while enabled_
  uint64_t reached_ = 0;                 // guarded by mutex_; since it was told what to do
};

class FailpointRegistry {
 public:
  explicit FailpointRegistry(const std::vector<std::string_view>& names);
  // Of this process. What $GOFAIL_FAILPOINTS says counts from the first call; what is wrong with
  // it is said on stderr and ends the process.
  static FailpointRegistry& Global();

  // REQUIRES: it exists.
  Failpoint& Get(std::string_view name);
  // NotFound: there is none of that name; InvalidArgument: of the terms.
  absl::Status Enable(std::string_view name, std::string_view terms);
  // Several: "a=terms;b=terms". None is changed when one is wrong.
  absl::Status EnableAll(std::string_view list);
  // FailedPrecondition: it is told nothing.
  absl::Status Disable(std::string_view name);
  absl::StatusOr<std::string> Terms(std::string_view name);
  absl::StatusOr<uint64_t> Reached(std::string_view name);
  // Names and terms (empty: told nothing), sorted.
  std::vector<std::pair<std::string, std::string>> List();

 private:
  Failpoint* Find(std::string_view name);

  std::deque<Failpoint> points_;  // by name
};

#ifdef KEELSON_FAILPOINTS
#define KV_FAILPOINT_VALUE(name)                                                            \
  ([]() -> std::optional<std::string> {                                                     \
    static ::keelson::Failpoint& point = ::keelson::FailpointRegistry::Global().Get(#name); \
    return point.Reach();                                                                   \
  }())
#define KV_FAILPOINT(name) static_cast<void>(KV_FAILPOINT_VALUE(name))
#else
#define KV_FAILPOINT_VALUE(name) (std::optional<std::string>())
#define KV_FAILPOINT(name) static_cast<void>(0)
#endif

}  // namespace keelson

#endif  // KEELSON_BASE_FAILPOINT_H_
