#include "apiserver/api/name_rules.h"

#include <utility>

#include "apiserver/api/labels.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

using Faults = std::vector<std::string>;

constexpr size_t kLabelCharactersMax = 63;
constexpr size_t kSubdomainCharactersMax = 253;
constexpr std::string_view kEmpty = "must be non-empty";

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLowerOrDigit(char c) { return IsLower(c) || IsDigit(c); }
bool IsAlphanumeric(char c) { return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z'); }
bool IsNameCharacter(char c) { return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.'; }

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  for (char c : text) {
    if (!predicate(c)) return false;
  }
  return true;
}

bool IsName(std::string_view text) {
  return !text.empty() && IsAlphanumeric(text.front()) && IsAlphanumeric(text.back()) &&
         All(text, IsNameCharacter);
}

bool IsDnsLabel(std::string_view text) {
  return !text.empty() && IsLowerOrDigit(text.front()) && IsLowerOrDigit(text.back()) &&
         All(text, [](char c) { return IsLowerOrDigit(c) || c == '-'; });
}

bool IsDnsSubdomain(std::string_view text) {
  for (;;) {
    const size_t dot = text.find('.');
    if (!IsDnsLabel(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

std::string TooLong(size_t most) { return Concat("must be no more than ", most, " characters"); }

// A rule in words, examples of what follows it, and the regular expression it stands for.
struct Rule {
  std::string_view words;
  std::string_view examples;
  std::string_view expression;

  std::string Text() const {
    return Concat(words, " (e.g. ", examples, ", regex used for validation is '", expression, "')");
  }
};

constexpr Rule kName = {
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character",
    "'MyName',  or 'my.name',  or '123-abc'", "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"};
constexpr Rule kLabelValue = {
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character",
    "'MyValue',  or 'my_value',  or '12345'", "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"};
constexpr Rule kLabel = {
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character",
    "'my-name',  or '123-abc'", "[a-z0-9]([-a-z0-9]*[a-z0-9])?"};
constexpr Rule kSubdomain = {
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character",
    "'example.com'", "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"};
constexpr Rule kLabel1035 = {
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character",
    "'my-name',  or 'abc-123'", "[a-z]([-a-z0-9]*[a-z0-9])?"};
constexpr Rule kConfigKey = {
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "'key.name',  or 'KEY_NAME',  or 'key-name'", "[-._a-zA-Z0-9]+"};

bool Answer(const Faults& faults, std::string* why) {
  why->clear();
  for (const std::string& fault : faults) Append(why, why->empty() ? "" : "; ", fault);
  return faults.empty();
}

}  // namespace

Faults QualifiedNameFaults(std::string_view text) {
  Faults faults;
  std::string_view name = text;
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return {Concat("a qualified name ", kName.Text(),
                     " with an optional DNS subdomain prefix and '/' (e.g. "
                     "'example.com/MyName')")};
    }
    if (prefix.empty()) {
      faults.push_back(Concat("prefix part ", kEmpty));
    } else {
      for (const std::string& fault : SubdomainFaults(prefix)) {
        faults.push_back(Concat("prefix part ", fault));
      }
    }
  }
  if (name.empty()) {
    faults.push_back(Concat("name part ", kEmpty));
  } else if (name.size() > kLabelCharactersMax) {
    faults.push_back(Concat("name part ", TooLong(kLabelCharactersMax)));
  }
  if (!IsName(name)) faults.push_back(Concat("name part ", kName.Text()));
  return faults;
}

Faults LabelValueFaults(std::string_view value) {
  Faults faults;
  if (value.size() > kLabelCharactersMax) faults.push_back(TooLong(kLabelCharactersMax));
  if (!value.empty() && !IsName(value)) faults.push_back(kLabelValue.Text());
  return faults;
}

Faults SubdomainFaults(std::string_view name) {
  Faults faults;
  if (name.size() > kSubdomainCharactersMax) faults.push_back(TooLong(kSubdomainCharactersMax));
  if (!IsDnsSubdomain(name)) faults.push_back(kSubdomain.Text());
  return faults;
}

Faults LabelFaults(std::string_view name) {
  Faults faults;
  if (name.size() > kLabelCharactersMax) faults.push_back(TooLong(kLabelCharactersMax));
  if (!IsDnsLabel(name)) {
    faults.push_back(IsDnsSubdomain(name) ? "must not contain dots" : kLabel.Text());
  }
  return faults;
}

Faults Label1035Faults(std::string_view name) {
  Faults faults;
  if (name.size() > kLabelCharactersMax) faults.push_back(TooLong(kLabelCharactersMax));
  if (!IsDnsLabel(name) || !IsLower(name.front())) faults.push_back(kLabel1035.Text());
  return faults;
}

Faults ConfigKeyFaults(std::string_view key) {
  Faults faults;
  if (key.size() > kSubdomainCharactersMax) faults.push_back(TooLong(kSubdomainCharactersMax));
  if (key.empty() || !All(key, IsNameCharacter)) faults.push_back(kConfigKey.Text());
  if (key == ".") {
    faults.push_back("must not be '.'");
  } else if (key == "..") {
    faults.push_back("must not be '..'");
  } else if (key.starts_with("..")) {
    faults.push_back("must not start with '..'");
  }
  return faults;
}

Faults PathSegmentFaults(std::string_view name) {
  if (name == "." || name == "..") return {Concat("may not be '", name, "'")};
  Faults faults;
  for (char c : {'/', '%'}) {
    if (name.find(c) != std::string_view::npos) {
      faults.push_back(Concat("may not contain '", c, "'"));
    }
  }
  return faults;
}

bool IsQualifiedName(std::string_view name, std::string* why) {
  return Answer(QualifiedNameFaults(name), why);
}
bool IsLabelValue(std::string_view value, std::string* why) {
  return Answer(LabelValueFaults(value), why);
}
bool IsSubdomain(std::string_view name, std::string* why) {
  return Answer(SubdomainFaults(name), why);
}
bool IsLabel(std::string_view name, std::string* why) { return Answer(LabelFaults(name), why); }
bool IsLabel1035(std::string_view name, std::string* why) {
  return Answer(Label1035Faults(name), why);
}
bool IsConfigKey(std::string_view key, std::string* why) {
  return Answer(ConfigKeyFaults(key), why);
}

}  // namespace keelson::api
