// Random changes, compactions, watchers and slow clients on a WatchHub over the real store; what
// every watcher was sent is compared with the list of all events: in order, each once, none left
// out, a revision whole.
//
//   KEELSON_ROUNDS=1000 KEELSON_SEED=7 server_test --gtest_filter='WatchHubPropertyTest.*'

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/testing/manual_executor.h"
#include "server/testing/recording_sink.h"
#include "server/testing/seed.h"
#include "server/watch_hub.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchResponse;
using storage::KeyRange;

struct Change {
  int64_t revision = 0;
  bool is_delete = false;
  std::string key, value;
  std::optional<std::string> previous;
};

// What a watcher must have been sent so far.
struct Expected {
  WatchCreateRequest request;
  size_t next = 0;  // place in the list of changes of the next one it may get
  int64_t start = 0;
  int64_t last_header = 0;
  bool within_fragments = false;
  bool cancelled = false;
};

class WatchHubSimulation {
 public:
  explicit WatchHubSimulation(uint64_t seed) : random_(seed) {
    auto store = storage::Store::Open({.directory = directory_.File("store")});
    KV_CHECK(store.ok()) << store.status();
    store_ = *std::move(store);
    WatchHubOptions options;
    options.catch_up_revisions = 1 + static_cast<int64_t>(Below(8));
    options.catch_up_bytes = OneIn(2) ? 1 + Below(100) : 1 << 20;
    options.fragment_bytes = 1 + Below(120);
    options.progress_interval = absl::Seconds(5);
    hub_ = std::make_unique<WatchHub>(options, store_.get(), &executor_, &random_, [this] {
      return Header{1, NodeId(2), store_->revision(), {}};
    });
    for (int i = 0; i < 3; ++i) clients_.push_back(std::make_unique<Client>(hub_.get()));
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) Step();
    // At the end everybody reads on, and nothing may be missing.
    for (auto& client : clients_) Read(*client, -1);
    executor_.RunPosted();
    for (auto& client : clients_) {
      CheckResponses(*client);
      for (const auto& [id, watcher] : client->watchers) {
        if (watcher.cancelled) continue;
        EXPECT_EQ(NextFor(watcher), changes_.size()) << "watcher " << id << " lacks events";
      }
    }
  }

 private:
  struct Client {
    explicit Client(WatchHub* hub) : stream(hub->Open(&sink)) {}
    RecordingSink sink;
    std::unique_ptr<WatchHub::Stream> stream;
    std::map<int64_t, Expected> watchers;  // by id
    std::optional<WatchCreateRequest> creating;
    int64_t next_id = 1;
  };

  uint64_t Below(uint64_t n) { return random_.Below(n); }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::string Key() { return std::string(1, static_cast<char>('a' + Below(6))); }
  Client& AnyClient() { return *clients_[Below(clients_.size())]; }

  void Step() {
    const uint64_t dice = Below(100);
    if (dice < 40) {
      Group();
    } else if (dice < 55) {
      Create(AnyClient());
    } else if (dice < 60) {
      Cancel(AnyClient());
    } else if (dice < 75) {
      Read(AnyClient(), OneIn(2) ? -1 : static_cast<int64_t>(Below(4)));
    } else if (dice < 90) {
      executor_.RunOne();
    } else if (dice < 94) {
      AnyClient().stream->RequestProgress();
    } else if (dice < 96) {
      KV_CHECK(store_->CompactStep(1 + static_cast<int64_t>(Below(10))).ok());
    } else if (dice < 98) {
      Reopen();
    } else {
      clock_.Advance(absl::Seconds(3));
      executor_.RunTimers();
    }
    for (auto& client : clients_) CheckResponses(*client);
  }

  // ---------------------------------------------------------------------------------- changes

  void Group() {
    std::vector<storage::StoredEvent> events;
    for (uint64_t entries = 1 + Below(3); entries > 0; --entries) {
      store_->BeginEntry(store_->applied() + 1, Term(1));
      const int64_t revision = store_->revision().value() + 1;
      if (OneIn(10)) {
        CompactInEntry();
      } else {
        const std::map<std::string, std::string> before = live_;
        std::set<std::string> touched;
        for (uint64_t n = 1 + Below(3); n > 0; --n) ChangeInEntry(revision, before, touched);
      }
      for (auto& event : store_->EndEntry()) events.push_back(std::move(event));
    }
    KV_CHECK(store_->CommitBatch().ok());
    hub_->OnEvents(events, store_->revision());
  }
  // As in a txn: a key is put once and not after it was deleted. The previous value is that before
  // the whole revision, as in etcd.
  void ChangeInEntry(int64_t revision, const std::map<std::string, std::string>& before,
                     std::set<std::string>& touched) {
    const auto add = [&](bool is_delete, const std::string& key, const std::string& value) {
      const auto old = before.find(key);
      changes_.push_back({revision, is_delete, key, value,
                          old == before.end() ? std::nullopt : std::optional(old->second)});
      touched.insert(key);
    };
    const std::string key = Key();
    if (!OneIn(3)) {
      if (touched.contains(key)) return;
      const std::string value = std::to_string(++last_value_);
      KV_CHECK(store_->Put(key, value, {}, false).ok());
      add(false, key, value);
      live_[key] = value;
      return;
    }
    const std::string end = OneIn(2) ? "" : Key();
    const KeyRange range = KeyRange::FromWire(key, end);
    KV_CHECK(store_->DeleteRange(range, false).ok());
    for (auto it = live_.begin(); it != live_.end();) {
      if (!range.Contains(it->first)) {
        ++it;
        continue;
      }
      add(true, it->first, "");
      it = live_.erase(it);
    }
  }
  void CompactInEntry() {
    const int64_t compacted = store_->compacted().value();
    const int64_t current = store_->revision().value();
    if (current <= compacted) return;
    const int64_t ahead_max = std::min<int64_t>(current - compacted, 9);
    const auto ahead = static_cast<int64_t>(Below(static_cast<uint64_t>(ahead_max)));
    KV_CHECK(store_->Compact(Revision(compacted + 1 + ahead)).ok());
  }

  // ---------------------------------------------------------------------------------- clients

  void Create(Client& client) {
    if (client.watchers.size() > 6) return;
    WatchCreateRequest request;
    request.set_key(Key());
    if (OneIn(2)) request.set_range_end(OneIn(3) ? std::string(1, '\0') : Key() + "z");
    if (request.range_end().size() > 1 && request.range_end() <= request.key()) return;
    const int64_t current = store_->revision().value();
    const auto past_and_future = static_cast<uint64_t>(current) + 4;
    if (OneIn(2)) request.set_start_revision(1 + static_cast<int64_t>(Below(past_and_future)));
    request.set_watch_id(client.next_id++);
    request.set_prev_kv(OneIn(2));
    request.set_fragment(OneIn(2));
    request.set_progress_notify(OneIn(2));
    if (OneIn(4)) request.add_filters(WatchCreateRequest::NOPUT);
    if (OneIn(4)) request.add_filters(WatchCreateRequest::NODELETE);
    Expected expected;
    expected.request = request;
    expected.start = request.start_revision() > 0 ? request.start_revision() : current + 1;
    client.watchers[request.watch_id()] = expected;
    client.stream->Create(request);
  }
  void Cancel(Client& client) {
    if (client.watchers.empty()) return;
    const int64_t id =
        std::next(client.watchers.begin(), static_cast<int64_t>(Below(client.watchers.size())))
            ->first;
    CheckResponses(client);
    client.watchers.erase(id);
    client.stream->Cancel(id);
    // Its last answer; that of one the hub cancelled itself came before.
    auto responses = client.sink.TakeResponses();
    for (const WatchResponse& response : responses) {
      EXPECT_TRUE(response.watch_id() == id && response.canceled());
    }
    EXPECT_LE(responses.size(), 1u);
  }
  void Read(Client& client, int64_t count) {
    client.sink.AllowWrites(count);
    if (count != 0) client.stream->OnWritable();
  }
  // A client that goes and comes back as a new one.
  void Reopen() {
    auto& client = clients_[Below(clients_.size())];
    client.reset();
    client = std::make_unique<Client>(hub_.get());
  }

  // ----------------------------------------------------------------------------------- checks

  static bool Wants(const Expected& watcher, const Change& change) {
    const auto& filters = watcher.request.filters();
    const int filter = change.is_delete ? WatchCreateRequest::NODELETE : WatchCreateRequest::NOPUT;
    return change.revision >= watcher.start &&
           KeyRange::FromWire(watcher.request.key(), watcher.request.range_end())
               .Contains(change.key) &&
           std::find(filters.begin(), filters.end(), filter) == filters.end();
  }
  // The place of the next change that it wants.
  size_t NextFor(const Expected& watcher) const {
    size_t i = watcher.next;
    while (i < changes_.size() && !Wants(watcher, changes_[i])) ++i;
    return i;
  }

  void CheckResponses(Client& client) {
    for (const WatchResponse& response : client.sink.TakeResponses()) {
      SCOPED_TRACE(RecordingSink::Describe(response));
      if (response.watch_id() == -1) {
        for (const auto& [id, watcher] : client.watchers) {
          CheckNothingLacks(watcher, response.header().revision());
        }
        continue;
      }
      const auto it = client.watchers.find(response.watch_id());
      ASSERT_NE(it, client.watchers.end()) << "of no watcher";
      Expected& watcher = it->second;
      ASSERT_FALSE(watcher.cancelled) << "after its end";
      if (response.created()) continue;
      if (response.canceled()) {
        CheckCompacted(watcher, response);
        watcher.cancelled = true;
        continue;
      }
      CheckEvents(watcher, response);
    }
  }

  // Progress: all up to `revision` has been sent.
  void CheckNothingLacks(const Expected& watcher, int64_t revision) const {
    if (watcher.cancelled) return;
    const size_t next = NextFor(watcher);
    EXPECT_TRUE(next == changes_.size() || changes_[next].revision > revision);
  }
  void CheckCompacted(const Expected& watcher, const WatchResponse& response) const {
    EXPECT_GT(response.compact_revision(), 0);
    EXPECT_LE(response.compact_revision(), store_->compacted().value());
    // It could not have gone on: what it lacks reaches below the compaction.
    const int64_t needs = watcher.next == 0
                              ? watcher.start
                              : std::max(watcher.start, changes_[watcher.next - 1].revision);
    EXPECT_LT(needs, response.compact_revision());
  }

  void CheckEvents(Expected& watcher, const WatchResponse& response) {
    if (response.events_size() == 0) {
      EXPECT_TRUE(watcher.request.progress_notify());
      CheckNothingLacks(watcher, response.header().revision());
      return;
    }
    for (const mvccpb::Event& event : response.events()) {
      watcher.next = NextFor(watcher);
      ASSERT_LT(watcher.next, changes_.size()) << "more than there was";
      CheckEvent(watcher, event, changes_[watcher.next]);
      ++watcher.next;
    }
    const int64_t last = changes_[watcher.next - 1].revision;
    EXPECT_GE(response.header().revision(), last);
    EXPECT_GE(response.header().revision(), watcher.last_header);
    watcher.last_header = response.header().revision();
    if (response.fragment()) {
      EXPECT_TRUE(watcher.request.fragment());
      return;
    }
    const size_t next = NextFor(watcher);
    EXPECT_TRUE(next == changes_.size() || changes_[next].revision > last) << "revision torn";
  }

  void CheckEvent(const Expected& watcher, const mvccpb::Event& event, const Change& change) const {
    EXPECT_EQ(event.kv().mod_revision(), change.revision);
    EXPECT_EQ(event.kv().key(), change.key);
    EXPECT_EQ(event.type() == mvccpb::Event::DELETE, change.is_delete);
    EXPECT_EQ(event.kv().value(), change.value);
    if (!watcher.request.prev_kv() || !change.previous) {
      EXPECT_FALSE(event.has_prev_kv());
    } else if (event.has_prev_kv()) {
      EXPECT_EQ(event.prev_kv().value(), *change.previous);
    } else {
      EXPECT_LE(change.revision, store_->compacted().value()) << "previous value lost";
    }
  }

  SeededRandom random_;
  const storage::TemporaryDirectory directory_;
  FakeClock clock_;
  ManualExecutor executor_{&clock_};
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<WatchHub> hub_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Change> changes_;
  std::map<std::string, std::string> live_;
  int64_t last_value_ = 0;
};

TEST(WatchHubPropertyTest, EveryWatcherGetsEveryChangeOnceInOrderAndWhole) {
  ForSeeds(20, [](uint64_t seed) { WatchHubSimulation(seed).Run(600); });
}

}  // namespace
}  // namespace keelson::server
