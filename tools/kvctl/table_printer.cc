// The table format: only for the answers that are lists of members or endpoints.
#include "tools/kvctl/printer.h"
#include "tools/kvctl/rows.h"

namespace keelson::kvctl {
namespace {

class TablePrinter final : public Printer {
 public:
  explicit TablePrinter(std::ostream& out) : Printer("table", out) {}

  Exit MemberList(const etcdserverpb::MemberListResponse& response) override {
    return Draw(MemberRows(response));
  }
  Exit Health(const std::vector<EndpointHealth>& endpoints) override {
    return Draw(HealthRows(endpoints));
  }
  Exit Status(const std::vector<EndpointStatus>& endpoints) override {
    return Draw(StatusRows(endpoints));
  }
  Exit HashKv(const std::vector<EndpointHash>& endpoints) override {
    return Draw(HashRows(endpoints));
  }
  Exit OfflineHash(const struct OfflineHash& hash) override {
    return Draw(OfflineHashRows(hash));
  }
  Exit SnapshotStatus(const struct SnapshotStatus& status) override {
    return Draw(SnapshotRows(status));
  }

 private:
  Exit Draw(const Rows& rows) {
    out() << DrawTable(rows);
    return Ok();
  }
};

}  // namespace

std::unique_ptr<Printer> MakeTablePrinter(std::ostream& out) {
  return std::make_unique<TablePrinter>(out);
}

}  // namespace keelson::kvctl
