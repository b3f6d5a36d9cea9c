// Planted bugs: mistakes that stores like this one have made, built in on demand to see whether our
// tests convict them (tools/planted-bugs; docs/testing.md has the list and the result). Each is one
// expression where the mistake would be:
//
//   if (KV_PLANTED("vote-twice") || vote_ == message.from) ...
//
// A build with KEELSON_PLANTED_BUGS has all of them, and at most one is there in a process: the one
// that --bug of a simulation, or $KEELSON_BUG for other tests, names. In all other builds
// KV_PLANTED is `false`, and nothing of this is in the code.
#ifndef KEELSON_BASE_PLANTED_BUG_H_
#define KEELSON_BASE_PLANTED_BUG_H_

#ifdef KEELSON_PLANTED_BUGS

#include <cstdlib>
#include <string_view>

namespace keelson {

// The one that is there; empty: none. Changed before the first thread is made, or not at all.
inline std::string_view& PlantedBug() {
  static std::string_view name = [] {
    const char* const given = std::getenv("KEELSON_BUG");
    return std::string_view(given == nullptr ? "" : given);
  }();
  return name;
}

}  // namespace keelson

#define KV_PLANTED(name) (::keelson::PlantedBug() == (name))
#else
#define KV_PLANTED(name) false
#endif

#endif  // KEELSON_BASE_PLANTED_BUG_H_
