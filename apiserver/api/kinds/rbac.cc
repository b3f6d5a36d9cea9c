// Who may do what: Role, ClusterRole, RoleBinding, ClusterRoleBinding.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

enum class Scope { kNamespace, kCluster };

void ValidateRule(const Json& rule, Scope scope, std::string_view path, FieldErrors& errors) {
  if (ArrayAt(rule, "verbs").empty()) {
    errors.Required(Child(path, "verbs"), "verbs must contain at least one value");
  }
  const Json& urls = ArrayAt(rule, "nonResourceURLs");
  if (!urls.empty()) {
    if (scope == Scope::kNamespace) {
      errors.Invalid(Child(path, "nonResourceURLs"), urls,
                     "namespaced rules cannot apply to non-resource URLs");
    }
    if (!ArrayAt(rule, "apiGroups").empty() || !ArrayAt(rule, "resources").empty() ||
        !ArrayAt(rule, "resourceNames").empty()) {
      errors.Invalid(Child(path, "nonResourceURLs"), urls,
                     "rules cannot apply to both regular resources and non-resource URLs");
    }
    return;
  }
  if (ArrayAt(rule, "apiGroups").empty()) {
    errors.Required(Child(path, "apiGroups"), "resource rules must supply at least one api group");
  }
  if (ArrayAt(rule, "resources").empty()) {
    errors.Required(Child(path, "resources"), "resource rules must supply at least one resource");
  }
}

void ValidateRules(const Json& object, Scope scope, FieldErrors& errors) {
  const Json& rules = ArrayAt(object, "rules");
  for (size_t i = 0; i < rules.size(); ++i) {
    ValidateRule(rules[i], scope, Index("rules", i), errors);
  }
}

void ValidateRole(const Json& object, FieldErrors& errors) {
  ValidateRules(object, Scope::kNamespace, errors);
}

void ValidateClusterRole(const Json& object, FieldErrors& errors) {
  ValidateRules(object, Scope::kCluster, errors);
  if (Find(object, "aggregationRule") == nullptr) return;
  constexpr std::string_view kPath = "aggregationRule.clusterRoleSelectors";
  const Json& selectors = ArrayAt(object, kPath);
  if (selectors.empty()) {
    errors.Required(kPath,
                    "at least one clusterRoleSelector required if aggregationRule is non-nil");
  }
  for (size_t i = 0; i < selectors.size(); ++i) {
    ValidateLabelSelector(selectors[i], Index(kPath, i), errors);
  }
}

void SetBindingDefaults(Json& object) {
  DefaultText(object, "roleRef.apiGroup", kGroup);
  for (Json* subject : ElementsAt(object, "subjects")) {
    const std::string& kind = TextAt(*subject, "kind");
    if (kind == "User" || kind == "Group") DefaultText(*subject, "apiGroup", kGroup);
  }
}

void ValidateSubject(const Json& subject, Scope scope, std::string_view path, FieldErrors& errors) {
  const std::string& kind = TextAt(subject, "kind");
  const std::string& name = TextAt(subject, "name");
  const std::string& group = TextAt(subject, "apiGroup");
  CheckRequired(name, Child(path, "name"), errors);
  if (kind == "ServiceAccount") {
    if (!name.empty()) CheckName(name, IsSubdomain, Child(path, "name"), errors);
    CheckSupported(group, {""}, Child(path, "apiGroup"), errors);
    if (scope == Scope::kCluster) {
      CheckRequired(TextAt(subject, "namespace"), Child(path, "namespace"), errors);
    }
  } else if (kind == "User" || kind == "Group") {
    CheckSupported(group, {kGroup}, Child(path, "apiGroup"), errors);
  } else {
    errors.NotSupported(Child(path, "kind"), kind, {"ServiceAccount", "User", "Group"});
  }
}

void ValidateAnyBinding(const Json& object, Scope scope, FieldErrors& errors) {
  CheckSupported(TextAt(object, "roleRef.apiGroup"), {kGroup}, "roleRef.apiGroup", errors);
  const std::string& kind = TextAt(object, "roleRef.kind");
  if (scope == Scope::kNamespace) {
    CheckSupported(kind, {"Role", "ClusterRole"}, "roleRef.kind", errors);
  } else {
    CheckSupported(kind, {"ClusterRole"}, "roleRef.kind", errors);
  }
  const std::string& name = TextAt(object, "roleRef.name");
  CheckRequired(name, "roleRef.name", errors);
  CheckPathSegment(name, "roleRef.name", errors);
  const Json& subjects = ArrayAt(object, "subjects");
  for (size_t i = 0; i < subjects.size(); ++i) {
    ValidateSubject(subjects[i], scope, Index("subjects", i), errors);
  }
}

void ValidateBinding(const Json& object, FieldErrors& errors) {
  ValidateAnyBinding(object, Scope::kNamespace, errors);
}

void ValidateClusterBinding(const Json& object, FieldErrors& errors) {
  ValidateAnyBinding(object, Scope::kCluster, errors);
}

void ValidateBindingUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  if (MeansTheSame(Find(object, "roleRef"), Find(old, "roleRef"))) return;
  errors.Invalid("roleRef", ValueAt(object, "roleRef"), "cannot change roleRef");
}

// The subjects of one kind, joined.
std::string SubjectsCell(const Json& object, std::string_view kind) {
  std::string cell;
  for (const Json& subject : ArrayAt(object, "subjects")) {
    if (TextAt(subject, "kind") != kind) continue;
    const std::string& name = TextAt(subject, "name");
    Append(&cell, cell.empty() ? "" : ", ",
           kind == "ServiceAccount" ? Concat(TextAt(subject, "namespace"), "/", name) : name);
  }
  return cell;
}

void PrintBinding(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(Concat(TextAt(object, "roleRef.kind"), "/", TextAt(object, "roleRef.name")));
  cells->push_back(AgeCell(object, context));
  for (std::string_view kind : {"User", "Group", "ServiceAccount"}) {
    cells->push_back(SubjectsCell(object, kind));
  }
}

std::vector<Column> BindingColumns() {
  return {NameColumn(),
          {"Role"},
          {"Age"},
          {"Users", "string", "", "Users it is for.", 1},
          {"Groups", "string", "", "Groups it is for.", 1},
          {"ServiceAccounts", "string", "", "Service accounts it is for.", 1}};
}

}  // namespace

const Kind& RoleKind() {
  static const Kind kind = {
      .group = kGroup,
      .version = "v1",
      .kind = "Role",
      .plural = "roles",
      .singular = "role",
      .message = "rbac.v1.Role",
      .storage_prefix = "roles",
      .name_rule = NameRule::kPathSegment,
      .create_on_update = true,
      .validate = ValidateRole,
  };
  return kind;
}

const Kind& ClusterRoleKind() {
  static const Kind kind = {
      .group = kGroup,
      .version = "v1",
      .kind = "ClusterRole",
      .plural = "clusterroles",
      .singular = "clusterrole",
      .namespaced = false,
      .message = "rbac.v1.ClusterRole",
      .storage_prefix = "clusterroles",
      .name_rule = NameRule::kPathSegment,
      .create_on_update = true,
      .validate = ValidateClusterRole,
  };
  return kind;
}

const Kind& RoleBindingKind() {
  static const Kind kind = {
      .group = kGroup,
      .version = "v1",
      .kind = "RoleBinding",
      .plural = "rolebindings",
      .singular = "rolebinding",
      .message = "rbac.v1.RoleBinding",
      .storage_prefix = "rolebindings",
      .name_rule = NameRule::kPathSegment,
      .create_on_update = true,
      .set_defaults = SetBindingDefaults,
      .validate = ValidateBinding,
      .validate_update = ValidateBindingUpdate,
      .columns = BindingColumns(),
      .print = PrintBinding,
  };
  return kind;
}

const Kind& ClusterRoleBindingKind() {
  static const Kind kind = {
      .group = kGroup,
      .version = "v1",
      .kind = "ClusterRoleBinding",
      .plural = "clusterrolebindings",
      .singular = "clusterrolebinding",
      .namespaced = false,
      .message = "rbac.v1.ClusterRoleBinding",
      .storage_prefix = "clusterrolebindings",
      .name_rule = NameRule::kPathSegment,
      .create_on_update = true,
      .set_defaults = SetBindingDefaults,
      .validate = ValidateClusterBinding,
      .validate_update = ValidateBindingUpdate,
      .columns = BindingColumns(),
      .print = PrintBinding,
  };
  return kind;
}

}  // namespace keelson::api
