// A snapshot as a stream of bytes (storage/snapshot_format.h): SnapshotSource makes it of a
// directory of files, SnapshotReceiver makes such a directory of it. Both work a piece at a time,
// whatever the size; any damage on the way or on either disk is found by the receiver.
//
// Threads: one at a time. Both read and write files, so not on a loop that must not wait.
#ifndef KEELSON_STORAGE_SNAPSHOT_STREAM_H_
#define KEELSON_STORAGE_SNAPSHOT_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/snapshot_format.h"

namespace keelson::storage {

// Name, length and checksum of every file of `directory`, by name.
absl::StatusOr<std::vector<SnapshotFile>> DescribeFiles(const std::string& directory,
                                                        FileSystem& files);

class SnapshotSource {
 public:
  // `description` is of the files in `directory`, which do not change; `files` outlives the source.
  SnapshotSource(std::string directory, SnapshotDescription description, FileSystem* files);
  SnapshotSource(const SnapshotSource&) = delete;
  SnapshotSource& operator=(const SnapshotSource&) = delete;

  const SnapshotDescription& description() const { return description_; }
  // Of the whole stream.
  uint64_t bytes() const { return bytes_; }
  // What comes at `offset`: at least one byte but at the end, and not much more than `bytes_max`.
  absl::StatusOr<std::string> Read(uint64_t offset, uint64_t bytes_max);

 private:
  // From `offset` to the end of the header, piece or trailer that it lies in.
  absl::StatusOr<std::string> ReadSegment(uint64_t offset);
  absl::StatusOr<std::string> ReadPiece(size_t file, uint64_t number);

  const std::string directory_;
  const SnapshotDescription description_;
  FileSystem* const files_;
  const std::string header_;
  const uint64_t bytes_;
  std::vector<uint64_t> begins_;  // in the stream, of each file's part, and of the trailer
  std::optional<size_t> open_file_;
  std::unique_ptr<File> file_;
};

class SnapshotReceiver {
 public:
  // What is left free beside a snapshot, for those who write to the same disk meanwhile.
  static constexpr uint64_t kRoomLeftBytes = 32 << 20;

  // Makes `directory`, which must not be there. Without one the stream is only checked.
  // `files` outlives the receiver.
  SnapshotReceiver(std::optional<std::string> directory, FileSystem* files);
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  // The next bytes of the stream, cut as it comes. DataLoss: damaged. FailedPrecondition: of
  // another format. ResourceExhausted: there is no room for all of it, or was none for a part.
  // After an error every call gives it again.
  absl::Status Append(std::string_view bytes);
  // Bytes taken so far: where a sender has to go on.
  uint64_t offset() const { return offset_; }
  // Once the header has come.
  const std::optional<SnapshotDescription>& description() const { return description_; }
  // The whole stream has come and all of it is right.
  bool complete() const { return stage_ == Stage::kDone; }
  // Makes the files durable. DataLoss: the stream is not complete.
  absl::Status Finish();

 private:
  enum class Stage : uint8_t { kHead, kHeader, kPieceHead, kPiece, kTrailer, kPadding, kDone };

  // The bytes that were waited for have come.
  absl::Status Take(std::string_view bytes);
  absl::Status TakeHeader(std::string_view bytes);
  absl::Status TakePieceHead(std::string_view bytes);
  absl::Status TakePiece(std::string_view bytes);
  absl::Status TakeTrailer(std::string_view bytes);
  absl::Status TakePadding(std::string_view bytes);
  absl::Status OpenFile();
  absl::Status CloseFile();
  // Goes over files that are empty, and from the last one to the trailer.
  absl::Status NextFile();
  void Await(Stage stage, uint64_t bytes) {
    stage_ = stage;
    wanted_ = bytes;
  }
  uint64_t PieceBytes() const;

  const std::optional<std::string> directory_;
  FileSystem* const files_;
  absl::Status status_;
  uint64_t offset_ = 0;
  std::string buffer_;  // of what is waited for
  Stage stage_ = Stage::kHead;
  uint64_t wanted_ = kSnapshotHeadBytes;

  std::string header_;
  std::optional<SnapshotDescription> description_;
  size_t file_number_ = 0;  // the one under way
  std::unique_ptr<File> file_;
  uint64_t file_bytes_ = 0;  // of it, so far
  uint32_t file_crc_ = 0;
  uint32_t piece_crc_ = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_SNAPSHOT_STREAM_H_
