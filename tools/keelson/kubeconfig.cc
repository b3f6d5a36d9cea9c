#include "tools/keelson/kubeconfig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/durable_file.h"

namespace keelson::program {
namespace {

constexpr absl::Duration kLockTimeout = absl::Seconds(5);
constexpr const char* kLists[] = {"clusters", "contexts", "users"};

// Our entry of one of the lists, in block style.
std::string Entry(const KubeAccess& access, std::string_view list) {
  const auto base64 = [](const std::string& text) { return absl::Base64Escape(text); };
  if (list == "clusters") {
    return Concat("- cluster:\n    certificate-authority-data: ", base64(access.authority),
                  "\n    server: ", access.server, "\n  name: ", access.name, "\n");
  }
  if (list == "contexts") {
    return Concat("- context:\n    cluster: ", access.name, "\n    user: ", access.name,
                  "\n  name: ", access.name, "\n");
  }
  return Concat("- name: ", access.name,
                "\n  user:\n    client-certificate-data: ", base64(access.certificate),
                "\n    client-key-data: ", base64(access.key), "\n");
}

absl::Status NotAKubeconfig(std::string_view why) {
  return absl::InvalidArgumentError(Concat("this is no kubeconfig: ", why));
}

absl::StatusOr<YAML::Node> Parse(const std::string& text) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) return NotAKubeconfig("it has several documents");
    YAML::Node root = documents.empty() ? YAML::Node() : documents[0];
    if (root.IsNull() || !root.IsDefined()) return YAML::Node(YAML::NodeType::Map);
    if (!root.IsMap()) return NotAKubeconfig("it is not a map");
    for (const char* list : kLists) {
      const YAML::Node node = root[list];
      if (node.IsDefined() && !node.IsNull() && !node.IsSequence()) {
        return NotAKubeconfig(Concat(list, " is not a list"));
      }
    }
    return root;
  } catch (const YAML::Exception& error) {
    return NotAKubeconfig(error.what());
  }
}

std::string TextOf(const YAML::Node& node) {
  return node.IsDefined() && node.IsScalar() ? node.Scalar() : "";
}

bool HasEntry(const YAML::Node& root, const char* list, const std::string& name) {
  const YAML::Node node = root[list];
  if (!node.IsSequence()) return false;
  return std::any_of(node.begin(), node.end(), [&](const YAML::Node& entry) {
    return entry.IsMap() && TextOf(entry["name"]) == name;
  });
}

std::string ServerOf(const YAML::Node& root, const std::string& name) {
  const YAML::Node clusters = root["clusters"];
  if (!clusters.IsSequence()) return "";
  for (const YAML::Node& entry : clusters) {
    if (entry.IsMap() && TextOf(entry["name"]) == name && entry["cluster"].IsMap()) {
      return TextOf(entry["cluster"]["server"]);
    }
  }
  return "";
}

// The two mean the same: values, order of lists, and maps without regard to order.
bool Same(const YAML::Node& a, const YAML::Node& b) {
  if (a.Type() != b.Type()) return false;
  if (a.IsScalar()) {
    // "1" in quotes is another thing than 1; what was set here has no form yet.
    const bool formed = !a.Tag().empty() && !b.Tag().empty();
    return a.Scalar() == b.Scalar() && (!formed || (a.Tag() == "!") == (b.Tag() == "!"));
  }
  if (!a.IsMap() && !a.IsSequence()) return true;
  if (a.size() != b.size()) return false;
  if (a.IsSequence()) return std::equal(a.begin(), a.end(), b.begin(), Same);
  return std::all_of(a.begin(), a.end(), [&](const auto& member) {
    const YAML::Node other = b[TextOf(member.first)];
    return other.IsDefined() && Same(member.second, other);
  });
}

// What the file shall mean, whatever it looks like: `entries` has one for each list, or is empty,
// to take away those of that name.
YAML::Node Wanted(const YAML::Node& root, const std::string& name,
                  const std::vector<std::string>& entries, const std::string& current) {
  YAML::Node result = YAML::Clone(root);
  if (!entries.empty()) {
    for (const char* field : {"apiVersion", "kind"}) {
      if (!result[field]) result[field] = field == std::string_view("kind") ? "Config" : "v1";
    }
  }
  for (size_t i = 0; i < std::size(kLists); ++i) {
    YAML::Node list(YAML::NodeType::Sequence);
    bool replaced = false;
    for (const YAML::Node& entry : result[kLists[i]]) {
      if (!entry.IsMap() || TextOf(entry["name"]) != name) {
        list.push_back(entry);
      } else if (!entries.empty() && !replaced) {
        list.push_back(YAML::Load(entries[i])[0]);
        replaced = true;
      }
    }
    if (!entries.empty() && !replaced) list.push_back(YAML::Load(entries[i])[0]);
    if (result[kLists[i]] || !entries.empty()) result[kLists[i]] = list;
  }
  if (result["current-context"] || !current.empty())
    result["current-context"] = YAML::Node(current);
  return result;
}

// yaml-cpp's own way drops the quotes of texts that look like something else.
void Emit(YAML::Emitter& out, const YAML::Node& node) {
  if (node.IsMap()) {
    out << YAML::BeginMap;
    for (const auto& member : node) {
      out << YAML::Key;
      Emit(out, member.first);
      out << YAML::Value;
      Emit(out, member.second);
    }
    out << YAML::EndMap;
  } else if (node.IsSequence()) {
    out << YAML::BeginSeq;
    for (const YAML::Node& item : node) Emit(out, item);
    out << YAML::EndSeq;
  } else if (!node.IsScalar()) {
    out << YAML::Null;
  } else if (node.Tag() == "!") {
    out << YAML::DoubleQuoted << node.Scalar();
  } else {
    out << node.Scalar();
  }
}

// A text by lines, edited at places that the parser told.
class Lines {
 public:
  explicit Lines(const std::string& text) : lines_(absl::StrSplit(text, '\n')) {
    if (!lines_.empty() && lines_.back().empty()) lines_.pop_back();
  }

  // False: the file does not look as this can edit.
  bool SetList(const char* list, const std::string& name, const std::string& entry) {
    const YAML::Node root = Reparse();
    const YAML::Node node = root[list];
    if (!node.IsDefined()) {
      if (entry.empty()) return true;
      lines_.push_back(Concat(list, ":"));
      return Insert(lines_.size(), entry, 0);
    }
    if (node.IsNull() || node.size() == 0) return entry.empty() || ReplaceEmpty(root, list, entry);
    if (node.Style() != YAML::EmitterStyle::Block) return false;
    for (size_t i = 0; i < node.size(); ++i) {
      if (!node[i].IsMap() || TextOf(node[i]["name"]) != name) continue;
      const size_t begin = Line(node[i]);
      const size_t end = EndOf(node[i]);
      const size_t indent = Dash(begin);
      if (indent == std::string::npos) return false;
      lines_.erase(At(begin), At(end));
      if (!entry.empty()) return Insert(begin, entry, indent);
      if (node.size() > 1) return true;
      // A list without anything left is an empty one.
      const size_t head = LineOfKey(root, list);
      lines_[head] = Concat(list, ": []");
      return true;
    }
    if (entry.empty()) return true;
    const YAML::Node last = node[node.size() - 1];
    const size_t indent = Dash(Line(last));
    return indent != std::string::npos && Insert(EndOf(last), entry, indent);
  }

  bool SetCurrent(const std::string& context) {
    const YAML::Node root = Reparse();
    const std::string line = Concat("current-context: ", context.empty() ? "\"\"" : context);
    const size_t at = LineOfKey(root, "current-context");
    if (at != std::string::npos) {
      lines_[at] = line;
    } else if (!context.empty()) {
      lines_.push_back(line);
    }
    return true;
  }

  void SetMissing(const char* key, const char* value) {
    if (LineOfKey(Reparse(), key) == std::string::npos) {
      lines_.insert(lines_.begin(), Concat(key, ": ", value));
    }
  }

  std::string Text() const { return Concat(absl::StrJoin(lines_, "\n"), "\n"); }

 private:
  std::vector<std::string>::iterator At(size_t line) {
    return lines_.begin() + static_cast<std::ptrdiff_t>(line);
  }
  YAML::Node Reparse() const {
    const YAML::Node root = YAML::Load(Text());
    return root.IsMap() ? root : YAML::Node(YAML::NodeType::Map);
  }
  static size_t Line(const YAML::Node& node) { return static_cast<size_t>(node.Mark().line); }
  static size_t LineOfKey(const YAML::Node& root, std::string_view key) {
    for (const auto& member : root) {
      if (TextOf(member.first) == key) return Line(member.first);
    }
    return std::string::npos;
  }
  // Where the dash stands that begins an entry on this line.
  size_t Dash(size_t line) const {
    const size_t at = lines_[line].find_first_not_of(' ');
    return at != std::string::npos && lines_[line][at] == '-' ? at : std::string::npos;
  }
  // The line behind an entry: its lines are indented further than its dash. What comes between two
  // entries is the next one's comment.
  size_t EndOf(const YAML::Node& entry) const {
    const size_t begin = Line(entry);
    const size_t indent = lines_[begin].find_first_not_of(' ');
    size_t end = begin + 1;
    for (size_t i = begin + 1; i < lines_.size(); ++i) {
      const size_t text = lines_[i].find_first_not_of(' ');
      if (text == std::string::npos) continue;  // an empty line may be in a block of text
      if (text <= indent) break;
      end = i + 1;
    }
    return end;
  }
  bool ReplaceEmpty(const YAML::Node& root, const char* list, const std::string& entry) {
    const size_t at = LineOfKey(root, list);
    const std::string& line = lines_[at];
    // "users: []", "users: null" or "users:", and nothing else that would be lost.
    const std::string rest = line.substr(line.find(':') + 1);
    const size_t begin = rest.find_first_not_of(' ');
    const std::string value = begin == std::string::npos ? "" : rest.substr(begin);
    if (!value.empty() && value != "[]" && value != "null" && value != "~") return false;
    lines_[at] = Concat(list, ":");
    return Insert(at + 1, entry, 0);
  }
  bool Insert(size_t at, const std::string& entry, size_t indent) {
    std::vector<std::string> added = absl::StrSplit(entry, '\n', absl::SkipEmpty());
    for (std::string& line : added) line.insert(0, indent, ' ');
    lines_.insert(At(at), added.begin(), added.end());
    return true;
  }

  std::vector<std::string> lines_;
};

// Edits the text where it can, and writes it anew where the edited text would not mean what it
// shall.
absl::StatusOr<std::string> Edit(const std::string& text, const std::string& name,
                                 const std::vector<std::string>& entries,
                                 const std::function<std::string(const YAML::Node&)>& current_of) {
  KV_ASSIGN_OR_RETURN(const YAML::Node root, Parse(text));
  try {
    const std::string current = current_of(root);
    const YAML::Node wanted = Wanted(root, name, entries, current);
    if (Same(root, wanted)) return text;
    std::string edited;
    try {
      Lines lines(text);
      bool done = true;
      if (!entries.empty()) {
        lines.SetMissing("kind", "Config");
        lines.SetMissing("apiVersion", "v1");
      }
      for (size_t i = 0; i < std::size(kLists) && done; ++i) {
        done = lines.SetList(kLists[i], name, entries.empty() ? "" : entries[i]);
      }
      if (done && lines.SetCurrent(current)) edited = lines.Text();
      if (!edited.empty() && Same(YAML::Load(edited), wanted)) return edited;
    } catch (const YAML::Exception&) {
      // The edited text is no YAML any more: it was not in block style.
    }
    YAML::Emitter emitter;
    Emit(emitter, wanted);
    edited = Concat(emitter.c_str(), "\n");
    if (!Same(YAML::Load(edited), wanted)) return NotAKubeconfig("it cannot be written again");
    return edited;
  } catch (const YAML::Exception& error) {
    return NotAKubeconfig(error.what());
  }
}

// kubectl's own lock on the file, so that neither of us loses the other's change.
class KubectlLock {
 public:
  static absl::StatusOr<std::unique_ptr<KubectlLock>> Take(const std::string& file) {
    const std::string path = file + ".lock";
    const absl::Time deadline = absl::Now() + kLockTimeout;
    for (;;) {
      const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (fd >= 0) {
        ::close(fd);
        return std::unique_ptr<KubectlLock>(new KubectlLock(path));
      }
      if (errno != EEXIST || absl::Now() > deadline) {
        return absl::UnavailableError(
            Concat("cannot lock ", file, ": ",
                   errno == EEXIST ? Concat(path, " is there; remove it if no kubectl runs")
                                   : std::string(std::strerror(errno))));
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  ~KubectlLock() { ::unlink(path_.c_str()); }

 private:
  explicit KubectlLock(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

absl::Status EditFile(const std::string& file,
                      const std::function<absl::StatusOr<std::string>(const std::string&)>& edit) {
  const std::filesystem::path parent = std::filesystem::path(file).parent_path();
  std::error_code error;
  if (!parent.empty() && !std::filesystem::exists(parent, error)) {
    KV_RETURN_IF_ERROR(MakeDirectory(parent, 0750));
  }
  KV_ASSIGN_OR_RETURN(const auto lock, KubectlLock::Take(file));
  // A link stays one: what it leads to is replaced.
  std::filesystem::path target = std::filesystem::weakly_canonical(file, error);
  if (error) target = file;
  auto text = ReadWhole(target);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  struct stat info {};
  const mode_t mode = ::stat(target.c_str(), &info) == 0 ? info.st_mode & 07777 : 0600;
  const auto edited = edit(text.ok() ? *text : "");
  if (!edited.ok()) {
    return absl::Status(edited.status().code(),
                        Concat(file, ": ",
                               std::string_view(edited.status().message().data(),
                                                edited.status().message().size())));
  }
  if (text.ok() && *edited == *text) return absl::OkStatus();
  return WriteWhole(target, *edited, mode);
}

}  // namespace

std::string NewKubeconfig(const KubeAccess& access) {
  std::string text = "apiVersion: v1\nkind: Config\n";
  for (const char* list : kLists) Append(&text, list, ":\n", Entry(access, list));
  Append(&text, "current-context: ", access.name, "\n");
  return text;
}

absl::StatusOr<std::string> WithAccess(const std::string& text, const KubeAccess& access,
                                       std::string* before) {
  std::vector<std::string> entries;
  for (const char* list : kLists) entries.push_back(Entry(access, list));
  return Edit(text, access.name, entries, [&](const YAML::Node& root) {
    const std::string current = TextOf(root["current-context"]);
    if (current != access.name) *before = current;
    return access.name;
  });
}

absl::StatusOr<std::string> WithoutAccess(const std::string& text, const std::string& name,
                                          const std::string& before) {
  return Edit(text, name, {}, [&](const YAML::Node& root) {
    const std::string current = TextOf(root["current-context"]);
    if (current != name) return current;
    return HasEntry(root, "contexts", before) ? before : std::string();
  });
}

std::vector<std::string> KubeconfigFiles() {
  std::vector<std::string> files;
  if (const char* const list = std::getenv("KUBECONFIG"); list != nullptr && *list != '\0') {
    files = absl::StrSplit(list, ':', absl::SkipEmpty());
  }
  if (files.empty()) {
    const char* const home = std::getenv("HOME");
    files.push_back(Concat(home != nullptr ? home : ".", "/.kube/config"));
  }
  return files;
}

std::string KubeconfigFor(const std::vector<std::string>& files, const std::string& name) {
  for (const std::string& file : files) {
    const auto text = ReadWhole(file);
    if (!text.ok()) continue;
    const auto root = Parse(*text);
    if (root.ok() && HasEntry(*root, "contexts", name)) return file;
  }
  for (const std::string& file : files) {
    if (::access(file.c_str(), F_OK) == 0) return file;
  }
  return files.back();
}

absl::StatusOr<std::string> AddToKubeconfig(const KubeAccess& access, std::string* before) {
  const std::string file = KubeconfigFor(KubeconfigFiles(), access.name);
  KV_RETURN_IF_ERROR(
      EditFile(file, [&](const std::string& text) { return WithAccess(text, access, before); }));
  return file;
}

absl::Status RemoveFromKubeconfig(const KubeAccess& access, const std::string& before) {
  for (const std::string& file : KubeconfigFiles()) {
    if (::access(file.c_str(), F_OK) != 0) continue;
    KV_RETURN_IF_ERROR(EditFile(file, [&](const std::string& text) -> absl::StatusOr<std::string> {
      KV_ASSIGN_OR_RETURN(const YAML::Node root, Parse(text));
      if (ServerOf(root, access.name) != access.server) return text;
      return WithoutAccess(text, access.name, before);
    }));
  }
  return absl::OkStatus();
}

}  // namespace keelson::program
