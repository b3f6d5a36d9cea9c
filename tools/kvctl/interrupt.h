// Interrupt: SIGINT and SIGTERM as something a command hears of and ends by, instead of dying of
// it, so that what it holds in the store is given back. One at a time. A second signal kills as
// usual.
#ifndef KEELSON_TOOLS_KVCTL_INTERRUPT_H_
#define KEELSON_TOOLS_KVCTL_INTERRUPT_H_

#include <functional>
#include <thread>

namespace keelson::kvctl {

class Interrupt {
 public:
  // `on_signal` runs once at most, on a thread of its own.
  explicit Interrupt(std::function<void()> on_signal);
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  // The signals are the system's again. No call runs after that.
  ~Interrupt();

 private:
  const std::function<void()> on_signal_;
  int pipe_[2];
  std::thread thread_;
};

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_INTERRUPT_H_
