#include "server/range_slices.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "server/errors.h"
#include "server/proto_writer.h"

namespace keelson::server {

using etcdserverpb::RangeRequest;

bool RangeSlices::CanRead(const RangeRequest& request) {
  return request.sort_target() == RangeRequest::KEY &&
         request.sort_order() != RangeRequest::DESCEND && request.min_mod_revision() == 0 &&
         request.max_mod_revision() == 0 && request.min_create_revision() == 0 &&
         request.max_create_revision() == 0;
}

RangeSlices::RangeSlices(storage::Store* store, RangeRequest request)
    : store_(store),
      request_(std::move(request)),
      left_(request_.limit() > 0 ? request_.limit() : -1) {
  if (request_.revision() <= 0) request_.set_revision(store->revision().value());
  // A pin keeps what is there, so it must not be put where some of it has gone already.
  const Revision revision(request_.revision());
  if (revision >= store->compacted()) pin_ = store->PinRevision(revision);
}

absl::StatusOr<RangeSlices::Slice> RangeSlices::Next(int64_t keys_max) {
  storage::RangeQuery query;
  query.range = storage::KeyRange::FromWire(request_.key(), request_.range_end());
  query.revision = Revision(request_.revision());
  query.limit = left_ >= 0 ? std::min(left_, keys_max) : keys_max;
  query.keys_only = request_.keys_only();
  query.count_only = request_.count_only();
  query.pinned = pin_ != nullptr;
  Slice slice;
  ProtoWriter writer(&slice.kvs);
  std::string last_key;
  int64_t keys = 0;
  const auto summary = store_->Range(query, [&](std::string_view kv) {
    writer.Message(2, kv);
    if (++keys < query.limit) return;
    storage::KeyValue parsed;
    if (storage::ParseKeyValue(kv, parsed)) last_key = std::string(parsed.key);
  });
  if (!summary.ok()) return FromStorage(summary.status());
  if (count_ < 0) count_ = summary->count;
  if (left_ >= 0) left_ -= keys;
  slice.more = summary->more;
  slice.at_end = query.count_only || !summary->more || left_ == 0;
  if (slice.at_end) {
    pin_.reset();
    return slice;
  }
  // From just behind the last key; a single key never gets here.
  last_key.push_back('\0');
  request_.set_key(std::move(last_key));
  return slice;
}

}  // namespace keelson::server
