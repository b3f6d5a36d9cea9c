#include "server/publisher.h"

#include <utility>

#include "base/failpoint.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(1);

}  // namespace

Publisher::Publisher(MemberCore* core, proto::MemberAttributes attributes,
                     std::function<void()> on_known)
    : core_(core),
      attributes_(std::move(attributes)),
      on_known_(std::move(on_known)),
      retry_(core->NewTimer()) {}

void Publisher::Start() {
  KV_FAILPOINT(beforePublishing);
  core_->Submit(proto::Command::kMemberAttributesFieldNumber, attributes_.SerializeAsString(),
                [this, alive = std::weak_ptr<int>(alive_)](const Answer& answer) {
                  if (alive.expired() || core_->stopped()) return;
                  if (answer.status.ok()) return on_known_();
                  retry_->Arm(kRetry, [this] { Start(); });
                });
}

}  // namespace keelson::server
