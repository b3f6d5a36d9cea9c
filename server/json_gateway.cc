#include "server/json_gateway.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/check.h"
#include "nlohmann/json.hpp"
#include "proto/etcd/election.pb.h"
#include "proto/etcd/lock.pb.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::server {
namespace {

namespace pb = google::protobuf;
using Json = nlohmann::ordered_json;

struct Route {
  const char* path;  // behind /v3/
  const char* method;
};

constexpr Route kRoutes[] = {
    {"kv/range", "/etcdserverpb.KV/Range"},
    {"kv/put", "/etcdserverpb.KV/Put"},
    {"kv/deleterange", "/etcdserverpb.KV/DeleteRange"},
    {"kv/txn", "/etcdserverpb.KV/Txn"},
    {"kv/compaction", "/etcdserverpb.KV/Compact"},
    {"watch", "/etcdserverpb.Watch/Watch"},
    {"lease/grant", "/etcdserverpb.Lease/LeaseGrant"},
    {"lease/revoke", "/etcdserverpb.Lease/LeaseRevoke"},
    {"kv/lease/revoke", "/etcdserverpb.Lease/LeaseRevoke"},
    {"lease/keepalive", "/etcdserverpb.Lease/LeaseKeepAlive"},
    {"lease/timetolive", "/etcdserverpb.Lease/LeaseTimeToLive"},
    {"kv/lease/timetolive", "/etcdserverpb.Lease/LeaseTimeToLive"},
    {"lease/leases", "/etcdserverpb.Lease/LeaseLeases"},
    {"kv/lease/leases", "/etcdserverpb.Lease/LeaseLeases"},
    {"cluster/member/add", "/etcdserverpb.Cluster/MemberAdd"},
    {"cluster/member/remove", "/etcdserverpb.Cluster/MemberRemove"},
    {"cluster/member/update", "/etcdserverpb.Cluster/MemberUpdate"},
    {"cluster/member/list", "/etcdserverpb.Cluster/MemberList"},
    {"cluster/member/promote", "/etcdserverpb.Cluster/MemberPromote"},
    {"maintenance/alarm", "/etcdserverpb.Maintenance/Alarm"},
    {"maintenance/status", "/etcdserverpb.Maintenance/Status"},
    {"maintenance/defragment", "/etcdserverpb.Maintenance/Defragment"},
    {"maintenance/hash", "/etcdserverpb.Maintenance/Hash"},
    {"maintenance/hashkv", "/etcdserverpb.Maintenance/HashKV"},
    {"maintenance/snapshot", "/etcdserverpb.Maintenance/Snapshot"},
    {"maintenance/transfer-leadership", "/etcdserverpb.Maintenance/MoveLeader"},
    {"maintenance/downgrade", "/etcdserverpb.Maintenance/Downgrade"},
    {"auth/enable", "/etcdserverpb.Auth/AuthEnable"},
    {"auth/disable", "/etcdserverpb.Auth/AuthDisable"},
    {"auth/status", "/etcdserverpb.Auth/AuthStatus"},
    {"auth/authenticate", "/etcdserverpb.Auth/Authenticate"},
    {"auth/user/add", "/etcdserverpb.Auth/UserAdd"},
    {"auth/user/get", "/etcdserverpb.Auth/UserGet"},
    {"auth/user/list", "/etcdserverpb.Auth/UserList"},
    {"auth/user/delete", "/etcdserverpb.Auth/UserDelete"},
    {"auth/user/changepw", "/etcdserverpb.Auth/UserChangePassword"},
    {"auth/user/grant", "/etcdserverpb.Auth/UserGrantRole"},
    {"auth/user/revoke", "/etcdserverpb.Auth/UserRevokeRole"},
    {"auth/role/add", "/etcdserverpb.Auth/RoleAdd"},
    {"auth/role/get", "/etcdserverpb.Auth/RoleGet"},
    {"auth/role/list", "/etcdserverpb.Auth/RoleList"},
    {"auth/role/delete", "/etcdserverpb.Auth/RoleDelete"},
    {"auth/role/grant", "/etcdserverpb.Auth/RoleGrantPermission"},
    {"auth/role/revoke", "/etcdserverpb.Auth/RoleRevokePermission"},
    {"lock/lock", "/v3lockpb.Lock/Lock"},
    {"lock/unlock", "/v3lockpb.Lock/Unlock"},
    {"election/campaign", "/v3electionpb.Election/Campaign"},
    {"election/proclaim", "/v3electionpb.Election/Proclaim"},
    {"election/leader", "/v3electionpb.Election/Leader"},
    {"election/observe", "/v3electionpb.Election/Observe"},
    {"election/resign", "/v3electionpb.Election/Resign"},
};

std::unique_ptr<pb::Message> NewMessage(const pb::Descriptor* type) {
  return std::unique_ptr<pb::Message>(
      pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// By its own name or by protobuf's name for JSON; null: there is none.
const pb::FieldDescriptor* FindField(const pb::Descriptor* type, const std::string& name) {
  if (const auto* field = type->FindFieldByName(name); field != nullptr) return field;
  for (int i = 0; i < type->field_count(); ++i) {
    if (type->field(i)->json_name() == name) return type->field(i);
  }
  return nullptr;
}

// Takes out what the message has no field for. Protobuf's parser can ignore such fields by itself,
// but would then take an unknown name of an enum for its zero, where etcd refuses the request.
void DropUnknownFields(const pb::Descriptor* type, Json& value) {
  if (value.is_array()) {
    for (Json& element : value) DropUnknownFields(type, element);
    return;
  }
  if (!value.is_object()) return;  // the parser says what is wrong with it
  for (auto it = value.begin(); it != value.end();) {
    const pb::FieldDescriptor* const field = FindField(type, it.key());
    if (field == nullptr) {
      it = value.erase(it);
      continue;
    }
    if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      DropUnknownFields(field->message_type(), it.value());
    }
    ++it;
  }
}

const char* GoKind(const Json& value) {
  return value.is_array()     ? "array"
         : value.is_string()  ? "string"
         : value.is_boolean() ? "bool"
                              : "number";
}

absl::StatusOr<std::string> ToRequest(const pb::Descriptor* type, std::string_view text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) {
    return absl::InvalidArgumentError("invalid JSON: the request cannot be parsed");
  }
  if (value.is_null()) return std::string();
  if (!value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("json: cannot unmarshal ", GoKind(value),
                     " into Go value of type map[string]json.RawMessage"));
  }
  DropUnknownFields(type, value);
  const std::unique_ptr<pb::Message> message = NewMessage(type);
  const pb::util::Status status = pb::util::JsonStringToMessage(
      value.dump(-1, ' ', false, Json::error_handler_t::replace), message.get());
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        std::string(status.message().data(), status.message().size()));
  }
  return message->SerializeAsString();
}

absl::StatusOr<std::string> FromAnswer(const pb::Descriptor* type, const ByteChain& answer) {
  const std::unique_ptr<pb::Message> message = NewMessage(type);
  if (!message->ParseFromString(answer.Flatten())) {
    return absl::InternalError("the answer cannot be parsed");
  }
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!pb::util::MessageToJsonString(*message, &json, options).ok()) {
    return absl::InternalError("the answer has no form in JSON");
  }
  // Go writes it so, and protobuf here does not; outside of strings there is none.
  return absl::StrReplaceAll(json, {{"&", "\\u0026"}});
}

const pb::MethodDescriptor* FindMethod(const std::string& path) {
  const size_t slash = path.rfind('/');
  const pb::ServiceDescriptor* const service =
      pb::DescriptorPool::generated_pool()->FindServiceByName(path.substr(1, slash - 1));
  return service == nullptr ? nullptr : service->FindMethodByName(path.substr(slash + 1));
}

}  // namespace

rpc::MessageJson JsonOfMethod(const std::string& method) {
  const pb::MethodDescriptor* const found = FindMethod(method);
  KV_CHECK(found != nullptr) << method;
  rpc::MessageJson json;
  json.to_request = [type = found->input_type()](std::string_view text) {
    return ToRequest(type, text);
  };
  json.from_answer = [type = found->output_type()](const ByteChain& answer) {
    return FromAnswer(type, answer);
  };
  return json;
}

void RegisterJsonGateway(rpc::RpcServer* server) {
  // The linker drops files of messages that nobody names.
  v3lockpb::LockRequest::descriptor();
  v3electionpb::CampaignRequest::descriptor();
  etcdserverpb::RangeRequest::descriptor();
  for (const Route& route : kRoutes) {
    server->RegisterGateway(absl::StrCat("/v3/", route.path), route.method,
                            JsonOfMethod(route.method));
  }
}

}  // namespace keelson::server
