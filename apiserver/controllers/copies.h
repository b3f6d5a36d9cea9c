// The copies of objects that controllers share: which parts are kept, and how they are found. What
// is written back goes by patches, for a copy is never whole.
#ifndef KEELSON_APISERVER_CONTROLLERS_COPIES_H_
#define KEELSON_APISERVER_CONTROLLERS_COPIES_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/runtime/controller.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

// Pods without what only nodes need. Found by owner (as OwnedCopies) and by node ("" is none yet).
runtime::Informer& PodCopies(const runtime::ControllerContext& context);
std::vector<runtime::Object> PodsOnNode(const runtime::Informer& pods, std::string_view node);

// Objects of a resource that have owners.
runtime::Informer& OwnedCopies(const runtime::ControllerContext& context,
                               const runtime::Resource& resource);
// Those whose controller has that uid.
std::vector<runtime::Object> OwnedBy(const runtime::Informer& copies, std::string_view uid);
// Those of the namespace that have no controller.
std::vector<runtime::Object> Orphans(const runtime::Informer& copies, std::string_view name_space);

// For what is read whole. Takes the manifest away that `kubectl apply` leaves in an annotation.
runtime::Informer& Copies(const runtime::ControllerContext& context,
                          const runtime::Resource& resource);
// Calls `act` with an object as it is now, whenever there is a new one or one has changed, and
// `gone`, if it is given, with the last state of one.
runtime::InformerHandler OnPresent(std::function<void(const runtime::Object& now)> act,
                                   std::function<void(const runtime::Object& last)> gone = {});
// By "namespace/name" or "name"; nullptr: none.
runtime::Object AtKey(const runtime::Informer& copies, std::string_view key);
// Metadata without labels and annotations, for those who look at owners and finalizers.
void KeepOwnersOnly(api::Json& object);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_COPIES_H_
