#include "apiserver/registry/managed_fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json_text.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/raw_json.h"
#include "apiserver/api/schema.h"
#include "apiserver/api/time.h"
#include "apiserver/api/utf8.h"
#include "apiserver/registry/stored_text.h"
#include "base/concat.h"

namespace keelson::registry {

using api::Difference;
using api::FieldSet;
using api::Json;
using api::Kind;

namespace {

constexpr std::string_view kPath = "metadata.managedFields";
// Of those who update. The oldest ones beyond it become one.
constexpr size_t kUpdatersMax = 10;
constexpr char kOldUpdater[] = "ancient-changes";
constexpr size_t kManagerBytesMax = 128;
constexpr size_t kSubresourceBytesMax = 256;

const api::Message& MessageOf(const Kind& kind) { return *api::FindMessage(kind.message); }

// ---- Text ----

// An owner as our own text has it. Members that are not known are left out.
FieldOwner ReadOwner(api::JsonReader& reader) {
  FieldOwner owner;
  std::string name;
  reader.Enter();
  while (reader.NextMember(&name)) {
    std::string* text = name == "manager"       ? &owner.manager
                        : name == "apiVersion"  ? &owner.api_version
                        : name == "subresource" ? &owner.subresource
                        : name == "time"        ? &owner.time
                                                : nullptr;
    if (name == "fieldsV1") {
      owner.fields = FieldSet::Read(reader);
    } else if (reader.Peek() != '"') {
      reader.Skip();
    } else if (text != nullptr) {
      *text = reader.ReadString();
    } else if (name == "operation") {
      owner.applied = reader.ReadString() == "Apply";
    } else {
      reader.Skip();
    }
  }
  return owner;
}

// Another than we may have written it: what is wrong is no reason to fail.
std::vector<FieldOwner> ReadOwners(std::string_view text) {
  std::vector<FieldOwner> owners;
  if (!api::JsonFault(text).empty()) return owners;
  api::JsonReader reader(text);
  if (reader.Peek() != '[') return owners;
  reader.Enter();
  while (reader.NextElement()) {
    if (reader.Peek() != '{') {
      reader.Skip();
      continue;
    }
    owners.push_back(ReadOwner(reader));
  }
  return owners;
}

void AppendOwner(const FieldOwner& owner, std::string* text) {
  const auto member = [text](std::string_view name, const std::string& value) {
    Append(text, ",\"", name, "\":", Dump(value));
  };
  Append(text, R"({"apiVersion":)", Dump(owner.api_version));
  *text += R"(,"fieldsType":"FieldsV1","fieldsV1":)";
  owner.fields.Append(text);
  member("manager", owner.manager);
  member("operation", owner.applied ? "Apply" : "Update");
  if (!owner.subresource.empty()) member("subresource", owner.subresource);
  if (!owner.time.empty()) member("time", owner.time);
  *text += '}';
}

// ---- What clients send ----

// nullopt: it is nothing that can be believed.
std::optional<std::vector<FieldOwner>> ReadSent(const Json& sent) {
  std::vector<FieldOwner> owners;
  for (const Json& entry : sent) {
    const std::string& operation = api::TextAt(entry, "operation");
    if (operation != "Apply" && operation != "Update") return std::nullopt;
    if (api::TextAt(entry, "fieldsType") != "FieldsV1") return std::nullopt;
    FieldOwner owner{.manager = api::TextAt(entry, "manager"),
                     .applied = operation == "Apply",
                     .api_version = api::TextAt(entry, "apiVersion"),
                     .subresource = api::TextAt(entry, "subresource"),
                     .time = api::TextAt(entry, "time"),
                     .fields = {}};
    if (owner.api_version.empty()) return std::nullopt;
    if (const Json* fields = api::Member(entry, "fieldsV1")) {
      std::optional<FieldSet> set = FieldSet::Parse(Dump(*fields));
      if (!set.has_value()) return std::nullopt;
      owner.fields = *std::move(set);
    }
    // Of those with one name the last counts.
    std::erase_if(owners, [&owner](const FieldOwner& other) { return other.IsSame(owner); });
    owners.push_back(std::move(owner));
  }
  return owners;
}

// managedFields: [{}] or []: whoever sends it wants no owners.
bool IsReset(const Json& sent) { return sent.empty() || (sent.size() == 1 && sent[0].empty()); }

absl::Status CheckSent(const Kind& kind, const Json& object,
                       const std::vector<FieldOwner>& owners) {
  api::FieldErrors errors;
  for (size_t i = 0; i < owners.size(); ++i) {
    const std::string path = api::Index(std::string(kPath), i);
    if (owners[i].manager.size() > kManagerBytesMax) {
      errors.TooLong(api::Child(path, "manager"), kManagerBytesMax);
    }
    if (const std::string fault = ManagerFault(owners[i].manager); !fault.empty()) {
      errors.Invalid(api::Child(path, "manager"), owners[i].manager, fault);
    }
    if (owners[i].subresource.size() > kSubresourceBytesMax) {
      errors.TooLong(api::Child(path, "subresource"), kSubresourceBytesMax);
    }
  }
  if (errors.empty()) return absl::OkStatus();
  return api::Invalid(kind.group, kind.kind, api::NameOf(object), errors);
}

// The owners that the client says there are. nullopt: it does not say, and they are those of the
// newest version.
std::optional<std::vector<FieldOwner>> SaidBy(const WriteOptions& options, const Json& object) {
  const Json* sent = api::Find(object, kPath);
  if (sent == nullptr || !sent->is_array() || !options.subresource.empty()) return std::nullopt;
  if (IsReset(*sent)) return std::vector<FieldOwner>();
  std::optional<std::vector<FieldOwner>> owners = ReadSent(*sent);
  return owners.has_value() && owners->empty() ? std::nullopt : std::move(owners);
}

// ---- Updates ----

void AddUpdater(FieldOwner updater, std::vector<FieldOwner>* owners) {
  for (FieldOwner& owner : *owners) {
    if (!owner.IsSame(updater)) continue;
    owner.fields.Unite(updater.fields);
    owner.time = std::move(updater.time);
    return;
  }
  owners->push_back(std::move(updater));
}

// Makes one of the oldest updaters of a version until there are no more than kUpdatersMax.
void CapUpdaters(std::vector<FieldOwner>* owners) {
  size_t updaters = 0;
  for (const FieldOwner& owner : *owners) updaters += owner.applied ? 0 : 1;
  if (updaters <= kUpdatersMax) return;
  std::stable_sort(owners->begin(), owners->end(), [](const FieldOwner& a, const FieldOwner& b) {
    return std::tie(a.applied, a.time, a.manager, a.api_version, a.subresource) <
           std::tie(b.applied, b.time, b.manager, b.api_version, b.subresource);
  });
  std::map<std::string, size_t> first;  // of each version
  for (size_t i = 0; i < owners->size() && updaters > kUpdatersMax; ++i) {
    FieldOwner& owner = (*owners)[i];
    if (owner.applied) break;
    const auto [at, is_new] = first.emplace(owner.api_version, i);
    if (is_new) continue;
    FieldOwner& old = (*owners)[at->second];
    old.manager = kOldUpdater;
    old.subresource.clear();
    old.time = owner.time;
    old.fields.Unite(owner.fields);
    owner.fields = {};
    --updaters;
  }
  // There may have been such an owner before.
  for (FieldOwner& owner : std::exchange(*owners, {})) {
    if (!owner.fields.empty()) AddUpdater(std::move(owner), owners);
  }
}

}  // namespace

VersionedDifference::VersionedDifference(const Kind& kind, const Json& before, const Json& after,
                                         std::string_view skipped)
    : kind_(kind),
      before_(before),
      after_(after),
      skipped_(skipped),
      own_(api::Compare(MessageOf(kind), before, after, skipped)) {}

const Difference* VersionedDifference::In(const std::string& api_version) {
  if (api_version == kind_.api_version()) return &own_;
  if (const auto found = others_.find(api_version); found != others_.end()) return &found->second;
  const Kind* other = KindInVersion(kind_, api_version);
  if (other == nullptr) return nullptr;
  Difference difference = api::Compare(MessageOf(*other), ToVersion(kind_, *other, before_),
                                       ToVersion(kind_, *other, after_), skipped_);
  return &others_.emplace(api_version, std::move(difference)).first->second;
}

const Kind* KindInVersion(const Kind& kind, const std::string& api_version) {
  const Kind* other = api::FindKind(api_version, kind.kind);
  return other != nullptr && &other->stored() == &kind.stored() ? other : nullptr;
}

Json ToVersion(const Kind& from, const Kind& to, const Json& object) {
  if (&from == &to || object.empty()) return object;
  return Registry::InVersion(to, from.stored_as == nullptr ? object : from.to_stored(object));
}

std::string_view SkippedMember(const Kind& kind, std::string_view subresource) {
  const bool is_spec = subresource.empty() || subresource == "scale";
  return kind.has_status && is_spec ? "status" : "";
}

std::vector<FieldOwner> OwnersOf(const Json& object) {
  const Json* managed = api::Find(object, kPath);
  if (managed == nullptr) return {};
  if (const auto text = api::RawText(*managed); text.has_value()) return ReadOwners(*text);
  return ReadSent(*managed).value_or(std::vector<FieldOwner>());
}

void SetOwners(std::vector<FieldOwner> owners, Json* object) {
  std::erase_if(owners, [](const FieldOwner& owner) { return owner.fields.empty(); });
  if (owners.empty()) return api::Erase(*object, kPath);
  // "Apply" goes before "Update".
  std::stable_sort(owners.begin(), owners.end(), [](const FieldOwner& a, const FieldOwner& b) {
    return std::tie(b.applied, a.time, a.manager, a.api_version, a.subresource) <
           std::tie(a.applied, b.time, b.manager, b.api_version, b.subresource);
  });
  std::string text;
  for (const FieldOwner& owner : owners) {
    text += text.empty() ? '[' : ',';
    AppendOwner(owner, &text);
  }
  text += ']';
  api::Make(*object, kPath) = api::RawJson(text);
}

void TakeChanged(VersionedDifference& difference, std::vector<FieldOwner>* owners) {
  std::erase_if(*owners, [&difference](FieldOwner& owner) {
    const Difference* of_version = difference.In(owner.api_version);
    if (of_version == nullptr) return true;
    owner.fields.Subtract(of_version->changed);
    owner.fields.Subtract(of_version->removed);
    return owner.fields.empty();
  });
}

FieldOwner OwnerOfAll(const Kind& kind, const Json& object, std::string_view manager,
                      std::string_view subresource) {
  Difference all =
      api::Compare(MessageOf(kind), Json::object(), object, SkippedMember(kind, subresource));
  return {.manager = std::string(manager),
          .applied = false,
          .api_version = kind.api_version(),
          .subresource = std::string(subresource),
          .time = api::FormatTime(absl::Now()),
          .fields = std::move(all.changed)};
}

absl::Status TrackWrite(const Kind& kind, const WriteOptions& options, const Json& before,
                        Json& object) {
  if (options.applied) return absl::OkStatus();
  std::optional<std::vector<FieldOwner>> said;
  if (!options.field_manager.empty()) said = SaidBy(options, object);
  const bool creates = before.empty();
  const bool owned = said.has_value() ? !said->empty() : api::Find(before, kPath) != nullptr;
  if (said.has_value()) {
    if (const absl::Status sent = CheckSent(kind, object, *said); !sent.ok()) return sent;
  }
  api::Carry(before, object, kPath);
  if (options.field_manager.empty()) return absl::OkStatus();
  if (!creates && !owned) {
    // Nobody has ever been told of owners, or somebody wants none: so it stays.
    api::Erase(object, kPath);
    return absl::OkStatus();
  }
  const Kind& version = options.version != nullptr ? *options.version : kind;
  std::optional<Json> before_there, object_there;
  if (&version != &kind) {
    before_there = ToVersion(kind, version, before);
    object_there = ToVersion(kind, version, object);
  }
  VersionedDifference difference(version, before_there ? *before_there : before,
                                 object_there ? *object_there : object,
                                 SkippedMember(kind, options.subresource));
  if (difference.Own().empty() && !said.has_value()) return absl::OkStatus();
  std::vector<FieldOwner> owners = said.has_value() ? *std::move(said) : OwnersOf(before);
  TakeChanged(difference, &owners);
  if (!difference.Own().changed.empty()) {
    AddUpdater({.manager = options.field_manager,
                .applied = false,
                .api_version = version.api_version(),
                .subresource = std::string(options.subresource),
                .time = api::FormatTime(absl::Now()),
                .fields = difference.Own().changed},
               &owners);
  }
  CapUpdaters(&owners);
  SetOwners(std::move(owners), &object);
  return absl::OkStatus();
}

bool HaveSameOwners(const Json& a, const Json& b) {
  const Json* left = api::Find(a, kPath);
  const Json* right = api::Find(b, kPath);
  if (left == nullptr || right == nullptr) return left == right;
  if (*left == *right) return true;
  std::vector<FieldOwner> ours = OwnersOf(a);
  const std::vector<FieldOwner> theirs = OwnersOf(b);
  return ours.size() == theirs.size() &&
         std::all_of(theirs.begin(), theirs.end(), [&ours](const FieldOwner& owner) {
           return std::any_of(ours.begin(), ours.end(), [&owner](const FieldOwner& other) {
             return other.IsSame(owner) && other.api_version == owner.api_version &&
                    other.fields == owner.fields;
           });
         });
}

std::string ManagerFault(std::string_view manager) {
  for (size_t at = 0; at < manager.size();) {
    const auto [c, bytes] = api::FirstCodePoint(manager.substr(at));
    if (bytes != 0 && !api::IsPrintable(c)) {
      return absl::StrFormat("invalid character U+%04X (at position %d)", c, at);
    }
    at += bytes == 0 ? 1 : bytes;
  }
  return "";
}

std::string ManagerOfUserAgent(std::string_view user_agent) {
  std::string_view program = user_agent.substr(0, user_agent.find('/'));
  std::string manager;
  while (!program.empty()) {
    const auto [c, bytes] = api::FirstCodePoint(program);
    if (bytes != 0 && api::IsPrintable(c)) {
      if (manager.size() + bytes > kManagerBytesMax) break;
      manager += program.substr(0, bytes);
    }
    program.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return manager.empty() ? "unknown" : manager;
}

}  // namespace keelson::registry
