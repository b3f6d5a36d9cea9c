#include "server/membership.h"

#include <openssl/sha.h>  // tidy-ok: SHA-1 makes etcd's member and cluster ids; no TLS here

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/planted_bug.h"
#include "server/cluster_records.h"
#include "server/raft_codec.h"

namespace keelson::server {
namespace {

uint64_t Sha1Prefix(std::string_view text) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return LoadBig64(reinterpret_cast<const char*>(digest));
}

std::string MemberKey(NodeId id) {
  std::string key;
  AppendBig64(key, id.value());
  return key;
}

std::string RemovedKey(NodeId id) { return kRemovedPrefix + MemberKey(id); }

}  // namespace

NodeId ComputeMemberId(std::vector<std::string> peer_urls, std::string_view cluster_token) {
  std::sort(peer_urls.begin(), peer_urls.end());
  std::string text;
  for (const std::string& url : peer_urls) text += url;
  text += cluster_token;
  return NodeId(Sha1Prefix(text));
}

// etcd hashes the time where a static bootstrap has the token.
NodeId ComputeAddedMemberId(std::vector<std::string> peer_urls, int64_t unix_seconds) {
  return ComputeMemberId(std::move(peer_urls), absl::StrCat(unix_seconds));
}

uint64_t ComputeClusterId(std::vector<NodeId> members) {
  std::sort(members.begin(), members.end());
  std::string text;
  for (const NodeId id : members) AppendBig64(text, id.value());
  return Sha1Prefix(text);
}

Bootstrap MakeBootstrap(const InitialCluster& cluster, std::string_view token) {
  Bootstrap bootstrap;
  std::vector<NodeId> ids;
  for (const auto& [name, urls] : cluster) {
    etcdserverpb::Member member;
    const NodeId id = ComputeMemberId(urls, token);
    ids.push_back(id);
    member.set_id(id.value());
    member.set_name(name);
    for (const std::string& url : urls) member.add_peerurls(url);
    bootstrap.members.push_back(std::move(member));
  }
  std::sort(bootstrap.members.begin(), bootstrap.members.end(),
            [](const auto& a, const auto& b) { return a.id() < b.id(); });
  bootstrap.cluster_id = ComputeClusterId(std::move(ids));
  return bootstrap;
}

void StoreMember(storage::Store& store, const etcdserverpb::Member& member) {
  store.PutRecord(storage::Table::kMembers, MemberKey(NodeId(member.id())),
                  member.SerializeAsString());
}

std::optional<etcdserverpb::Member> FindMember(const storage::Store& store, NodeId id) {
  const std::optional<std::string> record =
      store.FindRecord(storage::Table::kMembers, MemberKey(id));
  etcdserverpb::Member member;
  if (!record || !member.ParseFromString(*record)) return std::nullopt;
  return member;
}

void RemoveMember(storage::Store& store, NodeId id) {
  store.DeleteRecord(storage::Table::kMembers, MemberKey(id));
  if (!KV_PLANTED("removal-forgotten")) {
    store.PutRecord(storage::Table::kCluster, RemovedKey(id), "");
  }
}

bool WasRemoved(const storage::Store& store, NodeId id) {
  return store.FindRecord(storage::Table::kCluster, RemovedKey(id)).has_value();
}

raft::ConfState StoredConfState(const storage::Store& store) {
  const std::optional<std::string> record =
      store.FindRecord(storage::Table::kCluster, kConfStateKey);
  if (record) {
    if (std::optional<raft::ConfState> conf = DecodeConfState(*record)) return *std::move(conf);
  }
  raft::ConfState conf;
  for (const auto& member : Members(store)) {
    (member.islearner() ? conf.learners : conf.voters).emplace_back(member.id());
  }
  return conf;
}

std::vector<etcdserverpb::Member> Members(const storage::Store& store) {
  std::vector<etcdserverpb::Member> members;
  store.ForEachRecord(storage::Table::kMembers, [&](std::string_view, std::string_view value) {
    etcdserverpb::Member member;
    if (member.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      members.push_back(std::move(member));
    }
  });
  return members;
}

}  // namespace keelson::server
