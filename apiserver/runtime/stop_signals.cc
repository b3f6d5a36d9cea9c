#include "apiserver/runtime/stop_signals.h"

#include <unistd.h>

namespace keelson::runtime {

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

void StopSignals::Wait() {
  int signal = 0;
  sigwait(&signals_, &signal);
}

void StopSignals::Trigger() { kill(getpid(), SIGTERM); }

}  // namespace keelson::runtime
