#include "apiserver/node/simulated_command.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/object.h"

namespace keelson::node {
namespace {

using api::Json;
using Words = std::vector<std::string>;

constexpr double kSleepMaxSeconds = 1e9;

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string Unquote(std::string text) { return absl::StrReplaceAll(text, {{"\"", ""}, {"'", ""}}); }

// One command into what has been gathered; false: unknown.
bool Run(const Words& words, SimulatedCommand* command) {
  const std::string name = BaseName(words[0]);
  if (name == "true" || name == ":") {
    command->exit_code = 0;
  } else if (name == "false") {
    command->exit_code = 1;
  } else if (name == "echo") {
    command->output.push_back(Unquote(absl::StrJoin(words.begin() + 1, words.end(), " ")));
  } else if (name == "exit" && words.size() <= 2) {
    int code = 0;
    if (words.size() == 2 && !absl::SimpleAtoi(words[1], &code)) return false;
    command->exit_code = code & 255;
  } else if (name == "sleep" && words.size() == 2) {
    if (words[1] == "infinity") {
      command->takes = absl::InfiniteDuration();
      return true;
    }
    double seconds = 0;
    if (!absl::SimpleAtod(words[1], &seconds) || !std::isfinite(seconds) || seconds < 0 ||
        seconds > kSleepMaxSeconds) {
      return false;
    }
    command->takes += absl::Seconds(seconds);
  } else {
    return false;
  }
  return true;
}

bool RunScript(const std::string& script, SimulatedCommand* command) {
  const std::string lines = absl::StrReplaceAll(script, {{"&&", ";"}, {"\n", ";"}});
  const Words parts = absl::StrSplit(lines, ';');
  for (const std::string& line : parts) {
    const Words words = absl::StrSplit(line, ' ', absl::SkipWhitespace());
    if (words.empty()) continue;
    if (!Run(words, command)) return false;
    if (BaseName(words[0]) == "exit") break;
  }
  return true;
}

}  // namespace

std::optional<SimulatedCommand> Interpret(const Json& container_spec) {
  Words words;
  for (const char* list : {"command", "args"}) {
    for (const Json& word : api::ArrayAt(container_spec, list)) {
      if (word.is_string()) words.push_back(word.get<std::string>());
    }
  }
  if (words.empty() || words[0].empty()) return std::nullopt;
  SimulatedCommand command;
  const std::string shell = BaseName(words[0]);
  const bool script = (shell == "sh" || shell == "bash" || shell == "ash") && words.size() == 3 &&
                      words[1].starts_with("-") && words[1].ends_with("c");
  const bool known = script ? RunScript(words[2], &command) : Run(words, &command);
  return known ? std::optional(std::move(command)) : std::nullopt;
}

}  // namespace keelson::node
