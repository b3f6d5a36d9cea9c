#include "apiserver/auth/authorizer.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/auth/bootstrap.h"
#include "apiserver/auth/certificate_requests.h"
#include "apiserver/auth/default_roles.h"
#include "apiserver/auth/escalation.h"
#include "apiserver/auth/node_restriction.h"
#include "apiserver/auth/testing/memory_objects.h"
#include "apiserver/auth/users.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::auth {
namespace {

using api::Json;
using registry::User;

class AuthorizerTest : public testing::Test {
 protected:
  static Json Named(std::string_view name, std::string_view name_space = "") {
    Json object = {{"metadata", {{"name", name}}}};
    if (!name_space.empty()) object["metadata"]["namespace"] = name_space;
    return object;
  }
  void Role(std::string_view name_space, std::string_view name, const Rules& rules) {
    Json role = Named(name, name_space);
    role["rules"] = ToJson(rules);
    objects_.Put(name_space.empty() ? kClusterRoles : kRoles, role);
  }
  void Bind(std::string_view name_space, std::string_view name, std::string_view kind,
            std::string_view role, const Json& subject) {
    Json binding = Named(name, name_space);
    binding["roleRef"] = {{"kind", kind}, {"name", role}};
    binding["subjects"] = Json::array({subject});
    objects_.Put(name_space.empty() ? kClusterRoleBindings : kRoleBindings, binding);
  }
  static Json ToUser(std::string_view name) { return {{"kind", "User"}, {"name", name}}; }

  static Attributes Ask(User user, std::string verb, std::string resource,
                        std::string name_space = "default", std::string name = "") {
    return {.user = std::move(user),
            .verb = std::move(verb),
            .version = "v1",
            .resource = std::move(resource),
            .name_space = std::move(name_space),
            .name = std::move(name),
            .is_resource = true};
  }
  bool May(const Attributes& attributes) { return authorizer_.Authorize(attributes).ok(); }

  MemoryObjects objects_;
  Authorizer authorizer_{&objects_};
  const User alice_{
      .name = "alice", .uid = "", .groups = {"devs", "system:authenticated"}, .extra = {}};
};

TEST_F(AuthorizerTest, RefusalHasKubernetesText) {
  EXPECT_EQ(authorizer_.Authorize(Ask(alice_, "get", "pods", "default", "x")).message(),
            "pods \"x\" is forbidden: User \"alice\" cannot get resource \"pods\" in API group "
            "\"\" in the namespace \"default\"");
  Attributes scale =
      Ask({.name = "a<b", .uid = "", .groups = {}, .extra = {}}, "patch", "deployments", "");
  scale.group = "apps";
  scale.subresource = "scale";
  const absl::Status refused = authorizer_.Authorize(scale);
  EXPECT_EQ(refused.message(),
            "deployments.apps is forbidden: User \"a&lt;b\" cannot patch resource "
            "\"deployments/scale\" in API group \"apps\" at the cluster scope");
  EXPECT_EQ(api::HttpCode(refused), 403);
  EXPECT_EQ(authorizer_.Authorize({.user = alice_, .verb = "get", .path = "/metrics"}).message(),
            "forbidden: User \"alice\" cannot get path \"/metrics\"");
}

TEST_F(AuthorizerTest, MastersMayDoEverything) {
  const User root{.name = "r", .uid = "", .groups = {"system:masters"}, .extra = {}};
  EXPECT_TRUE(May(Ask(root, "delete", "nodes", "")));
  EXPECT_TRUE(May({.user = root, .verb = "put", .path = "/x"}));
}

TEST_F(AuthorizerTest, RulesAllowWhatTheyNameAndNothingElse) {
  Role("", "r",
       {{{"get", "list"}, {""}, {"pods", "pods/log"}},
        {{"*"}, {"apps"}, {"*"}},
        {{"update"}, {"*"}, {"*/scale"}},
        {{"get"}, {""}, {"secrets"}, {"one", "two"}},
        {.verbs = {"get"}, .urls = {"/healthz", "/api/*"}}});
  Bind("", "b", "ClusterRole", "r", ToUser("alice"));
  EXPECT_TRUE(May(Ask(alice_, "get", "pods")));
  EXPECT_TRUE(May(Ask(alice_, "list", "pods", "")));
  EXPECT_FALSE(May(Ask(alice_, "watch", "pods")));
  Attributes log = Ask(alice_, "get", "pods");
  log.subresource = "log";
  EXPECT_TRUE(May(log));
  log.subresource = "exec";
  EXPECT_FALSE(May(log));
  Attributes apps = Ask(alice_, "frobnicate", "deployments");
  EXPECT_FALSE(May(apps));
  apps.group = "apps";
  EXPECT_TRUE(May(apps));
  apps.subresource = "status";
  EXPECT_TRUE(May(apps));
  Attributes scale = Ask(alice_, "update", "replicationcontrollers");
  EXPECT_FALSE(May(scale));
  scale.subresource = "scale";
  EXPECT_TRUE(May(scale));
  EXPECT_TRUE(May(Ask(alice_, "get", "secrets", "default", "two")));
  EXPECT_FALSE(May(Ask(alice_, "get", "secrets", "default", "three")));
  EXPECT_FALSE(May(Ask(alice_, "get", "secrets", "default", "")));
  for (const auto& [path, allowed] : {std::pair("/healthz", true), std::pair("/healthz/x", false),
                                      std::pair("/api/v1", true), std::pair("/api", false)}) {
    EXPECT_EQ(May({.user = alice_, .verb = "get", .path = path}), allowed) << path;
  }
  EXPECT_FALSE(May(Ask({.name = "bob", .uid = "", .groups = {}, .extra = {}}, "get", "pods")));
}

TEST_F(AuthorizerTest, BindingOfANamespaceGrantsThereOnly) {
  Role("", "reader", {{{"get"}, {""}, {"pods"}}});
  Role("a", "own", {{{"get"}, {""}, {"services"}}});
  Bind("a", "b1", "ClusterRole", "reader", {{"kind", "Group"}, {"name", "devs"}});
  Bind("a", "b2", "Role", "own", {{"kind", "ServiceAccount"}, {"name", "robot"}});
  EXPECT_TRUE(May(Ask(alice_, "get", "pods", "a")));
  EXPECT_FALSE(May(Ask(alice_, "get", "pods", "b")));
  EXPECT_FALSE(May(Ask(alice_, "get", "pods", "")));
  const User robot{.name = "system:serviceaccount:a:robot", .uid = "", .groups = {}, .extra = {}};
  const User other{.name = "system:serviceaccount:b:robot", .uid = "", .groups = {}, .extra = {}};
  EXPECT_TRUE(May(Ask(robot, "get", "services", "a")));
  EXPECT_FALSE(May(Ask(other, "get", "services", "a")));
  EXPECT_EQ(authorizer_.Decide(Ask(robot, "get", "services", "a")).reason,
            "RBAC: allowed by RoleBinding \"b2/a\" of Role \"own\" to ServiceAccount \"robot/a\"");
}

TEST_F(AuthorizerTest, ChangesCountAtOnce) {
  Role("", "r", {{{"get"}, {""}, {"pods"}}});
  Bind("", "b", "ClusterRole", "r", ToUser("alice"));
  EXPECT_TRUE(May(Ask(alice_, "get", "pods")));
  Role("", "r", {{{"list"}, {""}, {"pods"}}});
  EXPECT_FALSE(May(Ask(alice_, "get", "pods")));
  EXPECT_TRUE(May(Ask(alice_, "list", "pods")));
  Bind("", "b", "ClusterRole", "r", ToUser("bob"));
  EXPECT_FALSE(May(Ask(alice_, "list", "pods")));
  Bind("", "b", "ClusterRole", "r", ToUser("alice"));
  EXPECT_TRUE(May(Ask(alice_, "list", "pods")));
  objects_.Remove(kClusterRoles, "", "r");
  EXPECT_THAT(std::string(authorizer_.Authorize(Ask(alice_, "list", "pods")).message()),
              testing::EndsWith("in the namespace \"default\": RBAC: "
                                "clusterrole.rbac.authorization.k8s.io \"r\" not found"));
}

// --- nodes ---

class NodeAuthorizerTest : public AuthorizerTest {
 protected:
  NodeAuthorizerTest() {
    Json pod = Named("p", "default");
    pod["spec"] = {
        {"nodeName", "n1"},
        {"serviceAccountName", "sa"},
        {"volumes",
         Json::array(
             {{{"name", "s"}, {"secret", {{"secretName", "vol"}}}},
              {{"name", "c"}, {"persistentVolumeClaim", {{"claimName", "pvc"}}}},
              {{"name", "pr"},
               {"projected", {{"sources", Json::array({{{"configMap", {{"name", "ca"}}}}})}}}}})},
        {"containers",
         Json::array(
             {{{"env", Json::array({{{"valueFrom", {{"secretKeyRef", {{"name", "env"}}}}}}})}}})}};
    objects_.Put(kPods, pod);
    Json volume = Named("pv");
    volume["spec"]["claimRef"] = {{"namespace", "default"}, {"name", "pvc"}};
    objects_.Put(kPersistentVolumes, volume);
  }
  static User Node(const std::string& name) {
    return {.name = "system:node:" + name, .uid = "", .groups = {"system:nodes"}, .extra = {}};
  }
};

TEST_F(NodeAuthorizerTest, ReadsWhatItsPodsNameOnly) {
  for (const char* name : {"vol", "env"}) {
    EXPECT_TRUE(May(Ask(Node("n1"), "get", "secrets", "default", name))) << name;
    EXPECT_FALSE(May(Ask(Node("n2"), "get", "secrets", "default", name))) << name;
  }
  EXPECT_FALSE(May(Ask(Node("n1"), "get", "secrets", "default", "other")));
  EXPECT_FALSE(May(Ask(Node("n1"), "list", "secrets", "default")));
  EXPECT_FALSE(May(Ask(Node("n1"), "update", "secrets", "default", "vol")));
  EXPECT_FALSE(May(Ask(Node("n1"), "get", "configmaps", "default", "vol")));
  EXPECT_TRUE(May(Ask(Node("n1"), "get", "configmaps", "default", "ca")));
  EXPECT_TRUE(May(Ask(Node("n1"), "get", "persistentvolumeclaims", "default", "pvc")));
  EXPECT_TRUE(May(Ask(Node("n1"), "get", "persistentvolumes", "", "pv")));
  EXPECT_FALSE(May(Ask(Node("n2"), "get", "persistentvolumes", "", "pv")));
  EXPECT_THAT(
      std::string(
          authorizer_.Authorize(Ask(Node("n1"), "get", "secrets", "default", "x")).message()),
      testing::EndsWith(": no relationship found between node 'n1' and this object"));
}

TEST_F(NodeAuthorizerTest, WritesItsOwnObjectsOnly) {
  EXPECT_TRUE(May(Ask(Node("n1"), "patch", "nodes", "", "n1")));
  EXPECT_FALSE(May(Ask(Node("n1"), "patch", "nodes", "", "n2")));
  EXPECT_FALSE(May(Ask(Node("n1"), "delete", "nodes", "", "n1")));
  Attributes status = Ask(Node("n1"), "patch", "pods", "default", "p");
  status.subresource = "status";
  EXPECT_TRUE(May(status));
  status.user = Node("n2");
  EXPECT_FALSE(May(status));
  Attributes lease = Ask(Node("n1"), "update", "leases", "kube-node-lease", "n1");
  lease.group = "coordination.k8s.io";
  EXPECT_TRUE(May(lease));
  lease.name = "n2";
  EXPECT_FALSE(May(lease));
  lease.name = "n1";
  lease.name_space = "kube-system";
  EXPECT_FALSE(May(lease));
  Attributes token = Ask(Node("n1"), "create", "serviceaccounts", "default", "sa");
  token.subresource = "token";
  EXPECT_TRUE(May(token));
  token.name = "default";
  EXPECT_FALSE(May(token));
}

TEST_F(NodeAuthorizerTest, ListsOnlyPodsThatAreBoundToIt) {
  Attributes list = Ask(Node("n1"), "list", "pods", "");
  EXPECT_FALSE(May(list));
  list.field_selector = "spec.nodeName=n2";
  EXPECT_FALSE(May(list));
  list.field_selector = "status.phase!=Failed,spec.nodeName=n1";
  EXPECT_TRUE(May(list));
  list.field_selector = "spec.nodeName!=n1";
  EXPECT_FALSE(May(list));
}

TEST_F(NodeAuthorizerTest, NameWithoutTheGroupIsNoNode) {
  User impostor = Node("n1");
  impostor.groups.clear();
  EXPECT_FALSE(May(Ask(impostor, "get", "secrets", "default", "vol")));
  User nameless{.name = "system:node:", .uid = "", .groups = {"system:nodes"}, .extra = {}};
  EXPECT_FALSE(May(Ask(nameless, "get", "services")));
}

class NodeRestrictionTest : public NodeAuthorizerTest {
 protected:
  static absl::Status Write(std::string_view kind_name, Json object, const Json* old = nullptr) {
    api::Kind kind;
    kind.kind = kind_name;
    kind.plural = "things";
    registry::AdmissionRequest request;
    request.kind = &kind;
    request.operation =
        old == nullptr ? registry::Operation::kCreate : registry::Operation::kUpdate;
    request.user = Node("n1");
    request.object = &object;
    request.old = old;
    return CheckNodeRestriction(request);
  }
};

TEST_F(NodeRestrictionTest, CreatesWhatBearsItsNameOnly) {
  for (const char* kind : {"Node", "Lease", "CSINode"}) {
    EXPECT_TRUE(Write(kind, Named("n1")).ok()) << kind;
    EXPECT_EQ(api::HttpCode(Write(kind, Named("n2"))), 403) << kind;
  }
}

TEST_F(NodeRestrictionTest, DoesNotMoveItsFences) {
  Json node = Named("n1");
  node["metadata"]["labels"] = {{"node-restriction.kubernetes.io/x", "1"}, {"a", "b"}};
  EXPECT_FALSE(Write("Node", node).ok()) << "it gives itself one";
  Json changed = node;
  changed["metadata"]["labels"]["a"] = "c";
  EXPECT_TRUE(Write("Node", changed, &node).ok());
  changed["metadata"]["labels"].erase("node-restriction.kubernetes.io/x");
  EXPECT_FALSE(Write("Node", changed, &node).ok());
  node["spec"]["taints"] = Json::array({{{"key", "x"}, {"effect", "NoSchedule"}}});
  changed = node;
  EXPECT_TRUE(Write("Node", changed, &node).ok());
  changed["spec"].erase("taints");
  EXPECT_FALSE(Write("Node", changed, &node).ok());
}

TEST_F(NodeRestrictionTest, CreatesMirrorsOfItsOwnPodsOnly) {
  Json pod = Named("p");
  pod["spec"]["nodeName"] = "n1";
  EXPECT_FALSE(Write("Pod", pod).ok());
  pod["metadata"]["annotations"] = {{"kubernetes.io/config.mirror", "x"}};
  pod["metadata"]["ownerReferences"] =
      Json::array({{{"kind", "Node"}, {"name", "n1"}, {"controller", true}}});
  EXPECT_TRUE(Write("Pod", pod).ok());
  Json other = pod;
  other["spec"]["nodeName"] = "n2";
  EXPECT_FALSE(Write("Pod", other).ok());
  other = pod;
  other["spec"]["serviceAccountName"] = "admin";
  EXPECT_FALSE(Write("Pod", other).ok());
  other = pod;
  other["spec"]["volumes"] = Json::array({{{"secret", {{"secretName", "s"}}}}});
  EXPECT_FALSE(Write("Pod", other).ok());
}

// --- rules about rules ---

TEST(RulesTest, CoverIsTakenApart) {
  const Rules held = {{{"get", "list"}, {""}, {"pods"}},
                      {{"*"}, {"apps"}, {"*/scale"}},
                      {{"get"}, {""}, {"secrets"}, {"a"}},
                      {.verbs = {"get"}, .urls = {"/api/*"}}};
  EXPECT_TRUE(NotCovered(held, {{{"get"}, {""}, {"pods"}, {"x"}}}).empty());
  EXPECT_TRUE(NotCovered(held, {{{"update"}, {"apps"}, {"deployments/scale"}}}).empty());
  EXPECT_TRUE(NotCovered(held, {{.verbs = {"get"}, .urls = {"/api/v1", "/api/*"}}}).empty());
  EXPECT_EQ(NotCovered(held, {{{"get"}, {""}, {"secrets"}, {"a", "b"}}}),
            (Rules{{{"get"}, {""}, {"secrets"}, {"b"}}}));
  EXPECT_EQ(NotCovered(held, {{{"get"}, {""}, {"secrets"}}}), (Rules{{{"get"}, {""}, {"secrets"}}}))
      << "the right to one is not that to all";
  EXPECT_EQ(Compact(NotCovered(held, {{{"get", "watch", "delete"}, {"", "x"}, {"pods"}}})),
            (Rules{{{"watch", "delete"}, {""}, {"pods"}},
                   {{"get", "watch", "delete"}, {"x"}, {"pods"}}}));
  EXPECT_EQ(NotCovered(held, {{{"*"}, {""}, {"pods"}}}).size(), 1u);
}

class EscalationTest : public AuthorizerTest {
 protected:
  absl::Status Write(const User& user, const Resource& resource, Json object,
                     const Json* old = nullptr) {
    api::Kind kind;
    kind.group = resource.group;
    kind.version = resource.version;
    kind.kind = resource.kind;
    kind.plural = resource.plural;
    registry::AdmissionRequest request;
    request.kind = &kind;
    request.operation =
        old == nullptr ? registry::Operation::kCreate : registry::Operation::kUpdate;
    request.name_space = api::NamespaceOf(object);
    request.name = api::NameOf(object);
    request.user = user;
    request.object = &object;
    request.old = old;
    return CheckEscalation(authorizer_, request);
  }
  Json NewRole(const Rules& rules) {
    Json role = Named("new", "default");
    role["rules"] = ToJson(rules);
    return role;
  }
};

TEST_F(EscalationTest, NobodyGrantsWhatHeDoesNotHold) {
  Role("", "r", {{{"get"}, {""}, {"pods"}}});
  Bind("default", "b", "ClusterRole", "r", ToUser("alice"));
  EXPECT_TRUE(Write(alice_, kRoles, NewRole({{{"get"}, {""}, {"pods"}}})).ok());
  const absl::Status refused =
      Write(alice_, kRoles, NewRole({{{"get", "list", "watch"}, {""}, {"pods", "secrets"}}}));
  EXPECT_EQ(refused.message(),
            "roles.rbac.authorization.k8s.io \"new\" is forbidden: user \"alice\" "
            "(groups=[\"devs\" \"system:authenticated\"]) is attempting to grant RBAC permissions "
            "not currently held:\n"
            "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\" \"watch\"]}\n"
            "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\" \"watch\"]}");
  EXPECT_EQ(api::HttpCode(refused), 403);
  const User root{.name = "r", .uid = "", .groups = {"system:masters"}, .extra = {}};
  EXPECT_TRUE(Write(root, kRoles, NewRole({{{"*"}, {"*"}, {"*"}}})).ok());
}

TEST_F(EscalationTest, EscalateAndBindLetPass) {
  Role("", "big", {{{"*"}, {"*"}, {"*"}}});
  Json binding = Named("new", "default");
  binding["roleRef"] = {{"kind", "ClusterRole"}, {"name", "big"}};
  EXPECT_FALSE(Write(alice_, kRoleBindings, binding).ok());
  Role("", "r",
       {{{"bind"}, {std::string(kRbacGroup)}, {"clusterroles"}, {"big"}},
        {{"escalate"}, {std::string(kRbacGroup)}, {"roles"}}});
  Bind("default", "b", "ClusterRole", "r", ToUser("alice"));
  EXPECT_TRUE(Write(alice_, kRoleBindings, binding).ok());
  EXPECT_TRUE(Write(alice_, kRoles, NewRole({{{"*"}, {"*"}, {"*"}}})).ok());
  binding["roleRef"]["name"] = "absent";
  EXPECT_TRUE(api::IsNotFound(Write(alice_, kRoleBindings, binding)));
}

TEST_F(EscalationTest, CollectorMayDropOwnersOfARoleItDoesNotHold) {
  Json old = NewRole({{{"*"}, {"*"}, {"*"}}});
  old["metadata"]["ownerReferences"] = Json::array({{{"uid", "1"}}});
  Json now = old;
  now["metadata"].erase("ownerReferences");
  EXPECT_TRUE(Write(alice_, kRoles, now, &old).ok());
  now["rules"][0]["verbs"] = {"get"};
  EXPECT_FALSE(Write(alice_, kRoles, now, &old).ok());
}

TEST_F(EscalationTest, AggregationNeedsEverything) {
  Json role = Named("new");
  role["aggregationRule"] = {{"clusterRoleSelectors", Json::array({{{"matchLabels", {}}}})}};
  EXPECT_THAT(std::string(Write(alice_, kClusterRoles, role).message()),
              testing::EndsWith("must have cluster-admin privileges to use the aggregationRule"));
}

// --- what every cluster has ---

TEST_F(AuthorizerTest, DefaultRolesGiveEverybodyHisWork) {
  ASSERT_TRUE(Bootstrap(objects_, {}).ok());
  const User anonymous{
      .name = "system:anonymous", .uid = "", .groups = {"system:unauthenticated"}, .extra = {}};
  EXPECT_TRUE(May({.user = anonymous, .verb = "get", .path = "/version"}));
  EXPECT_FALSE(May({.user = anonymous, .verb = "get", .path = "/api"}));
  EXPECT_TRUE(May({.user = alice_, .verb = "get", .path = "/api/v1"}));
  EXPECT_FALSE(May(Ask(alice_, "list", "pods")));
  Attributes review = Ask(alice_, "create", "selfsubjectaccessreviews", "");
  review.group = "authorization.k8s.io";
  EXPECT_TRUE(May(review));

  const User scheduler{.name = "system:kube-scheduler", .uid = "", .groups = {}, .extra = {}};
  Attributes bind = Ask(scheduler, "create", "pods");
  bind.subresource = "binding";
  EXPECT_TRUE(May(bind));
  EXPECT_FALSE(May(Ask(scheduler, "create", "pods")));
  const User controllers{
      .name = "system:kube-controller-manager", .uid = "", .groups = {}, .extra = {}};
  EXPECT_TRUE(May(Ask(controllers, "create", "pods")));
  Attributes lease = Ask(controllers, "create", "leases", "kube-system");
  lease.group = "coordination.k8s.io";
  EXPECT_TRUE(May(lease));
  const User nodes{.name = "keelson:simulated-nodes", .uid = "", .groups = {}, .extra = {}};
  EXPECT_TRUE(May(Ask(nodes, "create", "nodes", "")));
  EXPECT_FALSE(May(Ask(nodes, "get", "secrets")));

  // admin holds what is edit's and view's: aggregation is filled in.
  Bind("default", "b", "ClusterRole", "admin", ToUser("alice"));
  EXPECT_TRUE(May(Ask(alice_, "list", "pods")));
  EXPECT_TRUE(May(Ask(alice_, "delete", "secrets")));
  Attributes role = Ask(alice_, "create", "roles");
  role.group = std::string(kRbacGroup);
  EXPECT_TRUE(May(role));
  Bind("default", "b", "ClusterRole", "view", ToUser("alice"));
  EXPECT_TRUE(May(Ask(alice_, "list", "pods")));
  EXPECT_FALSE(May(Ask(alice_, "list", "secrets")));
}

TEST_F(AuthorizerTest, BootstrapTwiceWritesOnceAndKeepsWhatWasAdded) {
  ASSERT_TRUE(Bootstrap(objects_, {}).ok());
  const int first = objects_.writes;
  EXPECT_GT(first, 100);
  ASSERT_TRUE(Bootstrap(objects_, {}).ok());
  EXPECT_EQ(objects_.writes, first);

  Json role = *objects_.Find(kClusterRoles, "", "system:kube-scheduler");
  const size_t rules = role["rules"].size();
  role["rules"].erase(1);
  role["rules"].push_back(PolicyRule{{"get"}, {"x"}, {"y"}}.ToJson());
  objects_.Put(kClusterRoles, role);
  Json binding = *objects_.Find(kClusterRoleBindings, "", "system:kube-scheduler");
  binding["subjects"] = Json::array({ToUser("mine")});
  objects_.Put(kClusterRoleBindings, binding);
  Json left = *objects_.Find(kClusterRoles, "", "system:discovery");
  left["metadata"]["annotations"][kAutoUpdate] = "false";
  left["rules"] = Json::array();
  objects_.Put(kClusterRoles, left);
  ASSERT_TRUE(Bootstrap(objects_, {}).ok());
  const Rules now = RulesOf(*objects_.Find(kClusterRoles, "", "system:kube-scheduler"));
  EXPECT_EQ(now.size(), rules + 1);
  EXPECT_THAT(now, testing::Contains(PolicyRule{{"get"}, {"x"}, {"y"}}));
  EXPECT_EQ((*objects_.Find(kClusterRoleBindings, "", "system:kube-scheduler"))["subjects"].size(),
            2u);
  EXPECT_TRUE((*objects_.Find(kClusterRoles, "", "system:discovery"))["rules"].empty());
}

class CertificateRequestTest : public AuthorizerTest {
 protected:
  registry::AdmissionRequest Change(std::string_view subresource) {
    return {.kind = &api::CertificateSigningRequestKind(),
            .operation = registry::Operation::kUpdate,
            .name_space = "",
            .name = "csr",
            .subresource = std::string(subresource),
            .user = alice_,
            .object = &object_,
            .old = &old_};
  }
  void Grant(std::string verb, std::string signer) {
    Role("", signer, {{{std::move(verb)}, {"certificates.k8s.io"}, {"signers"}, {signer}}});
    Bind("", signer, "ClusterRole", signer, ToUser("alice"));
  }

  Json old_ = {{"metadata", {{"name", "csr"}}}, {"spec", {{"signerName", "example.com/web"}}}};
  Json object_ = old_;
};

TEST_F(CertificateRequestTest, WhoAskedIsForTheServerToSay) {
  registry::AdmissionRequest request = Change("");
  request.operation = registry::Operation::kCreate;
  request.old = nullptr;
  object_["spec"]["username"] = "root";
  object_["spec"]["extra"] = {{"key", {"value"}}};
  CompleteCertificateRequest(absl::UnixEpoch(), request);
  EXPECT_EQ(object_["spec"], (Json{{"signerName", "example.com/web"},
                                   {"username", "alice"},
                                   {"groups", {"devs", "system:authenticated"}}}));
}

TEST_F(CertificateRequestTest, ConditionsSayWhenTheyCameToBe) {
  object_["status"]["conditions"] = Json::array({{{"type", "Approved"}, {"status", "True"}}});
  registry::AdmissionRequest request = Change("approval");
  CompleteCertificateRequest(absl::UnixEpoch(), request);
  EXPECT_EQ(object_["status"]["conditions"][0]["lastUpdateTime"], "1970-01-01T00:00:00Z");
}

TEST_F(CertificateRequestTest, ApprovingAndSigningAreGrantedForEachSigner) {
  const absl::Status refused = CheckCertificateRequest(authorizer_, Change("approval"));
  EXPECT_EQ(refused.message(),
            "certificatesigningrequests.certificates.k8s.io \"csr\" is forbidden: user not "
            "permitted to approve requests with signerName \"example.com/web\"");
  EXPECT_EQ(api::HttpCode(refused), 403);
  Grant("approve", "example.com/web");
  EXPECT_TRUE(CheckCertificateRequest(authorizer_, Change("approval")).ok());
  EXPECT_TRUE(CheckCertificateRequest(authorizer_, Change("status")).ok()) << "nothing changes";
  object_["status"]["certificate"] = "bm8=";
  EXPECT_FALSE(CheckCertificateRequest(authorizer_, Change("status")).ok());
  Grant("sign", "example.com/*");
  EXPECT_TRUE(CheckCertificateRequest(authorizer_, Change("status")).ok());
}

}  // namespace
}  // namespace keelson::auth
