// FieldSet: some fields of an object, as metadata.managedFields names them (FieldsV1): a tree of
// steps from the object down.
//
//   f:NAME   a member of a map or a message      k:{"KEY":VALUE,...}  an item of a list
//   v:VALUE  a value of a list that is a set      i:N                 an item by its place
//
// A node may be in the set itself (".", or a leaf), have nodes below it, or both.
#ifndef KEELSON_APISERVER_API_FIELD_SET_H_
#define KEELSON_APISERVER_API_FIELD_SET_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

class JsonReader;
struct FieldNode;

class FieldSet {
 public:
  // Of a client's text: steps of kinds that nobody knows are left out, keys and values are written
  // in the one way in which they are compared.
  // nullopt: it is none, or is deeper than any object.
  static std::optional<FieldSet> Parse(std::string_view json);
  // Of what Append has written: its order and its steps are believed. The reader stands before it.
  static FieldSet Read(JsonReader& reader);

  // {"f:spec":{"f:replicas":{}}}
  void Append(std::string* json) const;
  std::string ToJson() const;

  bool empty() const { return nodes_.empty(); }
  const std::vector<FieldNode>& nodes() const { return nodes_; }
  // Whether the field that one step leads to is in the set, and what is below it; nullptr: nothing.
  const FieldNode* Find(std::string_view step) const;
  // How many fields are in it.
  size_t size() const;
  // As people read them: .spec.containers[name="a"].image. Of one level first those that are in
  // the set, then what is below.
  std::vector<std::string> Paths() const;

  // REQUIRES: the step is behind all that there are. Nothing is added if it would be empty.
  void AddLast(std::string step, bool member, FieldSet below);
  // Puts nodes that were added with AddUnordered in order.
  void AddUnordered(std::string step, bool member, FieldSet below);
  void Sort();

  void Unite(const FieldSet& other);
  // What is in `other` is no more in this, with or without what is below it.
  void Subtract(const FieldSet& other);
  void SubtractWithBelow(const FieldSet& other);
  FieldSet Intersection(const FieldSet& other) const;

  bool operator==(const FieldSet& other) const;

 private:
  void AppendNode(bool with_itself, std::string* json) const;
  void AppendPaths(const std::string& prefix, std::vector<std::string>* paths) const;

  std::vector<FieldNode> nodes_;  // sorted by step; none is empty
};

struct FieldNode {
  std::string step;
  bool member = false;
  FieldSet below;

  bool operator==(const FieldNode& other) const = default;
};

// As people read it: .name, [name="a",protocol="TCP"], [="a"], [0].
std::string ShownStep(std::string_view step);
inline std::string NameStep(std::string_view name) { return std::string("f:").append(name); }

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_FIELD_SET_H_
