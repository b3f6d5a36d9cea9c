// How a command ends: the exit codes of etcdctl, and the line that says why.
#ifndef KEELSON_TOOLS_KVCTL_EXIT_H_
#define KEELSON_TOOLS_KVCTL_EXIT_H_

#include <string>
#include <utility>

#include "absl/status/status.h"

namespace keelson::kvctl {

enum class ExitCode {
  kOk = 0,
  kError = 1,
  kBadConnection = 2,
  kInvalidInput = 3,  // what txn and watch read from stdin
  kBadFeature = 4,    // an unknown output format, consistency, order
  kInterrupted = 5,
  kIo = 6,
  kBadArguments = 128,
};

struct [[nodiscard]] Exit {
  ExitCode code = ExitCode::kOk;
  std::string error = {};  // printed as "Error: <error>" on stderr; empty: everything was said already

  bool ok() const { return code == ExitCode::kOk; }
};

inline Exit Ok() { return {}; }
inline Exit BadArguments(std::string error) {
  return {ExitCode::kBadArguments, std::move(error)};
}
inline Exit BadFeature(std::string error) { return {ExitCode::kBadFeature, std::move(error)}; }
inline Exit InvalidInput(std::string error) { return {ExitCode::kInvalidInput, std::move(error)}; }
inline Exit Failed(std::string error) { return {ExitCode::kError, std::move(error)}; }
inline Exit Failed(const absl::Status& status) { return Failed(std::string(status.message())); }

#define KVCTL_RETURN_IF_FAILED(expr)          \
  do {                                        \
    ::keelson::kvctl::Exit kv_exit_ = (expr); \
    if (!kv_exit_.ok()) return kv_exit_;      \
  } while (false)

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_EXIT_H_
