#include "apiserver/controllers/discovery.h"

#include <nlohmann/json.hpp>
#include <set>

#include "apiserver/api/object.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;

void AddKinds(const Json& list, const std::string& group, const std::string& version,
              bool preferred, Discovery* discovery) {
  for (const Json& entry : api::ArrayAt(list, "resources")) {
    const std::string& name = api::TextAt(entry, "name");
    if (name.empty() || name.find('/') != std::string::npos) continue;
    std::set<std::string> verbs;
    for (const Json& verb : api::ArrayAt(entry, "verbs")) {
      if (verb.is_string()) verbs.insert(verb.get<std::string>());
    }
    discovery->kinds.push_back({.resource = {group, version, name},
                                .kind = api::TextAt(entry, "kind"),
                                .namespaced = api::FlagAt(entry, "namespaced"),
                                .has_objects = verbs.contains("list") && verbs.contains("watch") &&
                                               verbs.contains("delete"),
                                .preferred = preferred});
  }
}

}  // namespace

absl::StatusOr<Discovery> Discover(runtime::ApiClient* client) {
  Discovery discovery;
  KV_ASSIGN_OR_RETURN(const Json core, client->GetPath("/api/v1"));
  AddKinds(core, "", "v1", true, &discovery);
  KV_ASSIGN_OR_RETURN(const Json groups, client->GetPath("/apis"));
  for (const Json& group : api::ArrayAt(groups, "groups")) {
    const std::string& preferred = api::TextAt(group, "preferredVersion.version");
    for (const Json& entry : api::ArrayAt(group, "versions")) {
      const std::string& name = api::TextAt(group, "name");
      const std::string& version = api::TextAt(entry, "version");
      const absl::StatusOr<Json> list = client->GetPath(Concat("/apis/", name, "/", version));
      if (!list.ok()) {
        discovery.failures.push_back(
            Concat(name, "/", version, ": ", std::string(list.status().message())));
        continue;
      }
      AddKinds(*list, name, version, version == preferred, &discovery);
    }
  }
  return discovery;
}

}  // namespace keelson::controllers
