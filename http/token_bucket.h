// TokenBucket: so many at once, so many a second after that.
//
// Thread: one.
#ifndef KEELSON_HTTP_TOKEN_BUCKET_H_
#define KEELSON_HTTP_TOKEN_BUCKET_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "base/clock.h"

namespace keelson::http {

class TokenBucket {
 public:
  TokenBucket(int64_t burst, int64_t per_second, absl::Duration now)
      : burst_(burst), per_second_(per_second), left_(burst), filled_at_(now) {}

  // Takes one token; false: there was none. The clock is asked only when the bucket seems empty.
  template <typename NowFunction>
  bool Take(NowFunction now) {
    if (--left_ >= 0) return true;
    const absl::Duration at = now();
    const double earned = absl::ToDoubleSeconds(at - filled_at_) * static_cast<double>(per_second_);
    left_ = static_cast<int64_t>(std::min(earned, static_cast<double>(burst_)));
    filled_at_ = at;
    return --left_ >= 0;
  }
  void Return(int64_t count) { left_ = std::min(left_ + count, burst_); }

 private:
  const int64_t burst_;
  const int64_t per_second_;
  int64_t left_;
  absl::Duration filled_at_;  // when per_second_ was last counted
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_TOKEN_BUCKET_H_
