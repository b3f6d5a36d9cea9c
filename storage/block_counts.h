// BlockCounts: how many live keys there are in each part of the key space, so that a range is
// counted without a walk: the key space is cut into blocks of some hundred keys, a few hundred
// blocks make a leaf, and a leaf is a record on disk (docs/on-disk-format.md).
//
// Invariants:
//  1. Blocks cover the key space without gap: the first begins at the empty key.
//  2. A leaf's counts are those after revision `as_of` and all changes made here since.
//
// A block's `size` is the number of keys the index knows of in it, deleted ones included. It is a
// hint for where to cut, nothing else depends on it.
//
// Threads: none of its own; the KeyIndex guards it.
#ifndef KEELSON_STORAGE_BLOCK_COUNTS_H_
#define KEELSON_STORAGE_BLOCK_COUNTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "base/types.h"
#include "storage/store.h"

namespace keelson::storage {

struct CountedBlock {
  std::string first;
  int64_t live = 0;
  int64_t size = 0;
  friend bool operator==(const CountedBlock&, const CountedBlock&) = default;
};

//   leaf  := as_of:varint block+                     the first block begins at the record's key
//   block := shared:varint rest:varint rest_bytes live:varint size:varint
//            first key: `shared` bytes of the one before, then `rest` bytes
std::string EncodeLeaf(Revision as_of, const std::vector<CountedBlock>& blocks);
bool ParseLeaf(std::string_view first, std::string_view bytes, Revision& as_of,
               std::vector<CountedBlock>& blocks);

class BlockCounts {
 public:
  struct Limits {
    int64_t block_keys = 512;  // a larger block is cut
    size_t leaf_blocks = 256;  // a larger leaf is cut
  };
  explicit BlockCounts(Limits limits);

  // At open. REQUIRES: first keys ascend. False: they do not cover the key space.
  bool Load(std::vector<std::pair<Revision, std::vector<CountedBlock>>> leaves);

  int64_t live() const { return live_; }
  // Live keys and known keys in the block of `key` change by these. `at`: not counted yet if the
  // leaf is as of an earlier revision, else this does nothing. (0: always.)
  void Add(std::string_view key, int live, int size, Revision at);

  // The blocks that lie in `range` as a whole: [begin, end), or to the end of the key space.
  struct Whole {
    int64_t live = 0;
    bool any = false;
    std::string begin, end;
    bool to_end = false;
  };
  Whole Within(const KeyRange& range) const;

  // A block that is to be cut, the first from `key` on; its end is empty at the end of the key
  // space. False: there is none.
  struct Oversized {
    std::string first, end;
    int64_t live = 0;
  };
  bool FindOversized(Oversized& block) const;
  // It begins anew at `key`, with `live` and `size` keys before it. REQUIRES: `key` lies in it and
  // is not its first.
  void Split(std::string_view key, int64_t live_before, int64_t size_before);
  // It has `size` keys and stays as it is: there is nothing to cut.
  void Resize(std::string_view key, int64_t size);

  // Joins a small block with a neighbour. False: there is none left to look at.
  bool MergeOne();

  // ------------------------------------------------------------------------------------- to disk
  // A leaf to write or, without bytes, to delete.
  using Emit = absl::FunctionRef<void(std::string_view first, const std::string* bytes)>;
  // Those whose bounds have changed must be written together, with what is known at `as_of`.
  void TakeReshaped(Revision as_of, Emit emit);
  // Of those that have changed before this call, TakeChanged gives all.
  void BeginRound();
  // At most `count`. False: the round has none left.
  bool TakeChanged(size_t count, Revision as_of, Emit emit);
  // What the last TakeChanged gave has not been written.
  void PutBack();

  size_t blocks() const { return blocks_; }
  size_t leaves() const { return leaves_.size(); }
  struct Counters {
    uint64_t block_splits = 0, block_merges = 0, leaf_splits = 0, leaf_merges = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Leaf {
    Revision as_of;        // of the record on disk
    bool changed = false;  // since the last BeginRound or since written
    bool in_round = false;
    bool given = false;     // by the last TakeChanged
    bool reshaped = false;  // its bounds are not those on disk
    int64_t live = 0;
    std::vector<CountedBlock> blocks;
    std::string_view first() const { return blocks.front().first; }
  };
  struct Place {
    size_t leaf;
    size_t block;
  };

  Place Find(std::string_view key) const;
  // The first block whose first key is at or after `key`; {leaves, 0} at the end.
  Place FirstFrom(std::string_view key) const;
  std::string_view EndOf(Place place) const;
  CountedBlock& At(Place place) { return leaves_[place.leaf]->blocks[place.block]; }
  void Note(Place place);
  void SplitLeaf(size_t leaf);
  void MergeLeaf(size_t leaf);
  void Give(Leaf& leaf, Revision as_of, Emit emit);

  const Limits limits_;
  std::vector<std::unique_ptr<Leaf>> leaves_;
  int64_t live_ = 0;
  size_t blocks_ = 0;
  absl::btree_set<std::string> oversized_, small_;  // first keys; may be out of date
  std::vector<std::string> gone_;                   // records to delete with the reshaped ones
  uint64_t reshapes_written_ = 0;
  size_t round_at_ = 0;  // leaves before it are done in this round
  Counters counters_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_BLOCK_COUNTS_H_
