#include "storage/block_counts.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "base/coding.h"
#include "storage/store_format.h"

namespace keelson::storage {
namespace {

size_t SharedPrefix(std::string_view a, std::string_view b) {
  const size_t most = std::min(a.size(), b.size());
  size_t shared = 0;
  while (shared < most && a[shared] == b[shared]) ++shared;
  return shared;
}

bool IsZeroRange(const KeyRange& range) { return !range.open_end && range.end <= range.begin; }

}  // namespace

std::string EncodeLeaf(Revision as_of, const std::vector<CountedBlock>& blocks) {
  std::string to;
  AppendVarint(to, static_cast<uint64_t>(as_of.value()));
  std::string_view before = blocks.front().first;
  for (const CountedBlock& block : blocks) {
    const size_t shared = SharedPrefix(before, block.first);
    AppendVarint(to, shared);
    AppendVarint(to, block.first.size() - shared);
    to.append(block.first, shared);
    AppendVarint(to, static_cast<uint64_t>(block.live));
    AppendVarint(to, static_cast<uint64_t>(block.size));
    before = block.first;
  }
  return to;
}

bool ParseLeaf(std::string_view first, std::string_view bytes, Revision& as_of,
               std::vector<CountedBlock>& blocks) {
  int64_t revision;
  if (!TakeCount(bytes, revision)) return false;
  as_of = Revision(revision);
  blocks.clear();
  std::string before(first);
  while (!bytes.empty()) {
    uint64_t shared, rest;
    CountedBlock block;
    if (!TakeVarint(bytes, shared) || !TakeVarint(bytes, rest) || shared > before.size() ||
        rest > bytes.size()) {
      return false;
    }
    block.first = before.substr(0, shared);
    block.first.append(bytes.substr(0, rest));
    bytes.remove_prefix(rest);
    if (!TakeCount(bytes, block.live) || !TakeCount(bytes, block.size)) return false;
    if (blocks.empty() ? block.first != first : block.first <= before) return false;
    before = block.first;
    blocks.push_back(std::move(block));
  }
  return !blocks.empty();
}

BlockCounts::BlockCounts(Limits limits) : limits_(limits) {
  auto leaf = std::make_unique<Leaf>();
  leaf->changed = true;
  leaf->blocks.emplace_back();
  leaves_.push_back(std::move(leaf));
  blocks_ = 1;
}

bool BlockCounts::Load(std::vector<std::pair<Revision, std::vector<CountedBlock>>> leaves) {
  if (leaves.empty() || !leaves.front().second.front().first.empty()) return false;
  leaves_.clear();
  live_ = 0;
  blocks_ = 0;
  for (auto& [as_of, blocks] : leaves) {
    if (!leaves_.empty() && blocks.front().first <= leaves_.back()->blocks.back().first) {
      return false;
    }
    auto leaf = std::make_unique<Leaf>();
    leaf->as_of = as_of;
    leaf->blocks = std::move(blocks);
    for (const CountedBlock& block : leaf->blocks) leaf->live += block.live;
    live_ += leaf->live;
    blocks_ += leaf->blocks.size();
    leaves_.push_back(std::move(leaf));
  }
  for (size_t leaf = 0; leaf < leaves_.size(); ++leaf) {
    for (size_t block = 0; block < leaves_[leaf]->blocks.size(); ++block) Note({leaf, block});
  }
  return true;
}

BlockCounts::Place BlockCounts::Find(std::string_view key) const {
  const auto leaf = std::prev(std::upper_bound(
      leaves_.begin(), leaves_.end(), key,
      [](std::string_view k, const std::unique_ptr<Leaf>& l) { return k < l->first(); }));
  const auto& blocks = (*leaf)->blocks;
  const auto block = std::prev(
      std::upper_bound(blocks.begin(), blocks.end(), key,
                       [](std::string_view k, const CountedBlock& b) { return k < b.first; }));
  return {static_cast<size_t>(leaf - leaves_.begin()), static_cast<size_t>(block - blocks.begin())};
}

BlockCounts::Place BlockCounts::FirstFrom(std::string_view key) const {
  Place place = Find(key);
  if (leaves_[place.leaf]->blocks[place.block].first == key) return place;
  if (++place.block == leaves_[place.leaf]->blocks.size()) place = {place.leaf + 1, 0};
  return place;
}

std::string_view BlockCounts::EndOf(Place place) const {
  const auto& blocks = leaves_[place.leaf]->blocks;
  if (place.block + 1 < blocks.size()) return blocks[place.block + 1].first;
  return place.leaf + 1 < leaves_.size() ? leaves_[place.leaf + 1]->first() : std::string_view();
}

void BlockCounts::Note(Place place) {
  const CountedBlock& block = At(place);
  if (block.size > limits_.block_keys) oversized_.insert(block.first);
  if (block.size < limits_.block_keys / 4 && blocks_ > 1) small_.insert(block.first);
}

void BlockCounts::Add(std::string_view key, int live, int size, Revision at) {
  const Place place = Find(key);
  Leaf& leaf = *leaves_[place.leaf];
  if (at && at <= leaf.as_of) return;
  CountedBlock& block = leaf.blocks[place.block];
  block.live += live;
  block.size = std::max(block.size + size, block.live);
  leaf.live += live;
  live_ += live;
  leaf.changed = true;
  if (size > 0 ? block.size > limits_.block_keys : size < 0) Note(place);
}

BlockCounts::Whole BlockCounts::Within(const KeyRange& range) const {
  Whole whole;
  if (range.single() || IsZeroRange(range)) return whole;
  const Place begin = FirstFrom(range.begin);
  Place end = {leaves_.size(), 0};
  if (!range.open_end) end = Find(range.end);  // the block of `end` is not in it as a whole
  if (begin.leaf == leaves_.size() || begin.leaf > end.leaf ||
      (begin.leaf == end.leaf && begin.block >= end.block)) {
    return whole;
  }
  whole.any = true;
  whole.begin = leaves_[begin.leaf]->blocks[begin.block].first;
  whole.to_end = range.open_end;
  if (!range.open_end) whole.end = leaves_[end.leaf]->blocks[end.block].first;
  const auto add = [&whole, this](size_t leaf, size_t from, size_t to) {
    const auto& blocks = leaves_[leaf]->blocks;
    for (size_t i = from; i < to; ++i) whole.live += blocks[i].live;
  };
  if (begin.leaf == end.leaf) {
    add(begin.leaf, begin.block, end.block);
    return whole;
  }
  add(begin.leaf, begin.block, leaves_[begin.leaf]->blocks.size());
  for (size_t leaf = begin.leaf + 1; leaf < end.leaf; ++leaf) whole.live += leaves_[leaf]->live;
  if (end.leaf < leaves_.size()) add(end.leaf, 0, end.block);
  return whole;
}

bool BlockCounts::FindOversized(Oversized& found) const {
  if (oversized_.empty()) return false;
  const std::string& first = *oversized_.begin();
  const Place place = Find(first);
  found = {first, std::string(EndOf(place)), leaves_[place.leaf]->blocks[place.block].live};
  return true;
}

void BlockCounts::Split(std::string_view key, int64_t live_before, int64_t size_before) {
  const Place place = Find(key);
  Leaf& leaf = *leaves_[place.leaf];
  CountedBlock& block = leaf.blocks[place.block];
  KV_CHECK(block.first < key) << "a block is cut at its beginning";
  oversized_.erase(block.first);
  CountedBlock after{std::string(key), block.live - live_before, block.size - size_before};
  after.size = std::max(after.size, after.live);
  block.live = live_before;
  block.size = size_before;
  leaf.blocks.insert(leaf.blocks.begin() + static_cast<int64_t>(place.block) + 1, std::move(after));
  leaf.changed = true;
  ++blocks_;
  ++counters_.block_splits;
  Note({place.leaf, place.block + 1});
  if (leaf.blocks.size() > limits_.leaf_blocks) SplitLeaf(place.leaf);
}

void BlockCounts::Resize(std::string_view key, int64_t size) {
  const Place place = Find(key);
  oversized_.erase(At(place).first);
  At(place).size = size;
  Note(place);
}

void BlockCounts::SplitLeaf(size_t at) {
  Leaf& leaf = *leaves_[at];
  auto after = std::make_unique<Leaf>();
  const auto middle = leaf.blocks.begin() + static_cast<int64_t>(leaf.blocks.size() / 2);
  after->blocks.assign(std::make_move_iterator(middle), std::make_move_iterator(leaf.blocks.end()));
  leaf.blocks.erase(middle, leaf.blocks.end());
  for (const CountedBlock& block : after->blocks) after->live += block.live;
  leaf.live -= after->live;
  leaf.reshaped = after->reshaped = true;
  leaves_.insert(leaves_.begin() + static_cast<int64_t>(at) + 1, std::move(after));
  ++counters_.leaf_splits;
}

bool BlockCounts::MergeOne() {
  if (small_.empty()) return false;
  const std::string first = std::move(small_.extract(small_.begin()).value());
  const Place place = Find(first);
  Leaf& leaf = *leaves_[place.leaf];
  const int64_t size = leaf.blocks[place.block].size;
  if (leaf.blocks[place.block].first != first || size >= limits_.block_keys / 4) return true;
  const auto fits = [&](size_t neighbour) {
    return neighbour < leaf.blocks.size() &&
           leaf.blocks[neighbour].size + size <= limits_.block_keys / 2;
  };
  size_t left = place.block;
  if (place.block > 0 && fits(place.block - 1)) {
    --left;
  } else if (!fits(place.block + 1)) {
    if (leaf.blocks.size() == 1) MergeLeaf(place.leaf);
    return true;
  }
  CountedBlock& gone = leaf.blocks[left + 1];
  leaf.blocks[left].live += gone.live;
  leaf.blocks[left].size += gone.size;
  oversized_.erase(gone.first);
  small_.erase(gone.first);
  leaf.blocks.erase(leaf.blocks.begin() + static_cast<int64_t>(left) + 1);
  leaf.changed = true;
  --blocks_;
  ++counters_.block_merges;
  Note({place.leaf, left});
  if (leaf.blocks.size() < limits_.leaf_blocks / 4) MergeLeaf(place.leaf);
  return true;
}

// Into the one before, which keeps its first key; the record of the other goes.
void BlockCounts::MergeLeaf(size_t at) {
  if (leaves_.size() == 1) return;
  if (at == 0) ++at;
  Leaf& left = *leaves_[at - 1];
  Leaf& gone = *leaves_[at];
  if (left.blocks.size() + gone.blocks.size() > limits_.leaf_blocks / 2) return;
  gone_.emplace_back(gone.first());
  const size_t joint = left.blocks.size();
  left.live += gone.live;
  std::move(gone.blocks.begin(), gone.blocks.end(), std::back_inserter(left.blocks));
  left.reshaped = true;
  leaves_.erase(leaves_.begin() + static_cast<int64_t>(at));
  round_at_ = 0;
  ++counters_.leaf_merges;
  Note({at - 1, joint - 1});  // it has new neighbours
  Note({at - 1, joint});
}

void BlockCounts::Give(Leaf& leaf, Revision as_of, Emit emit) {
  leaf.as_of = as_of;
  const std::string bytes = EncodeLeaf(as_of, leaf.blocks);
  emit(leaf.first(), &bytes);
}

void BlockCounts::TakeReshaped(Revision as_of, Emit emit) {
  const uint64_t reshapes = counters_.leaf_splits + counters_.leaf_merges;
  if (reshapes == reshapes_written_) return;
  reshapes_written_ = reshapes;
  for (const std::string& first : gone_) emit(first, nullptr);
  gone_.clear();
  for (const auto& leaf : leaves_) {
    if (!leaf->reshaped) continue;
    Give(*leaf, as_of, emit);
    leaf->reshaped = leaf->changed = leaf->in_round = false;
  }
}

void BlockCounts::BeginRound() {
  round_at_ = 0;
  for (const auto& leaf : leaves_) {
    leaf->in_round = leaf->in_round || leaf->changed;
    leaf->changed = false;
  }
}

bool BlockCounts::TakeChanged(size_t count, Revision as_of, Emit emit) {
  for (const auto& leaf : leaves_) leaf->given = false;
  for (; round_at_ < leaves_.size(); ++round_at_) {
    Leaf& leaf = *leaves_[round_at_];
    if (!leaf.in_round) continue;
    if (count == 0) return true;
    --count;
    Give(leaf, as_of, emit);
    leaf.in_round = leaf.changed = false;
    leaf.given = true;
  }
  return false;
}

void BlockCounts::PutBack() {
  round_at_ = 0;
  for (const auto& leaf : leaves_) {
    leaf->in_round = leaf->in_round || leaf->given;
    leaf->given = false;
  }
}

}  // namespace keelson::storage
