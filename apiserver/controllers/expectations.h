// Expectations: what a controller has done that its copies of the world do not show yet. Until they
// do, it must not count again, or it would create and delete too much. What never shows is
// forgotten after five minutes. Thread-safe.
#ifndef KEELSON_APISERVER_CONTROLLERS_EXPECTATIONS_H_
#define KEELSON_APISERVER_CONTROLLERS_EXPECTATIONS_H_

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace keelson::controllers {

class Expectations {
 public:
  explicit Expectations(const Clock* clock) : clock_(clock) {}

  // Nothing is awaited for `key`, or for too long already.
  bool Satisfied(const std::string& key);
  void ExpectCreations(const std::string& key, int count);
  // Beside what is awaited already.
  void ExpectMore(const std::string& key, int count);
  // `uids`: of what is going to be deleted.
  void ExpectDeletions(const std::string& key, const std::vector<std::string>& uids);
  // It was seen, or will never be, for the call failed.
  void CreationObserved(const std::string& key);
  void DeletionObserved(const std::string& key, const std::string& uid);
  void Forget(const std::string& key);

 private:
  struct Awaited {
    int creations = 0;
    std::set<std::string> deletions;
    absl::Duration since;
  };
  const Clock* const clock_;
  absl::Mutex mu_;
  std::unordered_map<std::string, Awaited> awaited_ ABSL_GUARDED_BY(mu_);
};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_EXPECTATIONS_H_
