// GatherBuffer: the output of one connection, ready for the network: small things copied into
// blocks one after the other, large ones held by reference; written out with one gathered write.
//
// BlockPool: spare blocks, shared by the connections of a loop, so that an idle connection holds
// none.
//
// Thread: one loop.
#ifndef KEELSON_HTTP_GATHER_BUFFER_H_
#define KEELSON_HTTP_GATHER_BUFFER_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "base/shared_bytes.h"

namespace keelson::http {

class BlockPool {
 public:
  static constexpr size_t kBlockBytes = 32 * 1024;
  using Block = std::unique_ptr<char[]>;

  Block Take();
  void Return(Block block);

 private:
  std::vector<Block> spare_;
};

class GatherBuffer {
 public:
  // Pieces below this many bytes are cheaper to copy than to carry as an iovec of their own.
  static constexpr size_t kCopyMax = 1024;

  // REQUIRES: `pool` outlives this.
  explicit GatherBuffer(BlockPool* pool) : pool_(pool) {}
  ~GatherBuffer();
  GatherBuffer(const GatherBuffer&) = delete;
  GatherBuffer& operator=(const GatherBuffer&) = delete;

  void AppendCopy(std::string_view bytes);
  // Copies or holds, by size.
  void Append(SharedBytes bytes);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Describes the first bytes in at most `count` pieces; returns how many pieces.
  size_t Peek(iovec* pieces, size_t count) const;
  // Drops the first `bytes`. REQUIRES: bytes <= size().
  void Advance(size_t bytes);

 private:
  struct Segment {
    const char* data;
    size_t size;
    uint64_t block;    // number of the block `data` lies in; 0: in `held`
    SharedBytes held;  // keeps `data` alive when block is 0
  };

  void ReleaseBlocksBefore(uint64_t block);

  BlockPool* const pool_;
  std::vector<Segment> segments_;
  size_t head_ = 0;  // segments before it are done
  size_t size_ = 0;
  std::deque<BlockPool::Block> blocks_;  // numbers first_block_ and up
  uint64_t first_block_ = 1;
  size_t tail_used_ = 0;  // bytes used of the last block
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_GATHER_BUFFER_H_
