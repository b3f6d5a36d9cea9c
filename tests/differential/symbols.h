// Symbols: what one server calls by a name of its own and both mean the same by: leases and members
// it named, revisions counted from the latest. Requests are resolved with it before they go to the
// server, answers normalised before they are compared.
#ifndef KEELSON_TESTS_DIFFERENTIAL_SYMBOLS_H_
#define KEELSON_TESTS_DIFFERENTIAL_SYMBOLS_H_

#include <google/protobuf/message.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proto/etcd/rpc.pb.h"

namespace keelson::differential {

class Symbols {
 public:
  Symbols(std::string client_url, std::string peer_url)
      : client_url_(std::move(client_url)), peer_url_(std::move(peer_url)) {}

  // The server's own numbers in place of the symbols of an operation.
  void Resolve(google::protobuf::Message* request) const;
  // The opposite; and what may differ goes: ids, terms, times, sizes, orders that nobody promises.
  void Normalize(google::protobuf::Message* answer);
  std::string NormalizeText(std::string text) const;

  void OnRevision(int64_t revision) { latest_ = std::max(latest_, revision); }
  void OnCompacted(int64_t revision) { compacted_ = revision; }
  void OnLease(int64_t slot, int64_t id);
  int64_t latest() const { return latest_; }
  int64_t compacted() const { return compacted_; }

 private:
  int64_t Resolved(int64_t symbol) const;
  void NormalizeOne(google::protobuf::Message* message);
  int64_t LeaseSymbol(int64_t id) const;
  uint64_t MemberSymbol(uint64_t id);
  void Normalize(etcdserverpb::Member* member);

  const std::string client_url_;
  const std::string peer_url_;
  int64_t latest_ = 1;
  int64_t compacted_ = 0;
  std::map<int64_t, int64_t> leases_;         // slot or symbol -> id
  std::map<int64_t, int64_t> lease_symbols_;  // id -> symbol, of all there ever were
  std::map<uint64_t, uint64_t> members_;      // id -> symbol, in the order of their appearance
};

// f(message) for a message and all that are in it.
template <typename F>
void ForEachMessage(google::protobuf::Message* message, const F& f) {
  f(message);
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      ForEachMessage(reflection.MutableMessage(message, field), f);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(*message, field); ++i) {
      ForEachMessage(reflection.MutableRepeatedMessage(message, field, i), f);
    }
  }
}

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_SYMBOLS_H_
