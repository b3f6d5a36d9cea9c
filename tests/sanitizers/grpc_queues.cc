// gRPC's completion queues as the thread sanitizer must see them. What is done before an operation
// is begun, its result's taker may see; gRPC, which Debian does not build for the sanitizer, passes
// it on by atomics that are not seen. As with abseil_locks.cc, the definitions here take the place
// of the library's in every program, and have it do the work.

#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

#include "tests/sanitizers/next_definition.h"

using keelson::NextDefinition;

// Of gRPC's own headers: every operation, and every alarm, is announced to its queue by this.
bool grpc_cq_begin_op(grpc_completion_queue* queue, void* tag);

bool grpc_cq_begin_op(grpc_completion_queue* queue, void* tag) {
  static auto* const next = NextDefinition<bool(grpc_completion_queue*, void*)>(
      "_Z16grpc_cq_begin_opP21grpc_completion_queuePv");
  __tsan_release(tag);
  return next(queue, tag);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline,
                                      void* reserved) {
  static auto* const next = NextDefinition<grpc_event(grpc_completion_queue*, gpr_timespec, void*)>(
      "grpc_completion_queue_next");
  const grpc_event event = next(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}
