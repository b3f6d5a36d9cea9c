// Our place in the user's kubeconfig: a cluster, a user and a context named keelson. The rest of
// the file stays as it is, byte by byte, comments included; only a file that is not written in the
// usual block style is written anew, with all that it says.
#ifndef KEELSON_TOOLS_KEELSON_KUBECONFIG_H_
#define KEELSON_TOOLS_KEELSON_KUBECONFIG_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace keelson::program {

// How to reach a cluster; certificates and key are PEM text.
struct KubeAccess {
  std::string name = "keelson";  // of cluster, user and context
  std::string server = {};
  std::string authority = {};
  std::string certificate = {};
  std::string key = {};
};

// A kubeconfig with this and nothing else.
std::string NewKubeconfig(const KubeAccess& access);

// `text` with our entries added, or in place of those of the same name, and our context the current
// one; `*before` gets the one that was. InvalidArgument: the text is no kubeconfig.
absl::StatusOr<std::string> WithAccess(const std::string& text, const KubeAccess& access,
                                       std::string* before);
// Without the entries of that name. When its context is the current one, `before` becomes it if it
// is there, else none.
absl::StatusOr<std::string> WithoutAccess(const std::string& text, const std::string& name,
                                          const std::string& before);

// The files of $KUBECONFIG, or ~/.kube/config.
std::vector<std::string> KubeconfigFiles();
// Which of them gets our entries: one that has the context, else the first that exists, else the
// last, as kubectl does it.
std::string KubeconfigFor(const std::vector<std::string>& files, const std::string& name);

// The same on the user's file, under kubectl's own lock, written whole or not at all. Returns the
// file's path.
absl::StatusOr<std::string> AddToKubeconfig(const KubeAccess& access, std::string* before);
// Only where they still lead to that server: another cluster may have taken the name.
absl::Status RemoveFromKubeconfig(const KubeAccess& access, const std::string& before);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_KUBECONFIG_H_
