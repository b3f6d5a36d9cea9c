#include "tests/simulation/cluster/options.h"

#include "absl/strings/str_cat.h"

namespace keelson::simulation {
namespace {

constexpr const char* kNames[] = {
#define X(name) #name,
    KEELSON_SIMULATION_FEATURES(X)
#undef X
};

constexpr int64_t kRaftCacheMax = 4 << 10;

// From this one on each is drawn by itself, so that another one changes nothing else of what a seed
// draws.
constexpr Feature kFirstOfTheirOwn = Feature::k_steady_watches;

void DrawThoseOfTheirOwn(const std::set<Feature>& without, Options& options) {
  for (auto i = static_cast<size_t>(kFirstOfTheirOwn); i < kFeatures; ++i) {
    const auto feature = static_cast<Feature>(i);
    Dice dice((options.seed + 1) * 0xd1342543de82ef95 + i);
    if (dice.Percent(30) && !without.contains(feature)) options.features.insert(feature);
  }
}

}  // namespace

const char* NameOf(Feature feature) { return kNames[static_cast<size_t>(feature)]; }

Feature FeatureNamed(const std::string& name) {
  size_t i = 0;
  while (i < kFeatures && name != kNames[i]) ++i;
  return static_cast<Feature>(i);
}

Options DrawOptions(uint64_t seed, Time duration, const std::set<Feature>& without) {
  Options options;
  options.seed = seed;
  options.duration = duration;
  Dice dice(seed * 0x9e3779b97f4a7c15 + 1);
  // Half of all that there is, more or less.
  const uint64_t percent = static_cast<uint64_t>(dice.Between(25, 80));
  for (size_t i = 0; i < static_cast<size_t>(kFirstOfTheirOwn); ++i) {
    const auto feature = static_cast<Feature>(i);
    if (feature == Feature::k_library) continue;
    if (dice.Percent(percent) && !without.contains(feature)) options.features.insert(feature);
  }
  DrawThoseOfTheirOwn(without, options);
  // Those that take the most time of ours are left to fewer seeds.
  for (const Feature dear : {Feature::k_auth, Feature::k_overload}) {
    if (dice.Percent(50)) options.features.erase(dear);
  }
  options.real_stores = seed % kRealStoresOneIn == 0;
  options.members = dice.Percent(60) ? 3 : dice.Percent(70) ? 5 : 7;
  options.clients = static_cast<int>(dice.Between(3, 8));
  options.network_max = kMillisecond * dice.Skewed(1, 60);
  options.loss_permille = static_cast<uint64_t>(dice.Skewed(1, 100));
  options.duplicate_permille = static_cast<uint64_t>(dice.Skewed(1, 100));
  options.fault_pause_max = kMillisecond * dice.Between(300, 6000);
  options.think_max = kMillisecond * dice.Between(50, 600);
  options.snapshot_count = static_cast<uint64_t>(dice.Skewed(5, 2000));
  options.snapshot_catchup_entries = static_cast<uint64_t>(dice.Skewed(1, 500));
  if (options.has(Feature::k_snapshot_races) && !without.contains(Feature::k_outdated)) {
    options.features.insert(Feature::k_outdated);
    options.snapshot_idle_max = kSecond;
  }
  if (options.has(Feature::k_sleeping_leaders) && !without.contains(Feature::k_leases)) {
    options.features.insert(Feature::k_leases);
  }
  const bool short_log = dice.Percent(30);
  const auto short_count = static_cast<uint64_t>(dice.Between(3, 20));
  const auto short_catchup = static_cast<uint64_t>(dice.Between(1, 10));
  if (short_log || options.has(Feature::k_outdated)) {
    // Whoever is cut off for a while needs a snapshot.
    options.snapshot_count = short_count;
    options.snapshot_catchup_entries = short_catchup;
    options.log_segment_bytes = 4 << 10;
    options.raft_cache_bytes =
        static_cast<uint64_t>(Dice(seed ^ 0xcac4eb17e5).Skewed(0, kRaftCacheMax));
  }
  options.log_cache_bytes = dice.Percent(50) ? 32 << 20 : dice.Skewed(100, 20000);
  options.tasks_a_turn = dice.Percent(50) ? 1000 : static_cast<size_t>(dice.Between(1, 5));
  options.queue_scale = dice.Percent(50) ? 1 : 20000;
  options.watch_catch_up_revisions = dice.Percent(50) ? 1000 : dice.Between(1, 20);
  const auto lane_width = static_cast<uint64_t>(dice.Skewed(2, 30));
  const Time load_wait_max = kMillisecond * dice.Skewed(200, 7000);
  if (options.has(Feature::k_overload)) {
    options.client_memory_bytes = uint64_t{16} << 20;
    options.lane_width = lane_width;
    options.load_wait_max = load_wait_max;
  }
  options.pre_vote = dice.Percent(85);
  options.early_election = dice.Percent(70);
  options.start_check = dice.Percent(25);
  options.leader_promotes = dice.Percent(30);
  if (dice.Percent(40)) options.token_ttl = kSecond * dice.Between(2, 20);
  // From a source of its own: what there was before stays what it was.
  Dice library_dice(seed * 0x9e3779b97f4a7c15 + 2);
  if (library_dice.Percent(35) && !without.contains(Feature::k_library)) {
    options.features.insert(Feature::k_library);
    options.library_percent = static_cast<uint64_t>(library_dice.Between(20, 100));
  }
  return options;
}

std::string Describe(const Options& options) {
  std::string text =
      absl::StrCat("seed ", options.seed, ": ", options.duration / kSecond, " s, ", options.members,
                   " members on ", options.real_stores ? "real stores" : "stores in memory", ", ",
                   options.clients, " clients, network up to ", options.network_max / kMillisecond,
                   " ms, flush after ", options.snapshot_count, " entries, ",
                   options.snapshot_catchup_entries, " kept in the log;");
  for (const Feature feature : options.features) absl::StrAppend(&text, " ", NameOf(feature));
  if (!options.bug.empty()) absl::StrAppend(&text, "; bug ", options.bug);
  return text;
}

}  // namespace keelson::simulation
