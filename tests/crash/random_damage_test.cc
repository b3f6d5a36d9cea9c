// Random damage of a member's files, at rest and on the way to the reader: whatever it is, one of
// the outcomes of docs/guarantees.md comes of it; never wrong data.
//
// Debian's RocksDB has assertions, and one of them a single bit of a table can trip before the
// checksum is looked at. So the damage is done in child processes; one that such an assertion ends
// is counted, and another goes on from there. Every other sudden end is a failure.
//
//   KEELSON_DAMAGES=100000 KEELSON_SEED=7 random_damage_test

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "base/check.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "tests/crash/damaged_member.h"

namespace {
constexpr int kAssertionExit = 77;
}

// Of glibc, for assert(); ours do not come here.
extern "C" [[noreturn]] void __assert_fail(const char* expression, const char* file,
                                           unsigned int line, const char*) noexcept {
  std::printf("RocksDB stops: %s:%u: %s\n", file, line, expression);
  std::fflush(stdout);
  ::_exit(kAssertionExit);
}

namespace keelson::storage {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

enum Kind : uint8_t { kSegment, kTable, kManifest, kCurrent, kOtherFile, kLogRead, kStoreRead };
constexpr const char* kKindNames[] = {"log segment", "SST",      "MANIFEST",  "CURRENT",
                                      "other file",  "log read", "store read"};
constexpr size_t kKinds = std::size(kKindNames);
constexpr size_t kStopped = static_cast<size_t>(Outcome::kWrong) + 1;

Kind KindOf(const std::string& path) {
  if (absl::EndsWith(path, ".seg")) return kSegment;
  if (absl::EndsWith(path, ".sst")) return kTable;
  if (absl::StrContains(path, "MANIFEST")) return kManifest;
  if (absl::EndsWith(path, "CURRENT")) return kCurrent;
  return kOtherFile;
}

std::string Flipped(std::string bytes, uint64_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  return bytes;
}

using FileMap = std::map<std::string, std::string>;

// One random damage somewhere.
class Damager {
 public:
  Damager(DamagedMember& member, Random& random) : member_(member), random_(random) {}

  // Does it and describes it.
  std::string Run() {
    const auto& files = member_.files();
    const std::string path = Some(files)->first;
    damage_ = {.path = path, .begin = 0};
    const std::string& content = files.at(path);
    const uint64_t dice = random_.Below(100);
    if (content.empty() || dice < 4) {
      member_.disk().Delete(path);
      return "removed " + path;
    }
    if (dice < 60) {
      const uint64_t bit = random_.Below(8 * content.size());
      damage_.begin = bit / 8;
      damage_.end = bit / 8 + 1;
      return Write(Flipped(content, bit), "bit " + std::to_string(bit) + " flipped in ");
    }
    if (dice < 70) {
      const uint64_t size = random_.Below(content.size());
      damage_.begin = size;
      return Write(content.substr(0, size), "cut to " + std::to_string(size) + " bytes: ");
    }
    return DamageBlock(content, dice < 85);
  }
  const Damage& damage() const { return damage_; }

 private:
  FileMap::const_iterator Some(const FileMap& map) {
    auto it = map.begin();
    std::advance(it, random_.Below(map.size()));
    return it;
  }

  // Zeroes, or what belongs elsewhere.
  std::string DamageBlock(std::string content, bool zeroes) {
    const uint64_t block = random_.Below(2) == 0 ? 512 : 4096;
    const uint64_t at = random_.Below((content.size() + block - 1) / block) * block;
    const uint64_t size = std::min<uint64_t>(block, content.size() - at);
    damage_.begin = at;
    damage_.end = at + size;
    std::string bytes(size, '\0');
    std::string from = "zeroes";
    if (!zeroes) {
      const auto other =
          random_.Below(2) == 0 ? member_.files().find(damage_.path) : Some(member_.files());
      const uint64_t blocks = (other->second.size() + block - 1) / block;
      const uint64_t other_at = blocks == 0 ? 0 : random_.Below(blocks) * block;
      bytes = other->second.substr(other_at, size);
      bytes.resize(size);
      from = other->first + " from " + std::to_string(other_at);
    }
    content.replace(at, size, bytes);
    return Write(content, from + " at " + std::to_string(at) + " in ");
  }

  std::string Write(const std::string& content, const std::string& what) {
    member_.disk().Replace(damage_.path, content);
    return what + damage_.path;
  }

  DamagedMember& member_;
  Random& random_;
  Damage damage_;
};

// What children leave for their parent.
struct Report {
  uint64_t next;  // damage
  Kind kind;      // of the one under way
  uint64_t tally[kKinds][kStopped + 1];
  uint64_t flips;
  char wrong[500];
};

class RandomDamageTest : public testing::Test {
 protected:
  // Describes what it has done; says what kind it was, and where if that is known.
  using Damaging = std::function<std::string(DamagedMember& member, Random& random, Kind& kind,
                                             std::optional<Damage>& where)>;

  RandomDamageTest() {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
    void* shared =
        ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KV_CHECK(shared != MAP_FAILED);
    report_ = new (shared) Report{};
  }
  ~RandomDamageTest() override { ::munmap(report_, sizeof(Report)); }

  // Members of several kinds, and all sorts of damage to each.
  void Run(uint64_t count, const Damaging& damage) {
    constexpr uint64_t kMembers = 8;
    for (uint64_t m = 0; m < kMembers && !HasFailure(); ++m) {
      DamagedMember::Options options;
      options.seed = random_.Next();
      options.orderly_end = m % 2 == 0;
      options.truncate_log = m % 4 < 2;
      options.entries = 100 + random_.Below(200);
      options.flush_every = 10 + random_.Below(60);
      report_->next = 0;
      while (report_->next < count / kMembers && !HasFailure()) {
        RunChild(options, count / kMembers, damage);
      }
      EXPECT_STREQ(report_->wrong, "") << "member " << m;
    }
    Print();
  }

  const Report& report() const { return *report_; }

 private:
  void RunChild(const DamagedMember::Options& options, uint64_t count, const Damaging& damage) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      DamageMany(options, count, damage);
      std::fflush(stdout);
      ::_exit(0);  // without the parent's destructors
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kAssertionExit) {
      ++report_->tally[report_->kind][kStopped];
      return;
    }
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status) << " at " << report_->next;
    ASSERT_EQ(WEXITSTATUS(status), 0) << "at " << report_->next;
  }

  void DamageMany(const DamagedMember::Options& options, uint64_t count, const Damaging& damage) {
    DamagedMember member(options);
    member.Restore();
    KV_CHECK(member.Open().outcome == Outcome::kUnharmed);
    while (report_->next < count && report_->wrong[0] == '\0') {
      SeededRandom random(options.seed + ++report_->next);
      member.Restore();
      std::optional<Damage> where;
      const std::string what = damage(member, random, report_->kind, where);
      const Result result = member.Open(where);
      ++report_->tally[report_->kind][static_cast<size_t>(result.outcome)];
      report_->flips = member.disk().flips();
      if (result.outcome != Outcome::kWrong) continue;
      const std::string text = what + ": " + result.text;
      text.copy(report_->wrong, sizeof report_->wrong - 1);
    }
  }

  void Print() const {
    for (size_t kind = 0; kind < kKinds; ++kind) {
      for (size_t outcome = 0; outcome <= kStopped; ++outcome) {
        const uint64_t times = report_->tally[kind][outcome];
        if (times == 0) continue;
        std::printf("%-12s %-11s %7" PRIu64 "\n", kKindNames[kind],
                    outcome == kStopped ? "stops" : Name(static_cast<Outcome>(outcome)), times);
      }
    }
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  const uint64_t count_ = FromEnvironment("KEELSON_DAMAGES", 6000);
  SeededRandom random_{seed_};
  Report* report_ = nullptr;

 protected:
  uint64_t count() const { return count_; }
};

TEST_F(RandomDamageTest, DamageAtRestNeverGivesWrongData) {
  Run(count(), [](DamagedMember& member, Random& random, Kind& kind, std::optional<Damage>& where) {
    Damager damager(member, random);
    const std::string what = damager.Run();
    where = damager.damage();
    kind = KindOf(where->path);
    return what;
  });
  for (const Kind kind : {kSegment, kTable, kManifest, kCurrent}) {
    EXPECT_GT(report().tally[kind][static_cast<size_t>(Outcome::kRefused)], 0u);
  }
}

// A wire, a controller, a cable: what is on the disk is right. RocksDB's files bear one such fault
// at a time: a first one could take from a table what tells of the second.
TEST_F(RandomDamageTest, DamageOnTheWayNeverGivesWrongData) {
  Run(count() / 2, [](DamagedMember& member, Random& random, Kind& kind, std::optional<Damage>&) {
    const uint64_t one_in = 1 + random.Below(100);
    const bool log = random.Below(3) == 0;
    kind = log ? kLogRead : kStoreRead;
    member.disk().FlipReads(one_in, log ? "raft" : "state", log ? UINT64_MAX : 1);
    return "one read in " + std::to_string(one_in) + (log ? " of the log" : " of the store");
  });
  EXPECT_GT(report().flips, 0u);
  EXPECT_GT(report().tally[kStoreRead][static_cast<size_t>(Outcome::kReadFails)], 0u);
}

}  // namespace
}  // namespace keelson::storage
