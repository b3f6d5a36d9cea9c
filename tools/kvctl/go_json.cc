#include "tools/kvctl/go_json.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A value of `field`: its `index`th when it is repeated.
std::string ValueJson(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& at = *message.GetReflection();
  const bool many = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(many ? at.GetRepeatedInt32(message, field, index)
                               : at.GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(many ? at.GetRepeatedInt64(message, field, index)
                               : at.GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(many ? at.GetRepeatedUInt32(message, field, index)
                               : at.GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(many ? at.GetRepeatedUInt64(message, field, index)
                               : at.GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat(many ? at.GetRepeatedEnumValue(message, field, index)
                               : at.GetEnumValue(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (many ? at.GetRepeatedBool(message, field, index) : at.GetBool(message, field))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = many ? at.GetRepeatedString(message, field, index)
                                    : at.GetString(message, field);
      if (field->type() == FieldDescriptor::TYPE_STRING) return GoJsonString(text);
      return absl::StrCat("\"", absl::Base64Escape(text), "\"");
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return GoJson(many ? at.GetRepeatedMessage(message, field, index)
                         : at.GetMessage(message, field));
    default:
      return "null";  // the API has no other types
  }
}

std::string FieldJson(const Message& message, const FieldDescriptor* field) {
  if (!field->is_repeated()) return ValueJson(message, field, 0);
  std::vector<std::string> values;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
    values.push_back(ValueJson(message, field, i));
  }
  return absl::StrCat("[", absl::StrJoin(values, ","), "]");
}

// "Response" for the oneof `response`.
std::string Capitalised(std::string name) {
  name[0] = static_cast<char>(absl::ascii_toupper(name[0]));
  return name;
}

}  // namespace

std::string GoJsonMembers(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);  // those that are set, by number
  std::vector<std::string> members;
  for (const FieldDescriptor* field : fields) {
    std::string member = absl::StrCat("\"", field->name(), "\":", FieldJson(message, field));
    if (const auto* oneof = field->real_containing_oneof(); oneof != nullptr) {
      member = absl::StrCat("\"", Capitalised(oneof->name()), "\":{", member, "}");
    }
    members.push_back(std::move(member));
  }
  return absl::StrJoin(members, ",");
}

std::string GoJson(const Message& message) {
  return absl::StrCat("{", GoJsonMembers(message), "}");
}

}  // namespace keelson::kvctl
