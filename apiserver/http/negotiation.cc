#include "apiserver/http/negotiation.h"

#include <map>
#include <vector>

#include "apiserver/api/errors.h"

namespace keelson::apiserver {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(at);
    parts.push_back(Trim(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

absl::StatusOr<Negotiated> Negotiate(std::string_view accept) {
  if (Trim(accept).empty()) return Negotiated{};
  for (std::string_view range : Split(accept, ',')) {
    const std::vector<std::string_view> parts = Split(range, ';');
    const std::string_view type = parts[0];
    if (type != "application/json" && type != "*/*" && type != "application/*") continue;
    std::map<std::string_view, std::string_view> parameters;
    for (size_t i = 1; i < parts.size(); ++i) {
      const size_t equals = parts[i].find('=');
      if (equals == std::string_view::npos) continue;
      parameters[parts[i].substr(0, equals)] = parts[i].substr(equals + 1);
    }
    const std::string_view as = parameters["as"];
    if (as.empty()) return Negotiated{};
    const std::string_view version = parameters["v"];
    if (parameters["g"] != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) continue;
    if (as == "Table") return Negotiated{Form::kTable, std::string(version)};
    if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") {
      return Negotiated{Form::kMetadata, std::string(version)};
    }
  }
  return api::NotAcceptable("application/json");
}

}  // namespace keelson::apiserver
