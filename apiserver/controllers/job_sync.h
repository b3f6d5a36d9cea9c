// JobSync: one look at one Job: which pods to create and delete, and its status. Made for each
// look; one thread. Internal to job.cc.
//
// A pod is counted once, whatever crashes in between:
//  1. it ends, held by the finalizer job-tracking;
//  2. its uid is written into status.uncountedTerminatedPods;
//  3. its finalizer is removed;
//  4. its uid leaves that list and the counter goes up, in one write.
#ifndef KEELSON_APISERVER_CONTROLLERS_JOB_SYNC_H_
#define KEELSON_APISERVER_CONTROLLERS_JOB_SYNC_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/controllers/expectations.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

inline constexpr char kTrackingFinalizer[] = "batch.kubernetes.io/job-tracking";

// Takes the finalizer away; OK where the pod is gone.
absl::Status RemoveTracking(runtime::ApiClient* client, const api::Json& pod);

class JobSync {
 public:
  struct Environment {
    runtime::ApiClient* client;
    runtime::EventRecorder* events;
    Expectations* expectations;
  };
  // Failures in a row, and when the last one was; kept between two looks.
  struct Failures {
    int64_t count = 0;
    absl::Time last = absl::InfinitePast();
    std::set<std::string> counted;  // uids
  };
  // `released`: uids of pods whose finalizer is gone though the copies still show it; grows.
  // `may_manage`: the copies show all that was created and deleted.
  JobSync(Environment environment, const api::Json& job, std::vector<runtime::Object> pods,
          std::set<std::string>* released, Failures* failures, bool may_manage);

  absl::Status Run();
  std::optional<absl::Duration> look_again() const { return look_again_; }

 private:
  struct Verdict {
    std::string type;  // Complete or Failed
    std::string reason;
    std::string message;
  };

  bool HasEnded() const;
  bool is_suspended() const;
  bool IsTracked(const api::Json& pod) const;
  void CountPods();
  void CountFailures();
  std::optional<Verdict> Judge();
  std::optional<Verdict> JudgeFailure();
  std::optional<Verdict> JudgeIndexes();
  bool RestartedTooOften() const;
  absl::Status Manage();
  absl::Status CreatePods(int64_t count);
  absl::Status DeletePods(const std::vector<runtime::Object>& doomed);
  api::Json PodFor(int64_t index) const;
  std::vector<int64_t> MissingIndexes(int64_t count) const;
  int64_t FailuresOfIndex(int64_t index) const;
  void JudgeSuspension();
  absl::Status Track(const std::optional<Verdict>& verdict);
  std::vector<runtime::Object> NoteEnded();
  absl::Status Release(const std::vector<runtime::Object>& pods);
  bool CountReleased();
  absl::Status WriteStatus();
  void Finish(const Verdict& verdict);
  void LookAgain(absl::Duration after);
  void SetJobCondition(const std::string& type, const std::string& status,
                       const std::string& reason, const std::string& message);

  const Environment environment_;
  const api::Json& job_;
  const std::string key_;
  const absl::Time now_;
  const std::vector<runtime::Object> pods_;
  std::set<std::string>* const released_;
  Failures* const failures_;
  const bool may_manage_;

  api::Json seen_;    // the job as last read or written
  api::Json status_;  // to be
  std::vector<runtime::Object> active_;
  std::vector<runtime::Object> ended_;  // not in a counter yet, and still held
  std::set<int64_t> succeeded_indexes_;
  std::set<int64_t> failed_indexes_;
  int64_t succeeded_ = 0;  // with those that are to be counted
  int64_t failed_ = 0;
  int64_t terminating_ = 0;
  int64_t created_ = 0;  // now
  int64_t deleted_ = 0;
  std::optional<absl::Duration> look_again_;
};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_JOB_SYNC_H_
