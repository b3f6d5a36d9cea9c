#include "tests/simulation/raft/trace.h"

#include <cstdio>
#include <map>

namespace keelson::raft::simulation {

void Trace::Add(Time at, NodeId member, std::string_view text) {
  if (!on()) return;
  char head[48];
  std::snprintf(head, sizeof(head), "%10.4f  %s%-3llu ",
                static_cast<double>(at) / static_cast<double>(kTickTime), member ? "m" : "-",
                static_cast<unsigned long long>(member.value()));
  std::string line = head;
  line += text;
  if (mode_ == TraceMode::kPrint) std::printf("%s\n", line.c_str());
  std::deque<Line>& lines = newest_[member.value()];
  lines.push_back({++lines_, std::move(line)});
  if (lines.size() > kLinesMax) lines.pop_front();
}

void Trace::PrintNewest() const {
  std::map<uint64_t, std::string_view> merged;
  for (const std::deque<Line>& lines : newest_) {
    for (const Line& line : lines) merged[line.number] = line.text;
  }
  for (const auto& [number, text] : merged) {
    std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
  }
}

}  // namespace keelson::raft::simulation
