// The vocabulary that raft/, storage/ and server/ share without knowing each other.
#ifndef KEELSON_BASE_TYPES_H_
#define KEELSON_BASE_TYPES_H_

#include <cstdint>

#include "base/strong_int.h"

namespace keelson {

// A raft term; 0 is before the first election.
using Term = StrongInt<struct TermTag, uint64_t>;
// A position in the raft log; the first entry has index 1.
using LogIndex = StrongInt<struct LogIndexTag, uint64_t>;
// A member of the cluster (etcd's member ID); 0 means none.
using NodeId = StrongInt<struct NodeIdTag, uint64_t>;
// A version of the key space; an empty store is at revision 1 (as in etcd).
using Revision = StrongInt<struct RevisionTag, int64_t>;
// A lease; 0 means none. Negative ids are legal, as in etcd.
using LeaseId = StrongInt<struct LeaseIdTag, int64_t>;

}  // namespace keelson

#endif  // KEELSON_BASE_TYPES_H_
