// Workloads of keys alone.
#include <algorithm>
#include <deque>
#include <list>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/simulation/cluster/workloads.h"

namespace keelson::simulation {
namespace {

using checkers::Comparison;
using checkers::KvOperation;
using checkers::ListTransaction;
using checkers::Outcome;
using checkers::RegisterOperation;
using checkers::Request;

constexpr int kRegisters = 4;
constexpr int kLists = 4;

Request RangeOf(std::string key, std::string end = "") {
  Request request;
  request.key = std::move(key);
  request.end = std::move(end);
  return request;
}
Request PutOf(std::string key, std::string value) {
  Request request;
  request.kind = Request::Kind::kPut;
  request.key = std::move(key);
  request.value = std::move(value);
  return request;
}
Comparison ModIs(std::string key, int64_t revision) {
  Comparison comparison;
  comparison.key = std::move(key);
  comparison.number = revision;
  return comparison;
}

std::optional<std::string> OnlyValue(const KvOperation& operation) {
  if (operation.responses.empty() || operation.responses[0].kvs.empty()) return std::nullopt;
  return operation.responses[0].kvs[0].value;
}

// The same operation as one on a register.
RegisterOperation RegisterOf(const KvOperation& operation, RegisterOperation::Kind kind) {
  RegisterOperation on;
  on.client = operation.client;
  on.kind = kind;
  on.outcome = operation.outcome;
  on.invoked = operation.invoked;
  on.returned = operation.returned;
  on.swapped = operation.succeeded;
  return on;
}

Coroutine<> UseRegister(Client& client, std::string key) {
  Histories& histories = client.histories();
  const uint64_t what = client.dice().Below(10);
  if (what < 3) {
    const std::string value = client.Unique();
    const KvOperation put = co_await client.Put(key, value);
    RegisterOperation on = RegisterOf(put, RegisterOperation::Kind::kWrite);
    on.key = key;
    on.value = value;
    histories.registers.push_back(std::move(on));
  } else if (what < 4) {
    const KvOperation deletion = co_await client.Delete(key);
    RegisterOperation on = RegisterOf(deletion, RegisterOperation::Kind::kWrite);
    on.key = key;
    histories.registers.push_back(std::move(on));
  } else if (what < 8) {
    const KvOperation get = co_await client.Get(key);
    RegisterOperation on = RegisterOf(get, RegisterOperation::Kind::kRead);
    on.key = key;
    on.value = OnlyValue(get);
    histories.registers.push_back(std::move(on));
  } else {
    const KvOperation get = co_await client.Get(key);
    if (get.outcome != Outcome::kOk || !OnlyValue(get)) co_return;
    const std::string expected = *OnlyValue(get);
    const std::string value = client.Unique();
    KvOperation swap;
    Comparison comparison;
    comparison.key = key;
    comparison.target = Comparison::Target::kValue;
    comparison.value = expected;
    swap.compare.push_back(std::move(comparison));
    swap.success.push_back(PutOf(key, value));
    swap.failure.push_back(RangeOf(key));
    swap = co_await client.Run(std::move(swap));
    RegisterOperation on = RegisterOf(swap, RegisterOperation::Kind::kCompareAndSet);
    on.key = key;
    on.value = value;
    on.expected = expected;
    histories.registers.push_back(std::move(on));
  }
}

// A read that is no read of a register: of many keys, of the past, or of what the member has.
Coroutine<> ReadOtherwise(Client& client, int64_t seen) {
  KvOperation read;
  Request range = RangeOf("r", "s");
  if (client.dice().Percent(40)) range.limit = client.dice().Between(1, 3);
  if (client.dice().Percent(40)) {
    range.revision = std::max<int64_t>(1, seen + client.dice().Between(-40, 3));
  }
  read.serializable = client.dice().Percent(40);
  if (client.dice().Percent(20)) {
    // With a change, it is made by the entry.
    read.serializable = false;
    read.success.push_back(PutOf("past", client.Unique()));
  }
  read.success.push_back(std::move(range));
  (void)co_await client.Run(std::move(read));
}

std::vector<int64_t> ParseList(const std::string& text) {
  std::vector<int64_t> list;
  for (const auto& part : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    int64_t value = 0;
    if (absl::SimpleAtoi(part, &value)) list.push_back(value);
  }
  return list;
}
std::string PrintList(const std::vector<int64_t>& list) {
  std::string text;
  for (const int64_t value : list) absl::StrAppend(&text, value, " ");
  return text;
}

// The transaction that `operations` are to be, on lists as `read` has them, or the reads alone.
KvOperation TransactionOf(const std::vector<ListTransaction::Operation>& operations,
                          const std::map<std::string, checkers::KeyVersion>& read) {
  KvOperation txn;
  std::map<std::string, std::vector<int64_t>> appended;
  for (const ListTransaction::Operation& operation : operations) {
    txn.success.push_back(RangeOf(operation.key));
    const auto found = read.find(operation.key);
    txn.compare.push_back(
        ModIs(operation.key, found == read.end() ? 0 : found->second.mod_revision));
    if (operation.append) appended[operation.key].push_back(operation.value);
  }
  for (const auto& [key, values] : appended) {
    const auto found = read.find(key);
    std::vector<int64_t> list;
    if (found != read.end()) list = ParseList(found->second.value);
    list.insert(list.end(), values.begin(), values.end());
    txn.success.push_back(PutOf(key, PrintList(list)));
  }
  return txn;
}

}  // namespace

Coroutine<> UseRegisters(Client& client) {
  int64_t seen = 1;
  while (!client.stopped()) {
    const std::string key = absl::StrCat("r", client.dice().Below(kRegisters));
    if (client.dice().Percent(75)) {
      co_await UseRegister(client, key);
    } else {
      co_await ReadOtherwise(client, seen);
    }
    if (!client.histories().operations.empty()) {
      seen = std::max(seen, client.histories().operations.back().revision);
    }
    co_await client.Think();
  }
}

Coroutine<> AppendToLists(Client& client) {
  int64_t last = client.number() * 100000;
  while (!client.stopped()) {
    ListTransaction transaction;
    transaction.client = client.number();
    std::set<std::string> keys;
    for (uint64_t n = 1 + client.dice().Below(3); n > 0; --n) {
      ListTransaction::Operation operation;
      operation.key = absl::StrCat("list/", client.dice().Below(kLists));
      if (!keys.insert(operation.key).second) continue;
      operation.append = client.dice().Percent(50);
      if (operation.append) operation.value = ++last;
      transaction.operations.push_back(std::move(operation));
    }
    std::map<std::string, checkers::KeyVersion> read;
    const KvOperation all = co_await client.Get("list/", "list0");
    if (all.outcome == Outcome::kOk) {
      for (const auto& kv : all.responses[0].kvs) read[kv.key] = kv;
      KvOperation txn = TransactionOf(transaction.operations, read);
      txn = co_await client.Run(std::move(txn));
      transaction.invoked = txn.invoked;
      transaction.returned = txn.returned;
      transaction.outcome =
          txn.outcome == Outcome::kOk && !txn.succeeded ? Outcome::kRefused : txn.outcome;
      for (size_t i = 0; transaction.outcome == Outcome::kOk && i < transaction.operations.size();
           ++i) {
        const auto& kvs = txn.responses[i].kvs;
        if (!kvs.empty()) transaction.operations[i].read = ParseList(kvs[0].value);
      }
      client.histories().lists.push_back(std::move(transaction));
    }
    co_await client.Think();
  }
}

Coroutine<> MoveMoney(Client& client) {
  while (!client.stopped()) {
    const KvOperation all = co_await client.Get("bank/", "bank0");
    if (all.outcome == Outcome::kOk) {
      const auto& kvs = all.responses[0].kvs;
      KvOperation txn;
      if (kvs.empty()) {
        for (const std::string& account : kAccounts) {
          txn.compare.push_back(ModIs(account, 0));
          txn.success.push_back(
              PutOf(account, absl::StrCat(kMoney / static_cast<int64_t>(kAccounts.size()))));
        }
      } else {
        checkers::BankRead read;
        read.client = client.number();
        read.invoked = all.invoked;
        read.returned = all.returned;
        for (const auto& kv : kvs) {
          int64_t balance = -1;
          (void)absl::SimpleAtoi(kv.value, &balance);
          read.balances[kv.key] = balance;
        }
        client.histories().bank_reads.push_back(read);
        const auto& from = kvs[client.dice().Below(kvs.size())];
        const auto& to = kvs[client.dice().Below(kvs.size())];
        const int64_t amount = client.dice().Between(1, 30);
        if (from.key == to.key || read.balances[from.key] < amount) {
          co_await client.Think();
          continue;
        }
        txn.compare.push_back(ModIs(from.key, from.mod_revision));
        txn.compare.push_back(ModIs(to.key, to.mod_revision));
        txn.success.push_back(PutOf(from.key, absl::StrCat(read.balances[from.key] - amount)));
        txn.success.push_back(PutOf(to.key, absl::StrCat(read.balances[to.key] + amount)));
      }
      (void)co_await client.Run(std::move(txn));
    }
    co_await client.Think();
  }
}

Coroutine<> GrowSet(Client& client) {
  int64_t last = client.number() * 100000;
  while (!client.stopped()) {
    checkers::SetOperation operation;
    operation.client = client.number();
    operation.add = client.dice().Percent(60);
    KvOperation on;
    if (operation.add) {
      operation.element = ++last;
      on = co_await client.Put(absl::StrCat("set/", last), "");
    } else {
      on = co_await client.Get("set/", "set0");
      if (on.outcome == Outcome::kOk) {
        for (const auto& kv : on.responses[0].kvs) {
          int64_t element = 0;
          (void)absl::SimpleAtoi(kv.key.substr(4), &element);
          operation.elements.push_back(element);
        }
      }
    }
    operation.outcome = on.outcome;
    operation.invoked = on.invoked;
    operation.returned = on.returned;
    client.histories().sets.push_back(std::move(operation));
    co_await client.Think();
  }
}

Coroutine<> CompactNowAndThen(Client& client) {
  while (!client.stopped()) {
    co_await client.Sleep(client.dice().Between(kSecond / 2, 6 * kSecond));
    const KvOperation get = co_await client.Get("r0");
    if (get.outcome != Outcome::kOk || get.revision < 10) continue;
    KvOperation compaction;
    compaction.kind = KvOperation::Kind::kCompact;
    compaction.compact_revision = get.revision - client.dice().Skewed(0, 40);
    if (compaction.compact_revision <= 0) continue;
    compaction = co_await client.Run(std::move(compaction));
    if (compaction.outcome == Outcome::kOk) client.world().counters().Add(Reached::kCompactions);
  }
}

namespace {

Coroutine<> UseFloodedKey(Client& client) {
  const std::string key = absl::StrCat("flood/", client.dice().Below(20));
  const uint64_t what = client.dice().Below(10);
  if (what < 5) {
    (void)co_await client.Put(key, client.Unique());
  } else if (what < 8) {
    (void)co_await client.Get(key);
  } else {
    (void)co_await client.Get("flood/", "flood0");
  }
}

}  // namespace

Coroutine<> ComeInBursts(Client& client) {
  while (client.world().faulty) {
    co_await client.Sleep(client.dice().Skewed(200 * kMillisecond, 8 * kSecond));
    client.world().counters().Add(Reached::kBursts);
    std::deque<Coroutine<>> calls;
    for (uint64_t n = client.dice().Skewed(10, 150); n > 0; --n) {
      calls.push_back(UseFloodedKey(client));
      calls.back().Start();
    }
    const auto over = [](const Coroutine<>& call) { return call.done(); };
    while (!std::all_of(calls.begin(), calls.end(), over)) {
      co_await client.Sleep(50 * kMillisecond);
    }
  }
}

namespace {

Coroutine<> UseOpenKey(Client& client) {
  const std::string key = absl::StrCat("open/", client.dice().Below(3));
  if (client.dice().Percent(30)) {
    (void)co_await client.Put(key, client.Unique());
  } else {
    (void)co_await client.Get(key);
  }
}

}  // namespace

Coroutine<> ReadWithoutWaiting(Client& client) {
  constexpr size_t kAtOnce = 40;
  std::list<Coroutine<>> calls;
  while (!client.stopped() || !calls.empty()) {
    co_await client.Sleep(client.dice().Between(5 * kMillisecond, 100 * kMillisecond));
    std::erase_if(calls, [](const Coroutine<>& call) { return call.done(); });
    if (client.stopped() || calls.size() == kAtOnce) continue;
    client.ChooseMember();
    calls.push_back(UseOpenKey(client));
    calls.back().Start();
  }
}

Coroutine<> Probe(Client& client, int member) {
  constexpr Time kBound = 5 * kSecond;
  const auto missed = [&client, member](const char* what, const absl::Status& status) {
    if (client.world().removed(member) || client.world().Learners().contains(member)) return;
    client.world().Broken(absl::StrCat("a healed cluster makes progress: ", what, " at member ",
                                       member, ": ", status.ToString()));
  };
  etcdserverpb::PutRequest put;
  put.set_key(absl::StrCat("probe/", member));
  put.set_value(client.Unique());
  KvOperation operation;
  operation.client = client.number();
  operation.success.push_back(PutOf(put.key(), put.value()));
  operation.invoked = client.now();
  CallResult result =
      co_await client.Call(member, "/etcdserverpb.KV/Put", put.SerializeAsString(), kBound);
  operation.outcome = OutcomeOf(result.status);
  operation.returned = operation.outcome == Outcome::kUnknown ? checkers::kNever : client.now();
  if (result.status.ok()) {
    etcdserverpb::PutResponse response;
    (void)response.ParseFromString(result.body);
    operation.revision = response.header().revision();
    operation.responses.emplace_back();
  }
  client.histories().operations.push_back(std::move(operation));
  if (!result.status.ok()) missed("a put", result.status);
  etcdserverpb::RangeRequest range;
  range.set_key(put.key());
  result =
      co_await client.Call(member, "/etcdserverpb.KV/Range", range.SerializeAsString(), kBound);
  if (!result.status.ok()) missed("a read", result.status);
}

}  // namespace keelson::simulation
