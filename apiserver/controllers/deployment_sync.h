// DeploymentSync: one look at one Deployment: what its ReplicaSets and its status should be next,
// and the calls that make them so. Made for each look; one thread. Internal to deployment.cc.
#ifndef KEELSON_APISERVER_CONTROLLERS_DEPLOYMENT_SYNC_H_
#define KEELSON_APISERVER_CONTROLLERS_DEPLOYMENT_SYNC_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/controllers/rollout.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

class DeploymentSync {
 public:
  struct Environment {
    runtime::ApiClient* client;
    runtime::EventRecorder* events;
    const runtime::Informer* pods;  // found by owner
  };
  // `sets`: the ReplicaSets it controls.
  DeploymentSync(Environment environment, const api::Json& deployment,
                 const std::vector<runtime::Object>& sets);

  absl::Status Run();
  // When to look again although nothing changes: the progress deadline.
  std::optional<absl::Duration> look_again() const { return look_again_; }

 private:
  absl::Status RunActive();
  absl::Status Scale();
  absl::Status RollingUpdate();
  absl::Status Recreate();
  // The new set, if there is one (or is made): its annotations and the Deployment's revision.
  absl::Status FindNewSet(bool create);
  absl::Status RefreshNewSet();
  absl::Status CreateNewSet(int64_t revision);
  absl::Status AdoptRevision(int64_t revision);
  // Gives a set so many replicas; OK, and nothing done, if it has them.
  absl::Status Resize(api::Json* set, int64_t replicas, bool* resized);
  absl::Status CleanUp();
  absl::Status SyncStatus();
  void JudgeProgress(api::Json* status);
  void JudgePause();
  api::Json CountedStatus() const;
  bool OldPodsRun() const;
  bool IsComplete(const api::Json& status) const;
  absl::Duration UntilDeadline() const;

  bool paused() const;
  bool is_recreate() const;
  bool has_deadline() const;
  Leeway leeway() const;
  std::string Subject() const;
  void SetDeploymentCondition(std::string_view type, std::string_view status,
                              std::string_view reason, std::string_view message);

  const Environment environment_;
  const api::Json& deployment_;
  const absl::Time now_;
  const int64_t wanted_;
  api::Json seen_;                 // the Deployment as last read or written
  std::vector<api::Json> sets_;    // oldest first; as they are after what was done
  std::optional<size_t> new_set_;  // in sets_
  api::Json conditions_;           // of the status to be
  int64_t collisions_;
  std::optional<absl::Duration> look_again_;
};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_DEPLOYMENT_SYNC_H_
