// The configuration file of --config-file: YAML (or JSON, which is YAML too) with etcd's keys.
// Values have to be of their kind as etcd demands it: a number is no text, "5" is no number. Keys
// that nobody knows do not count, as in etcd; they are told.
#ifndef KEELSON_SERVER_CONFIG_FILE_H_
#define KEELSON_SERVER_CONFIG_FILE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/settings.h"

namespace keelson::server {

// Sets what `text` says. `notices` gets lines for the log. InvalidArgument: one line, with the
// number of the line that is wrong.
absl::Status ApplyConfigText(const std::string& text, Settings& settings,
                             std::vector<std::string>* notices);

// The same with the content of a file; errors name it.
absl::Status ApplyConfigFile(const std::string& path, Settings& settings,
                             std::vector<std::string>* notices);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_CONFIG_FILE_H_
