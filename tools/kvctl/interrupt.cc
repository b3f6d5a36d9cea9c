#include "tools/kvctl/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace keelson::kvctl {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
constexpr char kSignalled = 's';
constexpr char kEnded = 'e';

// Atomic, for a handler may use nothing else: where it writes.
std::atomic<int> signal_fd = -1;

void OnSignal(int) {
  const int saved = errno;
  const char what = kSignalled;
  // A full pipe has been told already.
  [[maybe_unused]] const ssize_t written = write(signal_fd, &what, 1);
  errno = saved;
}

void SetHandlers(void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  for (const int number : kSignals) KV_CHECK_EQ(sigaction(number, &action, nullptr), 0);
}

}  // namespace

Interrupt::Interrupt(std::function<void()> on_signal) : on_signal_(std::move(on_signal)) {
  KV_CHECK_EQ(signal_fd, -1) << "one at a time";
  KV_CHECK_EQ(pipe2(pipe_, O_CLOEXEC), 0);
  signal_fd = pipe_[1];
  thread_ = std::thread([this] {
    char what = kEnded;
    while (read(pipe_[0], &what, 1) < 0 && errno == EINTR) {
    }
    if (what == kSignalled) on_signal_();
  });
  SetHandlers(OnSignal, static_cast<int>(SA_RESTART | SA_RESETHAND));
}

Interrupt::~Interrupt() {
  SetHandlers(SIG_DFL, 0);
  const char what = kEnded;
  [[maybe_unused]] const ssize_t written = write(pipe_[1], &what, 1);
  thread_.join();
  signal_fd = -1;
  close(pipe_[0]);
  close(pipe_[1]);
}

}  // namespace keelson::kvctl
