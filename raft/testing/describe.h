// Describe: what goes into and comes out of the core, as one line of text for scenarios and
// failures. An entry is written term/index and its payload; a change of membership as the scenario
// language has it.
#ifndef KEELSON_RAFT_TESTING_DESCRIBE_H_
#define KEELSON_RAFT_TESTING_DESCRIBE_H_

#include <string>
#include <string_view>
#include <vector>

#include "raft/raw_node.h"
#include "raft/types.h"

namespace keelson::raft {

std::string Describe(EntryId id);
std::string Describe(const Entry& entry);
std::string Describe(const std::vector<Entry>& entries);
std::string Describe(const HardState& state);
std::string Describe(const ConfChange& change);
std::string Describe(const Snapshot& snapshot);
std::string Describe(const Message& message);
std::string_view Describe(Role role);
std::string_view Describe(ProgressState state);
std::string_view Describe(ProposeResult result);
// As in Describe(Message).
std::string_view NameOf(const MessageBody& body);
// A name that NameOf gives.
bool IsMessageName(std::string_view name);
// Several lines, each ended and indented by a space; empty parts are left out.
std::string Describe(const Ready& ready);

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_DESCRIBE_H_
