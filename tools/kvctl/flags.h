// Flags: the flags of a command, in the grammar of etcdctl's (spf13/pflag), whose words for errors are
// part of what scripts see:
//
//   --name=value  --name value  --switch  --switch=false  -n value  -nvalue  -n=value  -- rest
//
// A flag may stand before, between and after the arguments; everything after "--" is an argument.
//
// Why not CLI11, our library for flags elsewhere: a key or a value can be any bytes. CLI11 splits an
// argument such as [1,2] at its commas, takes a key that is named like a command for that command,
// lets "--cert=" swallow the next argument, and has errors of its own.
#ifndef KEELSON_TOOLS_KVCTL_FLAGS_H_
#define KEELSON_TOOLS_KVCTL_FLAGS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keelson::kvctl {

struct Arguments {
  std::vector<std::string> before;  // positional, before "--"
  bool separated = false;           // there was a "--"
  std::vector<std::string> after;   // positional, after it

  std::vector<std::string> all() const;
};

class Flags {
 public:
  // Each adds a flag whose value goes to `*target`, which also holds the default and must outlive the
  // Flags. `letter`: its short form, or 0.
  void Bool(std::string name, char letter, bool* target, std::string help);
  void Int(std::string name, int64_t* target, std::string help);
  void String(std::string name, char letter, std::string* target, std::string help);
  void Duration(std::string name, absl::Duration* target, std::string help);
  // Comma separated; given again, it adds to what was given before.
  void StringList(std::string name, std::vector<std::string>* target, std::string help);

  // InvalidArgument, in pflag's words: `unknown flag: --nosuch`.
  absl::Status Parse(const std::vector<std::string>& arguments, Arguments* parsed);
  // Sets a flag as from the command line, but for `given`.
  absl::Status SetFromEnvironment(absl::string_view name, const std::string& value);

  bool has(absl::string_view name) const { return Find(name) != nullptr; }
  // Whether the last Parse met the flag.
  bool given(absl::string_view name) const;
  // The place of the first argument that is not a flag, nor the value of one of these flags; unknown
  // flags are taken to have none. Nothing when there is none before "--".
  std::optional<size_t> FirstArgument(const std::vector<std::string>& arguments) const;

  std::vector<std::string> names() const;
  // What Help says of a flag.
  std::string about(absl::string_view name) const;
  // The name of the flag whose value comes with the next word, if `argument` is such a flag ("-w",
  // "--write-out"); "" otherwise.
  std::string AwaitsValue(absl::string_view argument) const;
  // A line per flag: "      --limit=0    Maximum number of results".
  std::string Help() const;

 private:
  struct Flag {
    std::string name;
    char letter;
    bool takes_value;  // false: may stand alone
    std::string default_text;
    std::string help;
    std::function<absl::Status(const std::string&)> set;
    bool given = false;
  };

  const Flag* Find(absl::string_view name) const;
  const Flag* FindLetter(char letter) const;
  Flag* Mutable(const Flag* flag) { return const_cast<Flag*>(flag); }
  absl::Status Set(Flag* flag, const std::string& value);
  absl::Status ParseLong(const std::vector<std::string>& arguments, size_t& i);
  absl::Status ParseShort(const std::vector<std::string>& arguments, size_t& i);

  std::vector<Flag> flags_;
};

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_FLAGS_H_
