#include "apiserver/registry/compactor.h"

#include <cstdint>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "client/client.h"

namespace keelson::registry {
namespace {

constexpr char kKey[] = "compact_rev_key";

}  // namespace

// The key's version counts the rounds. Who moves it on, by a transaction that compares it, has the
// round, and compacts up to the revision that was the newest one a round ago.
class Compactor::Impl {
 public:
  Impl(client::Client* store, absl::Duration interval)
      : store_(store), interval_(interval), thread_([this] { Run(); }) {}
  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    thread_.join();
  }

 private:
  void Run() {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        if (mutex_.AwaitWithTimeout(absl::Condition(&stopped_), interval_)) return;
      }
      // What failed, or another server did, comes again with the next round.
      Round().IgnoreError();
    }
  }

  absl::Status Round() {
    etcdserverpb::TxnRequest txn;
    etcdserverpb::Compare& compare = *txn.add_compare();
    compare.set_key(kKey);
    compare.set_target(etcdserverpb::Compare::VERSION);
    compare.set_result(etcdserverpb::Compare::EQUAL);
    compare.set_version(version_);
    etcdserverpb::PutRequest& put = *txn.add_success()->mutable_request_put();
    put.set_key(kKey);
    put.set_value(std::to_string(newest_));
    txn.add_failure()->mutable_request_range()->set_key(kKey);
    KV_ASSIGN_OR_RETURN(const etcdserverpb::TxnResponse response, store_->kv().Txn(txn));
    const int64_t compacted = newest_;
    newest_ = response.header().revision();
    if (!response.succeeded()) {
      if (response.responses_size() > 0 && !response.responses(0).response_range().kvs().empty()) {
        version_ = response.responses(0).response_range().kvs(0).version();
      }
      return absl::OkStatus();
    }
    ++version_;
    if (compacted == 0) return absl::OkStatus();  // nothing is known of a round ago
    etcdserverpb::CompactionRequest request;
    request.set_revision(compacted);
    return store_->kv().Compact(request).status();
  }

  client::Client* const store_;
  const absl::Duration interval_;
  int64_t version_ = 0;  // of the key, as last seen
  int64_t newest_ = 0;   // the store's revision in the last round
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

Compactor::Compactor(client::Client* store, absl::Duration interval)
    : impl_(std::make_unique<Impl>(store, interval)) {}
Compactor::~Compactor() = default;

}  // namespace keelson::registry
