// What the arguments of `kvctl watch` ask for: which keys, and which command to run for each event.
// They come from the command line or, interactively, from a line; the keys may come from the
// environment instead.
#ifndef KEELSON_TOOLS_KVCTL_WATCH_ARGUMENTS_H_
#define KEELSON_TOOLS_KVCTL_WATCH_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/watch.h"
#include "tools/kvctl/exit.h"
#include "tools/kvctl/flags.h"

namespace keelson::kvctl {

struct WatchFlags {
  bool prefix = false;
  bool prev_kv = false;
  bool progress_notify = false;
  int64_t rev = 0;

  void AddTo(Flags& flags);
};

struct WatchArguments {
  std::vector<std::string> keys = {};     // the key, and perhaps the end of the range
  std::vector<std::string> command = {};  // empty: print only
};

// kBadArguments: no key; a key although `environment_key` has one; "--" without a command.
Exit ParseWatchArguments(const Arguments& arguments, const std::string& environment_key,
                         const std::string& environment_range_end, WatchArguments* parsed);

// kBadArguments: no key, or a range and a prefix.
Exit MakeWatchRequest(const WatchArguments& arguments, const WatchFlags& flags,
                      client::WatchRequest* request);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_WATCH_ARGUMENTS_H_
