#include "apiserver/api/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "apiserver/api/errors.h"
#include "apiserver/api/json_text.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/utf8.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// Aliases may make a text larger by this much; one that wants more wants to do harm.
constexpr size_t kGrowthMax = 10;
constexpr size_t kGrowthFree = 100'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Digits of a base after its sign and prefix, with '_' between them as one likes.
std::optional<Json> ParseWhole(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '_');
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  int base = 10;
  for (const auto& [prefix, of] : {std::pair<std::string_view, int>{"0b", 2},
                                   {"0x", 16},
                                   {"0X", 16},
                                   {"0o", 8},
                                   {"0B", 2},
                                   {"0O", 8},
                                   {"0", 8}}) {
    if (!rest.starts_with(prefix) || rest.size() == prefix.size()) continue;
    base = of;
    rest.remove_prefix(prefix.size());
    break;
  }
  uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
  if (rest.empty() || error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (magnitude > kMost + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? ~magnitude + 1 : magnitude);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool IsDecimal(std::string_view text) {
  const auto take_digits = [&text] {
    const size_t digits = std::find_if_not(text.begin(), text.end(), IsDigit) - text.begin();
    text.remove_prefix(digits);
    return digits;
  };
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const size_t whole = take_digits();
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    if (take_digits() + whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text.remove_prefix(1);
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return take_digits() > 0 && text.empty();
}

// What a plain scalar is.
Json ResolvePlain(std::string_view text) {
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (IsOneOf(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) {
    return true;
  }
  if (IsOneOf(text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) {
    return false;
  }
  const char first = text.front();
  if (!IsDigit(first) && first != '-' && first != '+' && first != '.') return text;
  if (std::optional<Json> whole = ParseWhole(text); whole.has_value()) return *std::move(whole);
  if (IsDecimal(text)) {
    if (first == '+') text.remove_prefix(1);
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }
  return text;
}

bool IsNotFinite(std::string_view text) {
  return IsOneOf(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf",
                        "-.INF", ".nan", ".NaN", ".NAN"});
}

// What we refuse ourselves, thrown through the parser.
struct Refusal : std::runtime_error {
  Refusal(const YAML::Mark& mark, std::string_view what)
      : std::runtime_error(Concat("yaml: line ", mark.line + 1, ": ", what)) {}
};

class Builder final : public YAML::EventHandler {
 public:
  Builder(size_t text_bytes, std::vector<std::string>* duplicates)
      : cost_max_(text_bytes * kGrowthMax + kGrowthFree), duplicates_(duplicates) {}

  Json Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, anchor, nullptr, 1, "");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refusal(mark, "an anchor contains itself");
    Add(mark, 0, found->second.value, found->second.cost, "");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Json value = ReadScalar(mark, tag, text);
    Add(mark, anchor, std::move(value), 1 + text.size(), tag == "?" ? text : "");
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, anchor, Json::array());
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, anchor, Json::object());
  }
  void OnMapEnd() override {
    Level& level = levels_.back();
    // What is merged in stands back behind what the map says itself.
    for (Json& merged : level.merged) level.value.insert(merged.begin(), merged.end());
    Close();
  }

 private:
  struct Anchored {
    Json value;
    size_t cost;
  };
  // A list or map that is open.
  struct Level {
    YAML::Mark mark;
    YAML::anchor_t anchor;
    Json value;
    size_t cost;
    std::optional<std::string> key = {};  // of a map: whose value comes next
    bool merges = false;                  // the key is <<
    std::vector<Json> merged = {};
  };

  static Json ReadScalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    if (!IsUtf8(text)) throw Refusal(mark, "invalid UTF-8");
    if (tag != "?" && tag != "tag:yaml.org,2002:int" && tag != "tag:yaml.org,2002:float" &&
        tag != "tag:yaml.org,2002:bool" && tag != "tag:yaml.org,2002:null") {
      return text;
    }
    if (IsNotFinite(text)) throw Refusal(mark, "a number that JSON does not have");
    return ResolvePlain(text);
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, Json value) {
    if (!levels_.empty() && levels_.back().value.is_object() && !levels_.back().key.has_value()) {
      throw Refusal(mark, "a key of a map that is no scalar");
    }
    if (levels_.size() >= kJsonDepthMax) throw Refusal(mark, "exceeded max depth");
    levels_.push_back({mark, anchor, std::move(value), 1});
  }

  void Close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    Add(level.mark, level.anchor, std::move(level.value), level.cost, "");
  }

  // A value is complete. `plain`: how a plain scalar is written.
  void Add(const YAML::Mark& mark, YAML::anchor_t anchor, Json value, size_t cost,
           std::string_view plain) {
    if (cost > cost_max_ || total_ > cost_max_ - cost) {
      throw Refusal(mark, "document contains excessive aliasing");
    }
    total_ += cost;
    if (anchor != 0) anchors_[anchor] = {value, cost};
    if (levels_.empty()) {
      root_ = std::move(value);
      return;
    }
    Level& level = levels_.back();
    level.cost += cost;
    if (level.value.is_array()) {
      level.value.push_back(std::move(value));
    } else if (!level.key.has_value()) {
      level.merges = plain == "<<";
      level.key = KeyText(mark, value);
    } else {
      AddMember(mark, level, std::move(value));
    }
  }

  static std::string KeyText(const YAML::Mark& mark, const Json& key) {
    if (key.is_string()) return key.get_ref<const std::string&>();
    if (key.is_structured() || key.is_null()) throw Refusal(mark, "a key of a map that is no text");
    return key.dump();
  }

  void AddMember(const YAML::Mark& mark, Level& level, Json value) {
    const std::string key = *std::exchange(level.key, std::nullopt);
    if (level.merges) return Merge(mark, level, std::move(value));
    if (duplicates_ != nullptr && level.value.contains(key)) {
      duplicates_->push_back(
          Concat("line ", mark.line + 1, ": key ", Quoted(key), " already set in map"));
    }
    level.value[key] = std::move(value);
  }

  static void Merge(const YAML::Mark& mark, Level& level, Json value) {
    if (value.is_object()) {
      level.merged.push_back(std::move(value));
      return;
    }
    if (!value.is_array()) throw Refusal(mark, "map merge requires map or sequence of maps");
    for (Json& one : value) {
      if (!one.is_object()) throw Refusal(mark, "map merge requires map or sequence of maps");
      level.merged.push_back(std::move(one));
    }
  }

  const size_t cost_max_;
  std::vector<std::string>* const duplicates_;
  size_t total_ = 0;
  Json root_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Anchored> anchors_;
};

}  // namespace

absl::StatusOr<Json> ParseYaml(std::string_view text, std::vector<std::string>* duplicates) {
  std::istringstream stream{std::string(text)};
  Builder builder(text.size(), duplicates);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
  } catch (const Refusal& refusal) {
    return BadRequest(refusal.what());
  } catch (const YAML::Exception& error) {
    return BadRequest(Concat("yaml: line ", error.mark.line + 1, ": ", error.msg));
  }
  return builder.Take();
}

}  // namespace keelson::api
