#include "tests/simulation/cluster/damage.h"

#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace keelson::simulation {
namespace {

using Files = std::map<std::string, std::string>;  // content by path

// How the log on `files` reads; empty: it says that it is damaged.
std::string ReadLog(const Files& files) {
  storage::CrashingFileSystem copy(1);
  copy.Load(files);
  SeededRandom random(1);
  const auto log = storage::RaftLog::Open(LogOptions(copy, &random, Options()));
  if (!log.ok()) return "";
  const storage::LogState state = (*log)->state();
  return absl::StrCat((*log)->FirstIndex().value(), " ", (*log)->LastIndex().value(), " ",
                      state.term.value(), " ", state.vote.value(), " ", state.commit.value());
}

bool IsOfLog(const std::string& path) { return absl::StartsWith(path, kLogDirectory); }

}  // namespace

std::string DamageDisk(Disk& disk, Dice& dice) {
  Files files = disk.files.Save();
  std::vector<std::string> paths;
  for (const auto& [path, content] : files) {
    // RocksDB as Debian builds it ends the process at some bits.
    if (!content.empty() && (disk.rocks == nullptr || IsOfLog(path))) paths.push_back(path);
  }
  if (paths.empty()) return "";
  const std::string path = dice.Pick(paths);
  std::string& content = files[path];
  const std::string before = ReadLog(files);
  std::string what = path;
  for (uint64_t n = dice.Between(1, 3); n > 0; --n) {
    // As often near the beginning, where a log that has just begun has all it holds.
    const uint64_t at =
        dice.Percent(50)
            ? dice.Below(content.size())
            : static_cast<uint64_t>(dice.Skewed(0, static_cast<int64_t>(content.size()) - 1));
    content[at] = static_cast<char>(content[at] ^ (1 << dice.Below(8)));
    absl::StrAppend(&what, " ", at);
  }
  if (IsOfLog(path)) {
    const std::string after = ReadLog(files);
    if (!after.empty() && after != before) return "";
  }
  disk.files.Replace(path, content);
  return what;
}

}  // namespace keelson::simulation
