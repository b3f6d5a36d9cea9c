// What the thread sanitizer is not to report: races within libraries that Debian does not build for
// it, each with its reason. Nothing of ours is named here.

extern "C" const char* __tsan_default_suppressions();

const char* __tsan_default_suppressions() {
  // gRPC hands memory from thread to thread by atomics of its own, which the sanitizer does not
  // see; it sees what they guard where that is freed, copied or given to the kernel. Our own code
  // is called by none of gRPC's frames: our thread takes from its queue.
  //
  // Copies of an absl::Status share a representation, whose references Abseil counts unseen:
  // whoever frees it seems to race with whoever read another copy. Its time zones are published
  // likewise.
  return "race:libgrpc.so\n"
         "race:libgrpc++.so\n"
         "race:libgpr.so\n"
         "race:libabsl_status.so\n"
         "race:absl::*::Status::Unref\n"
         "race:libabsl_time_zone.so\n";
}
