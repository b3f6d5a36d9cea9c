#include "base/shared_bytes.h"

#include "base/check.h"

namespace keelson {

SharedBytes SharedBytes::Slice(size_t pos, size_t count) const {
  KV_CHECK_LE(pos + count, size());
  return SharedBytes(owner_, view_.substr(pos, count));
}

std::string ByteChain::Flatten() const {
  std::string all;
  all.reserve(size_);
  for (const SharedBytes& piece : pieces_) all.append(piece.view());
  return all;
}

}  // namespace keelson
