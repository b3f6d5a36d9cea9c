// VirtualChannel: one of a VirtualRuntime's channels.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_CHANNEL_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_CHANNEL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/channel.h"
#include "tests/simulation/cluster/virtual_runtime.h"

namespace keelson::simulation {

class VirtualChannel final : public client::Channel,
                             public std::enable_shared_from_this<VirtualChannel> {
 public:
  VirtualChannel(VirtualRuntime* runtime, int member) : runtime_(runtime), member_(member) {}

  State GetState(bool connect) override;
  absl::Status Call(const char* method, const client::CallHeader& header,
                    const client::MessageLite& request, client::MessageLite* response) override;
  std::unique_ptr<client::PendingCall> Prepare(const char* method, const client::CallHeader& header,
                                               const client::MessageLite& request,
                                               client::MessageLite* response,
                                               absl::Status* status) override;
  std::unique_ptr<client::StreamCall> Open(const char* method, const client::CallHeader& header,
                                           client::EventLoop::Event* started) override;
  std::unique_ptr<client::BlockingStream> OpenBlocking(const char* method,
                                                       const client::CallHeader& header) override;

 private:
  class Flight;
  class Pending;
  class Stream;
  class Blocking;

  bool Connected() const;
  // Tells, now or later, that there is a connection, or why there is none.
  void Connect(std::function<void(absl::Status)> then);
  void TryOnce();
  void OnTried(absl::Status status);

  VirtualRuntime* const runtime_;
  const int member_;
  uint64_t life_ = 0;  // of the member, that it is connected to; 0: never was
  bool connecting_ = false;
  Time failing_until_ = 0;
  std::vector<std::function<void(absl::Status)>> waiting_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_CHANNEL_H_
