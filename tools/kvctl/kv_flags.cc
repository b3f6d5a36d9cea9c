#include "tools/kvctl/kv_flags.h"

#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/ops.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

// Fills key and range_end of a request from [key, end) or --prefix or --from-key.
template <typename Request>
Exit SetRange(const std::vector<std::string>& arguments, bool prefix, bool from_key,
              Request* request) {
  std::string key = arguments[0];
  if (arguments.size() > 1) {
    if (prefix || from_key) {
      return BadArguments(
          "too many arguments, only accept one argument when `--prefix` or `--from-key` is set");
    }
    request->set_range_end(arguments[1]);
  }
  if (prefix && !key.empty()) {
    request->set_range_end(client::PrefixEnd(key));
  } else if (prefix || from_key) {
    if (key.empty()) key = std::string(client::kFromKey);
    request->set_range_end(std::string(client::kFromKey));
  }
  request->set_key(key);
  return Ok();
}

constexpr char kPrefixAndFromKey[] =
    "`--prefix` and `--from-key` cannot be set at the same time, choose one";

Exit SetSort(const GetFlags& flags, etcdserverpb::RangeRequest* request) {
  using etcdserverpb::RangeRequest;
  const std::string order = absl::AsciiStrToUpper(flags.order);
  if (order == "ASCEND") {
    request->set_sort_order(RangeRequest::ASCEND);
  } else if (order == "DESCEND") {
    request->set_sort_order(RangeRequest::DESCEND);
  } else if (!order.empty()) {
    return BadFeature(absl::StrCat("bad sort order ", flags.order));
  }
  const std::string target = absl::AsciiStrToUpper(flags.sort_by);
  if (target == "CREATE") {
    request->set_sort_target(RangeRequest::CREATE);
  } else if (target == "MODIFY") {
    request->set_sort_target(RangeRequest::MOD);
  } else if (target == "VALUE") {
    request->set_sort_target(RangeRequest::VALUE);
  } else if (target == "VERSION") {
    request->set_sort_target(RangeRequest::VERSION);
  } else if (target != "KEY" && !target.empty()) {
    return BadFeature(absl::StrCat("bad sort target ", flags.sort_by));
  }
  // etcd's Go client leaves out the order that ranges have by themselves.
  if (request->sort_target() == RangeRequest::KEY &&
      request->sort_order() == RangeRequest::ASCEND) {
    request->set_sort_order(RangeRequest::NONE);
  }
  return Ok();
}

}  // namespace

void GetFlags::AddTo(Flags& flags) {
  flags.String("consistency", 0, &consistency, "Linearizable(l) or Serializable(s)");
  flags.String("order", 0, &order, "order of results; ASCEND or DESCEND (ASCEND by default)");
  flags.String("sort-by", 0, &sort_by, "sort target; CREATE, KEY, MODIFY, VALUE, or VERSION");
  flags.Int("limit", &limit, "maximum number of results");
  flags.Bool("prefix", 0, &prefix, "get keys with matching prefix");
  flags.Bool("from-key", 0, &from_key, "get keys that are greater than or equal to the given key");
  flags.Int("rev", &rev, "the revision of the store to read");
  flags.Bool("keys-only", 0, &keys_only, "get only the keys");
  flags.Bool("count-only", 0, &count_only, "get only the count; with --write-out=fields");
  flags.Bool("print-value-only", 0, &print_value_only,
             "only write values when using the \"simple\" output format");
  flags.Int("min-create-rev", &min_create_rev, "leave out keys created before this revision");
  flags.Int("max-create-rev", &max_create_rev, "leave out keys created after this revision");
  flags.Int("min-mod-rev", &min_mod_rev, "leave out keys last written before this revision");
  flags.Int("max-mod-rev", &max_mod_rev, "leave out keys last written after this revision");
}

Exit GetFlags::ToRequest(const std::vector<std::string>& arguments,
                         etcdserverpb::RangeRequest* request) const {
  if (arguments.empty()) {
    return BadArguments(
        "get command needs one argument as key and an optional argument as range_end");
  }
  if (prefix && from_key) return BadArguments(kPrefixAndFromKey);
  if (keys_only && count_only) {
    return BadArguments(
        "`--keys-only` and `--count-only` cannot be set at the same time, choose one");
  }
  if (consistency == "s") {
    request->set_serializable(true);
  } else if (consistency != "l") {
    return BadFeature(absl::StrCat("unknown consistency flag ", GoQuote(consistency)));
  }
  KVCTL_RETURN_IF_FAILED(SetRange(arguments, prefix, from_key, request));
  request->set_limit(limit);
  if (rev > 0) request->set_revision(rev);
  KVCTL_RETURN_IF_FAILED(SetSort(*this, request));
  request->set_keys_only(keys_only);
  request->set_count_only(count_only);
  request->set_min_create_revision(min_create_rev);
  request->set_max_create_revision(max_create_rev);
  request->set_min_mod_revision(min_mod_rev);
  request->set_max_mod_revision(max_mod_rev);
  return Ok();
}

void PutFlags::AddTo(Flags& flags) {
  flags.String("lease", 0, &lease, "lease ID (in hexadecimal) to attach to the key");
  flags.Bool("prev-kv", 0, &prev_kv, "return the previous key-value pair before modification");
  flags.Bool("ignore-value", 0, &ignore_value, "updates the key using its current value");
  flags.Bool("ignore-lease", 0, &ignore_lease, "updates the key using its current lease");
}

Exit PutFlags::ToRequest(const std::vector<std::string>& arguments, std::istream& in,
                         etcdserverpb::PutRequest* request) const {
  constexpr char kUsage[] = "put command needs 1 argument and input from stdin or 2 arguments";
  if (arguments.empty()) return BadArguments(kUsage);
  if (ignore_value && arguments.size() > 1) {
    return BadArguments("put command needs only 1 argument when 'ignore-value' is set");
  }
  if (!ignore_value) {
    std::string value;
    if (arguments.size() > 1) {
      value = arguments[1];
    } else {
      value.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
      if (value.empty()) return BadArguments(kUsage);
    }
    request->set_value(value);
  }
  const absl::StatusOr<int64_t> id = ParseGoInt(lease, 16);
  if (!id.ok()) {
    return BadArguments(
        absl::StrCat("bad lease ID (", id.status().message(), "), expecting ID in Hex"));
  }
  request->set_key(arguments[0]);
  request->set_lease(*id);
  request->set_prev_kv(prev_kv);
  request->set_ignore_value(ignore_value);
  request->set_ignore_lease(ignore_lease);
  return Ok();
}

void DelFlags::AddTo(Flags& flags) {
  flags.Bool("prefix", 0, &prefix, "delete keys with matching prefix");
  flags.Bool("prev-kv", 0, &prev_kv, "return deleted key-value pairs");
  flags.Bool("from-key", 0, &from_key, "delete keys that are greater than or equal to the given key");
  flags.Bool("range", 0, &range, "delete the range of keys, without the wait for second thoughts");
}

Exit DelFlags::ToRequest(const std::vector<std::string>& arguments,
                         etcdserverpb::DeleteRangeRequest* request) const {
  if (arguments.empty() || arguments.size() > 2) {
    return BadArguments(
        "del command needs one argument as key and an optional argument as range_end");
  }
  if (prefix && from_key) return BadArguments(kPrefixAndFromKey);
  request->set_prev_kv(prev_kv);
  return SetRange(arguments, prefix, from_key, request);
}

}  // namespace keelson::kvctl
