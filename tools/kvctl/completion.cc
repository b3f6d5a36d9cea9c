#include "tools/kvctl/completion.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace keelson::kvctl {
namespace {

constexpr char kFiles[] = ":files\n";

// The values of flags that have few.
const std::vector<std::string>* ValuesOf(const std::string& flag) {
  static const std::map<std::string, std::vector<std::string>> kValues = {
      {"consistency", {"l", "s"}},
      {"load", {"s", "m", "l", "xl"}},
      {"order", {"ASCEND", "DESCEND"}},
      {"sort-by", {"CREATE", "KEY", "MODIFY", "VALUE", "VERSION"}},
      {"write-out", {"fields", "json", "protobuf", "simple", "table"}}};
  const auto found = kValues.find(flag);
  return found == kValues.end() ? nullptr : &found->second;
}

bool TakesFile(const std::string& flag) {
  static const std::set<std::string> kFlags = {"cacert",    "cert",     "data-dir", "dest-cacert",
                                               "dest-cert", "dest-key", "key",      "wal-dir"};
  return kFlags.count(flag) > 0;
}

bool TakesFile(const Command& command) {
  static const std::set<std::string> kCommands = {"hashkv", "snapshot restore", "snapshot save",
                                                  "snapshot status"};
  return kCommands.count(command.help().name) > 0;
}

class Answer {
 public:
  explicit Answer(std::string typed) : typed_(std::move(typed)) {}

  void Add(const std::string& candidate, const std::string& about = "") {
    if (!absl::StartsWith(candidate, typed_)) return;
    absl::StrAppend(&text_, candidate, about.empty() ? "" : "\t", about, "\n");
  }
  const std::string& text() const { return text_; }

 private:
  const std::string typed_;
  std::string text_;
};

std::string ValueCandidates(const std::string& flag, const std::string& before,
                            const std::string& typed) {
  if (TakesFile(flag)) return kFiles;
  Answer answer(typed);
  if (const auto* values = ValuesOf(flag)) {
    for (const std::string& value : *values) answer.Add(before + value);
  }
  return answer.text();
}

// The words that can follow "" or a group, such as "lease".
std::string CommandCandidates(const Commands& commands, const std::string& group,
                              const std::string& typed) {
  std::map<std::string, std::string> words;  // and what they are
  const std::string prefix = group.empty() ? "" : group + " ";
  for (const auto& command : commands) {
    const CommandHelp help = command->help();
    if (!absl::StartsWith(help.name, prefix)) continue;
    const std::string rest = help.name.substr(prefix.size());
    const size_t space = rest.find(' ');
    if (space == std::string::npos) {
      words.emplace(rest, help.summary);
    } else {
      words.emplace(rest.substr(0, space), rest.substr(0, space) + " commands");
    }
  }
  if (group.empty()) words.emplace("help", "Says what a command does");
  Answer answer(typed);
  for (const auto& [word, about] : words) answer.Add(word, about);
  return answer.text();
}

std::string FlagCandidates(const Flags& flags, const std::string& typed) {
  const size_t equals = typed.find('=');
  if (equals != std::string::npos) {
    return ValueCandidates(typed.substr(2, equals - 2), typed.substr(0, equals + 1), typed);
  }
  Answer answer(typed);
  for (const std::string& name : flags.names()) answer.Add("--" + name, flags.about(name));
  return answer.text();
}

}  // namespace

std::string Candidates(const Commands& commands, const std::vector<std::string>& words) {
  if (words.empty()) return "";
  const std::string& typed = words.back();
  std::vector<std::string> before(words.begin(), words.end() - 1);
  // After "--" is what kvctl does not know: keys, values, other programs.
  if (std::count(before.begin(), before.end(), "--") > 0) return "";

  const Choice choice = ChooseCommand(commands, before);
  if (!choice.exit.ok()) return "";
  Flags flags;
  GlobalFlags globals;
  bool help = false;
  if (choice.command != nullptr) choice.command->AddFlags(flags);
  flags.Bool("help", 'h', &help, "help for the command");
  globals.AddTo(flags);

  if (!before.empty()) {
    if (const std::string flag = flags.AwaitsValue(before.back()); !flag.empty()) {
      return ValueCandidates(flag, "", typed);
    }
  }
  if (absl::StartsWith(typed, "-")) return FlagCandidates(flags, typed);
  if (choice.command == nullptr) return CommandCandidates(commands, choice.group, typed);
  if (TakesFile(*choice.command)) return kFiles;
  if (choice.command->help().name != "role grant-permission") return "";
  Arguments parsed;
  Answer answer(typed);
  if (flags.Parse(before, &parsed).ok() && parsed.before.size() == 1) {
    for (const char* permission : {"read", "readwrite", "write"}) answer.Add(permission);
  }
  return answer.text();
}

namespace {

// Bash cuts words at = and :, which belong to one word here.
constexpr char kBash[] = R"(# Completion of kvctl for bash: source it, or save it as
# /etc/bash_completion.d/kvctl (kvctl completion bash > ...).
_kvctl() {
  local -a words=()
  local i glue= line typed
  for ((i = 1; i <= COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} == [=:] && ${#words[@]} -gt 0 ]]; then
      words[-1]+=${COMP_WORDS[i]}
      glue=1
    elif [[ $glue ]]; then
      words[-1]+=${COMP_WORDS[i]}
      glue=
    else
      words+=("${COMP_WORDS[i]}")
    fi
  done
  typed=${words[-1]}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames
      [[ $typed == --*=* ]] && typed=${typed#*=}
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$typed")
    else
      line=${line%%$'\t'*}
      [[ $typed == --*=* ]] && line=${line#*=}
      COMPREPLY+=("$line")
    fi
  done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -F _kvctl kvctl
)";

constexpr char kZsh[] = R"(#compdef kvctl
# Completion of kvctl for zsh: save it as _kvctl in a directory of $fpath, or source it
# (source <(kvctl completion zsh)).
_kvctl() {
  local -a candidates
  local line
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      [[ ${words[CURRENT]} == --*=* ]] && compset -P '*='
      _files
      return
    fi
    if [[ $line == *$'\t'* ]]; then
      candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    else
      candidates+=("${line//:/\\:}")
    fi
  done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe kvctl candidates
}
if [[ ${funcstack[1]} == _kvctl ]]; then
  _kvctl "$@"
else
  compdef _kvctl kvctl
fi
)";

constexpr char kFish[] = R"(# Completion of kvctl for fish: save it as
# ~/.config/fish/completions/kvctl.fish (kvctl completion fish > ...).
function __kvctl_candidates
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    test (count $typed) -eq 0; and set typed ''
    for line in ($words[1] __complete $words[2..-1] $typed 2>/dev/null)
        if test "$line" = ':files'
            __fish_complete_path (string replace -r '^--[^=]*=' '' -- $typed)
        else
            echo $line
        end
    end
end
complete -c kvctl -f -a '(__kvctl_candidates)'
)";

constexpr char kPowerShell[] = R"(# Completion of kvctl for PowerShell: add it to $PROFILE
# (kvctl completion powershell | Out-String | Invoke-Expression).
Register-ArgumentCompleter -Native -CommandName kvctl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object {
        $_.Extent.StartOffset -lt $cursorPosition
    } | ForEach-Object { $_.Extent.Text })
    $arguments = @($words | Select-Object -Skip 1)
    if ($wordToComplete -eq '') { $arguments += '""' }
    & $words[0] __complete @arguments 2>$null | ForEach-Object {
        if ($_ -eq ':files') {
            Get-ChildItem "$wordToComplete*" | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_.Name)
            }
        } else {
            $word, $about = $_ -split "`t", 2
            if (-not $about) { $about = $word }
            [System.Management.Automation.CompletionResult]::new(
                $word, $word, 'ParameterValue', $about)
        }
    }
}
)";

}  // namespace

std::string CompletionScript(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return shell == "powershell" ? kPowerShell : "";
}

}  // namespace keelson::kvctl
