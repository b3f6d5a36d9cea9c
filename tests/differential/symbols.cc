#include "tests/differential/symbols.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/differential/operation.h"

namespace keelson::differential {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsNear(int64_t symbol, int64_t base) {
  return symbol > base - kSymbolReach && symbol < base + kSymbolReach;
}

// Leases of the test live for an hour at least, and a test for minutes.
constexpr int64_t kTimeToLiveLossMax = 600;

// Below are slots.
constexpr int64_t kFirstLeaseSymbol = 100;

}  // namespace

int64_t Symbols::Resolved(int64_t symbol) const {
  // Not below the first revision: what is no revision at all is drawn on purpose only.
  if (IsNear(symbol, kLatestRevision))
    return std::max<int64_t>(1, latest_ + symbol - kLatestRevision);
  if (IsNear(symbol, kCompactedRevision))
    return std::max<int64_t>(1, compacted_ + symbol - kCompactedRevision);
  if (IsNear(symbol, kLeaseSlot)) {
    const auto lease = leases_.find(symbol);
    return lease == leases_.end() ? symbol - kLeaseSlot + 1'000'000 : lease->second;
  }
  if (IsNear(symbol, kMemberSlot)) {
    for (const auto& [id, known] : members_) {
      if (known == static_cast<uint64_t>(symbol)) return static_cast<int64_t>(id);
    }
  }
  return symbol;
}

void Symbols::Resolve(Message* request) const {
  ForEachMessage(request, [this](Message* message) {
    const auto& reflection = *message->GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(*message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->is_repeated()) continue;
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
        reflection.SetInt64(message, field, Resolved(reflection.GetInt64(*message, field)));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
        const auto number = static_cast<int64_t>(reflection.GetUInt64(*message, field));
        reflection.SetUInt64(message, field, static_cast<uint64_t>(Resolved(number)));
      }
    }
  });
}

void Symbols::OnLease(int64_t slot, int64_t id) {
  // A slot means its newest lease; older ones, which are still there, keep a symbol each.
  const int64_t symbol =
      kLeaseSlot + kFirstLeaseSymbol + static_cast<int64_t>(lease_symbols_.size());
  leases_[slot] = id;
  leases_[symbol] = id;
  lease_symbols_[id] = symbol;
}

int64_t Symbols::LeaseSymbol(int64_t id) const {
  const auto symbol = lease_symbols_.find(id);
  return symbol == lease_symbols_.end() ? id : symbol->second;
}

uint64_t Symbols::MemberSymbol(uint64_t id) {
  // Small numbers are nobody's id; an operation made them up.
  if (id < 1'000'000) return id;
  return members_.emplace(id, static_cast<uint64_t>(kMemberSlot) + members_.size()).first->second;
}

std::string Symbols::NormalizeText(std::string text) const {
  for (const auto& [id, symbol] : members_) {
    text = absl::StrReplaceAll(text, {{absl::StrCat(id), absl::StrCat("member ", symbol)}});
  }
  return text;
}

void Symbols::Normalize(etcdserverpb::Member* member) {
  member->set_id(MemberSymbol(member->id()));
  for (std::string& url : *member->mutable_peerurls()) {
    if (url == peer_url_) url = "its peer URL";
  }
  for (std::string& url : *member->mutable_clienturls()) {
    if (url == client_url_) url = "its client URL";
  }
}

void Symbols::Normalize(Message* answer) {
  ForEachMessage(answer, [this](Message* message) { NormalizeOne(message); });
  // Members come in the order of their ids, and those are each server's own.
  const auto by_symbol = [](const auto& a, const auto& b) { return a.id() < b.id(); };
  const auto sort_members = [&](auto* list) {
    std::sort(list->mutable_members()->begin(), list->mutable_members()->end(), by_symbol);
  };
  if (auto* list = dynamic_cast<etcdserverpb::MemberListResponse*>(answer)) sort_members(list);
  if (auto* list = dynamic_cast<etcdserverpb::MemberAddResponse*>(answer)) sort_members(list);
  if (auto* list = dynamic_cast<etcdserverpb::MemberRemoveResponse*>(answer)) sort_members(list);
  // Leases come in the order of the time they have left.
  if (auto* list = dynamic_cast<etcdserverpb::LeaseLeasesResponse*>(answer)) {
    std::sort(list->mutable_leases()->begin(), list->mutable_leases()->end(), by_symbol);
  }
}

void Symbols::NormalizeOne(Message* message) {
  if (auto* header = dynamic_cast<etcdserverpb::ResponseHeader*>(message)) {
    OnRevision(header->revision());
    header->clear_cluster_id();
    header->clear_member_id();
    header->clear_raft_term();
  } else if (auto* pair = dynamic_cast<mvccpb::KeyValue*>(message)) {
    pair->set_lease(LeaseSymbol(pair->lease()));
  } else if (auto* granted = dynamic_cast<etcdserverpb::LeaseGrantResponse*>(message)) {
    granted->set_id(LeaseSymbol(granted->id()));
  } else if (auto* alive = dynamic_cast<etcdserverpb::LeaseKeepAliveResponse*>(message)) {
    alive->set_id(LeaseSymbol(alive->id()));
  } else if (auto* lease = dynamic_cast<etcdserverpb::LeaseStatus*>(message)) {
    lease->set_id(LeaseSymbol(lease->id()));
  } else if (auto* left = dynamic_cast<etcdserverpb::LeaseTimeToLiveResponse*>(message)) {
    left->set_id(LeaseSymbol(left->id()));
    const int64_t loss = left->grantedttl() - left->ttl();
    if (left->ttl() >= 0 && loss >= 0 && loss < kTimeToLiveLossMax)
      left->set_ttl(left->grantedttl());
    std::sort(left->mutable_keys()->begin(), left->mutable_keys()->end());
  } else if (auto* member = dynamic_cast<etcdserverpb::Member*>(message)) {
    Normalize(member);
  } else if (auto* alarm = dynamic_cast<etcdserverpb::AlarmMember*>(message)) {
    alarm->set_memberid(MemberSymbol(alarm->memberid()));
  } else if (auto* token = dynamic_cast<etcdserverpb::AuthenticateResponse*>(message)) {
    token->clear_token();
  } else if (auto* status = dynamic_cast<etcdserverpb::StatusResponse*>(message)) {
    // What is left says who leads, what is wrong, and whether it is a learner.
    etcdserverpb::StatusResponse rest;
    *rest.mutable_header() = status->header();
    rest.set_leader(MemberSymbol(status->leader()));
    rest.set_islearner(status->islearner());
    for (const std::string& error : status->errors()) rest.add_errors(NormalizeText(error));
    *status = rest;
  }
}

}  // namespace keelson::differential
