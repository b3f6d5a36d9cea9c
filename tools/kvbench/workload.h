// Workload: the requests of a run, one after the other, decided by the seed.
//
// Thread: one.
#ifndef KEELSON_TOOLS_KVBENCH_WORKLOAD_H_
#define KEELSON_TOOLS_KVBENCH_WORKLOAD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/random.h"
#include "tools/kvbench/options.h"

namespace keelson::kvbench {

class Workload {
 public:
  explicit Workload(const Options& options);

  // The next request, with gRPC's prefix; valid until the next call. `now` goes into the value when
  // watchers are to time it.
  std::string_view Next(absl::Duration now);

  // key := "kvbench/" truncated to what the digits leave, then the number with leading zeros.
  std::string_view Key(uint64_t number);
  // When a watched value was put. nullopt: it was not put by us.
  static std::optional<absl::Duration> PutTime(std::string_view value);

 private:
  std::string_view Value(absl::Duration now);

  const Options options_;
  SeededRandom random_;
  uint64_t next_number_ = 0;
  std::string key_;
  std::string noise_;  // values are windows onto it, so that they neither repeat nor compress
  std::string value_;  // of a watched key
  std::string request_;
};

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_WORKLOAD_H_
