#include "tools/kvctl/words.h"

#include "absl/strings/ascii.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

// The place of the quote that closes the one at 0; npos: there is none.
size_t ClosingQuote(absl::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[0] == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == text[0]) {
      return i;
    }
  }
  return absl::string_view::npos;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const char c = line[0];
    if (absl::ascii_isspace(c)) {
      line.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\'') {
      const size_t end = ClosingQuote(line);
      if (end == absl::string_view::npos) {
        line.remove_prefix(1);
        continue;
      }
      absl::string_view quoted = line.substr(0, end + 1);
      line.remove_prefix(end + 1);
      if (c == '\'') {
        words.emplace_back(quoted.substr(1, quoted.size() - 2));
        continue;
      }
      std::optional<std::string> word = TakeGoQuoted(quoted);
      if (!word.has_value() || !quoted.empty()) {
        return absl::InvalidArgumentError("bad quoted string");
      }
      words.push_back(*std::move(word));
      continue;
    }
    size_t end = 0;
    while (end < line.size() && !absl::ascii_isspace(line[end])) ++end;
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

}  // namespace keelson::kvctl
