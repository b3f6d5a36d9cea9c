#include "apiserver/api/field_set.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/json_text.h"
#include "apiserver/api/quote.h"
#include "base/check.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

bool Before(const FieldNode& a, const FieldNode& b) { return a.step < b.step; }

// A step as it is compared; nullopt: it is none. "": of a kind that is not known.
std::optional<std::string> CanonicalStep(std::string step) {
  if (step.size() < 2 || step[1] != ':') return std::nullopt;
  const std::string_view rest = std::string_view(step).substr(2);
  switch (step[0]) {
    case 'f':
      return step;
    case 'k':
    case 'v': {
      if (!JsonFault(rest).empty()) return std::nullopt;
      const Json value = JsonReader(rest).ReadValue();
      if (step[0] == 'k' && !value.is_object()) return std::nullopt;
      return step.substr(0, 2) + value.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    case 'i': {
      int64_t place = 0;
      const char* end = rest.data() + rest.size();
      const auto [at, error] = std::from_chars(rest.data(), end, place);
      if (error != std::errc() || at != end) return std::nullopt;
      return Concat("i:", place);
    }
    default:
      return std::string();
  }
}

// The nodes of an object, which the reader stands before. Gives false if it is wrong.
bool ReadChecked(JsonReader& reader, FieldSet* set, bool* member) {
  if (reader.Peek() != '{') return false;
  reader.Enter();
  bool any = false;
  std::string name;
  while (reader.NextMember(&name)) {
    if (name == ".") {
      *member = true;
      reader.Skip();
      continue;
    }
    std::optional<std::string> step = CanonicalStep(std::move(name));
    if (!step.has_value()) return false;
    if (step->empty()) {
      reader.Skip();
      continue;
    }
    any = true;
    FieldSet below;
    bool is_member = false;
    if (!ReadChecked(reader, &below, &is_member)) return false;
    set->AddUnordered(*std::move(step), is_member, std::move(below));
  }
  if (!any) *member = true;
  set->Sort();
  return true;
}

void AppendEscaped(std::string_view text, std::string* json) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80;
  });
  if (!plain) {
    // With its quotation marks.
    const std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    json->append(quoted, 1, quoted.size() - 2);
    return;
  }
  for (char c : text) {
    if (c == '"' || c == '\\') *json += '\\';
    *json += c;
  }
}

std::string ShownValue(const Json& value) {
  return value.is_string() ? Quoted(value.get_ref<const std::string&>()) : GoText(value);
}

}  // namespace

std::string ShownStep(std::string_view step) {
  const std::string_view rest = step.substr(2);
  if (step[0] == 'f') return Concat(".", rest);
  if (step[0] == 'i') return Concat("[", rest, "]");
  const Json value = Json::parse(rest, nullptr, /*allow_exceptions=*/false);
  if (step[0] == 'v') return Concat("[=", ShownValue(value), "]");
  std::string shown = "[";
  for (const auto& [name, key] : value.items()) {
    Append(&shown, shown.size() == 1 ? "" : ",", name, "=", ShownValue(key));
  }
  return shown + "]";
}

std::optional<FieldSet> FieldSet::Parse(std::string_view json) {
  if (!JsonFault(json).empty()) return std::nullopt;
  JsonReader reader(json);
  FieldSet set;
  bool member = false;
  if (!ReadChecked(reader, &set, &member)) return std::nullopt;
  return set;
}

FieldSet FieldSet::Read(JsonReader& reader) {
  FieldSet set;
  if (reader.Peek() != '{') {
    reader.Skip();
    return set;
  }
  std::string name;
  reader.Enter();
  while (reader.NextMember(&name)) {
    FieldNode node;
    node.step = std::move(name);
    node.below = Read(reader);
    if (node.step == ".") {
      // Stays at the front until the node above has seen it.
      node.member = true;
    } else if (node.below.nodes_.empty()) {
      node.member = true;
    } else if (node.below.nodes_.front().step == ".") {
      node.member = true;
      node.below.nodes_.erase(node.below.nodes_.begin());
    }
    set.nodes_.push_back(std::move(node));
  }
  return set;
}

void FieldSet::Append(std::string* json) const { AppendNode(/*with_itself=*/false, json); }

void FieldSet::AppendNode(bool with_itself, std::string* json) const {
  *json += with_itself && !nodes_.empty() ? R"({".":{})" : "{";
  bool first = !with_itself;
  for (const FieldNode& node : nodes_) {
    *json += std::exchange(first, false) ? "\"" : ",\"";
    AppendEscaped(node.step, json);
    *json += "\":";
    node.below.AppendNode(node.member, json);
  }
  *json += '}';
}

std::string FieldSet::ToJson() const {
  std::string json;
  Append(&json);
  return json;
}

const FieldNode* FieldSet::Find(std::string_view step) const {
  const auto found = std::lower_bound(
      nodes_.begin(), nodes_.end(), step,
      [](const FieldNode& node, std::string_view wanted) { return node.step < wanted; });
  return found == nodes_.end() || found->step != step ? nullptr : &*found;
}

size_t FieldSet::size() const {
  size_t size = 0;
  for (const FieldNode& node : nodes_) size += (node.member ? 1 : 0) + node.below.size();
  return size;
}

std::vector<std::string> FieldSet::Paths() const {
  std::vector<std::string> paths;
  AppendPaths("", &paths);
  return paths;
}

void FieldSet::AppendPaths(const std::string& prefix, std::vector<std::string>* paths) const {
  for (const FieldNode& node : nodes_) {
    if (node.member) paths->push_back(prefix + ShownStep(node.step));
  }
  for (const FieldNode& node : nodes_) {
    if (!node.below.empty()) node.below.AppendPaths(prefix + ShownStep(node.step), paths);
  }
}

void FieldSet::AddLast(std::string step, bool member, FieldSet below) {
  if (!member && below.empty()) return;
  KV_CHECK(nodes_.empty() || nodes_.back().step < step) << step;
  nodes_.push_back({std::move(step), member, std::move(below)});
}

void FieldSet::AddUnordered(std::string step, bool member, FieldSet below) {
  if (!member && below.empty()) return;
  nodes_.push_back({std::move(step), member, std::move(below)});
}

void FieldSet::Sort() {
  if (!std::is_sorted(nodes_.begin(), nodes_.end(), Before)) {
    std::stable_sort(nodes_.begin(), nodes_.end(), Before);
  }
  // What was added twice is one.
  size_t kept = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (kept > 0 && nodes_[kept - 1].step == nodes_[i].step) {
      nodes_[kept - 1].member |= nodes_[i].member;
      nodes_[kept - 1].below.Unite(nodes_[i].below);
    } else {
      if (kept != i) nodes_[kept] = std::move(nodes_[i]);
      ++kept;
    }
  }
  nodes_.resize(kept);
}

void FieldSet::Unite(const FieldSet& other) {
  if (nodes_.empty()) {
    nodes_ = other.nodes_;
    return;
  }
  std::vector<FieldNode> united;
  united.reserve(nodes_.size() + other.nodes_.size());
  auto mine = nodes_.begin();
  for (const FieldNode& node : other.nodes_) {
    while (mine != nodes_.end() && mine->step < node.step) united.push_back(std::move(*mine++));
    if (mine != nodes_.end() && mine->step == node.step) {
      mine->member |= node.member;
      mine->below.Unite(node.below);
      united.push_back(std::move(*mine++));
    } else {
      united.push_back(node);
    }
  }
  std::move(mine, nodes_.end(), std::back_inserter(united));
  nodes_ = std::move(united);
}

void FieldSet::Subtract(const FieldSet& other) {
  if (other.nodes_.empty()) return;
  std::erase_if(nodes_, [&other](FieldNode& node) {
    const FieldNode* taken = other.Find(node.step);
    if (taken == nullptr) return false;
    if (taken->member) node.member = false;
    node.below.Subtract(taken->below);
    return !node.member && node.below.empty();
  });
}

void FieldSet::SubtractWithBelow(const FieldSet& other) {
  std::erase_if(nodes_, [&other](FieldNode& node) {
    const FieldNode* taken = other.Find(node.step);
    if (taken == nullptr) return false;
    if (taken->member) return true;
    node.below.SubtractWithBelow(taken->below);
    return !node.member && node.below.empty();
  });
}

FieldSet FieldSet::Intersection(const FieldSet& other) const {
  FieldSet both;
  for (const FieldNode& node : nodes_) {
    const FieldNode* match = other.Find(node.step);
    if (match == nullptr) continue;
    both.AddLast(node.step, node.member && match->member, node.below.Intersection(match->below));
  }
  return both;
}

bool FieldSet::operator==(const FieldSet& other) const { return nodes_ == other.nodes_; }

}  // namespace keelson::api
