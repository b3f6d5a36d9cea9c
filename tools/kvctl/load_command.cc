#include <unistd.h>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "client/ops.h"
#include "client/pipeline.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/record_reader.h"

namespace keelson::kvctl {
namespace {

// What one transaction may hold everywhere (--max-txn-ops of etcd).
constexpr int64_t kBatchMax = 128;
// A transaction is sent when it has this many bytes, whatever --batch says; a server refuses more than
// 1.5 MiB.
constexpr size_t kBatchBytesMax = 512 << 10;
// So many keys are remembered for telling whether one comes again.
constexpr size_t kKeysRemembered = 1 << 20;

// Writes records through a pipeline, in batches, with the last record of a key winning.
class Loader {
 public:
  Loader(client::Kv& kv, int64_t batch, int64_t in_flight, const client::CallOptions& options)
      : pipeline_(kv, static_cast<int>(in_flight), options), batch_max_(batch) {}

  absl::Status Add(Record record) {
    // Writes in flight are in no order, so a key that comes again waits for what is before it.
    if (!seen_.insert(record.key).second || seen_.size() > kKeysRemembered) {
      if (const absl::Status status = Flush(); !status.ok()) return status;
      if (const absl::Status status = pipeline_.Finish(); !status.ok()) return status;
      seen_ = {record.key};
    }
    batch_bytes_ += record.key.size() + record.value.size();
    *batch_.add_success() = client::PutOp(record.key, record.value);
    ++handed_in_;
    const bool full = batch_.success_size() >= batch_max_ || batch_bytes_ >= kBatchBytesMax;
    return full ? Flush() : absl::OkStatus();
  }

  absl::Status Finish() {
    if (const absl::Status status = Flush(); !status.ok()) return status;
    return pipeline_.Finish();
  }

  int64_t handed_in() const { return handed_in_; }

 private:
  absl::Status Flush() {
    etcdserverpb::TxnRequest batch = std::exchange(batch_, {});
    batch_bytes_ = 0;
    if (batch.success_size() == 0) return absl::OkStatus();
    if (batch.success_size() > 1) return pipeline_.Txn(std::move(batch));
    return pipeline_.Put(std::move(*batch.mutable_success(0)->mutable_request_put()));
  }

  client::Pipeline pipeline_;
  const int64_t batch_max_;
  etcdserverpb::TxnRequest batch_;
  size_t batch_bytes_ = 0;
  absl::flat_hash_set<std::string> seen_;
  int64_t handed_in_ = 0;
};

class LoadCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "load",
            .summary = "Writes the key-value records on the standard input, many at a time",
            .usage = "[options]",
            .description =
                "A record is a line. By default it is a JSON object with \"key\" and \"value\"; bytes that\n"
                "are no text go in base64 as \"key64\" and \"value64\". With --delimiter the line is key,\n"
                "delimiter, value; with --base64 too, both are base64. When a key comes more than once,\n"
                "its last record is what stays. Prints the count and the rate. When it fails, some of the\n"
                "records may have been written; loading them again does no harm.\n"
                "\n"
                "Not in etcdctl.",
            .examples =
                "echo '{\"key\": \"a\", \"value\": \"1\"}' | kvctl load\n"
                "dpkg-query -W -f '${Package}\\t${Description}\\n' | kvctl load --delimiter '\\t' --prefix /deb/\n"
                "kvctl load --batch 128 < dump.jsonl       128 keys per transaction"};
  }

  void AddFlags(Flags& flags) override {
    flags.String("prefix", 0, &prefix_, "put this before every key");
    flags.Int("batch", &batch_, "records per transaction, up to 128; 1 is a put each");
    flags.Int("in-flight", &in_flight_, "requests under way at a time");
    flags.String("delimiter", 0, &delimiter_, "what ends the key of a line; \\t is a tab");
    flags.Bool("base64", 0, &base64_, "the fields of delimited lines are base64");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) return BadArguments("load command does not accept argument");
    if (batch_ < 1 || batch_ > kBatchMax) return BadArguments("--batch must be from 1 to 128");
    if (in_flight_ < 1 || in_flight_ > 10000) {
      return BadArguments("--in-flight must be from 1 to 10000");
    }
    if (base64_ && delimiter_.empty()) return BadArguments("--base64 needs --delimiter");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const std::string delimiter = delimiter_ == "\\t" ? "\t" : delimiter_;
    RecordReader reader(session.in(), {.delimiter = delimiter, .base64 = base64_});
    Loader loader(session.client().kv(), batch_, in_flight_, session.call_options());
    const RealClock clock;
    const absl::Duration start = clock.Now();
    absl::Duration shown = start;
    const bool on_terminal = isatty(STDERR_FILENO) != 0;
    for (Record record;;) {
      const absl::StatusOr<bool> more = reader.Next(&record);
      if (!more.ok()) {
        (void)loader.Finish();  // the malformed line is what the user must know about
        return InvalidInput(std::string(more.status().message()));
      }
      if (!*more) break;
      record.key = absl::StrCat(prefix_, record.key);
      if (const absl::Status status = loader.Add(std::move(record)); !status.ok()) {
        return session.CallFailed(status);
      }
      if (on_terminal && clock.Now() - shown > absl::Seconds(1)) {
        shown = clock.Now();
        session.err() << "\r" << loader.handed_in() << " records" << std::flush;
      }
    }
    if (const absl::Status status = loader.Finish(); !status.ok()) {
      return session.CallFailed(status);
    }
    if (on_terminal && shown != start) session.err() << "\r";
    const double seconds = absl::ToDoubleSeconds(clock.Now() - start);
    session.out() << absl::StreamFormat("loaded %d records in %.2f s (%.0f/s)\n",
                                        loader.handed_in(), seconds,
                                        static_cast<double>(loader.handed_in()) / seconds);
    return Ok();
  }

 private:
  std::string prefix_;
  int64_t batch_ = 1;
  int64_t in_flight_ = 128;
  std::string delimiter_;
  bool base64_ = false;
};

}  // namespace

void AddLoadCommand(Commands& commands) { commands.push_back(std::make_unique<LoadCommand>()); }

}  // namespace keelson::kvctl
