// Plays testdata/*.txt: a command line, `----`, and what it must answer, up to an empty line. Lines
// that begin with # are comments; the first line of a file says what it shows. REWRITE=1 writes the
// answers into the files: commit a difference only if you can explain it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "raft/testing/scenario.h"

namespace keelson::raft {
namespace {

std::vector<std::string> LinesOf(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Plays a file and returns it with the answers that were given.
std::string Play(const std::vector<std::string>& lines) {
  Scenario scenario;
  std::ostringstream played;
  for (size_t i = 0; i < lines.size(); ++i) {
    played << lines[i] << "\n";
    if (lines[i].empty() || lines[i].starts_with("#")) continue;
    played << "----\n" << scenario.Run(lines[i]);
    // Over the old answer, if there is one, to the empty line that ends it.
    if (i + 1 < lines.size() && lines[i + 1] == "----") {
      while (i + 1 < lines.size() && !lines[i + 1].empty()) ++i;
    } else if (i + 1 < lines.size() && !lines[i + 1].empty()) {
      played << "\n";
    }
  }
  return played.str();
}

std::vector<std::string> ScenarioFiles() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator("testdata")) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class RaftScenario : public ::testing::TestWithParam<std::string> {};

TEST_P(RaftScenario, PlaysAsWritten) {
  const std::filesystem::path path = "testdata/" + GetParam() + ".txt";
  const std::vector<std::string> lines = LinesOf(path);
  ASSERT_FALSE(lines.empty());
  EXPECT_TRUE(lines[0].starts_with("# ")) << "the first line says what the file shows";
  std::string written;
  for (const std::string& line : lines) written += line + "\n";
  const std::string played = Play(lines);
  if (std::getenv("REWRITE") != nullptr) {
    std::ofstream(path) << played;
    return;
  }
  EXPECT_EQ(written, played) << "REWRITE=1 raft_scenario_test writes what was played";
}

INSTANTIATE_TEST_SUITE_P(Files, RaftScenario, ::testing::ValuesIn(ScenarioFiles()),
                         [](const auto& file) { return file.param; });

}  // namespace
}  // namespace keelson::raft
