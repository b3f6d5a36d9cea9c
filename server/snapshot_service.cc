// Maintenance.Snapshot: the state of this member as a stream (docs/on-disk-format.md, "Snapshot"),
// in pieces that say how much is left, and last the SHA-256 of all of it, as etcd sends its
// database. The client's pace is the stream's; one that does not read for a while is let go,
// because what it reads holds disk space.
#include <memory>
#include <string>
#include <utility>

#include "proto/etcd/rpc.pb.h"
#include "server/errors.h"
#include "server/services.h"
#include "server/sha256.h"
#include "server/version.h"

namespace keelson::server {
namespace {

using etcdserverpb::SnapshotResponse;
using rpc::Call;

constexpr size_t kQueuedBytesMax = 2 << 20;
constexpr uint64_t kPieceBytes = 256 << 10;
constexpr absl::Duration kStalledMax = absl::Minutes(1);
constexpr int kStreamsMax = 4;  // each is a checkpoint of its own

// Read on the worker, one piece at a time; between pieces it belongs to the stream.
struct Reading {
  explicit Reading(SnapshotKeeper::CheckpointPtr c)
      : checkpoint(std::move(c)), source(checkpoint->NewSource()) {}
  SnapshotKeeper::CheckpointPtr checkpoint;
  std::unique_ptr<storage::SnapshotSource> source;
  Sha256 sum;
  uint64_t offset = 0;
};

class SnapshotStream final : public rpc::StreamReceiver {
 public:
  SnapshotStream(MemberCore* core, const SnapshotAccess& access, std::shared_ptr<Call> call,
                 std::shared_ptr<int> places)
      : access_(access),
        call_(std::move(call)),
        places_(std::move(places)),
        stalled_(core->NewTimer()),
        alive_(std::make_shared<int>()) {
    ++*places_;
    access_.keeper->MakeCheckpoint([this, alive = std::weak_ptr<int>(alive_)](
                                       absl::StatusOr<SnapshotKeeper::CheckpointPtr> made) {
      if (alive.expired()) return;
      if (!made.ok()) return End(FromStorage(made.status()));
      reading_ = std::make_unique<Reading>(*std::move(made));
      ReadNext();
    });
  }
  ~SnapshotStream() override {
    --*places_;
    Release();
  }

  void OnMessage(SharedBytes) override {}
  void OnHalfClose() override {}
  void OnCancel() override {
    alive_.reset();
    stalled_->Cancel();
    Release();
  }
  void OnWritable() override { ReadNext(); }

 private:
  // The reading is on the worker, or there is none any more, or the client is behind.
  void ReadNext() {
    if (!reading_) return;
    if (call_->queued_bytes() > kQueuedBytesMax) {
      stalled_->Arm(kStalledMax, [this] {
        End(absl::AbortedError("etcdserver: the reader of the snapshot is too slow"));
      });
      return;
    }
    stalled_->Cancel();
    access_.worker->Post([core = access_.core, reading = std::move(reading_), this,
                          alive = std::weak_ptr<int>(alive_)]() mutable {
      auto piece = reading->source->Read(reading->offset, kPieceBytes);
      if (piece.ok()) reading->sum.Add(*piece);
      core->Post([this, piece = std::move(piece), reading = std::move(reading), alive]() mutable {
        if (!alive.expired()) OnPiece(std::move(piece), std::move(reading));
      });
    });
  }

  void OnPiece(absl::StatusOr<std::string> piece, std::unique_ptr<Reading> reading) {
    reading_ = std::move(reading);
    if (!piece.ok()) return End(FromStorage(piece.status()));
    reading_->offset += piece->size();
    const uint64_t left = reading_->source->bytes() - reading_->offset;
    Send(*std::move(piece), left);
    if (left > 0) return ReadNext();
    Send(reading_->sum.Finish(), 0);
    End(absl::OkStatus());
  }

  void Send(std::string blob, uint64_t left) {
    SnapshotResponse response;
    response.set_remaining_bytes(left);
    response.set_blob(std::move(blob));
    response.set_version(kEtcdVersion);
    call_->Send(ByteChain(response.SerializeAsString()));
  }

  void End(const absl::Status& status) {
    alive_.reset();
    stalled_->Cancel();
    Release();
    call_->Finish(status);
  }

  // Its end removes files, which waits for the disk.
  void Release() {
    if (reading_) access_.worker->Post([reading = std::move(reading_)] {});
  }

  const SnapshotAccess access_;
  const std::shared_ptr<Call> call_;
  const std::shared_ptr<int> places_;  // how many streams there are
  const std::unique_ptr<Timer> stalled_;
  std::shared_ptr<int> alive_;
  std::unique_ptr<Reading> reading_;
};

}  // namespace

void RegisterSnapshot(MemberCore* core, SnapshotAccess access, rpc::RpcServer* server) {
  const auto places = std::make_shared<int>(0);
  server->RegisterServerStream(
      "/etcdserverpb.Maintenance/Snapshot",
      [core, access, places](std::shared_ptr<Call> call,
                             SharedBytes bytes) -> std::unique_ptr<rpc::StreamReceiver> {
        etcdserverpb::SnapshotRequest request;
        if (!ParseRequest(*call, bytes, request)) return nullptr;
        if (*places >= kStreamsMax) {
          call->Finish(ErrTooManyRequests());
          return nullptr;
        }
        return std::make_unique<SnapshotStream>(core, access, std::move(call), places);
      });
}

}  // namespace keelson::server
