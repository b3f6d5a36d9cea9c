#include "raft/testing/scenario_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace keelson::raft {
namespace {

std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string Play(const std::vector<std::string>& lines, const ScenarioAnswer& answer) {
  std::ostringstream played;
  for (size_t i = 0; i < lines.size(); ++i) {
    played << lines[i] << "\n";
    if (lines[i].empty() || lines[i].starts_with("#")) continue;
    played << "----\n" << answer(lines[i]);
    // Over the old answer, if there is one, to the empty line that ends it.
    if (i + 1 < lines.size() && lines[i + 1] == "----") {
      while (i + 1 < lines.size() && !lines[i + 1].empty()) ++i;
    } else if (i + 1 < lines.size() && !lines[i + 1].empty()) {
      played << "\n";
    }
  }
  return played.str();
}

}  // namespace

std::vector<std::string> ScenarioFiles(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

PlayedScenario PlayScenarioFile(const std::string& path, const ScenarioAnswer& answer) {
  const std::vector<std::string> lines = LinesOf(path);
  PlayedScenario file;
  for (const std::string& line : lines) file.written += line + "\n";
  file.played = Play(lines, answer);
  if (std::getenv("REWRITE") != nullptr) {
    std::ofstream(path) << file.played;
    file.written = file.played;
  }
  return file;
}

}  // namespace keelson::raft
