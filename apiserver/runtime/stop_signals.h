// StopSignals: SIGTERM and SIGINT as something a daemon's main thread waits for. Made before any
// other thread is, which then inherits that it is not to be interrupted by them.
#ifndef KEELSON_APISERVER_RUNTIME_STOP_SIGNALS_H_
#define KEELSON_APISERVER_RUNTIME_STOP_SIGNALS_H_

#include <csignal>

namespace keelson::runtime {

class StopSignals {
 public:
  StopSignals();
  // Until one comes, or Trigger was called.
  void Wait();
  // As if one had come. Any thread.
  static void Trigger();

 private:
  sigset_t signals_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_STOP_SIGNALS_H_
