#include "tools/kvctl/watch_arguments.h"

#include "client/ops.h"

namespace keelson::kvctl {
namespace {

constexpr char kBadNumber[] = "bad number of arguments";

}  // namespace

void WatchFlags::AddTo(Flags& flags) {
  flags.Bool("prefix", 0, &prefix, "watch on a prefix if prefix is set");
  flags.Int("rev", &rev, "revision to start watching");
  flags.Bool("prev-kv", 0, &prev_kv, "get the previous key-value pair before the event happens");
  flags.Bool("progress-notify", 0, &progress_notify,
             "get periodic watch progress notification from server");
}

Exit ParseWatchArguments(const Arguments& arguments, const std::string& environment_key,
                         const std::string& environment_range_end, WatchArguments* parsed) {
  if (arguments.separated && arguments.after.empty()) {
    return BadArguments("bad number of arguments (found separator --, but no commands)");
  }
  parsed->command = arguments.after;
  parsed->keys = arguments.before;
  if (environment_key.empty()) {
    return parsed->keys.empty() ? BadArguments(kBadNumber) : Ok();
  }
  if (!parsed->keys.empty()) {
    return BadArguments("bad number of arguments (found conflicting environment key)");
  }
  parsed->keys = {environment_key};
  if (!environment_range_end.empty()) parsed->keys.push_back(environment_range_end);
  return Ok();
}

Exit MakeWatchRequest(const WatchArguments& arguments, const WatchFlags& flags,
                      client::WatchRequest* request) {
  if (arguments.keys.empty()) return BadArguments(kBadNumber);
  request->key = arguments.keys[0];
  if (arguments.keys.size() == 2) {
    if (flags.prefix) return BadArguments("`range_end` and `--prefix` are mutually exclusive");
    request->range_end = arguments.keys[1];
  }
  if (flags.prefix) {
    request->range_end = client::PrefixEnd(request->key);
    if (request->key.empty()) request->key = std::string(client::kFromKey);
  }
  request->start_revision = flags.rev;
  request->prev_kv = flags.prev_kv;
  request->progress_notify = flags.progress_notify;
  return Ok();
}

}  // namespace keelson::kvctl
