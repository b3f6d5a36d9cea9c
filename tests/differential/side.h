// Side: one of the two servers, and how it is asked. Calls are started and finished apart, so that
// both servers work at a time.
#ifndef KEELSON_TESTS_DIFFERENTIAL_SIDE_H_
#define KEELSON_TESTS_DIFFERENTIAL_SIDE_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/differential/operation.h"
#include "tests/differential/server_process.h"
#include "tests/differential/symbols.h"
#include "tests/differential/watch_stream.h"

namespace keelson::differential {

// What a call came to; normalised.
struct Answer {
  int code = 0;
  std::string error;
  std::unique_ptr<google::protobuf::Message> message;  // there if there is no error

  bool ok() const { return code == 0; }
};

bool operator==(const Answer& a, const Answer& b);
std::string ToString(const Answer& answer);
Answer Refusal(int code, std::string error);

class Side {
 public:
  Side(std::string name, std::string program);
  ~Side();

  const std::string& name() const { return name_; }
  ServerProcess& process() { return process_; }
  Symbols& symbols() { return symbols_; }
  void WaitServing();

  // Kind kCall. REQUIRES: a call is finished before the next one starts.
  void Start(const Operation& operation);
  Answer Finish();
  Answer Call(const Operation& operation) {
    Start(operation);
    return Finish();
  }
  Answer KeepAlive(const Operation& operation);
  // RangeStream, its parts put together to the answer of Range.
  Answer RangeStream(const Operation& operation);

  void OpenStream(int slot, const std::string& user);
  WatchStream& stream(int slot) { return *streams_[static_cast<size_t>(slot)]; }
  // How many watchers of it still read what has been, as its metrics say.
  int64_t CountSlowWatchers() const;

 private:
  std::string TokenOf(const std::string& user) const;
  void Prepare(grpc::ClientContext& context, const std::string& user) const;
  // What a good answer tells for the calls to come: tokens, leases, what was compacted.
  void Learn(const Operation& operation);
  Answer Normalized(const grpc::Status& status, std::unique_ptr<google::protobuf::Message> message);

  const std::string name_;
  ServerProcess process_;
  Symbols symbols_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::TemplatedGenericStub<google::protobuf::Message, google::protobuf::Message> stub_;
  grpc::CompletionQueue queue_;
  std::map<std::string, std::string> tokens_;  // of users
  std::array<std::unique_ptr<WatchStream>, kWatchSlots> streams_;

  // The call that is under way.
  const Operation* operation_ = nullptr;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<google::protobuf::Message> resolved_;
  std::unique_ptr<google::protobuf::Message> message_;
  grpc::Status status_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<google::protobuf::Message>> reader_;
};

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_SIDE_H_
