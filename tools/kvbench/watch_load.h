// WatchLoad: many watchers of one key, and puts of that key: how fast, and how late, events reach
// everybody. Every watcher must get every event.
//
// Thread: the loop.
#ifndef KEELSON_TOOLS_KVBENCH_WATCH_LOAD_H_
#define KEELSON_TOOLS_KVBENCH_WATCH_LOAD_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "asio/io_context.hpp"
#include "base/clock.h"
#include "tools/kvbench/histogram.h"
#include "tools/kvbench/link.h"
#include "tools/kvbench/load.h"
#include "tools/kvbench/options.h"
#include "tools/kvbench/process_meter.h"

namespace keelson::kvbench {

struct WatchResult {
  Histogram delay;         // from the start of a put to the arrival of its event
  absl::Duration elapsed;  // of the measurement, until the last event
  uint64_t missing = 0;    // events that did not come
  absl::Status failure;    // of a stream
  LoadResult puts;
  Cost cost;
};

class WatchLoad {
 public:
  // All outlive this. `put_links` carry the puts, `watch_links` the streams.
  WatchLoad(asio::io_context* loop, const Clock* clock, const Options& options, Links* put_links,
            Links* watch_links, ProcessMeter* meter);
  ~WatchLoad();
  WatchLoad(const WatchLoad&) = delete;
  WatchLoad& operator=(const WatchLoad&) = delete;

  // Runs the loop until all events arrived, or none did for the timeout.
  WatchResult Run();

 private:
  class Stream;

  void OnMessage(std::string_view message);
  void OnStreamEnd(const absl::Status& status);
  void BeginMeasuring();

  asio::io_context* const loop_;
  const Clock* const clock_;
  const Options options_;
  Links* const put_links_;
  ProcessMeter* const meter_;
  std::vector<std::unique_ptr<Stream>> streams_;
  const uint64_t watchers_;  // of all streams
  uint64_t created_ = 0;
  uint64_t events_ = 0;  // in all phases
  bool measuring_ = false;
  absl::Duration measuring_since_;
  absl::Duration last_event_;
  WatchResult result_;
};

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_WATCH_LOAD_H_
