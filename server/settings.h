// Settings: the one table of what kvd can be told. A row drives the flag, its environment
// variables, its key in a configuration file and its line of --help. All flags of etcd 3.4 to 3.7
// have a row: those for what is not here take their value and say why they do nothing.
//
// Go's forms of values are etcd's: numbers with a 0x, ten ways to write a switch, "1h30m".
//
// Thread: one, before the member starts.
#ifndef KEELSON_SERVER_SETTINGS_H_
#define KEELSON_SERVER_SETTINGS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/config.h"
#include "server/url.h"

namespace keelson::server {

// Texts that become part of a Config only once they are checked together.
struct GivenTexts {
  std::string config_file;
  std::string initial_cluster;
  std::string initial_cluster_state = "new";
  std::string feature_gates;
  std::string auto_compaction_mode = "periodic";
  std::string auto_compaction_retention = "0";
  std::string metrics = "basic";
  std::string log_rotation =
      R"({"maxsize":100,"maxage":0,"maxbackups":0,"localtime":false,"compress":false})";
  std::vector<std::string> cipher_suites;
  std::string tls_version_min = "TLS1.2";
  std::string tls_version_max;
  std::string discovery, discovery_token, discovery_srv, proxy = "off";
  std::vector<std::string> discovery_endpoints;
  uint32_t auth_token_ttl_s = 300;
  uint64_t max_concurrent_streams = 4294967295;
  bool enable_log_rotation = false;
  bool debug = false;
  bool initial_corrupt_check = false;  // the flag that the feature gate was before etcd 3.6
};

// `text`, which may hold what somebody gave us, without line breaks.
std::string OneLine(absl::string_view text);

class Settings {
 public:
  enum class Section : uint8_t {
    kMember,
    kCluster,
    kSecurity,
    kAuth,
    kMonitoring,
    kUnsafe,
    kNothingHere,  // taken, for what does not exist here
  };
  // How a value is written in a configuration file.
  enum class InFile : uint8_t { kScalar, kList };
  // Milliseconds, seconds and the like are in the names: these are plain numbers.
  using Target = std::variant<std::string*, bool*, int*, int64_t*, uint32_t*, uint64_t*,
                              absl::Duration*, std::vector<std::string>*, std::vector<Url>*>;

  struct Row {
    std::string name;
    Section section;
    Target target;
    std::string help;                           // kNothingHere: why there is nothing to do
    std::vector<std::string> choices = {};      // empty: any value of its kind
    std::vector<std::string> other_names = {};  // "experimental-..." and the like
    // Dotted: within a section. Empty: the name is the key.
    std::string file_key = {};
    InFile in_file = InFile::kScalar;
    bool any_value = false;  // etcd's oldest flags, which are switches and take any text
    std::string default_text = {};
    bool given = false;

    bool is_switch() const { return any_value || std::holds_alternative<bool*>(target); }
  };

  Settings();
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  // By any of its names, or null. The key of a file in any case of letters, as Go has it.
  Row* Find(std::string_view name);
  Row* FindFileKey(std::string_view key);
  std::span<const Row> rows() const { return rows_; }
  bool given(std::string_view name);

  // InvalidArgument: what is wrong with the value, without its name.
  absl::Status Set(Row& row, const std::string& text);
  absl::Status Set(Row& row, std::vector<std::string> values);

  // "--max-wals: ..." for each row that was given and does nothing.
  std::vector<std::string> WithoutEffect() const;
  std::string Help() const;

  Config config;
  GivenTexts texts;

 private:
  void AddMember();
  void AddRequestLimits();
  void AddLoad();
  void AddCluster();
  void AddTransport();
  void AddNames();
  void AddAuth();
  void AddMonitoring();
  void AddNothingHere();
  void AddNothingOfStore();
  void AddDiscovery();
  void Add(Row row) { rows_.push_back(std::move(row)); }

  // Where the values go that nobody looks at.
  struct Unused {
    std::string text;
    bool on = false;
    int64_t number = 0;
    absl::Duration duration;
  } unused_;
  std::vector<Row> rows_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SETTINGS_H_
