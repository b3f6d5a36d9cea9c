#include "apiserver/api/json_parse.h"

#include <simdjson.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

// What a parser keeps for the next text.
constexpr size_t kKeptBytesMax = 1 << 20;

// The thread's own: its memory is used again and again.
class Parser {
 public:
  simdjson::simdjson_result<simdjson::dom::element> Parse(std::string_view text) {
    if (parser_ == nullptr || parser_->capacity() > kKeptBytesMax) {
      parser_ = std::make_unique<simdjson::dom::parser>();
    }
    if (text.size() > parser_->capacity() || parser_->max_depth() != kParseDepthMax) {
      const size_t room = std::max<size_t>(text.size(), 16 << 10);
      if (const auto error = parser_->allocate(room, kParseDepthMax)) return error;
    }
    return parser_->parse(text.data(), text.size());
  }

 private:
  std::unique_ptr<simdjson::dom::parser> parser_;
};

simdjson::simdjson_result<simdjson::dom::element> Parse(std::string_view text) {
  static thread_local Parser parser;
  return parser.Parse(text);
}

void Build(simdjson::dom::element element, Json* value);

void BuildObject(simdjson::dom::object object, Json* value) {
  auto& members = (*value = Json::object()).get_ref<Json::object_t&>();
  for (const auto& [name, member] : object) {
    // Mostly they come in the order in which they are kept.
    const size_t before = members.size();
    const auto at = members.emplace_hint(members.end(), name, nullptr);
    if (members.size() == before) at->second = nullptr;  // again: the last one counts
    Build(member, &at->second);
  }
}

void BuildArray(simdjson::dom::array array, Json* value) {
  auto& elements = (*value = Json::array()).get_ref<Json::array_t&>();
  elements.reserve(array.size());
  for (const simdjson::dom::element element : array) {
    Build(element, &elements.emplace_back());
  }
}

// No deeper than texts may be.
void Build(simdjson::dom::element element, Json* value) {
  using Type = simdjson::dom::element_type;
  switch (element.type()) {
    case Type::OBJECT:
      return BuildObject(element.get_object().value_unsafe(), value);
    case Type::ARRAY:
      return BuildArray(element.get_array().value_unsafe(), value);
    case Type::STRING:
      *value = std::string(element.get_string().value_unsafe());
      return;
    case Type::INT64: {
      // Those that are not negative are unsigned, as nlohmann has them.
      const int64_t number = element.get_int64().value_unsafe();
      if (number >= 0) {
        *value = static_cast<uint64_t>(number);
      } else {
        *value = number;
      }
      return;
    }
    case Type::UINT64:
      *value = element.get_uint64().value_unsafe();
      return;
    case Type::DOUBLE:
      *value = element.get_double().value_unsafe();
      return;
    case Type::BOOL:
      *value = element.get_bool().value_unsafe();
      return;
    case Type::NULL_VALUE:
      *value = nullptr;
      return;
  }
}

// Numbers beyond 64 bits.
std::optional<Json> ParseSlowly(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > static_cast<int>(kParseDepthMax);
    return true;
  };
  Json value = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (value.is_discarded() || too_deep) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Json> ParseText(std::string_view text) {
  simdjson::dom::element root;
  const simdjson::error_code error = Parse(text).get(root);
  if (error == simdjson::NUMBER_ERROR || error == simdjson::NUMBER_OUT_OF_RANGE) {
    return ParseSlowly(text);
  }
  if (error) return std::nullopt;
  Json value;
  Build(root, &value);
  return value;
}

std::optional<Json> PartsOf(std::string_view text, const std::vector<std::string_view>& paths) {
  simdjson::dom::element root;
  if (Parse(text).get(root) || !root.is_object()) return std::nullopt;
  Json parts = Json::object();
  for (const std::string_view path : paths) {
    simdjson::dom::element at = root;
    bool found = true;
    for (std::string_view rest = path; found && !rest.empty();) {
      const std::string_view name = rest.substr(0, rest.find('.'));
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
      found = at.is_object() && !at.at_key(name).get(at);
    }
    if (found) Build(at, &Make(parts, path));
  }
  return parts;
}

}  // namespace keelson::api
