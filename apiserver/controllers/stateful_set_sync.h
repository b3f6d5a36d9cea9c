// StatefulSetSync: one look at one StatefulSet. Made for each look; one thread. Internal to
// stateful_set.cc.
#ifndef KEELSON_APISERVER_CONTROLLERS_STATEFUL_SET_SYNC_H_
#define KEELSON_APISERVER_CONTROLLERS_STATEFUL_SET_SYNC_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

// The ordinal in the name of a pod of that set; -1: it is not one of its names.
int64_t OrdinalOf(const std::string& set_name, const std::string& pod_name);

class StatefulSetSync {
 public:
  struct Environment {
    runtime::ApiClient* client;
    runtime::EventRecorder* events;
    const runtime::Informer* claims;
  };
  // `pods`: those it controls; `revisions`: likewise.
  StatefulSetSync(Environment environment, const api::Json& set,
                  const std::vector<runtime::Object>& pods,
                  const std::vector<runtime::Object>& revisions);

  absl::Status Run();
  std::optional<absl::Duration> look_again() const { return look_again_; }

 private:
  // Whether the next pod may be looked at.
  enum class Step { kGoOn, kWait };

  absl::Status FindRevisions();
  absl::Status Arrange();
  absl::StatusOr<Step> ArrangeReplica(int64_t ordinal);
  absl::StatusOr<Step> ArrangeCondemned(const runtime::Object& pod);
  absl::Status Update();
  absl::Status CreatePod(int64_t ordinal);
  absl::Status DeletePod(const api::Json& pod);
  absl::Status KeepClaims(int64_t ordinal, const runtime::Object& pod);
  absl::Status WriteStatus();
  void CountPods();

  std::string PodName(int64_t ordinal) const;
  const api::Json& RevisionFor(int64_t ordinal) const;
  bool IsHealthy(const api::Json& pod) const;
  bool one_by_one() const;
  bool is_rolling() const;
  int64_t partition() const;

  const Environment environment_;
  const api::Json& set_;
  const absl::Time now_;
  const int64_t first_;
  const int64_t wanted_;
  const int64_t min_ready_;
  std::map<int64_t, runtime::Object> replicas_;                   // by ordinal
  std::map<int64_t, runtime::Object, std::greater<>> condemned_;  // highest first
  const std::vector<runtime::Object>& revisions_;
  api::Json current_;  // revisions
  api::Json update_;
  api::Json status_;
  int64_t collisions_;
  std::optional<absl::Duration> look_again_;
};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_STATEFUL_SET_SYNC_H_
