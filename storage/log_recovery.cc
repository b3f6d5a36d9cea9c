#include "storage/log_recovery.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "storage/log_format.h"

namespace keelson::storage {
namespace {

absl::Status Damaged(const Segment& segment, uint64_t offset, const std::string& what) {
  return absl::DataLossError(
      absl::StrCat("raft log: ", segment.path, " at offset ", offset, ": ", what));
}

// One buffer for all segments, without zeroing it between them.
class SegmentReader {
 public:
  absl::StatusOr<std::string_view> Read(const Segment& segment, uint64_t bytes) {
    if (bytes > capacity_) {
      buffer_.reset(new char[bytes]);
      capacity_ = bytes;
    }
    KV_ASSIGN_OR_RETURN(const uint64_t got, segment.file->Read(0, bytes, buffer_.get()));
    return std::string_view(buffer_.get(), got);
  }

 private:
  std::unique_ptr<char[]> buffer_;
  uint64_t capacity_ = 0;
};

class Recovery {
 public:
  Recovery(const RaftLogOptions& options, LogTable& table)
      : options_(options), files_(*options.file_system), table_(table) {}

  absl::StatusOr<RecoveredLog> Run() {
    KV_RETURN_IF_ERROR(OpenSegments());
    KV_RETURN_IF_ERROR(ReadOpenings());
    for (size_t i = 0; i + 1 < log_.segments.size(); ++i) {
      KV_RETURN_IF_ERROR(ReadSealed(*log_.segments[i], openings_[i + 1].previous_end));
    }
    KV_RETURN_IF_ERROR(ReadLast(*log_.segments.back()));
    log_.state = state_;
    return std::move(log_);
  }

 private:
  absl::Status OpenSegments() {
    KV_ASSIGN_OR_RETURN(const auto names, files_.List(options_.directory));
    std::vector<uint64_t> sequences;
    for (const std::string& name : names) {
      if (const auto sequence = ParseSegmentName(name)) sequences.push_back(*sequence);
    }
    std::sort(sequences.begin(), sequences.end());
    if (sequences.empty()) {
      return absl::NotFoundError(absl::StrCat("no raft log in ", options_.directory));
    }
    for (const uint64_t sequence : sequences) {
      if (sequence - sequences.front() != log_.segments.size()) {
        return absl::DataLossError(absl::StrCat(
            "raft log: ", SegmentPath(options_.directory, sequence - 1), " is missing"));
      }
      KV_RETURN_IF_ERROR(OpenSegment(sequence));
    }
    return absl::OkStatus();
  }

  absl::Status OpenSegment(uint64_t sequence) {
    const std::string path = SegmentPath(options_.directory, sequence);
    KV_ASSIGN_OR_RETURN(auto file, files_.Open(path, OpenMode::kExisting));
    KV_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
    std::string head(kSegmentHeaderBytes, '\0');
    KV_ASSIGN_OR_RETURN(const uint64_t got, file->Read(0, head.size(), head.data()));
    const auto header = DecodeSegmentHeader(std::string_view(head).substr(0, got));
    if (!header.ok()) {
      return absl::Status(
          header.status().code(),
          absl::StrCat("raft log: ", path, " at offset 0: ", header.status().message()));
    }
    auto segment = std::make_shared<Segment>(*header, path, std::move(file), bytes);
    if (header->sequence != sequence) return Damaged(*segment, 0, "header of another segment");
    if (log_.segments.empty()) {
      log_.identity = header->identity;
    } else if (header->identity != log_.identity) {
      return Damaged(*segment, 0, "segment of another member or cluster");
    }
    log_.segments.push_back(std::move(segment));
    return absl::OkStatus();
  }

  // Finds the last segment that has been written to. Those after it were made in advance and hold
  // nothing; they are removed, and made again when needed.
  absl::Status ReadOpenings() {
    size_t begun = 0;
    for (size_t i = 0; i < log_.segments.size(); ++i) {
      const Segment& segment = *log_.segments[i];
      KV_ASSIGN_OR_RETURN(const auto opening, ReadOpening(segment));
      openings_.push_back(opening.value_or(Opening{}));
      if (!opening.has_value()) continue;
      if (begun != i) {
        return Damaged(*log_.segments[begun], kSegmentHeaderBytes, "first record is damaged");
      }
      begun = i + 1;
    }
    if (begun == 0) {
      return Damaged(*log_.segments[0], kSegmentHeaderBytes, "first record is damaged");
    }
    while (log_.segments.size() > begun) {
      const Segment& segment = *log_.segments.back();
      KV_ASSIGN_OR_RETURN(const std::string_view bytes, reader_.Read(segment, segment.bytes));
      const Remains remains = FindRemains(segment, bytes, kSegmentHeaderBytes);
      if (remains.synced > kSegmentHeaderBytes) {
        return Damaged(segment, kSegmentHeaderBytes, "first record is damaged");
      }
      KV_RETURN_IF_ERROR(files_.Remove(segment.path));
      log_.segments.pop_back();
      openings_.pop_back();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<Opening>> ReadOpening(const Segment& segment) {
    char bytes[PaddedRecordBytes(32)];
    KV_ASSIGN_OR_RETURN(const uint64_t got,
                        segment.file->Read(kSegmentHeaderBytes, sizeof bytes, bytes));
    const auto record = ParseRecord(segment.salt, std::string_view(bytes, got));
    Opening opening;
    if (!record.has_value() || record->header.kind != RecordKind::kOpening ||
        (record->header.flags & kLastOfAppend) == 0 || !DecodeOpening(record->payload, opening)) {
      return std::optional<Opening>();
    }
    return std::optional<Opening>(opening);
  }

  absl::Status ReadSealed(const Segment& segment, uint64_t end) {
    if (end > segment.bytes || end < kSegmentHeaderBytes) {
      return Damaged(segment, segment.bytes, "shorter than the segment after it says");
    }
    KV_ASSIGN_OR_RETURN(const std::string_view bytes, reader_.Read(segment, end));
    KV_ASSIGN_OR_RETURN(const uint64_t good, ReadRecords(segment, bytes));
    if (good != end) return Damaged(segment, good, "record is damaged");
    return absl::OkStatus();
  }

  absl::Status ReadLast(Segment& segment) {
    KV_ASSIGN_OR_RETURN(const std::string_view bytes, reader_.Read(segment, segment.bytes));
    KV_ASSIGN_OR_RETURN(log_.end, ReadRecords(segment, bytes));
    log_.synced = synced_;
    const Remains remains = FindRemains(segment, bytes, log_.end);
    if (remains.synced > log_.end) {
      return Damaged(segment, log_.end, "record is damaged, and synced ones follow it");
    }
    if (!remains.found) return absl::OkStatus();
    // The tag of the last piece goes when all else is known to be gone: what a failed sync did not
    // write looks written to the next process, which must see that it has to begin anew.
    KV_RETURN_IF_ERROR(Zero(segment, log_.end, remains.last));
    KV_RETURN_IF_ERROR(Zero(segment, remains.last + kRecordAlignment, segment.bytes));
    KV_RETURN_IF_ERROR(segment.file->Sync());
    KV_RETURN_IF_ERROR(Zero(segment, remains.last, remains.last + kRecordAlignment));
    return segment.file->Sync();
  }

  // Takes the records of whole appends into the table; returns where the last such append ends.
  absl::StatusOr<uint64_t> ReadRecords(const Segment& segment, std::string_view bytes) {
    uint64_t offset = kSegmentHeaderBytes;
    uint64_t good = offset;
    uint64_t claimed = 0;
    synced_ = kSegmentHeaderBytes;
    append_.clear();
    while (const auto record = ParseRecord(segment.salt, bytes.substr(offset))) {
      append_.emplace_back(offset, *record);
      offset += record->padded_bytes;
      if ((record->header.flags & kLastOfAppend) == 0 && !KV_PLANTED("log-torn-append-taken"))
        continue;
      for (const auto& [at, part] : append_) {
        // A block of the disk that has another's bytes may well begin and end with a record.
        if (part.header.synced > at || part.header.synced < claimed) {
          return Damaged(segment, at, "record of another place");
        }
        claimed = part.header.synced;
        KV_RETURN_IF_ERROR(TakeRecord(segment, at, part));
      }
      synced_ = std::max(kSegmentHeaderBytes, claimed);
      append_.clear();
      good = offset;
    }
    return good;
  }

  absl::Status TakeRecord(const Segment& segment, uint64_t offset, const ParsedRecord& record) {
    const RecordHeader& header = record.header;
    switch (header.kind) {
      case RecordKind::kOpening:
        return TakeOpening(segment, offset, record);
      case RecordKind::kEntry:
        if (header.index != table_.last() + 1) {
          return Damaged(
              segment, offset,
              absl::StrCat("entry ", header.index.value(), " after ", table_.last().value()));
        }
        table_.Append(header.term, {segment.header.sequence, offset, record.payload.size()});
        return absl::OkStatus();
      case RecordKind::kState:
        if (!DecodeLogState(record.payload, state_)) {
          return Damaged(segment, offset, "state of a wrong size");
        }
        return absl::OkStatus();
      case RecordKind::kCut:
        table_.CutAfter(header.index, header.term);
        return absl::OkStatus();
      case RecordKind::kReset:
        table_.Reset(header.index, header.term);
        return absl::OkStatus();
      case RecordKind::kMark:
        return absl::OkStatus();
    }
    return Damaged(segment, offset, "record of an unknown kind");
  }

  absl::Status TakeOpening(const Segment& segment, uint64_t offset, const ParsedRecord& record) {
    Opening opening;
    if (offset != kSegmentHeaderBytes || !DecodeOpening(record.payload, opening)) {
      return Damaged(segment, offset, "misplaced opening");
    }
    const bool oldest = segment.header.sequence == log_.segments.front()->header.sequence;
    if (oldest) {
      table_.Reset(record.header.index, record.header.term);
      state_ = opening.state;
    } else if (record.header.index != table_.last() || !(opening.state == state_)) {
      return Damaged(segment, offset, "does not continue the segment before it");
    }
    return absl::OkStatus();
  }

  struct Remains {
    bool found = false;   // something of this segment's salt
    uint64_t last = 0;    // the last place where there is
    uint64_t synced = 0;  // the highest claim of a valid record among it
  };

  // What lies after the last good record. A record there that was written after a sync past `from`
  // proves that what should be at `from` had been durable: damage. Otherwise it belongs to the
  // group whose sync never returned: disks keep its pages in any order.
  static Remains FindRemains(const Segment& segment, std::string_view bytes, uint64_t from) {
    Remains remains;
    for (uint64_t at = from; at + kRecordHeaderBytes <= bytes.size(); at += kRecordAlignment) {
      if (!HasTag(segment.salt, bytes.substr(at))) continue;
      remains.found = true;
      remains.last = at;
      if (const auto record = ParseRecord(segment.salt, bytes.substr(at))) {
        remains.synced = std::max(remains.synced, record->header.synced);
      }
    }
    return remains;
  }

  // Nothing of the torn tail may be taken for a record once new ones end in front of it.
  static absl::Status Zero(Segment& segment, uint64_t from, uint64_t end) {
    const std::string zeroes(std::min<uint64_t>(1 << 20, segment.bytes), '\0');
    for (uint64_t at = from; at < end; at += zeroes.size()) {
      const uint64_t count = std::min<uint64_t>(zeroes.size(), end - at);
      KV_RETURN_IF_ERROR(segment.file->Write(at, {std::string_view(zeroes).substr(0, count)}));
    }
    return absl::OkStatus();
  }

  const RaftLogOptions& options_;
  FileSystem& files_;
  LogTable& table_;
  RecoveredLog log_;
  LogState state_;
  uint64_t synced_ = 0;  // of the segment read last: all before it is known to be on disk
  std::vector<Opening> openings_;
  SegmentReader reader_;
  std::vector<std::pair<uint64_t, ParsedRecord>> append_;
};

}  // namespace

absl::StatusOr<RecoveredLog> RecoverLog(const RaftLogOptions& options, LogTable& table) {
  return Recovery(options, table).Run();
}

}  // namespace keelson::storage
