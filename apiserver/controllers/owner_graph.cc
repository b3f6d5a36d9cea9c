#include "apiserver/controllers/owner_graph.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/object.h"

namespace keelson::controllers {

using api::Json;

GraphObject ToGraphObject(std::shared_ptr<const runtime::Resource> resource, const Json& object) {
  GraphObject made{.resource = std::move(resource),
                   .name_space = api::NamespaceOf(object),
                   .name = api::NameOf(object),
                   .uid = api::UidOf(object),
                   .version = api::TextAt(object, "metadata.resourceVersion"),
                   .owners = {},
                   .being_deleted = api::IsBeingDeleted(object),
                   .foreground_finalizer = api::HasFinalizer(object, "foregroundDeletion"),
                   .orphan_finalizer = api::HasFinalizer(object, "orphan")};
  for (const Json& owner : api::ArrayAt(object, "metadata.ownerReferences")) {
    made.owners.push_back({.api_version = api::TextAt(owner, "apiVersion"),
                           .kind = api::TextAt(owner, "kind"),
                           .name = api::TextAt(owner, "name"),
                           .uid = api::TextAt(owner, "uid"),
                           .blocks = api::FlagAt(owner, "blockOwnerDeletion")});
  }
  return made;
}

std::optional<GraphObject> OwnerGraph::Put(GraphObject object) {
  absl::MutexLock lock(&mu_);
  const auto [entry, is_new] = objects_.try_emplace(object.uid);
  std::optional<GraphObject> before;
  if (!is_new) {
    before = std::move(entry->second);
    if (before->owners != object.owners) Unlink(*before);
  }
  if (is_new || before->owners != object.owners) {
    for (const OwnerReference& owner : object.owners) dependents_[owner.uid].insert(object.uid);
  }
  entry->second = std::move(object);
  return before;
}

void OwnerGraph::Unlink(const GraphObject& object) {
  for (const OwnerReference& owner : object.owners) {
    const auto found = dependents_.find(owner.uid);
    if (found == dependents_.end()) continue;
    found->second.erase(object.uid);
    if (found->second.empty()) dependents_.erase(found);
  }
}

void OwnerGraph::Remove(const std::string& uid) {
  absl::MutexLock lock(&mu_);
  const auto found = objects_.find(uid);
  if (found == objects_.end()) return;
  Unlink(found->second);
  objects_.erase(found);
}

std::optional<GraphObject> OwnerGraph::Find(const std::string& uid) const {
  absl::ReaderMutexLock lock(&mu_);
  const auto found = objects_.find(uid);
  if (found == objects_.end()) return std::nullopt;
  return found->second;
}

std::vector<GraphObject> OwnerGraph::Dependents(const std::string& uid) const {
  std::vector<GraphObject> dependents;
  absl::ReaderMutexLock lock(&mu_);
  const auto found = dependents_.find(uid);
  if (found == dependents_.end()) return dependents;
  for (const std::string& dependent : found->second) {
    const auto object = objects_.find(dependent);
    if (object != objects_.end()) dependents.push_back(object->second);
  }
  return dependents;
}

std::vector<std::string> OwnerGraph::DependentUids(const std::string& uid) const {
  absl::ReaderMutexLock lock(&mu_);
  const auto found = dependents_.find(uid);
  if (found == dependents_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

size_t OwnerGraph::size() const {
  absl::ReaderMutexLock lock(&mu_);
  return objects_.size();
}

}  // namespace keelson::controllers
