#include "apiserver/node/simulated_runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apiserver/node/ip_pool.h"
#include "apiserver/node/simulated_command.h"

namespace keelson::node {
namespace {

using api::Json;
using ::testing::ElementsAre;

std::optional<SimulatedCommand> OfWords(std::vector<std::string> words) {
  return Interpret({{"command", std::move(words)}});
}

TEST(SimulatedCommand, KnowsTheSimplestPrograms) {
  EXPECT_EQ(OfWords({"/bin/sleep", "1.5"})->takes, absl::Seconds(1.5));
  EXPECT_EQ(OfWords({"sleep", "infinity"})->takes, absl::InfiniteDuration());
  EXPECT_EQ(OfWords({"false"})->exit_code, 1);
  EXPECT_THAT(OfWords({"echo", "a", "b"})->output, ElementsAre("a b"));
  const auto script = OfWords({"/bin/sh", "-c", "echo 'hi there' && sleep 2; exit 3; echo no"});
  EXPECT_EQ(script->takes, absl::Seconds(2));
  EXPECT_EQ(script->exit_code, 3);
  EXPECT_THAT(script->output, ElementsAre("hi there"));
}

TEST(SimulatedCommand, LeavesEverythingElseAlone) {
  EXPECT_FALSE(Interpret(Json::object()));
  EXPECT_FALSE(OfWords({"nginx", "-g", "daemon off;"}));
  EXPECT_FALSE(OfWords({"sh", "-c", "while true; do date; done"}));
  EXPECT_FALSE(OfWords({"sleep", "nan"}));
  EXPECT_FALSE(OfWords({""}));
  EXPECT_FALSE(Interpret({{"command", {1, 2}}}));
}

TEST(IpPool, GivesEveryAddressOnceAndTakesItBack) {
  auto pool = *IpPool::Parse("10.1.2.0/29");
  EXPECT_EQ(pool.Take(""), "10.1.2.1");
  EXPECT_EQ(pool.Take("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(pool.Take("10.9.9.9"), "10.1.2.2");
  EXPECT_EQ(pool.Take("10.1.2.3"), "10.1.2.4");
  EXPECT_EQ(pool.Take(""), "10.1.2.5");
  EXPECT_EQ(pool.Take(""), "10.1.2.6");
  EXPECT_EQ(pool.Take(""), "");
  pool.Return("10.1.2.2");
  EXPECT_EQ(pool.Take(""), "10.1.2.2");
}

TEST(IpPool, RefusesWhatIsNoRange) {
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/8", "10.0.0.0/31", "x/24", "10.0.0.0/x"}) {
    EXPECT_FALSE(IpPool::Parse(text)) << text;
  }
}

class SimulatedRuntimeTest : public ::testing::Test {
 protected:
  // Starts a container "c" of a pod with these annotations; gives its id.
  std::string Run(Json annotations, Json spec = Json::object()) {
    spec["name"] = "c";
    const Json pod = {{"metadata", {{"annotations", std::move(annotations)}}},
                      {"spec", {{"containers", {std::move(spec)}}}}};
    std::string id;
    runtime.RunSandbox({std::make_shared<const Json>(pod), ""},
                       [&](absl::StatusOr<std::string> sandbox) {
                         runtime.CreateContainer(*sandbox, {.name = "c"},
                                                 [&](absl::StatusOr<std::string> container) {
                                                   id = *container;
                                                   runtime.StartContainer(id, [](absl::Status) {});
                                                 });
                       });
    loop.RunFor(absl::Seconds(1));
    return id;
  }

  ManualLoop loop;
  SimulatedRuntime runtime{&loop, 1};
};

TEST_F(SimulatedRuntimeTest, LogsAreCutAsAskedFor) {
  const std::string id = Run({{"keelson.io/sim.log-interval", "1s"}},
                             {{"command", {"sh", "-c", "echo hello; sleep infinity"}}});
  loop.RunFor(absl::Seconds(3));
  EXPECT_EQ(runtime.ReadLog(id, {})->text, "c started\nhello\nline 1\nline 2\nline 3\n");
  EXPECT_EQ(runtime.ReadLog(id, {.tail_lines = 1})->text, "line 3\n");
  EXPECT_EQ(runtime.ReadLog(id, {.tail_lines = 0})->text, "");
  EXPECT_EQ(runtime.ReadLog(id, {.bytes_max = 5})->text, "c sta");
  EXPECT_EQ(runtime.ReadLog(id, {.since = loop.Now() - absl::Seconds(1)})->text, "line 3\n");
  EXPECT_THAT(runtime.ReadLog(id, {.tail_lines = 1, .timestamps = true})->text,
              ::testing::MatchesRegex("2023-11-14T22:13:2.*Z line 3\n"));
  EXPECT_EQ(runtime.ReadLog("nobody", {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SimulatedRuntimeTest, ALogIsReadOnFromWhereAPartOfItEnds) {
  const std::string id =
      Run({{"keelson.io/sim.log-interval", "1s"}, {"keelson.io/sim.exit-after", "3500ms"}});
  Log log = *runtime.ReadLog(id, {});
  std::string all = log.text;
  EXPECT_FALSE(log.complete);
  for (int i = 0; i < 50 && !log.complete; ++i) {
    loop.RunFor(absl::Milliseconds(300));
    log = *runtime.ReadLog(id, {.after = log.until});
    all += log.text;
  }
  EXPECT_TRUE(log.complete);
  EXPECT_EQ(all, "c started\nline 1\nline 2\nline 3\n");
  EXPECT_EQ(runtime.ReadLog(id, {.after = log.until})->text, "");
}

TEST_F(SimulatedRuntimeTest, UsesWhatTheAnnotationsSay) {
  const std::string id = Run({{"keelson.io/sim.cpu", "250m"}, {"keelson.io/sim.memory", "64Mi"}});
  const auto stats = runtime.Stats(id);
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->cpu_nano_cores, 250'000'000);
  EXPECT_EQ(stats->memory_bytes, 64 << 20);
}

TEST_F(SimulatedRuntimeTest, UsesAPartOfWhatWasAskedForIfNothingIsSaid) {
  const std::string id =
      Run(Json::object(), {{"resources", {{"requests", {{"cpu", "1"}, {"memory", "100Mi"}}}}}});
  const auto stats = runtime.Stats(id);
  ASSERT_TRUE(stats);
  EXPECT_GT(stats->cpu_nano_cores, 0);
  EXPECT_LT(stats->cpu_nano_cores, 1'000'000'000);
  EXPECT_LT(stats->memory_bytes, 100 << 20);
}

TEST_F(SimulatedRuntimeTest, ARemovedRuntimeCallsNobodyBack) {
  bool called = false;
  {
    SimulatedRuntime short_lived(&loop, 1);
    short_lived.PullImage("x", "", [&](absl::StatusOr<std::string>) { called = true; });
  }
  loop.RunFor(absl::Minutes(1));
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace keelson::node
