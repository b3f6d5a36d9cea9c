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
// kRemovedPrefix id:be64: a member that was removed, whose id never comes back; the value is empty.
inline constexpr char kRemovedPrefix[] = "removed/";
inline constexpr char kDowngradeKey[] = "downgrade";  // keelson.proto.DowngradeInfo; absent: none

}  // namespace keelson::server

#endif  // KEELSON_SERVER_CLUSTER_RECORDS_H_
