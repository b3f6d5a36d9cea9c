// The records of Table::kCluster: who this member is, and the membership.
#ifndef KEELSON_SERVER_CLUSTER_RECORDS_H_
#define KEELSON_SERVER_CLUSTER_RECORDS_H_

namespace keelson::server {

// Reaches disk: do not rename.
//
// Of this member alone; a state that comes from another member has that one's.
inline constexpr char kMemberIdKey[] = "member_id";  // be64
inline constexpr char kNameKey[] = "name";
inline constexpr char kTokenKey[] = "token";
inline constexpr const char* kOwnKeys[] = {kMemberIdKey, kNameKey, kTokenKey};
// Replicated.
inline constexpr char kClusterIdKey[] = "cluster_id";  // be64
inline constexpr char kConfStateKey[] = "conf_state";  // EncodeConfState, as of the applied index

}  // namespace keelson::server

#endif  // KEELSON_SERVER_CLUSTER_RECORDS_H_
