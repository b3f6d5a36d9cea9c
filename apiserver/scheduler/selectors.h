// Labels as the scheduler holds them, and what selects them: typed, compact, matched thousands of
// times a second. Values; any thread.
#ifndef KEELSON_APISERVER_SCHEDULER_SELECTORS_H_
#define KEELSON_APISERVER_SCHEDULER_SELECTORS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/api/labels.h"

namespace keelson::scheduler {

using Labels = std::vector<std::pair<std::string, std::string>>;  // ordered by key
using Requirement = api::LabelSelector::Requirement;

Labels ParseLabels(const api::Json& map);
// nullptr: no such label.
const std::string* FindLabel(const Labels& labels, std::string_view key);

struct Selector {
  std::vector<Requirement> requirements = {};
  bool nothing = false;

  bool Matches(const Labels& labels) const;
  bool everything() const { return !nothing && requirements.empty(); }
  bool operator==(const Selector& other) const;
};

// {matchLabels, matchExpressions}; null selects nothing.
Selector ParseSelector(const api::Json* selector);
// One requirement a label.
Selector SelectLabels(const Labels& labels);
// Adds `key in (value)` or `key notin (value)`.
void Require(Selector& selector, std::string key, api::LabelSelector::Operator op,
             std::string value);

// One of the alternatives of a node selector. One that requires nothing selects nothing.
struct NodeTerm {
  std::vector<Requirement> labels = {};
  std::vector<Requirement> fields = {};  // metadata.name only

  bool Matches(const Labels& node_labels, const std::string& node_name) const;
};

NodeTerm ParseNodeTerm(const api::Json& term);
// The terms of a NodeSelector object.
std::vector<NodeTerm> ParseNodeTerms(const api::Json& node_selector);
bool MatchesAny(const std::vector<NodeTerm>& terms, const Labels& labels, const std::string& name);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_SELECTORS_H_
