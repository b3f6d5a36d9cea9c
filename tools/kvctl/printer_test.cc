// The formats on answers made by hand: what the comparison with etcdctl on a real server cannot show,
// because Debian's is 3.4 and has no newer fields, no alarms and a single member.
#include "tools/kvctl/printer.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tools/kvctl/go_json.h"
#include "tools/kvctl/rows.h"

namespace keelson::kvctl {
namespace {

template <typename Message>
Message Make(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

// What one call prints: stdout, then stderr.
template <typename Call>
std::string Print(const std::string& format, const Call& call, PrinterOptions options = {}) {
  std::ostringstream out, err;
  const auto printer = Printer::Create(format, options, out, err);
  const Exit exit = call(*printer);
  return out.str() + err.str() + (exit.ok() ? "" : "Error: " + exit.error);
}

const char* const kHeader = "header { cluster_id: 1 member_id: 2 revision: 3 raft_term: 4 } ";

EndpointStatus Status() {
  return {"ep:1", Make<etcdserverpb::StatusResponse>(
                      std::string(kHeader) +
                      "version: '3.7.0' dbSize: 25000 leader: 2 raftIndex: 10 raftTerm: 4 raftAppliedIndex: 9 "
                      "errors: 'etcdserver: no leader' dbSizeInUse: 20000 storageVersion: '3.7.0' "
                      "dbSizeQuota: 2147483648 downgradeInfo { }")};
}

TEST(PrinterTest, StatusHasTheColumnsOfToday) {
  EXPECT_EQ(Print("simple", [](Printer& p) { return p.Status({Status()}); }),
            "ep:1, 2, 3.7.0, 3.7.0, 25 kB, 20 kB, 20%, 2.1 GB, true, false, 4, 10, 9, etcdserver: no leader, , "
            "false\n");
  EXPECT_EQ(Print("fields", [](Printer& p) { return p.Status({Status()}); }),
            "\"ClusterID\" : 1\n\"MemberID\" : 2\n\"Revision\" : 3\n\"RaftTerm\" : 4\n\"Version\" : \"3.7.0\"\n"
            "\"StorageVersion\" : \"3.7.0\"\n\"DBSize\" : 25000\n\"DBSizeInUse\" : 20000\n"
            "\"DBSizeQuota\" : 2147483648\n\"Leader\" : 2\n\"IsLearner\" : false\n\"RaftIndex\" : 10\n"
            "\"RaftTerm\" : 4\n\"RaftAppliedIndex\" : 9\n\"Errors\" : [etcdserver: no leader]\n"
            "\"Endpoint\" : \"ep:1\"\n\"DowngradeTargetVersion\" : \"\"\n\"DowngradeEnabled\" : false\n\n");
  EXPECT_EQ(Print("json", [](Printer& p) { return p.Status({Status()}); }),
            "[{\"Endpoint\":\"ep:1\",\"Status\":{\"header\":{\"cluster_id\":1,\"member_id\":2,\"revision\":3,"
            "\"raft_term\":4},\"version\":\"3.7.0\",\"dbSize\":25000,\"leader\":2,\"raftIndex\":10,\"raftTerm\":4,"
            "\"raftAppliedIndex\":9,\"errors\":[\"etcdserver: no leader\"],\"dbSizeInUse\":20000,"
            "\"storageVersion\":\"3.7.0\",\"dbSizeQuota\":2147483648,\"downgradeInfo\":{}}}]\n");
}

TEST(PrinterTest, AuthStatusIsSaidInEveryFormatButTable) {
  const auto status = Make<etcdserverpb::AuthStatusResponse>(std::string(kHeader) +
                                                             "enabled: true authRevision: 7");
  const auto print = [&status](const std::string& format) {
    return Print(format, [&status](Printer& p) { return p.AuthStatus(status); });
  };
  EXPECT_EQ(print("simple"), "Authentication Status: true\nAuthRevision: 7\n");
  EXPECT_EQ(print("fields"),
            "\"ClusterID\" : 1\n\"MemberID\" : 2\n\"Revision\" : 3\n\"RaftTerm\" : 4\n"
            "\"Enabled\" : true\n\"AuthRevision\" : 7\n");
  EXPECT_EQ(print("json"),
            "{\"header\":{\"cluster_id\":1,\"member_id\":2,\"revision\":3,\"raft_term\":4},"
            "\"enabled\":true,\"authRevision\":7}\n");
  EXPECT_EQ(print("protobuf"), status.SerializeAsString());
  EXPECT_EQ(print("table"), "Error: table not supported as output format");
}

// 3.4's servers do not tell what the role root may do; ours and later ones do.
TEST(PrinterTest, TheRoleRootMayDoEverything) {
  const auto role = Make<etcdserverpb::AuthRoleGetResponse>(
      std::string(kHeader) + "perm { permType: READWRITE range_end: '\\0' }");
  EXPECT_EQ(Print("simple", [&role](Printer& p) { return p.RoleGet("root", role); }),
            "Role root\nKV Read:\n\t[, <open ended> (prefix )\nKV Write:\n\t[, <open ended> (prefix )\n");
}

TEST(PrinterTest, TablesAreBoxedWithCentredHeadersAndCellsToTheRight) {
  const auto members = Make<etcdserverpb::MemberListResponse>(
      "members { ID: 255 name: 'm1' peerURLs: 'p' peerURLs: 'q' clientURLs: 'c' } members { ID: 1 isLearner: true }");
  EXPECT_EQ(Print("table", [&](Printer& p) { return p.MemberList(members); }),
            "+----+-----------+------+------------+--------------+------------+\n"
            "| ID |  STATUS   | NAME | PEER ADDRS | CLIENT ADDRS | IS LEARNER |\n"
            "+----+-----------+------+------------+--------------+------------+\n"
            "| ff |   started |   m1 |        p,q |            c |      false |\n"
            "|  1 | unstarted |      |            |              |       true |\n"
            "+----+-----------+------+------------+--------------+------------+\n");
}

TEST(PrinterTest, ATableWithoutRowsIsItsHeader) {
  EXPECT_EQ(DrawTable({{"a_b"}, {}}), "+-----+\n| A B |\n+-----+\n");
}

TEST(PrinterTest, HexMemberIdsAreStrings) {
  const auto members = Make<etcdserverpb::MemberListResponse>(
      "header { cluster_id: 255 member_id: 16 raft_term: 4 } members { ID: 16 name: 'm' }");
  EXPECT_EQ(Print("json", [&](Printer& p) { return p.MemberList(members); }, {.hex = true}),
            "{\"header\":{\"cluster_id\":\"ff\",\"member_id\":\"10\",\"raft_term\":4},"
            "\"members\":[{\"ID\":\"10\",\"name\":\"m\"}]}\n");
}

TEST(PrinterTest, AlarmsAreWrittenAsTheMessagesText) {
  const auto alarms =
      Make<etcdserverpb::AlarmResponse>(std::string(kHeader) + "alarms { memberID: 7 alarm: NOSPACE }");
  EXPECT_EQ(Print("simple", [&](Printer& p) { return p.Alarm(alarms); }), "memberID:7 alarm:NOSPACE \n");
  EXPECT_EQ(Print("json", [&](Printer& p) { return p.Alarm(alarms); }),
            "{\"header\":{\"cluster_id\":1,\"member_id\":2,\"revision\":3,\"raft_term\":4},"
            "\"alarms\":[{\"memberID\":7,\"alarm\":1}]}\n");
  EXPECT_EQ(Print("table", [&](Printer& p) { return p.Alarm(alarms); }),
            "Error: table not supported as output format");
}

TEST(PrinterTest, UnhealthyEndpointsAreReportedOnStderr) {
  std::ostringstream out, err;
  const auto printer = Printer::Create("simple", {}, out, err);
  ASSERT_TRUE(printer->Health({{"a:1", absl::Milliseconds(2), ""}, {"b:2", {}, "context deadline exceeded"}}).ok());
  EXPECT_EQ(out.str(), "a:1 is healthy: successfully committed proposal: took = 2ms\n");
  EXPECT_EQ(err.str(), "b:2 is unhealthy: failed to commit proposal: context deadline exceeded\n");
}

TEST(PrinterTest, JsonLeavesOutZeroesAndWrapsAlternatives) {
  EXPECT_EQ(GoJson(Make<etcdserverpb::TxnResponse>(
                "succeeded: true responses { response_put { header { revision: 9 } } } responses { "
                "response_delete_range { } }")),
            "{\"succeeded\":true,\"responses\":[{\"Response\":{\"response_put\":{\"header\":{\"revision\":9}}}},"
            "{\"Response\":{\"response_delete_range\":{}}}]}");
  EXPECT_EQ(GoJson(Make<mvccpb::Event>("type: DELETE kv { key: '\\377a' mod_revision: 5 }")),
            "{\"type\":1,\"kv\":{\"key\":\"/2E=\",\"mod_revision\":5}}");
  EXPECT_EQ(GoJson(etcdserverpb::AlarmResponse()), "{}");
}

TEST(PrinterTest, ANestedTransactionIsPrintedInside) {
  const auto txn = Make<etcdserverpb::TxnResponse>(
      "succeeded: true responses { response_txn { responses { response_put { } } } }");
  EXPECT_EQ(Print("simple", [&](Printer& p) { return p.Txn(txn); }), "SUCCESS\n\nFAILURE\n\nOK\n");
}

}  // namespace
}  // namespace keelson::kvctl
