// Event, in the two forms it has: of v1 and of events.k8s.io/v1. The first is stored.
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr absl::Duration kTimeToLive = absl::Hours(1);
constexpr size_t kWordMax = 128;
constexpr size_t kMessageMax = 1024;

// What the forms call differently: of events.k8s.io/v1, of v1.
constexpr std::pair<std::string_view, std::string_view> kNames[] = {
    {"regarding", "involvedObject"},
    {"note", "message"},
    {"deprecatedSource", "source"},
    {"deprecatedFirstTimestamp", "firstTimestamp"},
    {"deprecatedLastTimestamp", "lastTimestamp"},
    {"deprecatedCount", "count"},
    {"reportingController", "reportingComponent"},
};

void Rename(Json& object, std::string_view from, std::string_view to) {
  if (Json* value = Find(object, from)) {
    Json moved = std::move(*value);
    Erase(object, from);
    object[std::string(to)] = std::move(moved);
  }
}

Json ToStored(const Json& event) {
  Json stored = event;
  for (const auto& [ours, core] : kNames) Rename(stored, ours, core);
  stored["apiVersion"] = "v1";
  return stored;
}

Json FromStored(const Json& stored) {
  Json event = stored;
  for (const auto& [ours, core] : kNames) Rename(event, core, ours);
  event["apiVersion"] = "events.k8s.io/v1";
  return event;
}

void CheckWord(std::string_view word, std::string_view path, size_t most, FieldErrors& errors) {
  if (word.size() > most) {
    errors.Invalid(path, "", Concat("can have at most ", most, " characters"));
  }
}

// `event` in its stored form; `reporter`: what the request's form calls who reports.
void ValidateForm(const Json& event, std::string_view reporter, FieldErrors& errors) {
  constexpr std::string_view kPath = "involvedObject.namespace";
  constexpr std::string_view kWhy = "does not match event.namespace";
  const std::string& about = TextAt(event, kPath);
  const std::string& space = NamespaceOf(event);
  if (Find(event, "eventTime") == nullptr) {
    const bool matches = about.empty() ? space.empty() || space == "default" : about == space;
    if (!matches) errors.Invalid(kPath, about, kWhy);
    return;
  }
  if (about.empty() && space != "default" && space != "kube-system") {
    errors.Invalid(kPath, about, kWhy);
  }
  const std::string& by = TextAt(event, "reportingComponent");
  CheckRequired(by, reporter, errors);
  CheckName(by, IsQualifiedName, reporter, errors);
  for (std::string_view field : {"reportingInstance", "action", "reason"}) {
    CheckRequired(TextAt(event, field), field, errors);
    CheckWord(TextAt(event, field), field, kWordMax, errors);
  }
  CheckWord(TextAt(event, "message"), "message", kMessageMax, errors);
}

void ValidateCore(const Json& event, FieldErrors& errors) {
  ValidateForm(event, "reportingComponent", errors);
}

void ValidateSeries(const Json& event, FieldErrors& errors) {
  const Json* series = Find(event, "series");
  if (series == nullptr) return;
  if (NumberAt(*series, "count") < 2) {
    errors.Invalid("series.count", "", "should be at least 2");
  }
  CheckRequired(TextAt(*series, "lastObservedTime"), "series.lastObservedTime", errors);
}

void Validate(const Json& event, FieldErrors& errors) {
  ValidateForm(ToStored(event), "reportingController", errors);
}

void ValidateCreate(const Json& event, FieldErrors& errors) {
  ValidateSeries(event, errors);
  if (Find(event, "eventTime") == nullptr) errors.Required("eventTime");
  const std::string& type = TextAt(event, "type");
  if (type != "Normal" && type != "Warning") {
    errors.Invalid("type", "", Concat("has invalid value: ", type));
  }
  for (const auto& [ours, core] : kNames) {
    if (!ours.starts_with("deprecated") || MeansTheSame(Find(event, ours), nullptr)) continue;
    errors.Invalid(core, "", "needs to be unset");
  }
}

void ValidateUpdate(const Json& event, const Json& old, FieldErrors& errors) {
  if (!MeansTheSame(Find(event, "series"), Find(old, "series"))) ValidateSeries(event, errors);
  for (const auto& [ours, core] : kNames) {
    CheckImmutable(event, old, ours, core == "reportingComponent" ? ours : core, errors);
  }
  for (std::string_view field :
       {"reason", "type", "eventTime", "action", "related", "reportingInstance"}) {
    CheckImmutable(event, old, field, field, errors);
  }
}

std::string Trim(std::string_view text) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

const std::string& FirstOf(const std::string& text, const std::string& otherwise) {
  return text.empty() ? otherwise : text;
}

void PrintCore(const Json& event, const PrintContext& context, std::vector<Json>* cells) {
  const Json& about = MapAt(event, "involvedObject");
  const std::string& first = FirstOf(TextAt(event, "firstTimestamp"), TextAt(event, "eventTime"));
  const std::string* last = &FirstOf(TextAt(event, "lastTimestamp"), first);
  int64_t count = std::max<int64_t>(NumberAt(event, "count"), 1);
  if (const Json* series = Find(event, "series")) {
    last = &TextAt(*series, "lastObservedTime");
    count = NumberAt(*series, "count");
  }
  const std::string& name = TextAt(about, "name");
  const std::string& component =
      FirstOf(TextAt(event, "source.component"), TextAt(event, "reportingComponent"));
  const std::string& instance =
      FirstOf(TextAt(event, "source.host"), TextAt(event, "reportingInstance"));
  cells->push_back(AgeSince(*last, context.now));
  cells->push_back(TextAt(event, "type"));
  cells->push_back(TextAt(event, "reason"));
  cells->push_back(
      Concat(absl::AsciiStrToLower(TextAt(about, "kind")), name.empty() ? "" : "/", name));
  cells->push_back(TextAt(about, "fieldPath"));
  cells->push_back(Concat(component, instance.empty() ? "" : ", ", instance));
  cells->push_back(Trim(TextAt(event, "message")));
  cells->push_back(AgeSince(first, context.now));
  cells->push_back(count);
  cells->push_back(NameOf(event));
}

void Print(const Json& event, const PrintContext& context, std::vector<Json>* cells) {
  PrintCore(ToStored(event), context, cells);
}

std::vector<Column> Columns() {
  return {{"Last Seen"},
          {"Type"},
          {"Reason"},
          {"Object"},
          {"Subobject", "string", "", "", 1},
          {"Source", "string", "", "", 1},
          {"Message"},
          {"First Seen", "string", "", "", 1},
          {"Count", "string", "", "", 1},
          {"Name", "string", "name", "", 1}};
}

}  // namespace

const Kind& EventKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Event",
      .plural = "events",
      .singular = "event",
      .short_names = {"ev"},
      .message = "core.v1.Event",
      .storage_prefix = "events",
      .create_on_update = true,
      .time_to_live = kTimeToLive,
      .validate = ValidateCore,
      .columns = Columns(),
      .print = PrintCore,
      .field_labels = {{"involvedObject.kind", "involvedObject.kind"},
                       {"involvedObject.namespace", "involvedObject.namespace"},
                       {"involvedObject.name", "involvedObject.name"},
                       {"involvedObject.uid", "involvedObject.uid"},
                       {"involvedObject.apiVersion", "involvedObject.apiVersion"},
                       {"involvedObject.resourceVersion", "involvedObject.resourceVersion"},
                       {"involvedObject.fieldPath", "involvedObject.fieldPath"},
                       {"reason", "reason"},
                       {"reportingComponent", "reportingComponent"},
                       {"source", "source.component"},
                       {"type", "type"}},
  };
  return kind;
}

const Kind& EventsEventKind() {
  static const Kind kind = {
      .group = "events.k8s.io",
      .version = "v1",
      .kind = "Event",
      .plural = "events",
      .singular = "event",
      .short_names = {"ev"},
      .message = "events.v1.Event",
      .storage_prefix = "events",
      .create_on_update = true,
      .time_to_live = kTimeToLive,
      .stored_as = &EventKind(),
      .to_stored = ToStored,
      .from_stored = FromStored,
      .validate = Validate,
      .validate_create = ValidateCreate,
      .validate_update = ValidateUpdate,
      .columns = Columns(),
      .print = Print,
      .field_labels = {{"reason", "reason"},
                       {"regarding.kind", "regarding.kind"},
                       {"regarding.namespace", "regarding.namespace"},
                       {"regarding.name", "regarding.name"},
                       {"regarding.uid", "regarding.uid"},
                       {"regarding.apiVersion", "regarding.apiVersion"},
                       {"regarding.resourceVersion", "regarding.resourceVersion"},
                       {"regarding.fieldPath", "regarding.fieldPath"},
                       {"reportingController", "reportingController"},
                       {"type", "type"}},
  };
  return kind;
}

}  // namespace keelson::api
