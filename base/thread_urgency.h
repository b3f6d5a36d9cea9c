// How soon the scheduler is to run the calling thread when there is more to do than processors.
#ifndef KEELSON_BASE_THREAD_URGENCY_H_
#define KEELSON_BASE_THREAD_URGENCY_H_

#include <cstdint>

namespace keelson {

enum class ThreadUrgency : uint8_t {
  // Somebody waits for it. It asks for the shortest time slices: it gets no more of a processor,
  // but
  // gets it at once. Linux lets a thread finish its slice, of several milliseconds, though it be a
  // less urgent one, unless the one that wakes has a shorter slice (EEVDF, since 6.12; before, it
  // compared the niceness).
  kAnswering,
  kBackground,       // niceness 5: what must not fall behind for long
  kLeastBackground,  // niceness 10
};

// Of the calling thread; a thread that it starts later has its niceness, and not its slices. Best
// effort: where the kernel does not know it or does not permit it, nothing changes.
void SetThreadUrgency(ThreadUrgency urgency);

}  // namespace keelson

#endif  // KEELSON_BASE_THREAD_URGENCY_H_
