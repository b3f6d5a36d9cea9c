// StoreDirectory: which of a member's directories holds its state. A snapshot that arrives is
// written into a directory of its own beside the one in use; installing it is one rename of a small
// file that says which one counts. Whatever the file does not name is a leftover.
//
//   <parent>/store                      the state of a member that never installed a snapshot
//   <parent>/store-<generation, hex>    one that arrived as a snapshot, or is arriving
//   <parent>/store.current              which one counts; absent: generation 0, `store`
//   <parent>/store.current.tmp          the same in the making; means nothing
//   <parent>/checkpoint-<number, hex>   hard links to files of the store, for somebody who reads
//                                       them; means nothing after a restart
//
//   store.current := magic:8 "KEELSTOR" format:le32 zero:le32 generation:le64 index:le64 term:le64
//                    crc:le32          44 bytes; crc = CRC-32C of those before it
//                    index, term: the last entry the snapshot held
//
// Threads: one at a time.
#ifndef KEELSON_STORAGE_STORE_DIRECTORY_H_
#define KEELSON_STORAGE_STORE_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/raft_log.h"

namespace keelson::storage {

inline constexpr uint32_t kStorePointerFormat = 1;

struct StorePointer {
  uint64_t generation = 0;
  LogPosition installed;  // zeroes for generation 0
  friend bool operator==(const StorePointer&, const StorePointer&) = default;
};
std::string EncodeStorePointer(const StorePointer& pointer);
// DataLoss: damaged. FailedPrecondition: of a newer format.
absl::StatusOr<StorePointer> DecodeStorePointer(std::string_view bytes);

class StoreDirectory {
 public:
  // Finds out which directory counts; makes `parent` when it is absent. `files` outlives the
  // object; null: PosixFileSystem(). REQUIRES: nobody else has the directory.
  static absl::StatusOr<StoreDirectory> Open(std::string parent, FileSystem* files = nullptr);

  // Where the state lies.
  std::string current() const { return PathOf(pointer_.generation); }
  // The position of the snapshot it came from; zeroes: it is this member's own from the beginning.
  const LogPosition& installed() const { return pointer_.installed; }

  // Removes what earlier processes and failed attempts left.
  absl::Status RemoveLeftovers();
  // A place for a snapshot that arrives, or for a checkpoint; not there yet.
  std::string NewIncoming() { return PathOf(++last_generation_); }
  std::string NewCheckpoint();
  // `incoming`, of which every byte is durable, is the state from now on: after a crash either it
  // or the one before. Only the directory before the last call may be removed without harm.
  absl::Status Install(const std::string& incoming, const LogPosition& position);
  // A former state, an incoming one or a checkpoint, with all in it.
  absl::Status Remove(const std::string& path);

 private:
  StoreDirectory(std::string parent, FileSystem* files)
      : parent_(std::move(parent)), files_(files) {}

  absl::Status ReadPointer();
  std::string PathOf(uint64_t generation) const;
  std::string PointerPath() const;

  std::string parent_;
  FileSystem* files_;
  StorePointer pointer_;
  uint64_t last_generation_ = 0;  // in use or given out
  uint64_t last_checkpoint_ = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_STORE_DIRECTORY_H_
