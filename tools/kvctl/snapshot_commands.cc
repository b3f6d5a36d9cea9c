#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/config.h"
#include "server/restore.h"
#include "server/sha256.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

std::string ErrnoText(const std::string& what) {
  return absl::StrCat(what, ": ", std::strerror(errno));
}

// A file in the making: under its name only when it is whole and on disk.
class PartFile {
 public:
  explicit PartFile(std::string path) : path_(std::move(path)), part_(path_ + ".part") {}
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(part_.c_str());
  }

  absl::Status Open() {
    fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd_ >= 0 ? absl::OkStatus() : Fail("could not open ");
  }
  absl::Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Fail("could not write ");
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }
  absl::Status Finish() {
    if (::fsync(fd_) != 0) return Fail("could not write ");
    if (::rename(part_.c_str(), path_.c_str()) != 0) return Fail("could not rename ");
    ::close(fd_);
    fd_ = -1;
    return absl::OkStatus();
  }

 private:
  absl::Status Fail(const char* what) {
    return absl::InternalError(ErrnoText(absl::StrCat(what, part_)));
  }

  const std::string path_;
  const std::string part_;
  int fd_ = -1;
};

class SnapshotSaveCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "snapshot save",
            .summary = "Stores a snapshot of a member's state in a file",
            .usage = "[options] <filename>",
            .description =
                "Asks exactly one endpoint. The file is complete and checked, or it is not there.",
            .examples = "kvctl snapshot save backup.db"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("snapshot save expects one argument");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const std::vector<std::string>& endpoints = session.globals().endpoints;
    if (endpoints.size() != 1) {
      return BadArguments(
          absl::StrCat("snapshot must be requested to one selected node, not multiple [",
                       absl::StrJoin(endpoints, " "), "]"));
    }
    client::CallOptions options = session.call_options();
    if (!flags.given("command-timeout")) options.timeout = absl::InfiniteDuration();
    PartFile file(words[0]);
    if (const absl::Status status = file.Open(); !status.ok()) return {ExitCode::kIo, Text(status)};
    absl::Status written;
    Tail tail;
    const absl::Status status = session.client().maintenance().Snapshot(
        endpoints[0],
        [&](std::string_view bytes) {
          tail.Add(bytes);
          written = file.Write(bytes);
          return written.ok();
        },
        options);
    if (!written.ok()) return {ExitCode::kIo, Text(written)};
    if (!status.ok()) return session.CallFailed(status);
    if (!tail.IsSumOfTheRest()) return Failed("the snapshot does not match its SHA-256; try again");
    written = file.Finish();
    if (!written.ok()) return {ExitCode::kIo, Text(written)};
    session.out() << "Snapshot saved at " << words[0] << "\n";
    return Ok();
  }

 private:
  static std::string Text(const absl::Status& status) { return std::string(status.message()); }

  // Adds up everything but the last 32 bytes, which are the sum.
  class Tail {
   public:
    void Add(std::string_view bytes) {
      held_.append(bytes);
      if (held_.size() <= server::kSha256Bytes) return;
      const size_t count = held_.size() - server::kSha256Bytes;
      sum_.Add(std::string_view(held_).substr(0, count));
      held_.erase(0, count);
    }
    bool IsSumOfTheRest() { return held_ == sum_.Finish(); }

   private:
    server::Sha256 sum_;
    std::string held_;
  };
};

class SnapshotStatusCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "snapshot status",
            .summary = "Checks the file of a snapshot and says what is in it",
            .usage = "<filename>",
            .description =
                "Reads all of it. The simple format is: hash, revision, total keys, total size.\n"
                "Unpacks it for that into a directory beside it, which goes again.",
            .examples = "kvctl snapshot status backup.db -w table"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("snapshot status requires exactly one argument");
    KVCTL_RETURN_IF_FAILED(session.OpenPrinter(flags));
    const auto summary = server::Summarize(words[0]);
    if (!summary.ok()) return Failed(summary.status());
    return session.printer().SnapshotStatus({.hash = summary->hash,
                                             .revision = summary->revision.value(),
                                             .keys = summary->keys,
                                             .bytes = summary->bytes});
  }
};

class SnapshotRestoreCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {
        .name = "snapshot restore",
        .summary = "Makes the file of a snapshot the data directory of a member of a new cluster",
        .usage = "[options] <filename>",
        .description =
            "Every member of the new cluster is restored from the same file, with the same\n"
            "--initial-cluster and --initial-cluster-token, and then started with them.\n"
            "The revision goes up by --bump-revision and all before is compacted, so that\n"
            "whoever watched the old cluster is told instead of missing changes.",
        .examples =
            "kvctl snapshot restore backup.db --name m1 --data-dir m1.etcd \\\n"
            "    --initial-cluster m1=http://host1:2380,m2=http://host2:2380 \\\n"
            "    --initial-advertise-peer-urls http://host1:2380"};
  }

  void AddFlags(Flags& flags) override {
    flags.String("data-dir", 0, &config_.data_dir,
                 "path to the data directory (default <name>.etcd)");
    flags.String("wal-dir", 0, &config_.wal_dir, "path to a directory of its own for the raft log");
    flags.String("name", 0, &config_.name, "human-readable name for this member");
    flags.String("initial-cluster", 0, &initial_cluster_, "all members: name=peerURL,...");
    flags.String("initial-cluster-token", 0, &config_.initial_cluster_token,
                 "tells clusters apart that have the same URLs");
    flags.String("initial-advertise-peer-urls", 0, &peer_urls_, "this member's peer URLs");
    flags.Bool("skip-hash-check", 0, &skip_hash_check_,
               "take a file without a SHA-256 at its end, or with a wrong one");
    flags.Int("bump-revision", &bump_revision_, "how much to increase the revision; 0: leave it");
    flags.Bool("mark-compacted", 0, &mark_compacted_,
               "mark all before the new revision as compacted; goes with --bump-revision");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("snapshot restore requires exactly one argument");
    KVCTL_RETURN_IF_FAILED(session.OpenPrinter(flags));
    const bool compacted = flags.given("mark-compacted") ? mark_compacted_ : bump_revision_ > 0;
    if (bump_revision_ < 0 || compacted != (bump_revision_ > 0)) {
      return BadArguments(
          "--mark-compacted required if --bump-revision is greater than 0, and only then");
    }
    server::RestoreOptions options;
    options.file = words[0];
    options.bump_revision = bump_revision_;
    options.skip_hash_check = skip_hash_check_;
    options.config = config_;
    if (options.config.data_dir.empty()) options.config.data_dir = config_.name + ".etcd";
    auto urls = server::ParseUrls(peer_urls_);
    if (!urls.ok()) return BadArguments(std::string(urls.status().message()));
    options.config.initial_advertise_peer_urls = *std::move(urls);
    if (initial_cluster_.empty()) initial_cluster_ = config_.name + "=" + peer_urls_;
    auto cluster = server::ParseInitialCluster(initial_cluster_);
    if (!cluster.ok()) return BadArguments(std::string(cluster.status().message()));
    options.config.initial_cluster = *std::move(cluster);
    const absl::Status status = server::Restore(options);
    if (absl::IsInvalidArgument(status)) return BadArguments(std::string(status.message()));
    return status.ok() ? Ok() : Failed(status);
  }

 private:
  server::Config config_;
  std::string initial_cluster_;
  std::string peer_urls_ = "http://localhost:2380";
  bool skip_hash_check_ = false;
  int64_t bump_revision_ = server::RestoreOptions().bump_revision;
  bool mark_compacted_ = true;
};

}  // namespace

void AddSnapshotCommands(Commands& commands) {
  commands.push_back(std::make_unique<SnapshotSaveCommand>());
  commands.push_back(std::make_unique<SnapshotStatusCommand>());
  commands.push_back(std::make_unique<SnapshotRestoreCommand>());
}

}  // namespace keelson::kvctl
