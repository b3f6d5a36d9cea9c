#include "tests/differential/shrink.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace keelson::differential {

std::vector<Operation> Shrink(std::vector<Operation> operations,
                              const std::function<bool(const std::vector<Operation>&)>& shows,
                              absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  for (size_t step = std::max<size_t>(operations.size() / 2, 1);; step /= 2) {
    // From the end, where the most is to do with what happened last.
    for (size_t begin = operations.size(); begin > 0 && absl::Now() < deadline;) {
      const size_t end = begin;
      begin -= std::min(begin, step);
      std::vector<Operation> rest(operations.begin(),
                                  operations.begin() + static_cast<int64_t>(begin));
      rest.insert(rest.end(), operations.begin() + static_cast<int64_t>(end), operations.end());
      if (shows(rest)) operations = std::move(rest);
    }
    if (step <= 1 || absl::Now() >= deadline) return operations;
  }
}

}  // namespace keelson::differential
