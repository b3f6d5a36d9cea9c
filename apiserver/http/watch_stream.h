// Watches: the changes of a kind as an answer without end. WatchStreams keeps all open ones; each
// reads from its kind's cache at its own pace and is ended when it falls out of the window.
//
// Thread: the loop, but PlanWatch's result may be made anywhere.
#ifndef KEELSON_APISERVER_HTTP_WATCH_STREAM_H_
#define KEELSON_APISERVER_HTTP_WATCH_STREAM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/field_selector.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/labels.h"
#include "apiserver/http/negotiation.h"
#include "apiserver/registry/watch_cache.h"
#include "asio/io_context.hpp"
#include "http/stream.h"

namespace keelson::apiserver {

struct WatchPlan {
  const api::Kind* kind = nullptr;
  registry::WatchCache* cache = nullptr;
  std::string name_space = {};
  api::LabelSelector labels = {};
  api::FieldSelector fields = {};
  Negotiated form = {};
  std::string include_object = "Metadata";  // of tables
  // Sent first, as ADDED.
  std::vector<registry::EntryPtr> initial = {};
  uint64_t position = 0;  // where to read on
  int64_t revision = 0;   // as of which `initial` is
  bool bookmarks = false;
  bool initial_events_end = false;  // a bookmark says where `initial` ends
  absl::Duration timeout = absl::Minutes(30);
};

class WatchStreams {
 public:
  explicit WatchStreams(asio::io_context* loop);
  ~WatchStreams();

  // Answers `stream` with the watch. The result takes the stream's callbacks from then on.
  std::shared_ptr<http::StreamHandler> Start(http::Stream* stream, WatchPlan plan);
  // Ends all, as a timeout would, and those that are still to be started.
  void EndAll();
  size_t size() const;

 private:
  class One;
  class Tap;
  Tap& TapOf(registry::WatchCache* cache);

  asio::io_context* const loop_;
  bool ended_ = false;
  std::map<registry::WatchCache*, std::unique_ptr<Tap>> taps_;
};

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_WATCH_STREAM_H_
