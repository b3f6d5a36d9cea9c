// Which volume a claim gets. Pure.
#ifndef KEELSON_APISERVER_CONTROLLERS_VOLUME_MATCH_H_
#define KEELSON_APISERVER_CONTROLLERS_VOLUME_MATCH_H_

#include <string>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

// The class by its field or, for old objects, its annotation; "": none.
std::string ClassOf(const api::Json& claim_or_volume);
// The claim says which class, if only that it wants none.
bool NamesClass(const api::Json& claim);
// The volume's claimRef is this claim, by its name and, if it has one, its uid.
bool IsFor(const api::Json& volume, const api::Json& claim);
// Whether the volume is what the claim asks for; whom it belongs to aside.
bool Fits(const api::Json& volume, const api::Json& claim);
// One that is kept for the claim; else, if `any`, the smallest free one that fits. nullptr: none.
runtime::Object FindVolume(const std::vector<runtime::Object>& volumes, const api::Json& claim,
                           bool any);
// The class that claims get which name none: the newest of those marked. nullptr: none.
runtime::Object DefaultClass(const std::vector<runtime::Object>& classes);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_VOLUME_MATCH_H_
