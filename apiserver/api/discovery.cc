#include "apiserver/api/discovery.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

struct GroupVersions {
  std::string_view group;
  std::vector<std::string_view> versions;  // the preferred one first
};

// In the order of the table of kinds.
std::vector<GroupVersions> Groups() {
  std::vector<GroupVersions> groups;
  for (const Kind* kind : AllKinds()) {
    auto found = std::find_if(groups.begin(), groups.end(),
                              [&](const GroupVersions& g) { return g.group == kind->group; });
    if (found == groups.end()) found = groups.insert(found, {kind->group, {}});
    auto& versions = found->versions;
    if (std::find(versions.begin(), versions.end(), kind->version) == versions.end()) {
      versions.push_back(kind->version);
    }
  }
  return groups;
}

std::string GroupVersion(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : Concat(group, '/', version);
}

// ---- One document ----

Json ResponseKind(std::string_view group, std::string_view version, std::string_view kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

Json AggregatedResource(const Kind& kind) {
  Json resource = {{"resource", kind.plural},
                   {"responseKind", ResponseKind(kind.group, kind.version, kind.kind)},
                   {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
                   {"singularResource", kind.singular},
                   {"verbs", kind.verbs}};
  if (!kind.short_names.empty()) resource["shortNames"] = kind.short_names;
  if (!kind.categories.empty()) resource["categories"] = kind.categories;
  for (const Subresource& sub : kind.subresources) {
    const bool own = sub.kind.empty();
    Json entry = {{"subresource", sub.name},
                  {"responseKind", own ? ResponseKind(kind.group, kind.version, kind.kind)
                                       : ResponseKind(sub.group, sub.version, sub.kind)},
                  {"verbs", sub.verbs}};
    resource["subresources"].push_back(std::move(entry));
  }
  return resource;
}

Json AggregatedGroup(const GroupVersions& group) {
  Json versions = Json::array();
  for (std::string_view version : group.versions) {
    Json resources = Json::array();
    for (const Kind* kind : AllKinds()) {
      if (kind->group == group.group && kind->version == version) {
        resources.push_back(AggregatedResource(*kind));
      }
    }
    versions.push_back(
        {{"version", version}, {"freshness", "Current"}, {"resources", std::move(resources)}});
  }
  Json metadata = {{"creationTimestamp", nullptr}};
  if (!group.group.empty()) metadata["name"] = group.group;
  return {{"metadata", std::move(metadata)}, {"versions", std::move(versions)}};
}

Document Aggregated(bool core, std::string_view version) {
  Json items = Json::array();
  for (const GroupVersions& group : Groups()) {
    if (group.group.empty() == core) items.push_back(AggregatedGroup(group));
  }
  const Json list = {{"kind", "APIGroupDiscoveryList"},
                     {"apiVersion", Concat("apidiscovery.k8s.io/", version)},
                     {"metadata", Json::object()},
                     {"items", std::move(items)}};
  return {.content_type = Concat("application/json;g=apidiscovery.k8s.io;v=", version,
                                 ";as=APIGroupDiscoveryList"),
          .body = list.dump(),
          .headers = {{"vary", "Accept"}}};
}

// The version of the aggregate that the client asks for; empty: it wants the old form.
std::string_view AggregateWanted(std::string_view accept) {
  while (!accept.empty()) {
    const size_t end = accept.find(',');
    const std::string_view range = accept.substr(0, end);
    accept = end == std::string_view::npos ? std::string_view() : accept.substr(end + 1);
    if (range.find("as=APIGroupDiscoveryList") != std::string_view::npos &&
        range.find("g=apidiscovery.k8s.io") != std::string_view::npos &&
        range.find("json") != std::string_view::npos) {
      if (range.find("v=v2beta1") != std::string_view::npos) return "v2beta1";
      if (range.find("v=v2") != std::string_view::npos) return "v2";
    } else if (range.find("as=") == std::string_view::npos) {
      return {};
    }
  }
  return {};
}

// ---- A document a group version ----

Json OldGroup(const GroupVersions& group) {
  Json versions = Json::array();
  for (std::string_view version : group.versions) {
    versions.push_back(
        {{"groupVersion", GroupVersion(group.group, version)}, {"version", version}});
  }
  Json preferred = versions[0];
  return {{"name", group.group},
          {"versions", std::move(versions)},
          {"preferredVersion", std::move(preferred)}};
}

Json ServerAddress() { return Json::array({{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", ""}}}); }

void AddOldResources(const Kind& kind, Json* resources) {
  Json resource = {{"name", kind.plural},
                   {"singularName", kind.singular},
                   {"namespaced", kind.namespaced},
                   {"kind", kind.kind},
                   {"verbs", kind.verbs}};
  if (!kind.short_names.empty()) resource["shortNames"] = kind.short_names;
  if (!kind.categories.empty()) resource["categories"] = kind.categories;
  resources->push_back(std::move(resource));
  for (const Subresource& sub : kind.subresources) {
    Json entry = {{"name", Concat(kind.plural, '/', sub.name)},
                  {"singularName", ""},
                  {"namespaced", kind.namespaced},
                  {"kind", sub.kind.empty() ? kind.kind : sub.kind},
                  {"verbs", sub.verbs}};
    if (!sub.kind.empty() && (sub.group != kind.group || sub.version != kind.version)) {
      if (!sub.group.empty()) entry["group"] = sub.group;
      entry["version"] = sub.version;
    }
    resources->push_back(std::move(entry));
  }
}

std::optional<Document> Old(const Json& object) {
  return Document{.body = object.dump(), .headers = {{"vary", "Accept"}}};
}

std::optional<Document> ResourceList(std::string_view group, std::string_view version) {
  Json resources = Json::array();
  for (const Kind* kind : AllKinds()) {
    if (kind->group == group && kind->version == version) AddOldResources(*kind, &resources);
  }
  if (resources.empty()) return std::nullopt;
  return Old({{"kind", "APIResourceList"},
              {"apiVersion", "v1"},
              {"groupVersion", GroupVersion(group, version)},
              {"resources", std::move(resources)}});
}

}  // namespace

std::optional<Document> DiscoveryDocument(std::string_view path, std::string_view accept) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::string_view aggregate = AggregateWanted(accept);
  if (path == "/api") {
    if (!aggregate.empty()) return Aggregated(/*core=*/true, aggregate);
    return Old({{"kind", "APIVersions"},
                {"versions", {"v1"}},
                {"serverAddressByClientCIDRs", ServerAddress()}});
  }
  if (path == "/apis") {
    if (!aggregate.empty()) return Aggregated(/*core=*/false, aggregate);
    Json groups = Json::array();
    for (const GroupVersions& group : Groups()) {
      if (!group.group.empty()) groups.push_back(OldGroup(group));
    }
    return Old({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
  }
  constexpr std::string_view kCore = "/api/";
  if (path.substr(0, kCore.size()) == kCore) return ResourceList("", path.substr(kCore.size()));
  constexpr std::string_view kOthers = "/apis/";
  if (path.substr(0, kOthers.size()) != kOthers) return std::nullopt;
  path.remove_prefix(kOthers.size());
  const size_t slash = path.find('/');
  if (slash != std::string_view::npos) {
    return ResourceList(path.substr(0, slash), path.substr(slash + 1));
  }
  for (const GroupVersions& group : Groups()) {
    if (group.group == path && !path.empty()) {
      Json object = OldGroup(group);
      object["kind"] = "APIGroup";
      object["apiVersion"] = "v1";
      return Old(object);
    }
  }
  return std::nullopt;
}

}  // namespace keelson::api
