// Pipeline: many writes in flight at once, bounded, for loading data quickly. Writes may be done in
// another order than they were handed in, so the same key twice in a pipeline is the caller's affair.
// Used by one thread at a time.
#ifndef KEELSON_CLIENT_PIPELINE_H_
#define KEELSON_CLIENT_PIPELINE_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "client/kv.h"

namespace keelson::client {

class Pipeline {
 public:
  // At most `in_flight_max` calls at a time. REQUIRES: in_flight_max > 0.
  Pipeline(Kv& kv, int in_flight_max, CallOptions options)
      : kv_(kv), in_flight_max_(in_flight_max), options_(options) {}
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  // Waits for what is in flight.
  ~Pipeline() { Finish().IgnoreError(); }

  // Blocks while the pipeline is full. Returns the first failure there was so far; the write is then
  // not sent.
  absl::Status Put(etcdserverpb::PutRequest request);
  // A transaction that does not succeed counts as done: whether it did is in nobody's hands here.
  absl::Status Txn(etcdserverpb::TxnRequest request);
  // Waits until nothing is in flight and returns the first failure.
  absl::Status Finish();
  // Calls that were answered OK.
  int64_t done() const;

 private:
  absl::Status Admit();
  void OnDone(const absl::Status& status);

  Kv& kv_;
  const int in_flight_max_;
  const CallOptions options_;

  mutable absl::Mutex mutex_;
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // the first one; stays
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_PIPELINE_H_
