// What node_authorizer.h cannot see, for the object is not there yet when it decides: a node
// creates its own Node, Lease and CSINode only, and of pods only mirrors of those it runs anyway,
// which name nothing of others; and it does not move its own fences: taints, and the labels that
// keep pods apart. An admission plugin.
#ifndef KEELSON_APISERVER_AUTH_NODE_RESTRICTION_H_
#define KEELSON_APISERVER_AUTH_NODE_RESTRICTION_H_

#include <memory>

#include "absl/status/status.h"
#include "apiserver/registry/admission.h"

namespace keelson::auth {

// OK for whoever is no node.
absl::Status CheckNodeRestriction(const registry::AdmissionRequest& request);

std::unique_ptr<registry::AdmissionPlugin> MakeNodeRestrictionPlugin();

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_NODE_RESTRICTION_H_
