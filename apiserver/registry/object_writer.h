// ObjectWriter: how one object is created, changed and deleted in the store: the order of defaults,
// admission and validation, and the transaction at the end. All kinds here are stored ones.
//
// Thread: any.
#ifndef KEELSON_APISERVER_REGISTRY_OBJECT_WRITER_H_
#define KEELSON_APISERVER_REGISTRY_OBJECT_WRITER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/registry/registry.h"
#include "apiserver/registry/shared_leases.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::registry {

// An object and the revision it was last written at.
struct Stored {
  api::Json object;
  int64_t revision = 0;
  bool live = false;  // read from the store just now, not from a cache
};

class ObjectWriter {
 public:
  // Both outlive it.
  ObjectWriter(Registry* registry, client::Client* store,
               std::vector<std::unique_ptr<AdmissionPlugin>> plugins);

  absl::StatusOr<Stored> Read(const api::Kind& kind, std::string_view name_space,
                              std::string_view name);
  absl::StatusOr<api::Json> Create(const api::Kind& kind, std::string_view name_space,
                                   api::Json object, const WriteOptions& options);
  absl::StatusOr<api::Json> Update(const api::Kind& kind, std::string_view name_space,
                                   std::string_view name, const Change& change,
                                   const WriteOptions& options);
  absl::StatusOr<Deleted> Delete(const api::Kind& kind, std::string_view name_space,
                                 std::string_view name, const DeleteOptions& deletion,
                                 const WriteOptions& options);

 private:
  // One attempt at something that others may be doing too. nullopt in `written`: somebody was
  // faster, and `now` is what there is (revision 0: nothing).
  struct Attempt {
    std::optional<api::Json> written = {};
    Stored now = {};
  };

  // From the cache where it has the object: what is made of it must not be believed before the
  // store has confirmed that it was the newest.
  absl::StatusOr<Stored> Newest(const api::Kind& kind, std::string_view name_space,
                                std::string_view name, const WriteOptions& options);
  absl::Status Mutate(AdmissionRequest& request);
  absl::Status Validate(const AdmissionRequest& request, size_t* passed);
  void Undo(const AdmissionRequest& request, size_t passed);

  absl::StatusOr<api::Json> CreateNamed(const api::Kind& kind, std::string_view name_space,
                                        api::Json object, const WriteOptions& options);
  absl::StatusOr<Attempt> TryUpdate(const api::Kind& kind, const Stored& old, api::Json object,
                                    const WriteOptions& options);
  absl::Status Prepare(const api::Kind& kind, const Stored& old, api::Json& object,
                       const WriteOptions& options);
  // Answers of all that wait are read by one thread of the client, many at a time.
  absl::StatusOr<etcdserverpb::TxnResponse> Commit(const etcdserverpb::TxnRequest& txn);
  // Of a transaction that writes `object`, or reads what there is instead. Here and below `object`
  // is moved from when it is written, and only then.
  static absl::StatusOr<Attempt> OutcomeOf(
      const absl::StatusOr<etcdserverpb::TxnResponse>& response, api::Json& object);
  absl::StatusOr<Attempt> Put(const api::Kind& kind, api::Json& object, int64_t revision);
  absl::StatusOr<Attempt> Remove(const api::Kind& kind, api::Json& object, int64_t revision);
  absl::StatusOr<Attempt> TryDelete(const api::Kind& kind, Stored& old,
                                    const DeleteOptions& deletion, const WriteOptions& options,
                                    Deleted* deleted);

  Registry* const registry_;
  client::Client* const store_;
  const std::vector<std::unique_ptr<AdmissionPlugin>> plugins_;
  SharedLeases leases_;
};

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_OBJECT_WRITER_H_
