#include "apiserver/registry/object_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "apiserver/api/object.h"
#include "apiserver/api/schema.h"
#include "apiserver/api/time.h"
#include "apiserver/api/typed_json.h"
#include "apiserver/registry/managed_fields.h"
#include "apiserver/registry/metadata.h"
#include "apiserver/registry/store_errors.h"
#include "apiserver/registry/stored_text.h"
#include "apiserver/registry/watch_cache.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "client/errors.h"

namespace keelson::registry {

using api::Json;
using api::Kind;

namespace {

// How often a name of generateName is tried, and a change that others keep overtaking.
constexpr int kNameAttempts = 8;
constexpr int kUpdateAttempts = 100;

absl::StatusOr<Stored> Decode(const mvccpb::KeyValue& kv) {
  KV_ASSIGN_OR_RETURN(Json object, ParseObject(kv.value()));
  api::Make(object, "metadata.resourceVersion") = std::to_string(kv.mod_revision());
  return Stored{std::move(object), kv.mod_revision(), /*live=*/true};
}

std::string KeyOfObject(const Kind& kind, const Json& object) {
  return kind.StorageKey(kind.namespaced ? api::NamespaceOf(object) : std::string(),
                         api::NameOf(object));
}

etcdserverpb::Compare UnlessChanged(const std::string& key, int64_t revision) {
  etcdserverpb::Compare compare;
  compare.set_key(key);
  compare.set_target(etcdserverpb::Compare::MOD);
  compare.set_result(etcdserverpb::Compare::EQUAL);
  compare.set_mod_revision(revision);
  return compare;
}

// Whether two maps are the same but for some members.
bool SameBut(const Json& a, const Json& b, std::initializer_list<std::string_view> but) {
  if (!a.is_object() || !b.is_object()) return a == b;
  const auto skipped = [but](const std::string& name) {
    return std::find(but.begin(), but.end(), name) != but.end();
  };
  auto i = a.begin();
  auto j = b.begin();
  while (true) {
    while (i != a.end() && skipped(i.key())) ++i;
    while (j != b.end() && skipped(j.key())) ++j;
    if (i == a.end() || j == b.end()) return i == a.end() && j == b.end();
    if (i.key() != j.key() || *i != *j) return false;
    ++i;
    ++j;
  }
}

// When owners last wrote their fields is no difference: it is not written alone.
bool DiffersBesideVersion(const Json& a, const Json& b) {
  return !SameBut(a, b, {"metadata"}) ||
         !SameBut(api::MapAt(a, "metadata"), api::MapAt(b, "metadata"),
                  {"resourceVersion", "managedFields"}) ||
         !HaveSameOwners(a, b);
}

// Whether anything but metadata and status differs: the generation counts that.
bool SpecDiffers(const Json& a, const Json& b) {
  const auto rest = [](const Json& object) {
    std::vector<std::pair<std::string_view, const Json*>> members;
    for (auto member = object.begin(); member != object.end(); ++member) {
      const std::string& name = member.key();
      if (name != "metadata" && name != "status" && name != "apiVersion" && name != "kind") {
        members.emplace_back(name, &*member);
      }
    }
    return members;
  };
  const auto left = rest(a);
  const auto right = rest(b);
  return !std::equal(
      left.begin(), left.end(), right.begin(), right.end(),
      [](const auto& x, const auto& y) { return x.first == y.first && *x.second == *y.second; });
}

// A status is there even where nobody has written it yet, with zeros where Go has some.
void FillInStatus(const Kind& kind, Json& object) {
  if (!kind.has_status) return;
  const api::Field* field = api::FindMessage(kind.message)->Find("status");
  if (field == nullptr || !field->IsAlwaysThere()) return;
  Json& status = object["status"];
  if (!status.is_object()) status = Json::object();
  api::FillInZeros(*field->message, &status);
}

// Makes `map` what it was, but for the members `kept`, of which null is nothing. Most of it is as
// it was: to compare it is cheaper than to copy.
void Restore(const Json& old, Json& map, std::initializer_list<std::string_view> kept) {
  const auto is_kept = [kept](const std::string& name) {
    return std::find(kept.begin(), kept.end(), name) != kept.end();
  };
  if (!map.is_object()) map = Json::object();
  for (auto at = map.begin(); at != map.end();) {
    const auto before = old.find(at.key());
    if (is_kept(at.key()) ? at->is_null() : before == old.end()) {
      at = map.erase(at);
      continue;
    }
    if (!is_kept(at.key()) && *at != *before) *at = *before;
    ++at;
  }
  for (auto before = old.begin(); before != old.end(); ++before) {
    if (!is_kept(before.key()) && !map.contains(before.key())) map[before.key()] = *before;
  }
}

// A write of the status leaves all else as it is, but annotations and finalizers.
void KeepAllButStatus(const Json& old, Json& object) {
  Restore(old, object, {"status", "metadata"});
  Restore(api::MapAt(old, "metadata"), object["metadata"],
          {"annotations", "finalizers", "resourceVersion", "managedFields"});
}

bool MayVanish(const Kind& kind, const Json& object) {
  return api::IsBeingDeleted(object) && api::ArrayAt(object, "metadata.finalizers").empty() &&
         api::NumberAt(object, "metadata.deletionGracePeriodSeconds") == 0 &&
         (kind.may_vanish == nullptr || kind.may_vanish(object));
}

absl::Status CheckPreconditions(const Kind& kind, const Json& object, const Preconditions& wanted) {
  const std::string& uid = api::UidOf(object);
  if (!wanted.uid.empty() && wanted.uid != uid) {
    return api::Conflict(kind.resource(), api::NameOf(object),
                         Concat("Precondition failed: UID in precondition: ", wanted.uid,
                                ", UID in object meta: ", uid));
  }
  const std::string& version = api::TextAt(object, "metadata.resourceVersion");
  if (!wanted.resource_version.empty() && wanted.resource_version != version) {
    return api::Conflict(
        kind.resource(), api::NameOf(object),
        Concat("Precondition failed: ResourceVersion in precondition: ", wanted.resource_version,
               ", ResourceVersion in object meta: ", version));
  }
  return absl::OkStatus();
}

}  // namespace

ObjectWriter::ObjectWriter(Registry* registry, client::Client* store,
                           std::vector<std::unique_ptr<AdmissionPlugin>> plugins)
    : registry_(registry), store_(store), plugins_(std::move(plugins)), leases_(store) {}

absl::StatusOr<Stored> ObjectWriter::Read(const Kind& kind, std::string_view name_space,
                                          std::string_view name) {
  const auto response = store_->kv().Get(kind.StorageKey(name_space, name));
  if (!response.ok()) return FromStore(response.status());
  if (response->kvs().empty()) return api::NotFound(kind.resource(), name);
  return Decode(response->kvs(0));
}

absl::StatusOr<Stored> ObjectWriter::Newest(const Kind& kind, std::string_view name_space,
                                            std::string_view name, const WriteOptions& options) {
  // No transaction shows a dry run that the cache was behind.
  if (options.dry_run) return Read(kind, name_space, name);
  const WatchCache& cache = registry_->Cache(kind);
  const EntryPtr entry = cache.ready() ? cache.Get(name_space, name) : nullptr;
  if (entry == nullptr) return Read(kind, name_space, name);
  return Stored{entry->Parse(), entry->revision, /*live=*/false};
}

absl::Status ObjectWriter::Mutate(AdmissionRequest& request) {
  for (const auto& plugin : plugins_) KV_RETURN_IF_ERROR(plugin->Mutate(*registry_, request));
  return absl::OkStatus();
}

absl::Status ObjectWriter::Validate(const AdmissionRequest& request, size_t* passed) {
  for (*passed = 0; *passed < plugins_.size(); ++*passed) {
    const absl::Status status = plugins_[*passed]->Validate(*registry_, request);
    if (!status.ok()) {
      Undo(request, *passed);
      *passed = 0;
      return status;
    }
  }
  return absl::OkStatus();
}

void ObjectWriter::Undo(const AdmissionRequest& request, size_t passed) {
  while (passed > 0) plugins_[--passed]->Undo(*registry_, request);
}

absl::StatusOr<ObjectWriter::Attempt> ObjectWriter::OutcomeOf(
    const absl::StatusOr<etcdserverpb::TxnResponse>& response, Json& object) {
  if (!response.ok()) return FromStore(response.status());
  Attempt attempt;
  if (response->succeeded()) {
    attempt.written = std::move(object);
    api::Make(*attempt.written, "metadata.resourceVersion") =
        std::to_string(response->header().revision());
  } else if (response->responses_size() > 0 &&
             !response->responses(0).response_range().kvs().empty()) {
    KV_ASSIGN_OR_RETURN(attempt.now, Decode(response->responses(0).response_range().kvs(0)));
  }
  return attempt;
}

absl::StatusOr<etcdserverpb::TxnResponse> ObjectWriter::Commit(
    const etcdserverpb::TxnRequest& txn) {
  absl::StatusOr<etcdserverpb::TxnResponse> response;
  absl::Notification done;
  store_->kv().TxnAsync(txn, {}, [&](absl::StatusOr<etcdserverpb::TxnResponse> answer) {
    response = std::move(answer);
    done.Notify();
  });
  done.WaitForNotification();
  return response;
}

absl::StatusOr<ObjectWriter::Attempt> ObjectWriter::Put(const Kind& kind, Json& object,
                                                        int64_t revision) {
  const std::string key = KeyOfObject(kind, object);
  etcdserverpb::TxnRequest txn;
  *txn.add_compare() = UnlessChanged(key, revision);
  etcdserverpb::PutRequest& put = *txn.add_success()->mutable_request_put();
  put.set_key(key);
  put.set_value(StoredText(object));
  txn.add_failure()->mutable_request_range()->set_key(key);
  const auto write = [&]() -> absl::StatusOr<etcdserverpb::TxnResponse> {
    if (kind.time_to_live > absl::ZeroDuration()) {
      KV_ASSIGN_OR_RETURN(const int64_t lease, leases_.For(kind.time_to_live));
      put.set_lease(lease);
    }
    return Commit(txn);
  };
  absl::StatusOr<etcdserverpb::TxnResponse> response = write();
  if (put.lease() != 0 && client::IsLeaseNotFound(response.status())) {
    // Somebody has revoked it, or the store was put back to an earlier time.
    leases_.Forget(put.lease());
    response = write();
  }
  return OutcomeOf(response, object);
}

absl::StatusOr<ObjectWriter::Attempt> ObjectWriter::Remove(const Kind& kind, Json& object,
                                                           int64_t revision) {
  const std::string key = KeyOfObject(kind, object);
  etcdserverpb::TxnRequest txn;
  *txn.add_compare() = UnlessChanged(key, revision);
  txn.add_success()->mutable_request_delete_range()->set_key(key);
  txn.add_failure()->mutable_request_range()->set_key(key);
  const auto response = Commit(txn);
  return OutcomeOf(response, object);
}

absl::StatusOr<Json> ObjectWriter::Create(const Kind& kind, std::string_view name_space,
                                          Json object, const WriteOptions& options) {
  if (!api::TextAt(object, "metadata.resourceVersion").empty()) {
    return api::BadRequest("resourceVersion should not be set on objects to be created");
  }
  KV_RETURN_IF_ERROR(SetNamespace(kind, name_space, object));
  const std::string base =
      api::NameOf(object).empty() ? api::TextAt(object, "metadata.generateName") : std::string();
  if (base.empty()) return CreateNamed(kind, name_space, std::move(object), options);
  for (int attempt = 1;; ++attempt) {
    // All anew: what a new object begins with may follow from its name.
    Json named = object;
    api::Make(named, "metadata.name") = GenerateName(base);
    absl::StatusOr<Json> created = CreateNamed(kind, name_space, std::move(named), options);
    if (!api::IsAlreadyExists(created.status()) || attempt == kNameAttempts) return created;
  }
}

absl::StatusOr<Json> ObjectWriter::CreateNamed(const Kind& kind, std::string_view name_space,
                                               Json object, const WriteOptions& options) {
  BeginMetadata(kind, object);
  if (kind.has_status && !kind.status_at_creation) object.erase("status");
  FillInStatus(kind, object);
  if (kind.set_defaults != nullptr) kind.set_defaults(object);
  // What follows the server does, and nobody owns.
  KV_RETURN_IF_ERROR(TrackWrite(kind, options, Json::object(), object));
  AdmissionRequest request{.kind = &kind,
                           .operation = Operation::kCreate,
                           .name_space = std::string(name_space),
                           .name = api::NameOf(object),
                           .subresource = std::string(options.subresource),
                           .user = options.user,
                           .dry_run = options.dry_run,
                           .object = &object,
                           .warnings = options.warnings};
  KV_RETURN_IF_ERROR(Mutate(request));
  if (kind.set_defaults != nullptr) kind.set_defaults(object);
  // What a new object begins with follows from what admission made of it.
  if (kind.prepare_create != nullptr) kind.prepare_create(object);
  request.name = api::NameOf(object);
  api::FieldErrors errors;
  ValidateMetadata(kind, object, errors);
  if (kind.validate != nullptr) kind.validate(object, errors);
  if (kind.validate_create != nullptr) kind.validate_create(object, errors);
  if (!errors.empty()) return api::Invalid(kind.group, kind.kind, request.name, errors);
  size_t passed = 0;
  KV_RETURN_IF_ERROR(Validate(request, &passed));
  bool done = false;
  absl::Cleanup undo = [&] {
    if (!done) Undo(request, passed);
  };
  if (options.dry_run) {
    if (Read(kind, name_space, request.name).ok()) {
      return api::AlreadyExists(kind.resource(), request.name);
    }
    return object;
  }
  KV_ASSIGN_OR_RETURN(Attempt put, Put(kind, object, 0));
  if (!put.written) return api::AlreadyExists(kind.resource(), request.name);
  done = true;
  return *std::move(put.written);
}

// All that happens between what a client wants an object to be and what is written.
absl::Status ObjectWriter::Prepare(const Kind& kind, const Stored& old, Json& object,
                                   const WriteOptions& options) {
  const Json& before = old.object;
  CarryMetadata(before, object);
  object["apiVersion"] = kind.api_version();
  object["kind"] = kind.kind;
  const api::Subresource* part = kind.FindSubresource(options.subresource);
  if (part != nullptr && part->prepare_update == nullptr) part = nullptr;
  if (options.subresource == "status") {
    KeepAllButStatus(before, object);
    FillInStatus(kind, object);
  } else if (kind.has_status && (options.subresource.empty() || options.subresource == "scale")) {
    api::Carry(before, object, "status");
  }
  if (kind.set_defaults != nullptr) kind.set_defaults(object);
  if (part != nullptr) {
    // What such a subresource does not write it puts back; but owners are no part of it.
    Json applied = Json::object();
    if (options.applied) api::Carry(object, applied, "metadata.managedFields");
    part->prepare_update(object, before);
    if (options.applied) api::Carry(applied, object, "metadata.managedFields");
  }
  // What follows the server does, and nobody owns.
  KV_RETURN_IF_ERROR(TrackWrite(kind, options, before, object));
  if (part == nullptr && kind.prepare_update != nullptr) kind.prepare_update(object, before);
  AdmissionRequest request{.kind = &kind,
                           .operation = Operation::kUpdate,
                           .name_space = api::NamespaceOf(before),
                           .name = api::NameOf(before),
                           .subresource = std::string(options.subresource),
                           .user = options.user,
                           .dry_run = options.dry_run,
                           .object = &object,
                           .old = &before,
                           .warnings = options.warnings};
  KV_RETURN_IF_ERROR(Mutate(request));
  if (kind.set_defaults != nullptr) kind.set_defaults(object);
  if (kind.has_generation && SpecDiffers(before, object)) {
    api::Make(object, "metadata.generation") = api::NumberAt(before, "metadata.generation") + 1;
  }
  api::FieldErrors errors;
  ValidateMetadata(kind, object, errors);
  ValidateMetadataUpdate(object, before, errors);
  if (options.subresource == "status") {
    if (kind.validate_status_update != nullptr) {
      kind.validate_status_update(object, before, errors);
    }
  } else {
    if (kind.validate != nullptr) kind.validate(object, errors);
    // Other subresources are there to change what an update may not.
    const bool plain = options.subresource.empty() || options.subresource == "scale";
    const auto validate_update = plain             ? kind.validate_update
                                 : part != nullptr ? part->validate_update
                                                   : nullptr;
    if (validate_update != nullptr) validate_update(object, before, errors);
  }
  if (!errors.empty()) return api::Invalid(kind.group, kind.kind, api::NameOf(before), errors);
  return absl::OkStatus();
}

absl::StatusOr<ObjectWriter::Attempt> ObjectWriter::TryUpdate(const Kind& kind, const Stored& old,
                                                              Json object,
                                                              const WriteOptions& options) {
  KV_RETURN_IF_ERROR(Prepare(kind, old, object, options));
  const AdmissionRequest request{.kind = &kind,
                                 .operation = Operation::kUpdate,
                                 .name_space = api::NamespaceOf(object),
                                 .name = api::NameOf(object),
                                 .subresource = std::string(options.subresource),
                                 .user = options.user,
                                 .dry_run = options.dry_run,
                                 .object = &object,
                                 .old = &old.object,
                                 .warnings = options.warnings};
  size_t passed = 0;
  KV_RETURN_IF_ERROR(Validate(request, &passed));
  bool done = false;
  absl::Cleanup undo = [&] {
    if (!done) Undo(request, passed);
  };
  if (!DiffersBesideVersion(old.object, object)) {
    // What a cache says to be so already is asked of the store.
    if (!old.live) return Attempt{};
    done = true;
    return Attempt{.written = old.object};
  }
  if (options.dry_run) return Attempt{.written = std::move(object)};
  absl::StatusOr<Attempt> attempt = MayVanish(kind, object) ? Remove(kind, object, old.revision)
                                                            : Put(kind, object, old.revision);
  done = attempt.ok() && attempt->written.has_value();
  return attempt;
}

absl::StatusOr<Json> ObjectWriter::Update(const Kind& kind, std::string_view name_space,
                                          std::string_view name, const Change& change,
                                          const WriteOptions& options) {
  KV_ASSIGN_OR_RETURN(Stored old, Newest(kind, name_space, name, options));
  const auto read_again = [&]() -> absl::Status {
    KV_ASSIGN_OR_RETURN(old, Read(kind, name_space, name));
    return absl::OkStatus();
  };
  for (int attempt = 0; attempt < kUpdateAttempts; ++attempt) {
    absl::StatusOr<Json> wanted = change(old.object);
    if (wanted.ok()) {
      const std::string& version = api::TextAt(*wanted, "metadata.resourceVersion");
      const std::string& uid = api::UidOf(*wanted);
      if (!uid.empty() && uid != api::UidOf(old.object)) {
        wanted = api::Conflict(kind.resource(), name,
                               Concat("Precondition failed: UID in precondition: ", uid,
                                      ", UID in object meta: ", api::UidOf(old.object)));
      } else if (version.empty() && !kind.unconditional_update) {
        api::FieldErrors errors;
        errors.Invalid("metadata.resourceVersion", 0, "must be specified for an update");
        return api::Invalid(kind.group, kind.kind, name, errors);
      } else if (!version.empty() && version != std::to_string(old.revision)) {
        wanted = api::ObjectModified(kind.resource(), name);
      }
    }
    if (!wanted.ok()) {
      // It may be that the cache alone is behind.
      if (old.live) return wanted.status();
      KV_RETURN_IF_ERROR(read_again());
      continue;
    }
    absl::StatusOr<Attempt> tried = TryUpdate(kind, old, *std::move(wanted), options);
    if (!tried.ok()) {
      if (old.live || MayHaveHappened(tried.status())) return tried.status();
      KV_RETURN_IF_ERROR(read_again());
    } else if (tried->written) {
      return *std::move(tried->written);
    } else if (tried->now.revision != 0) {
      old = std::move(tried->now);
    } else {
      KV_RETURN_IF_ERROR(read_again());
    }
  }
  return api::ObjectModified(kind.resource(), name);
}

absl::StatusOr<ObjectWriter::Attempt> ObjectWriter::TryDelete(const Kind& kind, Stored& old,
                                                              const DeleteOptions& deletion,
                                                              const WriteOptions& options,
                                                              Deleted* deleted) {
  KV_RETURN_IF_ERROR(CheckPreconditions(kind, old.object, deletion.preconditions));
  const AdmissionRequest request{.kind = &kind,
                                 .operation = Operation::kDelete,
                                 .name_space = api::NamespaceOf(old.object),
                                 .name = api::NameOf(old.object),
                                 .subresource = std::string(options.subresource),
                                 .user = options.user,
                                 .dry_run = options.dry_run,
                                 .old = &old.object,
                                 .warnings = options.warnings};
  size_t passed = 0;
  KV_RETURN_IF_ERROR(Validate(request, &passed));
  Json object = old.object;
  const bool deleted_before = api::IsBeingDeleted(object);
  // Longer than any client waits, and a time that can be written.
  constexpr int64_t kGraceSecondsMax = int64_t{10} * 365 * 24 * 3600;
  const int64_t grace =
      kind.grace_seconds == nullptr
          ? 0
          : std::min(kind.grace_seconds(object, deletion.grace_seconds), kGraceSecondsMax);
  // Which finalizers stand for what becomes of dependents: options before what is there before the
  // kind's way.
  Json finalizers = api::ArrayAt(object, "metadata.finalizers");
  if (deletion.propagation ||
      (finalizers.empty() && kind.default_propagation != api::Propagation::kBackground)) {
    const api::Propagation way = deletion.propagation.value_or(kind.default_propagation);
    Json kept = Json::array();
    for (const Json& finalizer : finalizers) {
      if (finalizer != "orphan" && finalizer != "foregroundDeletion") kept.push_back(finalizer);
    }
    if (way == api::Propagation::kOrphan) kept.push_back("orphan");
    if (way == api::Propagation::kForeground) kept.push_back("foregroundDeletion");
    finalizers = std::move(kept);
  }
  if (finalizers.empty()) {
    api::Erase(object, "metadata.finalizers");
  } else {
    api::Make(object, "metadata.finalizers") = finalizers;
  }
  const int64_t left = api::NumberAt(object, "metadata.deletionGracePeriodSeconds");
  if (!deleted_before || grace < left) {
    const absl::Time end = absl::Now() + absl::Seconds(grace);
    const std::string until = api::FormatTime(end);
    if (!deleted_before || until < api::TextAt(object, "metadata.deletionTimestamp")) {
      api::Make(object, "metadata.deletionTimestamp") = until;
    }
    api::Make(object, "metadata.deletionGracePeriodSeconds") = grace;
    if (kind.has_generation && !deleted_before) {
      api::Make(object, "metadata.generation") = api::NumberAt(object, "metadata.generation") + 1;
    }
  }
  if (!deleted_before && kind.prepare_delete != nullptr) kind.prepare_delete(object);
  deleted->gone = MayVanish(kind, object);
  if (options.dry_run) return Attempt{.written = std::move(object)};
  if (deleted->gone) return Remove(kind, old.object, old.revision);
  if (!DiffersBesideVersion(old.object, object)) {
    return old.live ? Attempt{.written = old.object} : Attempt{};
  }
  return Put(kind, object, old.revision);
}

absl::StatusOr<Deleted> ObjectWriter::Delete(const Kind& kind, std::string_view name_space,
                                             std::string_view name, const DeleteOptions& deletion,
                                             const WriteOptions& options) {
  KV_ASSIGN_OR_RETURN(Stored old, Newest(kind, name_space, name, options));
  for (int attempt = 0; attempt < kUpdateAttempts; ++attempt) {
    Deleted deleted;
    absl::StatusOr<Attempt> tried = TryDelete(kind, old, deletion, options, &deleted);
    if (!tried.ok() && (old.live || MayHaveHappened(tried.status()))) return tried.status();
    if (tried.ok() && tried->written) {
      deleted.object = *std::move(tried->written);
      return deleted;
    }
    if (tried.ok() && tried->now.revision != 0) {
      old = std::move(tried->now);
    } else {
      KV_ASSIGN_OR_RETURN(old, Read(kind, name_space, name));
    }
  }
  return api::ObjectModified(kind.resource(), name);
}

}  // namespace keelson::registry
