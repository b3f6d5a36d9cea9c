// Parts of a member that are wrong on purpose, by name; in the place of the right ones they show
// whether the simulation notices. No name: the right ones.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_WRONG_PARTS_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_WRONG_PARTS_H_

#include <memory>
#include <string>
#include <vector>

#include "server/executor.h"
#include "server/log_writer.h"
#include "storage/store.h"

namespace keelson::simulation {

struct WrongPart {
  const char* name;
  const char* room;
  const char* what;
};
const std::vector<WrongPart>& WrongParts();
bool IsWrongPart(const std::string& name);

std::shared_ptr<storage::Store> WrongStore(const std::string& bug,
                                           std::shared_ptr<storage::Store> store);
std::unique_ptr<server::LogWriter> WrongLogWriter(const std::string& bug,
                                                  std::unique_ptr<server::LogWriter> writer,
                                                  server::Executor* executor);

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_WRONG_PARTS_H_
