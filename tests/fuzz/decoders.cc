#include "tests/fuzz/decoders.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "base/shared_bytes.h"
#include "proto/keelson/command.pb.h"
#include "raft/conf_change.h"
#include "server/peer_hello.h"
#include "server/raft_codec.h"
#include "storage/block_counts.h"
#include "storage/crashing_file_system.h"
#include "storage/database_files.h"
#include "storage/key_history.h"
#include "storage/key_value.h"
#include "storage/log_format.h"
#include "storage/raft_log.h"
#include "storage/recent_state_hashes.h"
#include "storage/segment_pool.h"
#include "storage/snapshot_format.h"
#include "storage/snapshot_stream.h"
#include "storage/store_directory.h"
#include "storage/store_format.h"
#include "tests/fuzz/api_decoders.h"
#include "tests/fuzz/wire_decoders.h"

namespace keelson::fuzz {
namespace {

using namespace storage;  // NOLINT: every decoder but two is its

constexpr uint64_t kSalt = 0x1122334455667788;

// ----------------------------------------------------------------------------------------- raft
// log

void RunSegmentHeader(std::string_view bytes) {
  const auto header = DecodeSegmentHeader(bytes);
  if (header.ok()) KV_CHECK(EncodeSegmentHeader(*header).size() == kSegmentHeaderBytes);
}

void RunLogRecord(std::string_view bytes) {
  const RecordSalt salt(kSalt);
  const auto record = ParseRecord(salt, bytes);
  if (record.has_value()) {
    KV_CHECK(HasTag(salt, bytes));
    KV_CHECK(record->padded_bytes <= bytes.size());
    KV_CHECK(record->payload.data() >= bytes.data());
    KV_CHECK(record->payload.data() + record->payload.size() <= bytes.data() + bytes.size());
  }
  Opening opening;
  if (DecodeOpening(bytes, opening)) KV_CHECK(EncodeOpening(opening) == bytes);
  LogState state;
  if (DecodeLogState(bytes, state)) KV_CHECK(EncodeLogState(state) == bytes);
}

// A log of valid records that say anything: the bytes choose what, for a fuzzer guesses no
// checksum.
//   record := what:u8 flags:u8 synced:u8 index:u8 term:u8 size:u8 payload:size
//   what      its high bit: a new segment begins with it; the rest: kind
std::string BuildSegments(std::string_view bytes, std::vector<std::string>& segments) {
  const RecordSalt salt(kSalt);
  while (true) {
    uint8_t what, flags, synced, index, term, size;
    if (!TakeByte(bytes, what) || !TakeByte(bytes, flags) || !TakeByte(bytes, synced) ||
        !TakeByte(bytes, index) || !TakeByte(bytes, term) || !TakeByte(bytes, size)) {
      return {};
    }
    if (segments.empty() || (what & 0x80) != 0) {
      if (segments.size() == 4) return {};
      segments.push_back(EncodeSegmentHeader({{1, NodeId(2)}, segments.size() + 1, kSalt}));
    }
    const std::string_view payload = bytes.substr(0, size);
    bytes.remove_prefix(payload.size());
    RecordHeader header;
    header.kind = static_cast<RecordKind>(what & 0x7f);
    header.flags = flags;
    header.synced = uint64_t{synced} * kRecordAlignment;
    header.index = LogIndex(index);
    header.term = Term(term);
    std::string& to = segments.back();
    const size_t begin = to.size();
    AppendRecordHeader(salt, header, payload, to);
    to.append(payload);
    to.resize(begin + PaddedRecordBytes(payload.size()));
  }
}

void RunLogRecovery(std::string_view bytes) {
  std::vector<std::string> segments;
  BuildSegments(bytes, segments);
  if (segments.empty()) return;
  std::map<std::string, std::string> contents;
  for (std::string& segment : segments) {
    if (segment.size() < 2048) segment.resize(2048);
    const std::string path = SegmentPath("raft", contents.size() + 1);
    contents[path] = std::move(segment);
  }
  CrashingFileSystem files(1);
  files.Load(contents);
  SeededRandom random(1);
  RaftLogOptions options;
  options.directory = "raft";
  options.segment_bytes = 2048;
  options.background_thread = false;
  options.file_system = &files;
  options.random = &random;
  auto log = RaftLog::Open(options);
  if (!log.ok()) return;
  // A log that opens can be read and goes on.
  KV_CHECK((*log)->FirstIndex() <= (*log)->LastIndex() + 1);
  const auto records = (*log)->Read((*log)->FirstIndex(), (*log)->LastIndex() + 1, 1 << 20);
  KV_CHECK(records.ok()) << records.status();
  const LogIndex next = (*log)->LastIndex() + 1;
  LogAppend append;
  append.records.push_back({Term(300), next, 0, SharedBytes(std::string("next"))});
  append.must_sync = true;
  const absl::Status status = (*log)->Append({append});
  KV_CHECK(status.ok()) << status;
  log->reset();
  auto again = RaftLog::Open(options);
  KV_CHECK(again.ok()) << again.status();
  KV_CHECK_EQ((*again)->LastIndex(), next);
}

// --------------------------------------------------------------------------------------------
// store

void RunKeyValue(std::string_view bytes) {
  KeyValue kv, again;
  if (!ParseKeyValue(bytes, kv)) return;
  std::string encoded;
  AppendKeyValue(kv, encoded);
  KV_CHECK(encoded.size() <= bytes.size());
  KV_CHECK(ParseKeyValue(encoded, again));
  KV_CHECK(again.key == kv.key && again.value == kv.value && again.lease == kv.lease &&
           again.version == kv.version && again.mod_revision == kv.mod_revision &&
           again.create_revision == kv.create_revision);
}

void RunVersion(std::string_view bytes) {
  VersionId id;
  if (ParseVersionKey(bytes, id)) {
    std::string encoded;
    AppendVersionKey(id, encoded);
    KV_CHECK(encoded == bytes);
  }
  VersionRecord record;
  if (!ParseVersionRecord(bytes, record)) return;
  KV_CHECK(record.previous.main >= Revision(0) && record.previous.sub >= 0);
  KV_CHECK(record.kv.data() + record.kv.size() == bytes.data() + bytes.size());
  RunKeyValue(record.kv);
}

void RunPosition(std::string_view bytes) {
  Position position;
  if (!ParsePosition(bytes, position)) return;
  KV_CHECK(EncodePosition(position) == bytes);
  KV_CHECK(position.revision >= Revision(1) && position.compacted <= position.revision);
}

void RunCompaction(std::string_view bytes) {
  CompactionProgress progress;
  if (ParseCompactionProgress(bytes, progress)) {
    KV_CHECK(EncodeCompactionProgress(progress) == bytes);
  }
}

void RunLease(std::string_view bytes) {
  LeaseRecord lease;
  if (ParseLease(bytes, lease)) KV_CHECK(EncodeLease(lease) == bytes);
  LeaseId id;
  if (ParseLeaseMetaKey(bytes, id)) KV_CHECK(LeaseMetaKey(id).substr(1) == bytes);
  std::string_view key;
  if (ParseLeaseKeyMetaKey(bytes, id, key)) KV_CHECK(LeaseKeyMetaKey(id, key).substr(1) == bytes);
  Table table;
  if (ParseRecordMetaKey(bytes, table, key)) {
    KV_CHECK(RecordMetaKey(table, key).substr(1) == bytes);
  }
}

void RunHistory(std::string_view bytes) {
  KeyHistory parsed, again;
  const bool whole = KeyHistory::Parse(bytes, parsed);
  for (const int64_t at : {0, 5, 20, 299, 300, 1 << 30}) {
    KeyHistory::Lookup found;
    const bool looked = FindInHistory(bytes, Revision(at), found);
    KV_CHECK(looked || !whole);
    KV_CHECK(!whole || found.version == parsed.At(Revision(at)).version);
  }
  std::string_view key;
  VersionId newest;
  if (ParseChunkKey(bytes, key, newest)) KV_CHECK(ChunkKey(key, newest) == bytes);
  if (!whole) return;
  std::string encoded;
  parsed.AppendTo(encoded);
  KV_CHECK(encoded.size() <= bytes.size());
  KV_CHECK(KeyHistory::Parse(encoded, again));
  KV_CHECK(again.newest() == parsed.newest() && again.Older() == parsed.Older());
  // It goes on.
  again.Spill(again.older_count() / 2);
  (void)again.Trim(Revision(100));
  if (again.newest().id.main == Revision(kRevisionMax)) return;
  again.Push({{Revision(kRevisionMax), 0}, Revision(1), again.newest().version + 1});
  (void)again.Older();
}

void RunCounts(std::string_view bytes) {
  Revision as_of, as_of_again, through;
  std::vector<CountedBlock> blocks, again;
  if (ParseIndexThrough(bytes, through)) KV_CHECK(EncodeIndexThrough(through) == bytes);
  if (!ParseLeaf("a", bytes, as_of, blocks)) return;
  KV_CHECK(ParseLeaf("a", EncodeLeaf(as_of, blocks), as_of_again, again));
  KV_CHECK(as_of == as_of_again && blocks == again);
}

void RunStateHashes(std::string_view bytes) {
  StateHashRun run;
  if (ParseStateHashRun(bytes, run)) KV_CHECK(EncodeStateHashRun(run) == bytes);
  // The bytes as records of a store: size:u8 record, in the slots one after another.
  RecentStateHashes hashes;
  LogIndex last;
  for (uint8_t slot = 0, size; TakeByte(bytes, size); ++slot) {
    const std::string_view record = bytes.substr(0, size);
    bytes.remove_prefix(record.size());
    if (!hashes.LoadRecord(slot, record)) return;
    if (ParseStateHashRun(record, run)) last = run.last;
  }
  const auto now = hashes.FinishLoad(last);
  KV_CHECK(now == hashes.Find(last));
  hashes.Add(last + 1, 7);
  KV_CHECK(hashes.TakeRecord().has_value());
}

void RunManifest(std::string_view bytes) {
  const ManifestState state = LookAtManifest(bytes);
  KV_CHECK(state.valid_bytes <= bytes.size());
  KV_CHECK(!state.damaged || state.valid_bytes < bytes.size());
  // What has been cut is whole.
  const std::string_view valid = bytes.substr(0, state.valid_bytes);
  KV_CHECK(!LookAtManifest(valid).damaged && LookAtManifest(valid).valid_bytes == valid.size());
}

// What a peer may send in place of a snapshot; also with a header whose checksum is right.
void Receive(std::string_view stream) {
  CrashingFileSystem files(1);
  SnapshotReceiver receiver(std::nullopt, &files);
  if (!receiver.Append(stream).ok() || !receiver.Finish().ok()) return;
  KV_CHECK_EQ(SnapshotStreamBytes(*receiver.description()), stream.size());
}

void RunSnapshot(std::string_view bytes) {
  Receive(bytes);
  const auto size = SnapshotHeaderBytes(bytes);
  if (!size.ok() || *size > bytes.size()) return;
  std::string forged(bytes);
  StoreLittle32(forged.data() + *size - 4, Crc32c(bytes.substr(0, *size - 4)));
  Receive(forged);
  const std::string_view header = std::string_view(forged).substr(0, *size);
  const auto decoded = DecodeSnapshotHeader(header);
  if (decoded.ok()) KV_CHECK(EncodeSnapshotHeader(*decoded) == header);
}

void RunStorePointer(std::string_view bytes) {
  const auto decoded = DecodeStorePointer(bytes);
  if (decoded.ok()) KV_CHECK(EncodeStorePointer(*decoded) == bytes);
}

// ------------------------------------------------------------------------------------------
// entries, peers

void RunConfChange(std::string_view bytes) {
  const auto change = raft::DecodeConfChange(SharedBytes::Copy(bytes));
  if (!change.has_value()) return;
  KV_CHECK(raft::EncodeConfChange(*change).view() == bytes);
  raft::ConfState conf;
  conf.voters = {NodeId(1), NodeId(2), NodeId(3)};
  conf.learners = {NodeId(4)};
  // What a member would make of it: an error, or a legal configuration.
  const auto next = raft::ApplyConfChange(conf, *change);
  if (next.ok()) KV_CHECK(raft::CheckConf(*next).ok());
}

void RunConfState(std::string_view bytes) {
  const auto conf = server::DecodeConfState(bytes);
  if (conf.has_value()) KV_CHECK(server::DecodeConfState(server::EncodeConfState(*conf)) == conf);
}

void RunRaftMessage(std::string_view bytes) {
  const auto message = server::DecodeRaftMessage(SharedBytes::Copy(bytes));
  if (!message.has_value()) return;
  const std::string again = server::EncodeRaftMessage(*message).Flatten();
  KV_CHECK(server::DecodeRaftMessage(SharedBytes(again)).has_value());
}

void RunHello(std::string_view bytes) {
  const auto hello = server::DecodeHello(bytes);
  if (hello.has_value()) KV_CHECK(server::EncodeHello(*hello) == bytes);
}

void RunCommand(std::string_view bytes) {
  static const google::protobuf::LogSilencer* const silencer = new google::protobuf::LogSilencer;
  (void)silencer;
  proto::Command command, again;
  if (!command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const std::string encoded = command.SerializeAsString();
  KV_CHECK(again.ParseFromString(encoded));
  KV_CHECK(again.op_case() == command.op_case() && again.format() == command.format());
}

constexpr Decoder kDecoders[] = {
    {"segment_header", RunSegmentHeader},
    {"log_record", RunLogRecord},
    {"log_recovery", RunLogRecovery},
    {"key_value", RunKeyValue},
    {"version", RunVersion},
    {"position", RunPosition},
    {"compaction", RunCompaction},
    {"lease", RunLease},
    {"history", RunHistory},
    {"counts", RunCounts},
    {"state_hashes", RunStateHashes},
    {"manifest", RunManifest},
    {"snapshot", RunSnapshot},
    {"store_pointer", RunStorePointer},
    {"conf_change", RunConfChange},
    {"conf_state", RunConfState},
    {"raft_message", RunRaftMessage},
    {"hello", RunHello},
    {"command", RunCommand},
    {"auth_record", RunAuthRecord},
    {"peer_frame", RunPeerFrame},
    {"http1", RunHttp1},
    {"http2", RunHttp2},
    {"websocket", RunWebSocket},
    {"grpc_body", RunGrpcBody},
    {"grpc_text", RunGrpcText},
    {"json_values", RunJsonValues},
    {"gateway_json", RunGatewayJson},
    {"jwt", RunJwt},
    {"config_file", RunConfigFile},
    {"flag_value", RunFlagValue},
    {"url", RunUrl},
    {"api_json", RunApiJson},
    {"api_yaml", RunApiYaml},
    {"api_protobuf", RunApiProtobuf},
    {"api_json_patch", RunApiJsonPatch},
    {"api_merge_patch", RunApiMergePatch},
    {"api_strategic_merge", RunApiStrategicMerge},
    {"api_field_set", RunApiFieldSet},
    {"api_apply", RunApiApply},
    {"api_selectors", RunApiSelectors},
    {"api_quantity", RunApiQuantity},
};

}  // namespace

std::span<const Decoder> Decoders() { return kDecoders; }

const Decoder* FindDecoder(std::string_view name) {
  const auto found = std::find_if(std::begin(kDecoders), std::end(kDecoders),
                                  [name](const Decoder& decoder) { return decoder.name == name; });
  return found == std::end(kDecoders) ? nullptr : found;
}

}  // namespace keelson::fuzz
