#include "server/load_lanes.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "proto/etcd/rpc.pb.h"
#include "server/proto_fields.h"

namespace keelson::server {
namespace {

using etcdserverpb::RangeRequest;
using rpc::Lane;
using rpc::LaneRule;

// A range of at most so many keys is as short a read as a single key.
constexpr uint64_t kShortRangeKeys = 100;

constexpr uint64_t kMemoryMin = uint64_t{64} << 20;
constexpr uint64_t kMemoryMax = uint64_t{1} << 30;
// What an open call costs, its stream and header included, and nothing sent yet.
constexpr uint64_t kCallBytes = 4 << 10;
// Commands under way are in front of those that are vital: no more of them than are soon written.
constexpr uint64_t kWriteBytesMax = 32 << 20;

Lane LaneOfRange(std::string_view request) {
  bool range = false;
  bool reads_all = false;  // to sort or sift
  bool count_only = false;
  uint64_t limit = 0;
  for (ProtoFields fields(request); fields.Next();) {
    switch (fields.number()) {
      case RangeRequest::kRangeEndFieldNumber:
        range = !fields.bytes().empty();
        break;
      case RangeRequest::kLimitFieldNumber:
        limit = fields.varint();
        break;
      case RangeRequest::kCountOnlyFieldNumber:
        count_only = fields.varint() != 0;
        break;
      case RangeRequest::kSortTargetFieldNumber:
      case RangeRequest::kMinModRevisionFieldNumber:
      case RangeRequest::kMaxModRevisionFieldNumber:
      case RangeRequest::kMinCreateRevisionFieldNumber:
      case RangeRequest::kMaxCreateRevisionFieldNumber:
        reads_all = reads_all || fields.varint() != 0;
        break;
      default:
        break;
    }
  }
  if (!range) return Lane::kRead;
  if (reads_all) return Lane::kRange;
  if (count_only) return Lane::kRead;
  return limit == 0 || limit > kShortRangeKeys ? Lane::kRange : Lane::kRead;
}

Lane LaneOfTxn(std::string_view request) {
  using etcdserverpb::RequestOp;
  using etcdserverpb::TxnRequest;
  Lane lane = Lane::kRead;
  for (ProtoFields fields(request); fields.Next();) {
    if (fields.number() != TxnRequest::kSuccessFieldNumber &&
        fields.number() != TxnRequest::kFailureFieldNumber) {
      continue;
    }
    for (ProtoFields op(fields.bytes()); op.Next();) {
      if (op.number() != RequestOp::kRequestRangeFieldNumber) return Lane::kWrite;
      if (LaneOfRange(op.bytes()) == Lane::kRange) lane = Lane::kRange;
    }
  }
  return lane;
}

constexpr std::array<std::pair<std::string_view, LaneRule>, 22> kMethods = {
    {{"/etcdserverpb.KV/Range", {Lane::kRead, LaneOfRange}},
     {"/etcdserverpb.KV/RangeStream", {Lane::kRange}},
     {"/etcdserverpb.KV/Put", {Lane::kWrite}},
     {"/etcdserverpb.KV/DeleteRange", {Lane::kWrite}},
     {"/etcdserverpb.KV/Txn", {Lane::kWrite, LaneOfTxn}},
     {"/etcdserverpb.Lease/LeaseGrant", {Lane::kLease}},
     {"/etcdserverpb.Lease/LeaseRevoke", {Lane::kLease}},
     {"/etcdserverpb.Lease/LeaseTimeToLive", {Lane::kLease}},
     {"/etcdserverpb.Lease/LeaseLeases", {Lane::kRange}},
     {"/etcdserverpb.Lease/LeaseKeepAlive", {Lane::kStream}},
     {"/etcdserverpb.Watch/Watch", {Lane::kStream}},
     {"/etcdserverpb.Maintenance/Hash", {Lane::kRange}},
     {"/etcdserverpb.Maintenance/HashKV", {Lane::kRange}},
     {"/etcdserverpb.Maintenance/Snapshot", {Lane::kStream}},
     {"/etcdserverpb.Auth/Authenticate", {Lane::kLease}},
     {"/grpc.health.v1.Health/Watch", {Lane::kStream}},
     {"/v3electionpb.Election/Campaign", {Lane::kStream}},
     {"/v3electionpb.Election/Leader", {Lane::kRead}},
     {"/v3electionpb.Election/Observe", {Lane::kStream}},
     {"/v3electionpb.Election/Proclaim", {Lane::kLease}},
     {"/v3electionpb.Election/Resign", {Lane::kLease}},
     {"/v3lockpb.Lock/Lock", {Lane::kStream}}}};

}  // namespace

rpc::LaneRule LaneOfMethod(std::string_view method) {
  for (const auto& [name, rule] : kMethods) {
    if (name == method) return rule;
  }
  return {Lane::kVital};
}

uint64_t DefaultClientMemory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return kMemoryMin;
  const uint64_t bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
  return std::clamp(bytes / 8, kMemoryMin, kMemoryMax);
}

rpc::LoadLimits MakeLoadLimits(const LaneWidths& widths) {
  const uint64_t memory = widths.memory_bytes == 0 ? DefaultClientMemory() : widths.memory_bytes;
  rpc::LoadLimits limits;
  limits.calls_max = memory / kCallBytes;
  limits.partial_bytes_max = memory / 8;
  for (rpc::LaneLimits& lane : limits.lanes) {
    lane.running_max = limits.calls_max;
    lane.running_bytes_max = lane.waiting_bytes_max = memory / 16;
    lane.unsent_bytes_max = memory / 8;
    lane.connection_unsent_bytes_max = memory / 32;
    lane.wait_max = widths.wait_max;
  }
  const auto set = [&limits](Lane lane, uint64_t running_max, uint64_t waiting_max) {
    limits[lane].running_max = running_max;
    limits[lane].waiting_max = waiting_max;
  };
  set(Lane::kVital, 1000, 1000);
  set(Lane::kLease, 5000, 5000);
  set(Lane::kWrite, widths.writes_max, widths.writes_max);
  set(Lane::kRead, widths.reads_max, widths.reads_max);
  set(Lane::kRange, widths.ranges_max, 1000);
  limits[Lane::kWrite].running_bytes_max = std::min(memory / 8, kWriteBytesMax);
  limits[Lane::kWrite].waiting_bytes_max = memory / 8;
  limits[Lane::kRange].unsent_bytes_max = memory / 4;
  limits[Lane::kStream].unsent_bytes_max = memory / 4;
  return limits;
}

}  // namespace keelson::server
