#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/common/status.h"

namespace trident::backend {

// A JSON value: what a plug-in reads of its configuration, and edits to complete it. Numbers keep
// their text, so 64-bit values survive a round trip. A value type; externally synchronised by its
// owner.
class Json {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  using Member = std::pair<std::string, Json>;

  static Status Parse(std::string_view text, Json* value);
  static Status Parse(TRITONSERVER_Message* message, Json* value);
  std::string Dump() const;

  static Json Number(int64_t value);
  static Json String(std::string value);
  static Json Array();
  static Json Object();

  Kind kind() const { return kind_; }
  // The value of a string, number or bool as text.
  std::string_view text() const { return text_; }
  const std::vector<Json>& items() const { return items_; }
  std::vector<Json>& items() { return items_; }
  const std::vector<Member>& members() const { return members_; }

  // The member called `name`; null when there is none or this is no object.
  const Json* Find(std::string_view name) const;
  Json* Find(std::string_view name);
  // The member's text, or "" when it is absent or no string.
  std::string_view FindString(std::string_view name) const;
  // The items of the member, or none when it is absent or no array.
  const std::vector<Json>& FindItems(std::string_view name) const;

  void Set(std::string_view name, Json value);
  void Remove(std::string_view name);
  void Append(Json value) { items_.push_back(std::move(value)); }

  // False when the value is not of that kind. AsInt also reads a number written as a string, as
  // protobuf's JSON form has 64-bit ones.
  bool AsInt(int64_t* value) const;
  bool AsBool(bool* value) const;

 private:
  friend struct JsonConversion;

  Kind kind_ = Kind::kNull;
  std::string text_;  // a bool's is "true" or "false"
  std::vector<Json> items_;
  std::vector<Member> members_;
};

}  // namespace trident::backend
