// kvd: one member of the store.
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/failpoint.h"
#include "server/config.h"
#include "server/failpoint_http.h"
#include "server/logging.h"
#include "server/member.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "kvd: %s\n", std::string(status.message()).c_str());
  return 1;
}

#ifdef KEELSON_FAILPOINTS
// Null: nobody asked for it.
absl::StatusOr<std::unique_ptr<keelson::server::FailpointHttp>> StartFailpoints() {
  keelson::FailpointRegistry& registry = keelson::FailpointRegistry::Global();
  const char* const address = std::getenv("GOFAIL_HTTP");
  if (address == nullptr || *address == '\0') return nullptr;
  return keelson::server::FailpointHttp::Start(&registry, address);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  using keelson::server::Member;
  // Debian's Abseil looks for lock cycles at every lock; our locks are leaves, and tests are built
  // to find them.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const keelson::server::CommandLine command = keelson::server::ParseCommandLine(argc, argv);
  if (!command.run) {
    std::fputs(command.text.c_str(), command.exit_code == 0 ? stdout : stderr);
    return command.exit_code;
  }
  if (absl::Status status = keelson::server::StartLogging(command.config, command.notices);
      !status.ok()) {
    return Fail(status);
  }
  if (command.config.memory_mlock && ::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    return Fail(absl::PermissionDeniedError(
        absl::StrCat("--memory-mlock: cannot lock memory: ", std::strerror(errno))));
  }
#ifdef KEELSON_FAILPOINTS
  const auto failpoints = StartFailpoints();
  if (!failpoints.ok()) return Fail(failpoints.status());
#endif
  absl::StatusOr<std::unique_ptr<Member>> member = Member::Open(command.config);
  if (!member.ok()) return Fail(member.status());
  if (absl::Status status = (*member)->Run(); !status.ok()) return Fail(status);
  return 0;
}
