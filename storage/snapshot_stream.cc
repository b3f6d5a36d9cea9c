#include "storage/snapshot_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"

namespace keelson::storage {
namespace {

constexpr uint64_t kReadBytes = 256 << 10;

std::string PathOf(const std::string& directory, const std::string& name) {
  return absl::StrCat(directory, "/", name);
}

absl::Status Damaged(const std::string& what) {
  return absl::DataLossError(absl::StrCat("the snapshot is damaged: ", what));
}

}  // namespace

absl::StatusOr<std::vector<SnapshotFile>> DescribeFiles(const std::string& directory,
                                                        FileSystem& files) {
  KV_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  std::vector<SnapshotFile> described;
  std::string buffer(kReadBytes, '\0');
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    KV_ASSIGN_OR_RETURN(const auto file, files.Open(PathOf(directory, name), OpenMode::kExisting));
    SnapshotFile found{.name = name};
    while (true) {
      KV_ASSIGN_OR_RETURN(const uint64_t count,
                          file->Read(found.bytes, buffer.size(), buffer.data()));
      found.crc = Crc32cExtend(found.crc, std::string_view(buffer).substr(0, count));
      found.bytes += count;
      if (count < buffer.size()) break;
    }
    described.push_back(std::move(found));
  }
  return described;
}

// ---------------------------------------------------------------------------------------- source

SnapshotSource::SnapshotSource(std::string directory, SnapshotDescription description,
                               FileSystem* files)
    : directory_(std::move(directory)),
      description_(std::move(description)),
      files_(files),
      header_(EncodeSnapshotHeader(description_)),
      bytes_(SnapshotStreamBytes(description_)) {
  uint64_t begin = header_.size();
  for (const SnapshotFile& file : description_.files) {
    begins_.push_back(begin);
    const uint64_t pieces = (file.bytes + kSnapshotPieceBytes - 1) / kSnapshotPieceBytes;
    begin += file.bytes + pieces * kSnapshotPieceHeadBytes;
  }
  begins_.push_back(begin);
}

absl::StatusOr<std::string> SnapshotSource::Read(uint64_t offset, uint64_t bytes_max) {
  std::string read;
  while (offset + read.size() < bytes_ && read.size() < bytes_max) {
    KV_ASSIGN_OR_RETURN(const std::string segment, ReadSegment(offset + read.size()));
    read += segment;
  }
  return read;
}

absl::StatusOr<std::string> SnapshotSource::ReadSegment(uint64_t offset) {
  if (offset < header_.size()) return header_.substr(offset);
  if (offset >= begins_.back()) {
    std::string end = EncodeSnapshotTrailer(header_, bytes_);
    end.resize(bytes_ - begins_.back(), '\0');
    return end.substr(offset - begins_.back());
  }
  // Of several that begin here, the last one: those before it are empty.
  const auto after = std::upper_bound(begins_.begin(), begins_.end(), offset);
  const size_t file = static_cast<size_t>(after - begins_.begin()) - 1;
  const uint64_t in_part = offset - begins_[file];
  constexpr uint64_t kWhole = kSnapshotPieceHeadBytes + kSnapshotPieceBytes;
  KV_ASSIGN_OR_RETURN(std::string piece, ReadPiece(file, in_part / kWhole));
  return piece.substr(in_part % kWhole);
}

absl::StatusOr<std::string> SnapshotSource::ReadPiece(size_t file, uint64_t number) {
  const SnapshotFile& described = description_.files[file];
  const std::string path = PathOf(directory_, described.name);
  if (open_file_ != file) {
    KV_ASSIGN_OR_RETURN(file_, files_->Open(path, OpenMode::kExisting));
    open_file_ = file;
  }
  const uint64_t begin = number * kSnapshotPieceBytes;
  std::string content(std::min(kSnapshotPieceBytes, described.bytes - begin), '\0');
  KV_ASSIGN_OR_RETURN(const uint64_t count, file_->Read(begin, content.size(), content.data()));
  if (count != content.size()) return absl::DataLossError(absl::StrCat(path, " is cut short"));
  return EncodeSnapshotPieceHead(content) + content;
}

// -------------------------------------------------------------------------------------- receiver

SnapshotReceiver::SnapshotReceiver(std::optional<std::string> directory, FileSystem* files)
    : directory_(std::move(directory)), files_(files) {}

absl::Status SnapshotReceiver::Append(std::string_view bytes) {
  while (status_.ok() && !bytes.empty()) {
    if (stage_ == Stage::kDone) {
      status_ = Damaged("bytes follow its end");
      break;
    }
    const uint64_t count = std::min<uint64_t>(bytes.size(), wanted_ - buffer_.size());
    offset_ += count;
    if (buffer_.empty() && count == wanted_) {
      status_ = Take(bytes.substr(0, count));
    } else {
      buffer_.append(bytes.substr(0, count));
      if (buffer_.size() == wanted_) status_ = Take(std::exchange(buffer_, {}));
    }
    bytes.remove_prefix(count);
  }
  return status_;
}

absl::Status SnapshotReceiver::Take(std::string_view bytes) {
  switch (stage_) {
    case Stage::kHead: {
      KV_ASSIGN_OR_RETURN(const uint64_t header_bytes, SnapshotHeaderBytes(bytes));
      header_ = bytes;
      Await(Stage::kHeader, header_bytes - bytes.size());
      return absl::OkStatus();
    }
    case Stage::kHeader:
      return TakeHeader(bytes);
    case Stage::kPieceHead:
      return TakePieceHead(bytes);
    case Stage::kPiece:
      return TakePiece(bytes);
    case Stage::kTrailer:
      return TakeTrailer(bytes);
    case Stage::kPadding:
      return TakePadding(bytes);
    case Stage::kDone:
      break;
  }
  KV_CHECK(false) << "nothing was waited for";
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::TakeHeader(std::string_view bytes) {
  header_ += bytes;
  KV_ASSIGN_OR_RETURN(description_, DecodeSnapshotHeader(header_));
  if (directory_.has_value()) {
    KV_RETURN_IF_ERROR(files_->CreateDirectory(*directory_));
    // Known before anything of it is written: what has no room must not take what there is.
    const auto free = files_->FreeBytes(*directory_);
    if (free.ok() && *free < SnapshotStreamBytes(*description_) + kRoomLeftBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("no room for a snapshot of ",
                                                       SnapshotStreamBytes(*description_),
                                                       " bytes in ", *directory_));
    }
  }
  if (!description_->files.empty()) KV_RETURN_IF_ERROR(OpenFile());
  return NextFile();
}

uint64_t SnapshotReceiver::PieceBytes() const {
  return std::min(kSnapshotPieceBytes, description_->files[file_number_].bytes - file_bytes_);
}

absl::Status SnapshotReceiver::OpenFile() {
  file_bytes_ = 0;
  file_crc_ = 0;
  if (!directory_.has_value()) return absl::OkStatus();
  const std::string path = PathOf(*directory_, description_->files[file_number_].name);
  KV_ASSIGN_OR_RETURN(file_, files_->Open(path, OpenMode::kCreateNew));
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::CloseFile() {
  const SnapshotFile& described = description_->files[file_number_];
  if (file_crc_ != described.crc && !KV_PLANTED("snapshot-damage-accepted")) {
    return Damaged(absl::StrCat(described.name, " does not match its checksum"));
  }
  if (file_ != nullptr) KV_RETURN_IF_ERROR(file_->Sync());
  file_.reset();
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::NextFile() {
  const std::vector<SnapshotFile>& files = description_->files;
  while (file_number_ < files.size() && file_bytes_ == files[file_number_].bytes) {
    KV_RETURN_IF_ERROR(CloseFile());
    if (++file_number_ < files.size()) KV_RETURN_IF_ERROR(OpenFile());
  }
  if (file_number_ < files.size()) {
    Await(Stage::kPieceHead, kSnapshotPieceHeadBytes);
  } else {
    Await(Stage::kTrailer, kSnapshotTrailerBytes);
  }
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::TakePieceHead(std::string_view bytes) {
  if (LoadLittle32(bytes.data()) != PieceBytes()) return Damaged("a piece has a wrong length");
  piece_crc_ = LoadLittle32(bytes.data() + 4);
  Await(Stage::kPiece, PieceBytes());
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::TakePiece(std::string_view bytes) {
  if (Crc32c(bytes) != piece_crc_ && !KV_PLANTED("snapshot-damage-accepted")) {
    return Damaged(absl::StrCat("at offset ", offset_ - bytes.size(), " of it, in ",
                                description_->files[file_number_].name));
  }
  if (file_ != nullptr) KV_RETURN_IF_ERROR(file_->Write(file_bytes_, {bytes}));
  file_crc_ = Crc32cExtend(file_crc_, bytes);
  file_bytes_ += bytes.size();
  return NextFile();
}

absl::Status SnapshotReceiver::TakeTrailer(std::string_view bytes) {
  const uint64_t stream_bytes = SnapshotStreamBytes(*description_);
  if (bytes != EncodeSnapshotTrailer(header_, stream_bytes)) {
    return Damaged("its end does not fit its beginning");
  }
  if (offset_ == stream_bytes) {
    Await(Stage::kDone, 0);
  } else {
    Await(Stage::kPadding, stream_bytes - offset_);
  }
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::TakePadding(std::string_view bytes) {
  if (bytes.find_first_not_of('\0') != std::string_view::npos) {
    return Damaged("its end is not zeroes");
  }
  Await(Stage::kDone, 0);
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::Finish() {
  KV_RETURN_IF_ERROR(status_);
  if (!complete()) {
    return Damaged(absl::StrCat("it is cut short after ", offset_, " bytes"));
  }
  if (directory_.has_value()) KV_RETURN_IF_ERROR(files_->SyncDirectory(*directory_));
  return absl::OkStatus();
}

}  // namespace keelson::storage
