#include "http/gather_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace keelson::http {
namespace {

constexpr size_t kSpareBlocksMax = 64;
// Once this many segments at the front are done, they are dropped from the vector.
constexpr size_t kCompactAt = 64;

}  // namespace

BlockPool::Block BlockPool::Take() {
  if (spare_.empty()) return Block(new char[kBlockBytes]);
  Block block = std::move(spare_.back());
  spare_.pop_back();
  return block;
}

void BlockPool::Return(Block block) {
  if (spare_.size() < kSpareBlocksMax) spare_.push_back(std::move(block));
}

GatherBuffer::~GatherBuffer() {
  for (BlockPool::Block& block : blocks_) pool_->Return(std::move(block));
}

void GatherBuffer::AppendCopy(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || tail_used_ == BlockPool::kBlockBytes) {
      blocks_.push_back(pool_->Take());
      tail_used_ = 0;
    }
    const uint64_t block = first_block_ + blocks_.size() - 1;
    char* to = blocks_.back().get() + tail_used_;
    const size_t count = std::min(bytes.size(), BlockPool::kBlockBytes - tail_used_);
    std::memcpy(to, bytes.data(), count);
    tail_used_ += count;
    bytes.remove_prefix(count);
    if (segments_.size() > head_ && segments_.back().block == block) {
      segments_.back().size += count;
    } else {
      segments_.push_back({to, count, block, {}});
    }
  }
}

void GatherBuffer::Append(SharedBytes bytes) {
  if (bytes.size() < kCopyMax) return AppendCopy(bytes.view());
  size_ += bytes.size();
  const std::string_view view = bytes.view();
  segments_.push_back({view.data(), view.size(), 0, std::move(bytes)});
}

size_t GatherBuffer::Peek(iovec* pieces, size_t count) const {
  const size_t n = std::min(count, segments_.size() - head_);
  for (size_t i = 0; i < n; ++i) {
    const Segment& segment = segments_[head_ + i];
    pieces[i] = {const_cast<char*>(segment.data), segment.size};
  }
  return n;
}

void GatherBuffer::Advance(size_t bytes) {
  KV_CHECK_LE(bytes, size_);
  size_ -= bytes;
  if (size_ == 0) {
    segments_.clear();
    head_ = 0;
    ReleaseBlocksBefore(first_block_ + blocks_.size());
    return;
  }
  while (bytes > 0) {
    Segment& segment = segments_[head_];
    const size_t count = std::min(bytes, segment.size);
    segment.data += count;
    segment.size -= count;
    bytes -= count;
    if (segment.block != 0) ReleaseBlocksBefore(segment.block);
    if (segment.size == 0) {
      segment.held = SharedBytes();
      ++head_;
    }
  }
  if (head_ >= kCompactAt) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

void GatherBuffer::ReleaseBlocksBefore(uint64_t block) {
  while (first_block_ < block) {
    pool_->Return(std::move(blocks_.front()));
    blocks_.pop_front();
    ++first_block_;
  }
}

}  // namespace keelson::http
