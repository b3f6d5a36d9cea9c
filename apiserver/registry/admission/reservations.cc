#include "apiserver/registry/admission/reservations.h"

#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "apiserver/api/json.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/store_errors.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/ops.h"

namespace keelson::registry {
namespace {

using api::Json;

// Longer than a write takes between its reservation and its end, with the clocks of servers apart.
constexpr absl::Duration kWriteMax = absl::Minutes(2);
constexpr int64_t kPageKeys = 1000;

}  // namespace

Reservations::Entry Reservations::Parse(std::string_view value, int64_t revision) {
  const Json json = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  return {.uid = api::TextAt(json, "uid"),
          .at = absl::FromUnixSeconds(api::NumberAt(json, "at")),
          .leaving = api::FlagAt(json, "leaving"),
          .revision = revision};
}

bool Reservations::MayBeLeft(const Entry& entry) {
  return entry.leaving || absl::Now() - entry.at > kWriteMax;
}

absl::StatusOr<Reservations::Entry> Reservations::Read(std::string_view name) {
  const auto response = store_->kv().Get(Concat(prefix_, name));
  if (!response.ok()) return FromStore(response.status());
  if (response->kvs().empty()) return Entry{};
  return Parse(response->kvs(0).value(), response->kvs(0).mod_revision());
}

absl::StatusOr<bool> Reservations::Put(std::string_view name, std::string_view uid, bool leaving,
                                       int64_t revision) {
  const std::string key = Concat(prefix_, name);
  const Json value =
      Json::object({{"uid", uid}, {"at", absl::ToUnixSeconds(absl::Now())}, {"leaving", leaving}});
  const auto response = store_->kv().Txn(client::Txn()
                                             .If(client::ModRevision(key) == revision)
                                             .Then(client::PutOp(key, value.dump()))
                                             .Build());
  if (!response.ok()) return FromStore(response.status());
  return response->succeeded();
}

absl::Status Reservations::Delete(std::string_view name, int64_t revision) {
  const std::string key = Concat(prefix_, name);
  const auto response = store_->kv().Txn(
      client::Txn().If(client::ModRevision(key) == revision).Then(client::DeleteOp(key)).Build());
  return response.ok() ? absl::OkStatus() : FromStore(response.status());
}

absl::StatusOr<bool> Reservations::Reserve(std::string_view name, std::string_view uid,
                                           const Held& held) {
  KV_ASSIGN_OR_RETURN(bool done, Put(name, uid, /*leaving=*/false, 0));
  if (done) return true;
  KV_ASSIGN_OR_RETURN(const Entry entry, Read(name));
  if (entry.uid == uid && entry.revision != 0) {
    return entry.leaving ? Put(name, uid, /*leaving=*/false, entry.revision) : true;
  }
  if (entry.revision != 0) {
    if (!MayBeLeft(entry)) return false;
    KV_ASSIGN_OR_RETURN(const std::set<std::string> in_use, held());
    if (in_use.contains(std::string(name))) return false;
  }
  return Put(name, uid, /*leaving=*/false, entry.revision);
}

void Reservations::Release(std::string_view name, std::string_view uid) {
  const absl::StatusOr<Entry> entry = Read(name);
  if (!entry.ok() || entry->revision == 0 || entry->uid != uid) return;
  // What cannot be given back now is taken over when it is wanted.
  Delete(name, entry->revision).IgnoreError();
}

void Reservations::SayLeaving(std::string_view name, std::string_view uid) {
  const absl::StatusOr<Entry> entry = Read(name);
  if (!entry.ok() || entry->revision == 0 || entry->uid != uid || entry->leaving) return;
  Put(name, uid, /*leaving=*/true, entry->revision).IgnoreError();
}

absl::StatusOr<std::set<std::string>> Reservations::Taken() {
  std::set<std::string> taken;
  client::RangeRequest all = client::PrefixRange(prefix_);
  all.set_keys_only(true);
  const auto revision =
      store_->kv().Scan(all, kPageKeys, [&](const etcdserverpb::RangeResponse& page) {
        for (const auto& kv : page.kvs()) taken.insert(kv.key().substr(prefix_.size()));
        return absl::OkStatus();
      });
  if (!revision.ok()) return FromStore(revision.status());
  return taken;
}

absl::Status Reservations::Sweep(const Held& held) {
  // Read before what is held: what is reserved in between is not looked at.
  std::set<std::pair<std::string, int64_t>> candidates;
  const auto revision = store_->kv().Scan(
      client::PrefixRange(prefix_), kPageKeys, [&](const etcdserverpb::RangeResponse& page) {
        for (const auto& kv : page.kvs()) {
          if (!MayBeLeft(Parse(kv.value(), kv.mod_revision()))) continue;
          candidates.emplace(kv.key().substr(prefix_.size()), kv.mod_revision());
        }
        return absl::OkStatus();
      });
  if (!revision.ok()) return FromStore(revision.status());
  KV_ASSIGN_OR_RETURN(const std::set<std::string> in_use, held());
  for (const auto& [name, at] : candidates) {
    if (!in_use.contains(name)) KV_RETURN_IF_ERROR(Delete(name, at));
  }
  return absl::OkStatus();
}

}  // namespace keelson::registry
