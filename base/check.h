// KV_CHECK: an assertion about our own logic that stays on in release builds. A failed check prints
// the condition, the operands and the streamed text to stderr and aborts. Nothing that a client, a
// peer or a disk can cause may trip one; those are absl::Status.
//
//   KV_CHECK(entry.index > last) << "append below the tail";
//   KV_CHECK_LE(commit, last);
//   KV_DCHECK(...)   only in debug and sanitizer builds.
#ifndef KEELSON_BASE_CHECK_H_
#define KEELSON_BASE_CHECK_H_

#include <sstream>
#include <string>

namespace keelson::base_internal {

// Collects the message of a failed check and aborts when it goes out of scope.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const std::string& what);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

// Gives the streaming expression the type void, so that it fits into the conditional of KV_CHECK.
struct Voidify {
  void operator&(std::ostream&) const {}
};

template <typename A, typename B>
std::string DescribeOperands(const char* expression, const A& a, const B& b) {
  std::ostringstream os;
  os << expression << " (" << a << " vs " << b << ")";
  return os.str();
}

}  // namespace keelson::base_internal

#define KV_CHECK(condition)                         \
  __builtin_expect(static_cast<bool>(condition), 1) \
      ? (void)0                                     \
      : ::keelson::base_internal::Voidify() &       \
            ::keelson::base_internal::CheckFailure(__FILE__, __LINE__, #condition).stream()

#define KV_CHECK_OP_(a, op, b)                                                           \
  __builtin_expect(static_cast<bool>((a)op(b)), 1)                                       \
      ? (void)0                                                                          \
      : ::keelson::base_internal::Voidify() &                                            \
            ::keelson::base_internal::CheckFailure(                                      \
                __FILE__, __LINE__,                                                      \
                ::keelson::base_internal::DescribeOperands(#a " " #op " " #b, (a), (b))) \
                .stream()

#define KV_CHECK_EQ(a, b) KV_CHECK_OP_(a, ==, b)
#define KV_CHECK_NE(a, b) KV_CHECK_OP_(a, !=, b)
#define KV_CHECK_LT(a, b) KV_CHECK_OP_(a, <, b)
#define KV_CHECK_LE(a, b) KV_CHECK_OP_(a, <=, b)
#define KV_CHECK_GT(a, b) KV_CHECK_OP_(a, >, b)
#define KV_CHECK_GE(a, b) KV_CHECK_OP_(a, >=, b)

#ifdef NDEBUG
#define KV_DCHECK(condition) KV_CHECK(true || (condition))
#else
#define KV_DCHECK(condition) KV_CHECK(condition)
#endif

#endif  // KEELSON_BASE_CHECK_H_
