// The simple format: for people and for shell scripts.
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/printer.h"
#include "tools/kvctl/rows.h"

namespace keelson::kvctl {
namespace {

class SimplePrinter final : public Printer {
 public:
  SimplePrinter(const PrinterOptions& options, std::ostream& out, std::ostream& err)
      : Printer("simple", out), hex_(options.hex), err_(err) {}

  Exit Get(const etcdserverpb::RangeResponse& response) override {
    for (const mvccpb::KeyValue& kv : response.kvs()) Pair(kv);
    return Ok();
  }

  Exit Put(const etcdserverpb::PutResponse& response) override {
    out() << "OK\n";
    if (response.has_prev_kv()) Pair(response.prev_kv());
    return Ok();
  }

  Exit Del(const etcdserverpb::DeleteRangeResponse& response) override {
    out() << response.deleted() << "\n";
    for (const mvccpb::KeyValue& kv : response.prev_kvs()) Pair(kv);
    return Ok();
  }

  Exit Txn(const etcdserverpb::TxnResponse& response) override {
    out() << (response.succeeded() ? "SUCCESS\n" : "FAILURE\n");
    for (const etcdserverpb::ResponseOp& op : response.responses()) {
      out() << "\n";
      KVCTL_RETURN_IF_FAILED(Op(op));
    }
    return Ok();
  }

  Exit Watch(const etcdserverpb::WatchResponse& response) override {
    for (const mvccpb::Event& event : response.events()) {
      out() << mvccpb::Event::EventType_Name(event.type()) << "\n";
      if (event.has_prev_kv()) Pair(event.prev_kv());
      Pair(event.kv());
    }
    return Ok();
  }

  Exit LeaseGrant(const etcdserverpb::LeaseGrantResponse& response) override {
    out() << absl::StreamFormat("lease %016x granted with TTL(%ds)\n",
                                static_cast<uint64_t>(response.id()), response.ttl());
    return Ok();
  }

  Exit LeaseRevoke(int64_t id, const etcdserverpb::LeaseRevokeResponse&) override {
    out() << absl::StreamFormat("lease %016x revoked\n", static_cast<uint64_t>(id));
    return Ok();
  }

  Exit LeaseKeepAlive(const etcdserverpb::LeaseKeepAliveResponse& response) override {
    out() << absl::StreamFormat("lease %016x keepalived with TTL(%d)\n",
                                static_cast<uint64_t>(response.id()), response.ttl());
    return Ok();
  }

  Exit LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveResponse& response,
                       bool with_keys) override {
    const auto id = static_cast<uint64_t>(response.id());
    if (response.grantedttl() == 0 && response.ttl() == -1) {
      out() << absl::StreamFormat("lease %016x already expired\n", id);
      return Ok();
    }
    out() << absl::StreamFormat("lease %016x granted with TTL(%ds), remaining(%ds)", id,
                                response.grantedttl(), response.ttl());
    if (with_keys) out() << ", attached keys([" << absl::StrJoin(response.keys(), " ") << "])";
    out() << "\n";
    return Ok();
  }

  Exit LeaseList(const etcdserverpb::LeaseLeasesResponse& response) override {
    out() << "found " << response.leases_size() << " leases\n";
    for (const etcdserverpb::LeaseStatus& lease : response.leases()) {
      out() << absl::StreamFormat("%016x\n", static_cast<uint64_t>(lease.id()));
    }
    return Ok();
  }

  Exit MemberList(const etcdserverpb::MemberListResponse& response) override {
    return Join(MemberRows(response));
  }

  Exit MemberAdd(const etcdserverpb::MemberAddResponse& response) override {
    return Member(response.member().id(),
                  response.member().islearner() ? "added as learner to" : "added to",
                  response.header());
  }
  Exit MemberRemove(uint64_t id, const etcdserverpb::MemberRemoveResponse& response) override {
    return Member(id, "removed from", response.header());
  }
  Exit MemberUpdate(uint64_t id, const etcdserverpb::MemberUpdateResponse& response) override {
    return Member(id, "updated in", response.header());
  }
  Exit MemberPromote(uint64_t id, const etcdserverpb::MemberPromoteResponse& response) override {
    return Member(id, "promoted in", response.header());
  }
  Exit MoveLeader(uint64_t from, uint64_t to, const etcdserverpb::MoveLeaderResponse&) override {
    out() << absl::StreamFormat("Leadership transferred from %x to %x\n", from, to);
    return Ok();
  }

  Exit Health(const std::vector<EndpointHealth>& endpoints) override {
    for (const EndpointHealth& health : endpoints) {
      if (health.error.empty()) {
        out() << health.endpoint << " is healthy: successfully committed proposal: took = "
              << FormatGoDuration(health.took) << "\n";
      } else {
        err_ << health.endpoint << " is unhealthy: failed to commit proposal: " << health.error
             << "\n";
      }
    }
    return Ok();
  }

  Exit Status(const std::vector<EndpointStatus>& endpoints) override {
    return Join(StatusRows(endpoints));
  }

  Exit HashKv(const std::vector<EndpointHash>& endpoints) override {
    return Join(HashRows(endpoints));
  }

  Exit SnapshotStatus(const struct SnapshotStatus& status) override {
    return Join(SnapshotRows(status));
  }

  Exit Alarm(const etcdserverpb::AlarmResponse& response) override {
    for (const etcdserverpb::AlarmMember& alarm : response.alarms()) {
      // The text form of the message, with its trailing space.
      if (alarm.memberid() != 0) out() << "memberID:" << alarm.memberid() << " ";
      if (alarm.alarm() != 0)
        out() << "alarm:" << etcdserverpb::AlarmType_Name(alarm.alarm()) << " ";
      out() << "\n";
    }
    return Ok();
  }

 private:
  Exit Member(uint64_t id, const char* what, const etcdserverpb::ResponseHeader& header) {
    out() << absl::StreamFormat("Member %16x %s cluster %16x\n", id, what, header.cluster_id());
    return Ok();
  }

  void Pair(const mvccpb::KeyValue& kv) {
    if (!values_only()) out() << (hex_ ? HexEscape(kv.key()) : kv.key()) << "\n";
    out() << (hex_ ? HexEscape(kv.value()) : kv.value()) << "\n";
  }

  Exit Op(const etcdserverpb::ResponseOp& op) {
    switch (op.response_case()) {
      case etcdserverpb::ResponseOp::kResponseRange:
        return Get(op.response_range());
      case etcdserverpb::ResponseOp::kResponsePut:
        return Put(op.response_put());
      case etcdserverpb::ResponseOp::kResponseDeleteRange:
        return Del(op.response_delete_range());
      case etcdserverpb::ResponseOp::kResponseTxn:
        return Txn(op.response_txn());
      default:
        return Failed("unexpected response in a transaction");
    }
  }

  Exit Join(const Rows& rows) {
    for (const auto& row : rows.rows) out() << absl::StrJoin(row, ", ") << "\n";
    return Ok();
  }

  const bool hex_;
  std::ostream& err_;
};

}  // namespace

std::unique_ptr<Printer> MakeSimplePrinter(const PrinterOptions& options, std::ostream& out,
                                           std::ostream& err) {
  return std::make_unique<SimplePrinter>(options, out, err);
}

}  // namespace keelson::kvctl
