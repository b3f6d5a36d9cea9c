// Plays a text scenario: a command line, `----`, and what it must answer, up to an empty line.
// Lines that begin with # are comments; the first line of a file says what it shows and why.
// REWRITE=1 in the environment writes the answers into the files: commit a difference only if you
// can explain it.
#ifndef KEELSON_RAFT_TESTING_SCENARIO_FILE_H_
#define KEELSON_RAFT_TESTING_SCENARIO_FILE_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::raft {

// The names of the scenarios in `folder`, without .txt, in order.
std::vector<std::string> ScenarioFiles(const std::string& folder);

// Answers a command line; every line of the answer is ended.
using ScenarioAnswer = std::function<std::string(std::string_view line)>;

// The whole text of a file, as it is and as it would be with the answers that were given.
struct PlayedScenario {
  std::string written;
  std::string played;
  bool SaysWhatItShows() const { return played.starts_with("# "); }
};
PlayedScenario PlayScenarioFile(const std::string& path, const ScenarioAnswer& answer);

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_SCENARIO_FILE_H_
