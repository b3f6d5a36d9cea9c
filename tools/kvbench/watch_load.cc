#include "tools/kvbench/watch_load.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tools/kvbench/etcd_messages.h"
#include "tools/kvbench/workload.h"

namespace keelson::kvbench {

class WatchLoad::Stream final : public http::ClientStreamHandler {
 public:
  explicit Stream(WatchLoad* load) : load_(load) {}

  bool Open(Link* link, std::string_view requests) {
    return link->connection->Open(*link->watch, requests, http::EndStream::kNo, this) != 0;
  }

 private:
  void OnField(http::FieldBlock block, std::string_view name, std::string_view value) override {
    status_.OnField(name, value);
  }
  void OnData(std::string_view bytes) override {
    const bool ok = cutter_.Feed(
        bytes, [this](std::string_view message) { load_->OnMessage(message); });
    if (!ok) load_->OnStreamEnd(absl::InternalError("a stream is not a sequence of messages"));
  }
  void OnClose(http::ClientStreamEnd end) override {
    const absl::Status status = status_.Get(end);
    load_->OnStreamEnd(status.ok() ? absl::InternalError("a watch stream ended") : status);
  }

  WatchLoad* const load_;
  AnswerStatus status_;
  MessageCutter cutter_;
};

WatchLoad::WatchLoad(asio::io_context* loop, const Clock* clock, const Options& options,
                     Links* put_links, Links* watch_links, ProcessMeter* meter)
    : loop_(loop),
      clock_(clock),
      options_(options),
      put_links_(put_links),
      meter_(meter),
      watchers_(uint64_t{options.streams} * options.watchers) {
  std::string requests;
  Workload workload(options);
  for (uint32_t id = 1; id <= options.watchers; ++id) {
    AppendWatchCreate(requests, workload.Key(0), id);
  }
  for (uint32_t i = 0; i < options.streams; ++i) {
    streams_.push_back(std::make_unique<Stream>(this));
    if (!streams_.back()->Open((*watch_links)[i % watch_links->size()].get(), requests)) {
      OnStreamEnd(absl::UnavailableError("a connection takes no more streams"));
    }
  }
}

WatchLoad::~WatchLoad() = default;

WatchResult WatchLoad::Run() {
  const auto failed = [this] { return !result_.failure.ok(); };
  if (!RunLoop(loop_, options_.timeout, [&] { return failed() || created_ == watchers_; })) {
    OnStreamEnd(absl::DeadlineExceededError("creating the watchers takes too long"));
  }
  if (failed()) return std::move(result_);

  Load puts(loop_, clock_, options_, put_links_,
            {.measuring_begins = [this] { BeginMeasuring(); }, .measuring_ends = nullptr});
  result_.puts = puts.Run();
  const uint64_t expected = result_.puts.succeeded * watchers_;
  uint64_t seen = 0;
  do {  // as long as any come
    seen = events_;
    RunLoop(loop_, options_.timeout, [&] { return failed() || events_ >= expected; });
  } while (!failed() && events_ < expected && events_ > seen);

  result_.cost = meter_->Stop();
  result_.elapsed = last_event_ - measuring_since_;
  result_.missing = expected - std::min(expected, events_);
  return std::move(result_);
}

void WatchLoad::BeginMeasuring() {
  measuring_ = true;
  measuring_since_ = last_event_ = clock_->Now();
  meter_->Start();
}

void WatchLoad::OnMessage(std::string_view message) {
  const absl::Duration now = clock_->Now();
  const auto answer = ReadWatch(message, [this, now](std::string_view value) {
    const auto put = Workload::PutTime(value);
    if (measuring_ && put) result_.delay.Record(now - *put);
  });
  if (!answer) return OnStreamEnd(absl::InternalError("an answer is not a WatchResponse"));
  if (answer->canceled) {
    std::string why = "a watch was cancelled: ";
    return OnStreamEnd(absl::CancelledError(why.append(answer->cancel_reason)));
  }
  if (answer->created) ++created_;
  events_ += answer->events;
  last_event_ = now;
}

void WatchLoad::OnStreamEnd(const absl::Status& status) {
  if (result_.failure.ok()) result_.failure = status;
}

}  // namespace keelson::kvbench
