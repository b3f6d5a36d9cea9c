#include "tools/kvctl/flags.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

bool IsFlag(absl::string_view argument) { return argument.size() > 1 && argument[0] == '-'; }

std::string Quoted(const std::string& text) { return absl::StrCat("\"", text, "\""); }

}  // namespace

std::vector<std::string> Arguments::all() const {
  std::vector<std::string> both = before;
  both.insert(both.end(), after.begin(), after.end());
  return both;
}

void Flags::Bool(std::string name, char letter, bool* target, std::string help) {
  flags_.push_back({std::move(name), letter, false, *target ? "true" : "false", std::move(help),
                    [target](const std::string& value) -> absl::Status {
                      KV_ASSIGN_OR_RETURN(*target, ParseGoBool(value));
                      return absl::OkStatus();
                    }});
}

void Flags::Int(std::string name, int64_t* target, std::string help) {
  flags_.push_back({std::move(name), 0, true, absl::StrCat(*target), std::move(help),
                    [target](const std::string& value) -> absl::Status {
                      KV_ASSIGN_OR_RETURN(*target, ParseGoInt(value, 0));
                      return absl::OkStatus();
                    }});
}

void Flags::String(std::string name, char letter, std::string* target, std::string help) {
  flags_.push_back({std::move(name), letter, true, Quoted(*target), std::move(help),
                    [target](const std::string& value) {
                      *target = value;
                      return absl::OkStatus();
                    }});
}

void Flags::Duration(std::string name, absl::Duration* target, std::string help) {
  flags_.push_back({std::move(name), 0, true, FormatGoDuration(*target), std::move(help),
                    [target](const std::string& value) -> absl::Status {
                      KV_ASSIGN_OR_RETURN(*target, ParseGoDuration(value));
                      return absl::OkStatus();
                    }});
}

void Flags::StringList(std::string name, std::vector<std::string>* target, std::string help) {
  std::string default_text = absl::StrCat("[", absl::StrJoin(*target, ","), "]");
  flags_.push_back({std::move(name), 0, true, std::move(default_text), std::move(help),
                    [target, first = true](const std::string& value) mutable {
                      if (std::exchange(first, false)) target->clear();
                      if (value.empty()) return absl::OkStatus();
                      for (absl::string_view part : absl::StrSplit(value, ',')) {
                        target->emplace_back(part);
                      }
                      return absl::OkStatus();
                    }});
}

const Flags::Flag* Flags::Find(absl::string_view name) const {
  for (const Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

const Flags::Flag* Flags::FindLetter(char letter) const {
  for (const Flag& flag : flags_) {
    if (flag.letter == letter && letter != 0) return &flag;
  }
  return nullptr;
}

bool Flags::given(absl::string_view name) const {
  const Flag* flag = Find(name);
  return flag != nullptr && flag->given;
}

absl::Status Flags::Set(Flag* flag, const std::string& value) {
  const absl::Status status = flag->set(value);
  flag->given = true;
  if (status.ok()) return status;
  const std::string names = flag->letter == 0
                                ? absl::StrCat("--", flag->name)
                                : absl::StrCat("-", std::string(1, flag->letter), ", --", flag->name);
  return absl::InvalidArgumentError(absl::StrCat("invalid argument ", GoQuote(value), " for \"",
                                                 names, "\" flag: ", status.message()));
}

absl::Status Flags::SetFromEnvironment(absl::string_view name, const std::string& value) {
  Flag* const flag = Mutable(Find(name));
  const absl::Status status = Set(flag, value);
  flag->given = false;
  return status;
}

absl::Status Flags::ParseLong(const std::vector<std::string>& arguments, size_t& i) {
  const absl::string_view text = absl::string_view(arguments[i]).substr(2);
  const size_t equals = text.find('=');
  const absl::string_view name = text.substr(0, equals);
  if (name.empty() || name[0] == '-' || name[0] == '=') {
    return absl::InvalidArgumentError(absl::StrCat("bad flag syntax: ", arguments[i]));
  }
  Flag* const flag = Mutable(Find(name));
  if (flag == nullptr) return absl::InvalidArgumentError(absl::StrCat("unknown flag: --", name));
  if (equals != absl::string_view::npos) return Set(flag, std::string(text.substr(equals + 1)));
  if (!flag->takes_value) return Set(flag, "true");
  if (i + 1 == arguments.size()) {
    return absl::InvalidArgumentError(absl::StrCat("flag needs an argument: --", name));
  }
  return Set(flag, arguments[++i]);
}

absl::Status Flags::ParseShort(const std::vector<std::string>& arguments, size_t& i) {
  const std::string& argument = arguments[i];
  for (size_t at = 1; at < argument.size(); ++at) {
    Flag* const flag = Mutable(FindLetter(argument[at]));
    const std::string letter(1, argument[at]);
    const std::string where = absl::StrCat("'", letter, "' in -", argument.substr(at));
    if (flag == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("unknown shorthand flag: ", where));
    }
    const std::string rest = argument.substr(at + 1);
    if (absl::StartsWith(rest, "=")) return Set(flag, rest.substr(1));
    if (flag->takes_value) {
      if (!rest.empty()) return Set(flag, rest);
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat("flag needs an argument: ", where));
      }
      return Set(flag, arguments[++i]);
    }
    KV_RETURN_IF_ERROR(Set(flag, "true"));
  }
  return absl::OkStatus();
}

absl::Status Flags::Parse(const std::vector<std::string>& arguments, Arguments* parsed) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      parsed->separated = true;
      parsed->after.assign(arguments.begin() + static_cast<ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    if (!IsFlag(argument)) {
      parsed->before.push_back(argument);
    } else if (absl::StartsWith(argument, "--")) {
      KV_RETURN_IF_ERROR(ParseLong(arguments, i));
    } else {
      KV_RETURN_IF_ERROR(ParseShort(arguments, i));
    }
  }
  return absl::OkStatus();
}

std::optional<size_t> Flags::FirstArgument(const std::vector<std::string>& arguments) const {
  for (size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (!IsFlag(arguments[i])) return i;
    if (!AwaitsValue(arguments[i]).empty()) ++i;
  }
  return std::nullopt;
}

std::string Flags::AwaitsValue(absl::string_view argument) const {
  if (!IsFlag(argument)) return "";
  const Flag* const flag = absl::StartsWith(argument, "--") ? Find(argument.substr(2))
                           : argument.size() == 2           ? FindLetter(argument[1])
                                                            : nullptr;
  return flag != nullptr && flag->takes_value ? flag->name : "";
}

std::string Flags::about(absl::string_view name) const {
  const Flag* const flag = Find(name);
  return flag == nullptr ? "" : flag->help;
}

std::vector<std::string> Flags::names() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) names.push_back(flag.name);
  return names;
}

std::string Flags::Help() const {
  std::vector<const Flag*> sorted;
  for (const Flag& flag : flags_) sorted.push_back(&flag);
  std::sort(sorted.begin(), sorted.end(),
            [](const Flag* a, const Flag* b) { return a->name < b->name; });
  std::vector<std::string> left;
  size_t width = 0;
  for (const Flag* flag : sorted) {
    const std::string letter =
        flag->letter == 0 ? "    " : absl::StrCat("-", std::string(1, flag->letter), ", ");
    const std::string value =
        flag->takes_value ? absl::StrCat("=", flag->default_text) : absl::StrCat("[=", flag->default_text, "]");
    left.push_back(absl::StrCat("  ", letter, "--", flag->name, value));
    width = std::max(width, left.back().size());
  }
  std::string text;
  for (size_t i = 0; i < sorted.size(); ++i) {
    absl::StrAppend(&text, left[i], std::string(width + 4 - left[i].size(), ' '), sorted[i]->help, "\n");
  }
  return text;
}

}  // namespace keelson::kvctl
