// NetworkPolicy.
#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/numbers.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void SetDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  SetDefault(spec, "podSelector", Json::object());
  if (ArrayAt(spec, "policyTypes").empty()) {
    Json& types = Make(spec, "policyTypes") = Json::array({"Ingress"});
    if (!ArrayAt(spec, "egress").empty()) types.push_back("Egress");
  }
  for (std::string_view direction : {"ingress", "egress"}) {
    for (Json* rule : ElementsAt(spec, direction)) {
      for (Json* port : ElementsAt(*rule, "ports")) SetDefault(*port, "protocol", "TCP");
    }
  }
}

struct Range {
  std::array<unsigned char, 16> bytes{};
  bool is_v6 = false;
  size_t bits = 0;

  bool Contains(const Range& other) const {
    const size_t whole = bits / 8;
    if (is_v6 != other.is_v6 || std::memcmp(bytes.data(), other.bytes.data(), whole) != 0) {
      return false;
    }
    const unsigned rest = bits % 8;
    return rest == 0 || (bytes[whole] ^ other.bytes[whole]) >> (8 - rest) == 0;
  }
};

// Of what CheckCidr finds nothing wrong with; nullopt: something is.
std::optional<Range> ParseRange(const std::string& text) {
  FieldErrors errors;
  CheckCidr(text, "", errors);
  const size_t slash = text.find('/');
  Range range;
  if (!errors.empty() || slash == std::string::npos ||
      !absl::SimpleAtoi(text.substr(slash + 1), &range.bits)) {
    return std::nullopt;
  }
  const std::string ip = text.substr(0, slash);
  range.is_v6 = inet_pton(AF_INET, ip.c_str(), range.bytes.data()) != 1;
  if (range.is_v6) inet_pton(AF_INET6, ip.c_str(), range.bytes.data());
  return range;
}

void ValidateIpBlock(const Json& block, std::string_view path, FieldErrors& errors) {
  const std::string& cidr = TextAt(block, "cidr");
  if (cidr.empty()) return errors.Required(Child(path, "cidr"));
  CheckCidr(cidr, Child(path, "cidr"), errors);
  const std::optional<Range> range = ParseRange(cidr);
  if (!range.has_value()) return;
  const Json& exceptions = ArrayAt(block, "except");
  for (size_t i = 0; i < exceptions.size(); ++i) {
    const std::string at = Index(Child(path, "except"), i);
    const std::string& text = TextAt(exceptions[i], "");
    CheckCidr(text, at, errors);
    const std::optional<Range> exception = ParseRange(text);
    if (!exception.has_value()) continue;
    if (!range->Contains(*exception) || range->bits >= exception->bits) {
      errors.Invalid(at, text, "must be a strict subset of `cidr`");
    }
  }
}

void ValidatePeer(const Json& peer, std::string_view path, FieldErrors& errors) {
  size_t count = 0;
  for (std::string_view field : {"podSelector", "namespaceSelector"}) {
    const Json* selector = Find(peer, field);
    if (selector == nullptr) continue;
    ++count;
    ValidateLabelSelector(*selector, Child(path, field), errors);
  }
  const Json* block = Find(peer, "ipBlock");
  if (block != nullptr) ValidateIpBlock(*block, Child(path, "ipBlock"), errors);
  if (count == 0 && block == nullptr) {
    errors.Required(path, "must specify a peer");
  } else if (count > 0 && block != nullptr) {
    errors.Forbidden(path, "may not specify both ipBlock and another peer");
  }
}

void ValidatePort(const Json& port, std::string_view path, FieldErrors& errors) {
  CheckOptionalOneOf(Find(port, "protocol"), {"TCP", "UDP", "SCTP"}, Child(path, "protocol"),
                     errors);
  const Json* first = Find(port, "port");
  const Json* last = Find(port, "endPort");
  const std::string last_path = Child(path, "endPort");
  const int64_t end = NumberAt(port, "endPort");
  if (first == nullptr) {
    if (last != nullptr) {
      errors.Invalid(last_path, end, "may not be specified when `port` is not specified");
    }
    return;
  }
  if (first->is_string()) {
    if (last != nullptr) {
      errors.Invalid(last_path, end, "may not be specified when `port` is non-numeric");
    }
    return CheckPortName(first->get_ref<const std::string&>(), Child(path, "port"), errors);
  }
  const int64_t begin = NumberAt(port, "port");
  CheckPort(begin, Child(path, "port"), errors);
  if (last == nullptr) return;
  if (end < begin) {
    errors.Invalid(last_path, begin, "must be greater than or equal to `port`");
  }
  CheckPort(end, last_path, errors);
}

void ValidateRules(const Json& spec, std::string_view direction, std::string_view peers_field,
                   FieldErrors& errors) {
  const Json& rules = ArrayAt(spec, direction);
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string at = Index(Child("spec", direction), i);
    const Json& ports = ArrayAt(rules[i], "ports");
    for (size_t j = 0; j < ports.size(); ++j) {
      ValidatePort(ports[j], Index(Child(at, "ports"), j), errors);
    }
    const Json& peers = ArrayAt(rules[i], peers_field);
    for (size_t j = 0; j < peers.size(); ++j) {
      ValidatePeer(peers[j], Index(Child(at, peers_field), j), errors);
    }
  }
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  if (const Json* selector = Find(spec, "podSelector"); selector != nullptr) {
    ValidateLabelSelector(*selector, "spec.podSelector", errors);
  }
  ValidateRules(spec, "ingress", "from", errors);
  ValidateRules(spec, "egress", "to", errors);
  const Json& types = ArrayAt(spec, "policyTypes");
  if (types.size() > 2) {
    return errors.Invalid("spec.policyTypes", types, "may not specify more than two policyTypes");
  }
  for (size_t i = 0; i < types.size(); ++i) {
    CheckOptionalOneOf(&types[i], {"Ingress", "Egress"}, Index("spec.policyTypes", i), errors);
  }
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(SelectorCell(MapAt(object, "spec.podSelector")));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& NetworkPolicyKind() {
  static const Kind kind = {
      .group = "networking.k8s.io",
      .version = "v1",
      .kind = "NetworkPolicy",
      .plural = "networkpolicies",
      .singular = "networkpolicy",
      .short_names = {"netpol"},
      .message = "networking.v1.NetworkPolicy",
      .storage_prefix = "networkpolicies",
      .has_generation = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .columns = {NameColumn(), {"Pod-Selector"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
