// StrongInt: an integer that cannot be mixed with another of the same width. Positions in the raft
// log, terms, node ids and revisions are all 64-bit numbers; a function that takes two of them must
// not accept them in the wrong order.
//
// Supported: comparison, ++, --, + and - of a plain count, difference (a plain count), hashing,
// streaming.
#ifndef KEELSON_BASE_STRONG_INT_H_
#define KEELSON_BASE_STRONG_INT_H_

#include <compare>
#include <ostream>
#include <type_traits>
#include <utility>

namespace keelson {

template <typename Tag, typename Rep>
class StrongInt {
 public:
  using rep = Rep;
  using difference = std::make_signed_t<Rep>;

  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }

  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;

  constexpr StrongInt& operator++() {
    ++value_;
    return *this;
  }
  constexpr StrongInt& operator--() {
    --value_;
    return *this;
  }
  constexpr StrongInt& operator+=(Rep count) {
    value_ += count;
    return *this;
  }
  friend constexpr StrongInt operator+(StrongInt a, Rep count) {
    return StrongInt(a.value_ + count);
  }
  friend constexpr StrongInt operator-(StrongInt a, Rep count) {
    return StrongInt(a.value_ - count);
  }
  friend constexpr difference operator-(StrongInt a, StrongInt b) {
    return static_cast<difference>(a.value_ - b.value_);
  }

  template <typename H>
  friend H AbslHashValue(H h, StrongInt v) {
    return H::combine(std::move(h), v.value_);
  }
  friend std::ostream& operator<<(std::ostream& os, StrongInt v) { return os << v.value_; }

 private:
  Rep value_ = 0;
};

}  // namespace keelson

#endif  // KEELSON_BASE_STRONG_INT_H_
