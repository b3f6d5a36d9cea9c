// Plays testdata/*.txt, conversations between members; testing/scenario_file.h has the format.
#include "raft/testing/scenario.h"

#include <gtest/gtest.h>

#include <string>

#include "raft/testing/scenario_file.h"

namespace keelson::raft {
namespace {

class RaftScenario : public ::testing::TestWithParam<std::string> {};

TEST_P(RaftScenario, PlaysAsWritten) {
  Scenario scenario;
  std::string wrong_commands;
  const PlayedScenario file =
      PlayScenarioFile("testdata/" + GetParam() + ".txt", [&](std::string_view line) {
        const std::string answer = scenario.Run(line);
        if (answer.find("error:") != std::string::npos) wrong_commands += std::string(line) + "\n";
        return answer;
      });
  EXPECT_TRUE(file.SaysWhatItShows()) << "in the first line";
  EXPECT_EQ(wrong_commands, "");
  EXPECT_EQ(file.written, file.played) << "REWRITE=1 raft_scenario_test writes what was played";
}

INSTANTIATE_TEST_SUITE_P(Files, RaftScenario, ::testing::ValuesIn(ScenarioFiles("testdata")),
                         [](const auto& file) { return file.param; });

TEST(ScenarioLanguage, AWrongCommandIsAnErrorAndDoesNothing) {
  Scenario scenario;
  EXPECT_EQ(scenario.Run("add-nodes 1 voters=(1)"), "ok\n");
  for (const char* wrong : {"dance 1",
                            "campaign",
                            "campaign one",
                            "campaign 2",
                            "campaign 1 2",
                            "campaign 1 hard",
                            "campaign 1 term=2",
                            "tick 1 twice",
                            "propose 1",
                            "read 1",
                            "propose-conf 1 transition=now v2",
                            "propose-conf 1 x2",
                            "report-snapshot 1 2 lost",
                            "restart 1",
                            "crash 1 keep=1",
                            "compact 1 1",
                            "deliver 1 type=Apend",
                            "deliver x",
                            "add-nodes 1 voters=()",
                            "add-nodes 1 read=stale"}) {
    EXPECT_TRUE(scenario.Run(wrong).starts_with("error: ")) << wrong;
  }
  EXPECT_EQ(scenario.Run("settle"), "ok\n");
}

}  // namespace
}  // namespace keelson::raft
