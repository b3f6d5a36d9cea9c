#include "tools/kvctl/txn_language.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/kv_flags.h"
#include "tools/kvctl/words.h"

namespace keelson::kvctl {
namespace {

using etcdserverpb::Compare;

void SkipBlanks(absl::string_view& text) {
  while (!text.empty() && absl::ascii_isspace(text[0])) text.remove_prefix(1);
}

// What follows the parenthesis of a comparison: `"key") op "value"`. Parts that are not there stay "".
struct CompareParts {
  std::string key;
  std::string op;
  std::string value;
  bool complete = false;
};

CompareParts SplitCompare(absl::string_view text) {
  CompareParts parts;
  SkipBlanks(text);
  const std::optional<std::string> key = TakeGoQuoted(text);
  if (!key.has_value()) return parts;
  parts.key = *key;
  if (text.empty() || text[0] != ')') return parts;
  text.remove_prefix(1);
  if (text.empty() || !absl::ascii_isspace(text[0])) return parts;
  SkipBlanks(text);
  size_t end = 0;
  while (end < text.size() && !absl::ascii_isspace(text[end])) ++end;
  parts.op = std::string(text.substr(0, end));
  text.remove_prefix(end);
  SkipBlanks(text);
  const std::optional<std::string> value = TakeGoQuoted(text);
  if (!value.has_value()) return parts;
  parts.value = *value;
  parts.complete = true;
  return parts;
}

bool ParseResult(const std::string& op, Compare::CompareResult* result) {
  if (op == "=") {
    *result = Compare::EQUAL;
  } else if (op == "!=") {
    *result = Compare::NOT_EQUAL;
  } else if (op == "<") {
    *result = Compare::LESS;
  } else if (op == ">") {
    *result = Compare::GREATER;
  } else {
    return false;
  }
  return true;
}

bool ParseTarget(absl::string_view name, Compare::CompareTarget* target) {
  if (name == "ver" || name == "version") {
    *target = Compare::VERSION;
  } else if (name == "c" || name == "create") {
    *target = Compare::CREATE;
  } else if (name == "m" || name == "mod") {
    *target = Compare::MOD;
  } else if (name == "val" || name == "value") {
    *target = Compare::VALUE;
  } else if (name == "lease") {
    *target = Compare::LEASE;
  } else {
    return false;
  }
  return true;
}

void SetNumber(Compare* compare, int64_t number) {
  switch (compare->target()) {
    case Compare::VERSION:
      compare->set_version(number);
      break;
    case Compare::CREATE:
      compare->set_create_revision(number);
      break;
    case Compare::MOD:
      compare->set_mod_revision(number);
      break;
    default:
      compare->set_lease(number);
      break;
  }
}

// Parses `words` with the flags of one command and makes its request.
template <typename CommandFlags, typename MakeRequest>
Exit ParseWith(const std::vector<std::string>& words, const std::string& line,
               const MakeRequest& make) {
  CommandFlags command;
  Flags flags;
  command.AddTo(flags);
  Arguments arguments;
  if (!flags.Parse({words.begin() + 1, words.end()}, &arguments).ok()) {
    return InvalidInput(absl::StrCat("invalid txn request: ", line));
  }
  return make(command, arguments.all());
}

}  // namespace

Exit ParseCompare(const std::string& line, Compare* compare) {
  const size_t parenthesis = line.find('(');
  if (parenthesis == std::string::npos) {
    return InvalidInput(absl::StrCat("malformed comparison: ", line));
  }
  const std::string target_name = line.substr(0, parenthesis);
  const CompareParts parts = SplitCompare(absl::string_view(line).substr(parenthesis + 1));
  if (!parts.complete) {
    return InvalidInput(absl::StrCat("malformed comparison: ", line, "; got ", target_name, "(",
                                     GoQuote(parts.key), ") ", parts.op, " ",
                                     GoQuote(parts.value)));
  }
  Compare::CompareTarget target;
  if (!ParseTarget(target_name, &target)) {
    return InvalidInput(
        absl::StrCat("malformed comparison: ", line, " (unknown target ", target_name, ")"));
  }
  Compare::CompareResult result;
  if (!ParseResult(parts.op, &result)) {
    return InvalidInput(
        absl::StrCat("malformed comparison: ", line, " (unknown operator ", parts.op, ")"));
  }
  compare->set_key(parts.key);
  compare->set_target(target);
  compare->set_result(result);
  if (target == Compare::VALUE) {
    compare->set_value(parts.value);
    return Ok();
  }
  const absl::StatusOr<int64_t> number =
      ParseGoInt(parts.value, target == Compare::LEASE ? 16 : 10);
  if (!number.ok()) {
    return InvalidInput(absl::StrCat("invalid txn compare request: ", line, " (",
                                     number.status().message(), ")"));
  }
  SetNumber(compare, *number);
  return Ok();
}

Exit ParseRequest(const std::string& line, std::istream& in, etcdserverpb::RequestOp* request) {
  const absl::StatusOr<std::vector<std::string>> words = SplitWords(line);
  if (!words.ok()) return InvalidInput(std::string(words.status().message()));
  if (words->size() < 2) return InvalidInput(absl::StrCat("invalid txn compare request: ", line));
  using Words = std::vector<std::string>;
  if (words->front() == "get") {
    return ParseWith<GetFlags>(*words, line, [&](const GetFlags& flags, const Words& arguments) {
      return flags.ToRequest(arguments, request->mutable_request_range());
    });
  }
  if (words->front() == "put") {
    return ParseWith<PutFlags>(*words, line, [&](const PutFlags& flags, const Words& arguments) {
      return flags.ToRequest(arguments, in, request->mutable_request_put());
    });
  }
  if (words->front() == "del") {
    return ParseWith<DelFlags>(*words, line, [&](const DelFlags& flags, const Words& arguments) {
      return flags.ToRequest(arguments, request->mutable_request_delete_range());
    });
  }
  return InvalidInput(absl::StrCat("invalid txn request: ", line));
}

}  // namespace keelson::kvctl
