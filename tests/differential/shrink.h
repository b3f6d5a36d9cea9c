// The smaller a sequence that shows a difference, the sooner it is understood.
#ifndef KEELSON_TESTS_DIFFERENTIAL_SHRINK_H_
#define KEELSON_TESTS_DIFFERENTIAL_SHRINK_H_

#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "tests/differential/operation.h"

namespace keelson::differential {

// Leaves out what it can as long as `shows` says that the rest still shows the difference. Ends
// after `limit` at the latest.
std::vector<Operation> Shrink(std::vector<Operation> operations,
                              const std::function<bool(const std::vector<Operation>&)>& shows,
                              absl::Duration limit);

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_SHRINK_H_
