#include "tools/kvctl/rows.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

std::string YesNo(bool value) { return value ? "true" : "false"; }

std::string HexId(uint64_t id) { return absl::StrCat(absl::Hex(id)); }

// Columns on a terminal: code points, which is right for all but wide characters.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Pad(size_t count) { return std::string(count, ' '); }

}  // namespace

Rows MemberRows(const etcdserverpb::MemberListResponse& response) {
  Rows table = {{"ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"}, {}};
  for (const etcdserverpb::Member& member : response.members()) {
    table.rows.push_back({HexId(member.id()), member.name().empty() ? "unstarted" : "started",
                          member.name(), absl::StrJoin(member.peerurls(), ","),
                          absl::StrJoin(member.clienturls(), ","), YesNo(member.islearner())});
  }
  return table;
}

Rows HealthRows(const std::vector<EndpointHealth>& endpoints) {
  Rows table = {{"endpoint", "health", "took", "error"}, {}};
  for (const EndpointHealth& health : endpoints) {
    table.rows.push_back({health.endpoint, YesNo(health.error.empty()),
                          FormatGoDuration(health.took), health.error});
  }
  return table;
}

Rows StatusRows(const std::vector<EndpointStatus>& endpoints) {
  Rows table = {
      {"endpoint", "ID", "version", "storage version", "db size", "in use", "percentage not in use",
       "quota", "is leader", "is learner", "raft term", "raft index", "raft applied index",
       "errors", "downgrade target version", "downgrade enabled"},
      {}};
  for (const EndpointStatus& endpoint : endpoints) {
    const etcdserverpb::StatusResponse& s = endpoint.status;
    const int64_t not_in_use =
        s.dbsize() > 0 ? 100 - static_cast<int64_t>(static_cast<double>(s.dbsizeinuse()) * 100 /
                                                    static_cast<double>(s.dbsize()))
                       : 0;
    table.rows.push_back({endpoint.endpoint, HexId(s.header().member_id()), s.version(),
                          s.storageversion(), HumanBytes(s.dbsize()), HumanBytes(s.dbsizeinuse()),
                          absl::StrCat(not_in_use, "%"), HumanBytes(s.dbsizequota()),
                          YesNo(s.leader() == s.header().member_id()), YesNo(s.islearner()),
                          absl::StrCat(s.raftterm()), absl::StrCat(s.raftindex()),
                          absl::StrCat(s.raftappliedindex()), absl::StrJoin(s.errors(), ", "),
                          s.downgradeinfo().targetversion(), YesNo(s.downgradeinfo().enabled())});
  }
  return table;
}

Rows HashRows(const std::vector<EndpointHash>& endpoints) {
  Rows table = {{"endpoint", "hash", "hash_revision"}, {}};
  for (const EndpointHash& hash : endpoints) {
    table.rows.push_back(
        {hash.endpoint, absl::StrCat(hash.hash.hash()), absl::StrCat(hash.hash.hash_revision())});
  }
  return table;
}

Rows OfflineHashRows(const OfflineHash& hash) {
  return {.header = {"hash", "hash revision", "compact revision"},
          .rows = {{absl::StrCat(hash.hash), absl::StrCat(hash.revision),
                    absl::StrCat(hash.compacted)}}};
}

Rows SnapshotRows(const SnapshotStatus& status) {
  return {.header = {"hash", "revision", "total keys", "total size"},
          .rows = {{absl::StrCat(absl::Hex(status.hash)), absl::StrCat(status.revision),
                    absl::StrCat(status.keys), HumanBytes(status.bytes)}}};
}

std::string DrawTable(const Rows& rows) {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (const std::string& name : rows.header) {
    titles.push_back(absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"_", " "}})));
    widths.push_back(Width(titles.back()));
  }
  for (const auto& row : rows.rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string rule = "+";
  for (const size_t width : widths) absl::StrAppend(&rule, std::string(width + 2, '-'), "+");
  rule += "\n";

  std::string text = rule;
  text += "|";
  for (size_t i = 0; i < titles.size(); ++i) {
    const size_t gap = widths[i] - Width(titles[i]);
    absl::StrAppend(&text, " ", Pad(gap / 2), titles[i], Pad(gap - gap / 2), " |");
  }
  absl::StrAppend(&text, "\n", rule);
  for (const auto& row : rows.rows) {
    text += "|";
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&text, " ", Pad(widths[i] - Width(row[i])), row[i], " |");
    }
    text += "\n";
  }
  if (!rows.rows.empty()) text += rule;
  return text;
}

}  // namespace keelson::kvctl
