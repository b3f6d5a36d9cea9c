// What etcdutl does: commands on files and directories that no server runs on.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/offline.h"
#include "server/restore.h"
#include "tools/kvctl/command.h"

namespace keelson::kvctl {
namespace {

class OfflineHashCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "hashkv",
            .summary = "Prints the hash of the keys in a snapshot or an idle data directory",
            .usage = "[options] <filename or data directory>",
            .description =
                "The same hash that `kvctl endpoint hashkv` has of a running member at the same\n"
                "revision. A data directory is read as it was last written back: the newest\n"
                "revision in it can be behind the one that the member had, and the next start\n"
                "applies the rest from its log. The simple format is: hash, revision, compacted\n"
                "revision.",
            .examples =
                "kvctl hashkv backup.db\n"
                "kvctl hashkv m1.etcd --rev 42 -w table"};
  }

  void AddFlags(Flags& flags) override {
    flags.Int("rev", &rev_, "maximum revision to hash (default: all revisions)");
    flags.Duration("timeout", &timeout_, "how long to wait for a process that has the directory");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("hashkv command requires exactly one argument");
    KVCTL_RETURN_IF_FAILED(session.OpenPrinter(flags));
    const auto hash = Hash(session, words[0]);
    if (!hash.ok()) return Failed(hash.status());
    return session.printer().OfflineHash({.hash = hash->hash,
                                          .revision = hash->revision.value(),
                                          .compacted = hash->compacted.value()});
  }

 private:
  absl::StatusOr<storage::Store::KvHash> Hash(Session& session, const std::string& path) const {
    std::error_code error;  // whatever it is, opening it as a file will tell
    if (!std::filesystem::is_directory(path, error)) {
      return server::HashSnapshot(path, Revision(rev_));
    }
    const auto waiting = [&] { session.err() << "kvctl: " << path << " is in use; waiting\n"; };
    return server::HashDataDirectory(path, Revision(rev_), {timeout_, waiting});
  }

  int64_t rev_ = 0;
  absl::Duration timeout_ = absl::Seconds(10);
};

class MigrateCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {
        .name = "migrate",
        .summary = "Says that Keelson's data directories need no migration",
        .usage = "",
        .description =
            "etcd's tool changes the storage version of etcd's files by this. Files of Keelson\n"
            "carry their format, and a member reads all that came before its own. Data comes\n"
            "from etcd by `kvctl make-mirror`.",
        .examples =
            "kvctl migrate                             says so\n"
            "kvctl --endpoints=etcd1:2379 make-mirror keelson1:2379"};
  }

  void AddFlags(Flags& flags) override {
    flags.String("data-dir", 0, &unused_, "accepted for compatibility; not used");
    flags.String("target-version", 0, &unused_, "accepted for compatibility; not used");
    flags.Bool("force", 0, &unused_force_, "accepted for compatibility; not used");
  }

  Exit Run(Session&, Flags&, const Arguments&) override {
    return BadFeature(
        "a data directory of Keelson has no storage version to migrate; to bring data from etcd, "
        "use make-mirror");
  }

 private:
  std::string unused_;
  bool unused_force_ = false;
};

}  // namespace

Exit DefragmentOffline(Session& session, const std::string& data_dir, absl::Duration timeout) {
  const auto waiting = [&] { session.err() << "kvctl: " << data_dir << " is in use; waiting\n"; };
  const absl::Status status = server::DefragmentDataDirectory(data_dir, {timeout, waiting});
  return status.ok() ? Ok() : Failed(status);
}

void AddOfflineCommands(Commands& commands) {
  commands.push_back(std::make_unique<OfflineHashCommand>());
  commands.push_back(std::make_unique<MigrateCommand>());
}

}  // namespace keelson::kvctl
