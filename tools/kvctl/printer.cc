#include "tools/kvctl/printer.h"

namespace keelson::kvctl {

std::unique_ptr<Printer> Printer::Create(absl::string_view format, const PrinterOptions& options,
                                         std::ostream& out, std::ostream& err) {
  if (format == "simple") return MakeSimplePrinter(options, out, err);
  if (format == "json") return MakeJsonPrinter(options, out);
  if (format == "fields") return MakeFieldsPrinter(out);
  if (format == "table") return MakeTablePrinter(out);
  if (format == "protobuf") return MakeProtobufPrinter(out);
  return nullptr;
}

}  // namespace keelson::kvctl
