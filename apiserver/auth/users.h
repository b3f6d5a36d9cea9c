// Names that stand for kinds of users, and the users of service accounts.
#ifndef KEELSON_APISERVER_AUTH_USERS_H_
#define KEELSON_APISERVER_AUTH_USERS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/registry/admission.h"

namespace keelson::auth {

inline constexpr std::string_view kMastersGroup = "system:masters";
inline constexpr std::string_view kNodesGroup = "system:nodes";
inline constexpr std::string_view kNodeUserPrefix = "system:node:";
inline constexpr std::string_view kAnonymousUser = "system:anonymous";
inline constexpr std::string_view kAuthenticatedGroup = "system:authenticated";
inline constexpr std::string_view kUnauthenticatedGroup = "system:unauthenticated";
// Keys of User::extra.
inline constexpr std::string_view kCredentialIdKey = "authentication.kubernetes.io/credential-id";
inline constexpr std::string_view kPodNameKey = "authentication.kubernetes.io/pod-name";
inline constexpr std::string_view kPodUidKey = "authentication.kubernetes.io/pod-uid";
inline constexpr std::string_view kNodeNameKey = "authentication.kubernetes.io/node-name";
inline constexpr std::string_view kNodeUidKey = "authentication.kubernetes.io/node-uid";

// "system:serviceaccount:NAMESPACE:NAME", and back; false: it is none.
std::string ServiceAccountUser(std::string_view name_space, std::string_view name);
bool SplitServiceAccountUser(std::string_view user, std::string* name_space, std::string* name);
std::vector<std::string> ServiceAccountGroups(std::string_view name_space);

// The form of the API: {username, uid, groups, extra}.
api::Json UserInfo(const registry::User& user);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_USERS_H_
