#include "apiserver/registry/registry.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/object_writer.h"
#include "apiserver/registry/store_errors.h"
#include "apiserver/registry/stored_text.h"
#include "apiserver/registry/watch_cache.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/errors.h"
#include "client/ops.h"

namespace keelson::registry {

using api::Json;
using api::Kind;

namespace {

// Pages of the store that are read at once for a page of a client.
constexpr int64_t kStorePageKeys = 500;

struct ContinueToken {
  int64_t revision = 0;  // -1: whatever there is now
  std::string after;     // "namespace/name" or "name": the last one that was given
};

std::string Encode(const ContinueToken& token) {
  const Json json = {
      {"v", "meta.k8s.io/v1"}, {"rv", token.revision}, {"start", token.after + '\0'}};
  return absl::WebSafeBase64Escape(Dump(json));
}

absl::StatusOr<ContinueToken> DecodeToken(const std::string& text) {
  std::string json;
  if (!absl::WebSafeBase64Unescape(text, &json)) {
    return api::BadRequest("continue key is not valid: illegal base64 data");
  }
  const Json token = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!token.is_object() || api::TextAt(token, "v") != "meta.k8s.io/v1") {
    return api::BadRequest(
        "continue key is not valid: server does not recognize this encoded version");
  }
  std::string after = api::TextAt(token, "start");
  const int64_t revision = api::NumberAt(token, "rv");
  if (after.empty() || revision == 0 || revision < -1) {
    return api::BadRequest("continue key is not valid: incorrect encoded start or resourceVersion");
  }
  if (after.back() == '\0') after.pop_back();
  return ContinueToken{revision, std::move(after)};
}

std::string KeyOf(const Entry& entry) {
  return entry.name_space.empty() ? entry.name : Concat(entry.name_space, '/', entry.name);
}

}  // namespace

absl::StatusOr<int64_t> ParseResourceVersion(const std::string& text) {
  int64_t revision = 0;
  if (absl::SimpleAtoi(text, &revision) && revision >= 0) return revision;
  return api::BadRequest(Concat("resourceVersion: Invalid value: \"", text,
                                "\": strconv.ParseUint: parsing \"", text, "\": invalid syntax"));
}

class Registry::Impl {
 public:
  Impl(Registry* registry, client::Client* store,
       std::vector<std::unique_ptr<AdmissionPlugin>> plugins)
      : store_(store), writer(registry, store, std::move(plugins)) {}

  WatchCache& Cache(const Kind& kind) {
    absl::MutexLock lock(&mutex_);
    std::unique_ptr<WatchCache>& cache = caches_[&kind.stored()];
    if (cache == nullptr) {
      cache = std::make_unique<WatchCache>(store_, kind.stored(), WatchCache::Options{});
    }
    return *cache;
  }

 private:
  client::Client* const store_;
  absl::Mutex mutex_;
  std::map<const Kind*, std::unique_ptr<WatchCache>> caches_ ABSL_GUARDED_BY(mutex_);

 public:
  ObjectWriter writer;
};

Registry::Registry(client::Client* store, std::vector<std::unique_ptr<AdmissionPlugin>> plugins)
    : store_(store), impl_(std::make_unique<Impl>(this, store, std::move(plugins))) {}
Registry::~Registry() = default;

WatchCache& Registry::Cache(const Kind& kind) { return impl_->Cache(kind); }

Json Registry::InVersion(const Kind& kind, Json stored) {
  return kind.stored_as != nullptr ? kind.from_stored(stored) : std::move(stored);
}

absl::StatusOr<int64_t> Registry::CurrentRevision() {
  etcdserverpb::RangeRequest request;
  request.set_key("/registry/health");
  request.set_keys_only(true);
  const auto response = store_->kv().Range(request);
  if (!response.ok()) return FromStore(response.status());
  return response->header().revision();
}

absl::StatusOr<Json> Registry::Get(const Kind& kind, std::string_view name_space,
                                   std::string_view name) {
  absl::StatusOr<Stored> stored = impl_->writer.Read(kind.stored(), name_space, name);
  if (!stored.ok()) return stored.status();
  return InVersion(kind, std::move(stored->object));
}

absl::StatusOr<Json> Registry::Create(const Kind& kind, std::string_view name_space, Json object,
                                      const WriteOptions& options) {
  if (kind.stored_as == nullptr) {
    return impl_->writer.Create(kind, name_space, std::move(object), options);
  }
  WriteOptions in_version = options;
  in_version.version = &kind;
  KV_ASSIGN_OR_RETURN(Json created, impl_->writer.Create(kind.stored(), name_space,
                                                         kind.to_stored(object), in_version));
  return InVersion(kind, std::move(created));
}

absl::StatusOr<Json> Registry::Update(const Kind& kind, std::string_view name_space,
                                      std::string_view name, const Change& change,
                                      const WriteOptions& options) {
  if (kind.stored_as == nullptr) {
    return impl_->writer.Update(kind, name_space, name, change, options);
  }
  const Change in_stored = [&](const Json& newest) -> absl::StatusOr<Json> {
    KV_ASSIGN_OR_RETURN(const Json changed, change(kind.from_stored(newest)));
    return kind.to_stored(changed);
  };
  WriteOptions in_version = options;
  in_version.version = &kind;
  KV_ASSIGN_OR_RETURN(Json updated,
                      impl_->writer.Update(kind.stored(), name_space, name, in_stored, in_version));
  return InVersion(kind, std::move(updated));
}

absl::StatusOr<Deleted> Registry::Delete(const Kind& kind, std::string_view name_space,
                                         std::string_view name, const DeleteOptions& deletion,
                                         const WriteOptions& options) {
  KV_ASSIGN_OR_RETURN(Deleted deleted,
                      impl_->writer.Delete(kind.stored(), name_space, name, deletion, options));
  deleted.object = InVersion(kind, std::move(deleted.object));
  return deleted;
}

std::shared_ptr<const Json> Registry::Cached(const Kind& kind, std::string_view name_space,
                                             std::string_view name) {
  WatchCache& cache = Cache(kind);
  cache.WaitFor(0, kFreshTimeout);
  const EntryPtr entry = cache.Get(name_space, name);
  return entry == nullptr ? nullptr : entry->Dom();
}

std::vector<std::shared_ptr<const Json>> Registry::CachedList(const Kind& kind,
                                                              std::string_view name_space) {
  WatchCache& cache = Cache(kind);
  cache.WaitFor(0, kFreshTimeout);
  std::vector<std::shared_ptr<const Json>> objects;
  const WatchCache::Snapshot snapshot = cache.List(name_space);
  objects.reserve(snapshot.entries.size());
  for (const EntryPtr& entry : snapshot.entries) objects.push_back(entry->Dom());
  return objects;
}

// ---- Lists ----

namespace {

// One list, from the cache or page by page from the store.
class Lister {
 public:
  Lister(Registry* registry, const ListQuery& query)
      : registry_(registry), query_(query), kind_(query.kind->stored()) {}

  absl::StatusOr<ListResult> FromCache() {
    const WatchCache& cache = registry_->Cache(kind_);
    const WatchCache::Snapshot snapshot = cache.List(query_.name_space);
    result_.revision = snapshot.revision;
    for (size_t i = 0; i < snapshot.entries.size(); ++i) {
      if (!Matches(*snapshot.entries[i])) continue;
      if (Full()) {
        Cut(static_cast<int64_t>(snapshot.entries.size() - i));
        break;
      }
      result_.items.push_back(snapshot.entries[i]);
    }
    return std::move(result_);
  }

  // At `revision`, 0 being the newest; from behind `after` on.
  absl::StatusOr<ListResult> FromStore(int64_t revision, const std::string& after) {
    const std::string prefix = kind_.StorageKey("", "");
    const std::string all =
        query_.name_space.empty() ? prefix : kind_.StorageKey(query_.name_space, "");
    etcdserverpb::RangeRequest request;
    request.set_key(after.empty() ? all : prefix + after + '\0');
    request.set_range_end(client::PrefixEnd(all));
    request.set_revision(revision);
    request.set_limit(kStorePageKeys);
    while (true) {
      const auto page = registry_->store().kv().Range(request);
      if (!page.ok()) return Refused(page.status(), after);
      if (request.revision() == 0) request.set_revision(page->header().revision());
      result_.revision = request.revision();
      for (int i = 0; i < page->kvs_size(); ++i) {
        const mvccpb::KeyValue& kv = page->kvs(i);
        EntryPtr entry = MakeEntry(kind_, std::string_view(kv.key()).substr(prefix.size()),
                                   kv.value(), kv.mod_revision());
        if (entry == nullptr || !Matches(*entry)) continue;
        if (Full()) {
          Cut(page->count() - i);
          return std::move(result_);
        }
        result_.items.push_back(std::move(entry));
      }
      if (!page->more() || page->kvs().empty()) return std::move(result_);
      request.set_key(page->kvs(page->kvs_size() - 1).key() + '\0');
    }
  }

 private:
  bool Full() const {
    return query_.limit > 0 && static_cast<int64_t>(result_.items.size()) == query_.limit;
  }
  void Cut(int64_t remaining) {
    result_.continue_token = Encode({result_.revision, KeyOf(*result_.items.back())});
    if (query_.labels.everything() && query_.fields.everything()) result_.remaining = remaining;
  }

  bool Matches(const Entry& entry) const {
    return entry.IsSelected(*query_.kind, query_.labels, query_.fields);
  }

  static absl::Status Refused(const absl::Status& status, const std::string& after) {
    if (status.code() == absl::StatusCode::kOutOfRange && !client::IsCompacted(status)) {
      return api::BadRequest("continue key is not valid: its resourceVersion is still to come");
    }
    if (!client::IsCompacted(status)) return registry::FromStore(status);
    if (after.empty()) return api::Expired("The resourceVersion for the provided list is too old.");
    return api::ExpiredContinue(Encode({-1, after}));
  }

  Registry* const registry_;
  const ListQuery& query_;
  const Kind& kind_;
  ListResult result_;
};

absl::Status CheckMatch(const ListQuery& query) {
  if (query.match == VersionMatch::kUnset) return absl::OkStatus();
  api::FieldErrors errors;
  if (!query.continue_token.empty()) {
    errors.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for continue");
  } else if (query.resource_version.empty()) {
    errors.Forbidden("resourceVersionMatch",
                     "resourceVersionMatch is forbidden unless resourceVersion is provided");
  } else if (query.match == VersionMatch::kExact && query.resource_version == "0") {
    errors.Forbidden("resourceVersionMatch",
                     "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  if (!errors.empty()) return api::Invalid("meta.k8s.io", "ListOptions", "", errors);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListResult> Registry::List(const ListQuery& query) {
  KV_RETURN_IF_ERROR(CheckMatch(query));
  if (!query.continue_token.empty()) {
    if (!query.resource_version.empty() && query.resource_version != "0") {
      return api::BadRequest("specifying resource version is not allowed when using continue");
    }
    KV_ASSIGN_OR_RETURN(const ContinueToken token, DecodeToken(query.continue_token));
    // One of another list would begin in another namespace, which the client may not see.
    if (!query.name_space.empty() && token.after.rfind(Concat(query.name_space, '/'), 0) != 0) {
      return api::BadRequest("continue key is not valid: it is one of another list");
    }
    return Lister(this, query).FromStore(token.revision < 0 ? 0 : token.revision, token.after);
  }
  WatchCache& cache = Cache(*query.kind);
  int64_t wanted = 0;
  if (query.resource_version.empty()) {
    KV_ASSIGN_OR_RETURN(wanted, CurrentRevision());
  } else {
    KV_ASSIGN_OR_RETURN(wanted, ParseResourceVersion(query.resource_version));
    const bool exact = query.match == VersionMatch::kExact ||
                       (query.match == VersionMatch::kUnset && query.limit > 0 && wanted > 0);
    if (exact) {
      KV_ASSIGN_OR_RETURN(const int64_t now, CurrentRevision());
      if (wanted > now) return TooLargeVersion(wanted, now);
      return Lister(this, query).FromStore(wanted, "");
    }
  }
  if (cache.WaitFor(wanted, kFreshTimeout)) return Lister(this, query).FromCache();
  // A cache that cannot follow does not make the answer stale.
  if (query.resource_version.empty()) return Lister(this, query).FromStore(0, "");
  return TooLargeVersion(wanted, cache.revision());
}

absl::Status TooLargeVersion(int64_t wanted, int64_t now) {
  return api::Timeout(Concat("Too large resource version: ", wanted, ", current: ", now), 1,
                      {{.reason = "ResourceVersionTooLarge",
                        .message = "Too large resource version",
                        .field = ""}});
}

}  // namespace keelson::registry
