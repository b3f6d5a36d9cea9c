// What a node's agent may do: its own Node, Lease and CSINode; the pods that are bound to it; and
// the secrets, config maps, claims, volumes and service accounts that these pods name. A node is
// known by the group system:nodes and the user name system:node:NAME. What it may create is checked
// where the object is seen, at admission (node_restriction.h).
#ifndef KEELSON_APISERVER_AUTH_NODE_AUTHORIZER_H_
#define KEELSON_APISERVER_AUTH_NODE_AUTHORIZER_H_

#include "apiserver/auth/authorizer.h"
#include "apiserver/auth/objects.h"
#include "apiserver/auth/rules.h"

namespace keelson::auth {

// Not allowed, without a reason, for whoever is no node.
Decision DecideForNode(Objects& objects, const Attributes& attributes);

bool IsNode(const registry::User& user);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_NODE_AUTHORIZER_H_
