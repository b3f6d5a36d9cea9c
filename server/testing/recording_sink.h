// RecordingSink: the client's end of a Watch stream, which keeps the responses and may stop
// reading.
#ifndef KEELSON_SERVER_TESTING_RECORDING_SINK_H_
#define KEELSON_SERVER_TESTING_RECORDING_SINK_H_

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "proto/etcd/rpc.pb.h"
#include "server/watch_hub.h"

namespace keelson::server {

class RecordingSink final : public WatchSink {
 public:
  void Send(ByteChain response) override {
    etcdserverpb::WatchResponse parsed;
    KV_CHECK(parsed.ParseFromString(response.Flatten()));
    responses_.push_back(std::move(parsed));
    if (writes_left_ > 0) --writes_left_;
  }
  bool writable() const override { return writes_left_ != 0; }

  // The client reads `count` more responses and then stops; -1: it reads all.
  void AllowWrites(int64_t count) { writes_left_ = count; }

  std::vector<etcdserverpb::WatchResponse> TakeResponses() { return std::exchange(responses_, {}); }

  // "<id> <what> @<header revision>: <events>" for each response, by "; ".
  std::string Take() {
    std::string text;
    for (const auto& response : TakeResponses()) text += Describe(response) + "; ";
    if (!text.empty()) text.resize(text.size() - 2);
    return text;
  }

  static std::string Describe(const etcdserverpb::WatchResponse& response) {
    std::string text = std::to_string(response.watch_id());
    if (response.created()) text += " created";
    if (response.canceled()) text += " canceled";
    if (response.fragment()) text += " fragment";
    text += " @" + std::to_string(response.header().revision());
    if (response.compact_revision() != 0) {
      text += " compacted " + std::to_string(response.compact_revision());
    }
    if (!response.cancel_reason().empty()) text += " (" + response.cancel_reason() + ")";
    if (response.events_size() > 0) text += ":";
    for (const auto& event : response.events()) text += " " + Describe(event);
    return text;
  }
  // "put k=v<old" or "del k<old".
  static std::string Describe(const mvccpb::Event& event) {
    std::string text = event.type() == mvccpb::Event::PUT
                           ? "put " + event.kv().key() + "=" + event.kv().value()
                           : "del " + event.kv().key();
    if (event.has_prev_kv()) text += "<" + event.prev_kv().value();
    return text;
  }

 private:
  std::vector<etcdserverpb::WatchResponse> responses_;
  int64_t writes_left_ = -1;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_RECORDING_SINK_H_
