// SplitWords: a line of txn's or watch's language as words, as etcdctl splits it: at blanks, with
// "double quotes" (and Go's escapes within) or 'single quotes' around what contains blanks. A quote
// without its partner is skipped.
#ifndef KEELSON_TOOLS_KVCTL_WORDS_H_
#define KEELSON_TOOLS_KVCTL_WORDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keelson::kvctl {

// InvalidArgument: an escape that Go does not know.
absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_WORDS_H_
