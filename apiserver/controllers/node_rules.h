// Which pods a node takes, as far as controllers decide it: taints and tolerations, node selectors
// and required node affinity. Pure.
#ifndef KEELSON_APISERVER_CONTROLLERS_NODE_RULES_H_
#define KEELSON_APISERVER_CONTROLLERS_NODE_RULES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"

namespace keelson::controllers {

bool Tolerates(const api::Json& tolerations, const api::Json& taint);
// A taint of that effect that the pod does not tolerate; nullptr: none.
const api::Json* UntoleratedTaint(const api::Json& tolerations, const api::Json& taints,
                                  std::string_view effect);
// How long a pod may stay on a node with these taints, from when it got the last of them:
// infinite: for ever. Only NoExecute counts.
absl::Duration MayStay(const api::Json& tolerations, const api::Json& taints);

// spec.nodeSelector and spec.affinity.nodeAffinity's required terms.
bool SelectsNode(const api::Json& pod_spec, const api::Json& node);
// Terms of a NodeSelector: any of them.
bool MatchesTerms(const api::Json& terms, const api::Json& node);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_NODE_RULES_H_
