// DaemonSetSync: one look at one DaemonSet. Made for each look; one thread. Internal to
// daemon_set.cc.
#ifndef KEELSON_APISERVER_CONTROLLERS_DAEMON_SET_SYNC_H_
#define KEELSON_APISERVER_CONTROLLERS_DAEMON_SET_SYNC_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/controllers/expectations.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

class DaemonSetSync {
 public:
  struct Environment {
    runtime::ApiClient* client;
    runtime::EventRecorder* events;
    Expectations* expectations;
  };
  // `failures`: by node, how often pods have failed there and when they did last; kept between two
  // looks.
  struct Failures {
    int count = 0;
    absl::Time last = absl::InfinitePast();
  };
  DaemonSetSync(Environment environment, const api::Json& set,
                const std::vector<runtime::Object>& pods, const std::vector<runtime::Object>& nodes,
                const std::vector<runtime::Object>& revisions,
                std::map<std::string, Failures>* failures, bool may_manage);

  absl::Status Run();
  std::optional<absl::Duration> look_again() const { return look_again_; }

 private:
  using Pods = std::vector<runtime::Object>;

  absl::Status FindRevision();
  // Fills create_ and delete_.
  void PlanNode(const api::Json& node, Pods pods);
  void PlanUpdate();
  void PlanSurge();
  absl::Status Apply();
  absl::Status WriteStatus();
  api::Json PodFor(const std::string& node) const;
  bool IsUpdated(const api::Json& pod) const;
  bool IsRolling() const;
  int64_t MaxSurge() const;
  int64_t MaxUnavailable() const;
  void Delete(runtime::Object pod);
  void LookAgain(absl::Duration after);

  const Environment environment_;
  const api::Json& set_;
  const absl::Time now_;
  const int64_t min_ready_;
  const std::vector<runtime::Object>& nodes_;
  const std::vector<runtime::Object>& revisions_;
  std::map<std::string, Failures>* const failures_;
  const bool may_manage_;
  std::map<std::string, Pods> by_node_;
  int64_t desired_ = 0;  // nodes that should run one
  std::vector<std::string> create_;
  Pods delete_;
  std::string hash_;
  int64_t collisions_;
  std::optional<absl::Duration> look_again_;
};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_DAEMON_SET_SYNC_H_
