#include "tools/kvctl/mirror.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/ops.h"
#include "client/watch.h"

namespace keelson::kvctl {
namespace {

constexpr int64_t kPageKeys = 1000;
// A transaction is sent when it has this many bytes; a server refuses more than 1.5 MiB.
constexpr size_t kBatchBytesMax = 512 << 10;

// [first, second) as a request has it.
std::pair<std::string, std::string> RangeOf(const std::string& prefix) {
  if (prefix.empty()) return {std::string(client::kFromKey), std::string(client::kFromKey)};
  return {prefix, client::PrefixEnd(prefix)};
}

absl::Status AtDestination(const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("destination: ", status.message()));
}

}  // namespace

std::string MirroredKey(const MirrorOptions& options, const std::string& key) {
  return absl::StrCat(options.dest_prefix, key.substr(options.prefix.size()));
}

Mirror::Mirror(client::Client& source, client::Client& destination, MirrorOptions options,
               std::function<void(int64_t)> on_report)
    : source_(source),
      destination_(destination),
      options_(std::move(options)),
      on_report_(std::move(on_report)),
      next_report_(clock_.Now() + kReportInterval) {}

absl::StatusOr<int64_t> Mirror::CopyAll() {
  etcdserverpb::RangeRequest request;
  std::tie(*request.mutable_key(), *request.mutable_range_end()) = RangeOf(options_.prefix);
  const auto copy_page = [&](const etcdserverpb::RangeResponse& page) -> absl::Status {
    for (const mvccpb::KeyValue& kv : page.kvs()) {
      const std::string key = MirroredKey(options_, kv.key());
      KV_RETURN_IF_ERROR(Add(client::PutOp(key, kv.value()), key.size() + kv.value().size()));
    }
    return absl::OkStatus();
  };
  KV_ASSIGN_OR_RETURN(const int64_t revision,
                      source_.kv().Scan(request, kPageKeys, copy_page, options_.call));
  KV_RETURN_IF_ERROR(Flush());
  return revision;
}

absl::Status Mirror::Follow(int64_t revision) {
  client::WatchRequest request;
  std::tie(request.key, request.range_end) = RangeOf(options_.prefix);
  request.start_revision = revision;
  request.fragment = true;
  client::WatchQueue queue(source_.core(), std::move(request));
  for (;;) {
    const absl::Duration left = next_report_ - clock_.Now();
    const auto response = queue.Next(std::max(left, absl::Milliseconds(1)));
    if (absl::IsDeadlineExceeded(response.status())) {
      MaybeReport();
      continue;
    }
    KV_RETURN_IF_ERROR(response.status());
    KV_RETURN_IF_ERROR(Apply(*response));
  }
}

absl::Status Mirror::Apply(const etcdserverpb::WatchResponse& response) {
  int64_t revision = 0;
  for (const mvccpb::Event& event : response.events()) {
    if (event.kv().mod_revision() != revision) KV_RETURN_IF_ERROR(Flush());
    revision = event.kv().mod_revision();
    const std::string key = MirroredKey(options_, event.kv().key());
    KV_RETURN_IF_ERROR(Add(event.type() == mvccpb::Event::DELETE
                               ? client::DeleteOp(key)
                               : client::PutOp(key, event.kv().value()),
                           key.size() + event.kv().value().size()));
  }
  return Flush();
}

absl::Status Mirror::Add(client::RequestOp op, size_t bytes) {
  // First what is there, so that a large value goes alone.
  if (batch_bytes_ + bytes > kBatchBytesMax || batch_.success_size() >= options_.ops_max) {
    KV_RETURN_IF_ERROR(Flush());
  }
  batch_bytes_ += bytes;
  *batch_.add_success() = std::move(op);
  return absl::OkStatus();
}

absl::Status Mirror::Flush() {
  if (batch_.success_size() == 0) return absl::OkStatus();
  const client::TxnRequest batch = std::exchange(batch_, {});
  batch_bytes_ = 0;
  // Not tried again where it may have happened: it might still come, after what follows it.
  const auto done = destination_.kv().Txn(batch, options_.call);
  if (!done.ok()) return AtDestination(done.status());
  written_ += batch.success_size();
  MaybeReport();
  return absl::OkStatus();
}

void Mirror::MaybeReport() {
  if (clock_.Now() < next_report_) return;
  next_report_ = clock_.Now() + kReportInterval;
  on_report_(written_);
}

}  // namespace keelson::kvctl
