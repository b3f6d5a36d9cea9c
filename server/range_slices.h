// RangeSlices: a range read piece by piece, so that whoever reads a million keys does not keep the
// loop from everybody else: in key order, at one revision, which stays readable until the end.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_RANGE_SLICES_H_
#define KEELSON_SERVER_RANGE_SLICES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/etcd/rpc.pb.h"
#include "storage/store.h"

namespace keelson::server {

class RangeSlices {
 public:
  // Whether `request` can be read so: in key order and unfiltered.
  static bool CanRead(const etcdserverpb::RangeRequest& request);

  // As of now, where the request names no revision. REQUIRES: CanRead, or that it only counts.
  RangeSlices(storage::Store* store, etcdserverpb::RangeRequest request);

  struct Slice {
    std::string kvs;  // encoded, as they lie in a RangeResponse
    bool at_end;
    bool more;  // valid at the end: there are keys beyond the request's limit
  };
  // The next `keys_max` keys. Errors: as Store::Range.
  absl::StatusOr<Slice> Next(int64_t keys_max);
  // Keys of the whole range; valid after the first slice.
  int64_t count() const { return count_; }

 private:
  storage::Store* const store_;
  etcdserverpb::RangeRequest request_;  // of what is left
  std::unique_ptr<storage::Store::Pin> pin_;
  int64_t left_;        // of the limit; -1: no limit
  int64_t count_ = -1;  // -1: not known yet
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_RANGE_SLICES_H_
