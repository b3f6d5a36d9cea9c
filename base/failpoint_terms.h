// FailpointTerms: what a failpoint is told to do, in the language of etcd's gofail, so that tests
// written for etcd can drive us:
//
//   terms    := term ("->" term)*           the first one that is due acts
//   term     := modifier* action
//   modifier := number "%"                  due with this probability
//             | count "*"                   due so many times
//   action   := "off" | "return" [value] | "panic" [value] | "sleep" value | "print" [value]
//             | "break"
//   value    := "(" [ integer | "true" | "false" | string ] ")"
//   example     2*off->50%1*sleep(100)->return("no")
//
// sleep takes milliseconds, or a string such as "1.5s". Thread: one at a time.
#ifndef KEELSON_BASE_FAILPOINT_TERMS_H_
#define KEELSON_BASE_FAILPOINT_TERMS_H_

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/random.h"

namespace keelson {

struct FailpointAct {
  enum class Kind : uint8_t { kNothing, kReturn, kPanic, kSleep, kPrint };
  Kind kind = Kind::kNothing;
  std::string value;     // of kReturn, kPanic and kPrint, without quotes
  absl::Duration sleep;  // of kSleep
};

class FailpointTerms {
 public:
  // InvalidArgument says where it is wrong.
  static absl::StatusOr<FailpointTerms> Parse(std::string_view text);

  // The act of the first term that is due; it has then been due once more.
  FailpointAct Next(Random& random);
  // As it was parsed.
  const std::string& text() const { return text_; }

 private:
  struct Term {
    double percent = 100;
    uint64_t left = std::numeric_limits<uint64_t>::max();  // times that it is still due
    FailpointAct act;
  };

  std::string text_;
  std::vector<Term> chain_;
};

}  // namespace keelson

#endif  // KEELSON_BASE_FAILPOINT_TERMS_H_
