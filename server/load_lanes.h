// Which lane a client's call belongs to, and how wide the lanes are (rpc/load_control.h). A method
// that is not listed is one for few and short calls: vital.
#ifndef KEELSON_SERVER_LOAD_LANES_H_
#define KEELSON_SERVER_LOAD_LANES_H_

#include <cstdint>
#include <string_view>

#include "server/rpc/load_control.h"
#include "server/rpc/served_call.h"

namespace keelson::server {

rpc::LaneRule LaneOfMethod(std::string_view method);

struct LaneWidths {
  uint64_t memory_bytes = 0;   // for requests and answers; 0: DefaultClientMemory()
  uint64_t writes_max = 5000;  // under way at once (etcd's number); as many again may wait
  uint64_t reads_max = 10000;  // the same
  uint64_t ranges_max = 4;     // large ones that are read at once, in turns; a thousand may wait
  absl::Duration wait_max = absl::Seconds(7);
};
rpc::LoadLimits MakeLoadLimits(const LaneWidths& widths);
// An eighth of the machine's memory, between 64 MiB and 1 GiB.
uint64_t DefaultClientMemory();

}  // namespace keelson::server

#endif  // KEELSON_SERVER_LOAD_LANES_H_
