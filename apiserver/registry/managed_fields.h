// Who owns which fields of an object: metadata.managedFields. A write through the API makes whoever
// wrote the owner of the fields that it changed, and of these alone; what it takes away has no
// owner any more. Server-side apply is in apply_config.h.
//
// In memory, and in the store, managedFields are their text (api/raw_json.h), which is looked into
// only when a write changes something.
//
// Thread: any.
#ifndef KEELSON_APISERVER_REGISTRY_MANAGED_FIELDS_H_
#define KEELSON_APISERVER_REGISTRY_MANAGED_FIELDS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "apiserver/api/field_owners.h"
#include "apiserver/api/field_set.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/registry/registry.h"

namespace keelson::registry {

// One of an object's owners: who, in what way, through what, in the version of what.
struct FieldOwner {
  std::string manager;
  bool applied = false;  // else updated
  std::string api_version;
  std::string subresource;
  std::string time;  // "": not known
  api::FieldSet fields;

  // Who applies is the same in any version.
  bool IsSame(const FieldOwner& other) const {
    return manager == other.manager && applied == other.applied &&
           subresource == other.subresource && (applied || api_version == other.api_version);
  }
};

// In what two states of an object differ, in any of its versions.
class VersionedDifference {
 public:
  // Both in the version of `kind`, and both outlive it. `skipped`: as in api::Compare.
  VersionedDifference(const api::Kind& kind, const api::Json& before, const api::Json& after,
                      std::string_view skipped);
  const api::Difference& Own() const { return own_; }
  // nullptr: there is no such version.
  const api::Difference* In(const std::string& api_version);

 private:
  const api::Kind& kind_;
  const api::Json& before_;
  const api::Json& after_;
  const std::string_view skipped_;
  const api::Difference own_;
  std::map<std::string, api::Difference> others_;
};

// The version of a kind's objects; nullptr: none.
const api::Kind* KindInVersion(const api::Kind& kind, const std::string& api_version);
// An object of the one version in the other.
api::Json ToVersion(const api::Kind& from, const api::Kind& to, const api::Json& object);
// What a write through the subresource leaves as it is, whatever is sent.
std::string_view SkippedMember(const api::Kind& kind, std::string_view subresource);

// None where managedFields are missing or wrong.
std::vector<FieldOwner> OwnersOf(const api::Json& object);
// Those without fields are left out.
void SetOwners(std::vector<FieldOwner> owners, api::Json* object);
// Takes what changed from all owners. Those of versions that there are no more go.
void TakeChanged(VersionedDifference& difference, std::vector<FieldOwner>* owners);
// The owner of all that there is.
FieldOwner OwnerOfAll(const api::Kind& kind, const api::Json& object, std::string_view manager,
                      std::string_view subresource);

// Of an update, or of a creation, when `before` is {}: what was sent as `object`, defaults filled
// in. Without options.field_manager it has the owners that it had; with options.applied, those that
// `object` has. Both objects are of the kind's stored version.
// Invalid: managedFields that the client sent.
absl::Status TrackWrite(const api::Kind& kind, const WriteOptions& options, const api::Json& before,
                        api::Json& object);

// Whether two objects have the same owners, at whatever time.
bool HaveSameOwners(const api::Json& a, const api::Json& b);

// "": it may be a manager's name.
std::string ManagerFault(std::string_view manager);
// The name of a client that does not give one: its program's.
std::string ManagerOfUserAgent(std::string_view user_agent);

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_MANAGED_FIELDS_H_
