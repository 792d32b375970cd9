#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/enums.h"
#include "config/schema.h"

// How a struct member becomes a FieldSchema: the C++ type gives kind and label, and the accessors
// are instantiated from the member pointer. For schema_table.cc, which lists the rows.

namespace trident::member_access {

// Specialised by schema_table.cc for each message struct, inner ones first.
template <typename M>
MessageSchema Describe();

// One schema per type, built on first use and never destroyed: a thread may still be reading a
// configuration while the process exits.
template <typename M>
const MessageSchema& SchemaOf() {
  static const MessageSchema& schema = *new MessageSchema(Describe<M>());
  return schema;
}

template <typename K, typename V>
struct MapEntry {
  K key{};
  V value{};
};

template <typename T>
inline constexpr bool kIsMessage = std::is_class_v<T> && !std::is_same_v<T, std::string>;

template <typename T>
constexpr FieldKind KindOf() {
  if constexpr (kIsMessage<T>)
    return FieldKind::kMessage;
  else if constexpr (std::is_enum_v<T>)
    return FieldKind::kEnum;
  else if constexpr (std::is_same_v<T, bool>)
    return FieldKind::kBool;
  else if constexpr (std::is_same_v<T, int32_t>)
    return FieldKind::kInt32;
  else if constexpr (std::is_same_v<T, uint32_t>)
    return FieldKind::kUint32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return FieldKind::kInt64;
  else if constexpr (std::is_same_v<T, uint64_t>)
    return FieldKind::kUint64;
  else if constexpr (std::is_same_v<T, float>)
    return FieldKind::kFloat;
  else if constexpr (std::is_same_v<T, double>)
    return FieldKind::kDouble;
  else
    return FieldKind::kString;
}

template <typename T>
Scalar ToScalar(const T& value) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>)
    return value;
  else if constexpr (std::is_floating_point_v<T>)
    return static_cast<double>(value);
  else if constexpr (std::is_unsigned_v<T>)
    return static_cast<uint64_t>(value);
  else
    return static_cast<int64_t>(value);
}

template <typename T>
T FromScalar(Scalar value) {
  if constexpr (std::is_same_v<T, bool>)
    return std::get<bool>(value);
  else if constexpr (std::is_same_v<T, std::string>)
    return std::get<std::string>(std::move(value));
  else if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(std::get<double>(value));
  else if constexpr (std::is_unsigned_v<T>)
    return static_cast<T>(std::get<uint64_t>(value));
  else
    return static_cast<T>(std::get<int64_t>(value));
}

// What a member type holds: the label, the value type and, for maps, the key type.
template <typename T>
struct Holder {
  static constexpr FieldLabel kLabel = FieldLabel::kSingular;
  using Value = T;
};
template <typename T>
struct Holder<std::optional<T>> {
  static constexpr FieldLabel kLabel = FieldLabel::kOptional;
  using Value = T;
};
template <typename T>
struct Holder<std::vector<T>> {
  static constexpr FieldLabel kLabel = FieldLabel::kRepeated;
  using Value = T;
};
template <typename K, typename V>
struct Holder<std::map<K, V>> {
  static constexpr FieldLabel kLabel = FieldLabel::kMap;
  using Value = V;
  using Entry = MapEntry<K, V>;
};

template <typename T>
void VisitValue(const T& value, FieldVisitor* visitor) {
  if constexpr (kIsMessage<T>)
    visitor->OnMessage(&value);
  else
    visitor->OnScalar(ToScalar(value));
}

template <typename Entry>
const MessageSchema& EntrySchema();

template <auto member>
struct Access;

template <typename M, typename T, T M::*member>
struct Access<member> {
  using H = Holder<T>;
  using Value = typename H::Value;

  static T& Get(void* message) { return static_cast<M*>(message)->*member; }

  static void Set(void* message, Scalar value) {
    if constexpr (H::kLabel == FieldLabel::kRepeated) {
      Get(message).push_back(FromScalar<Value>(std::move(value)));
    } else {
      Get(message) = FromScalar<Value>(std::move(value));
    }
  }

  static void* Add(void* message) {
    if constexpr (H::kLabel == FieldLabel::kRepeated) {
      return &Get(message).emplace_back();
    } else if constexpr (H::kLabel == FieldLabel::kOptional) {
      return &Get(message).emplace();
    } else {
      return &Get(message);  // the value of a map entry
    }
  }

  static std::shared_ptr<void> NewEntry() { return std::make_shared<typename H::Entry>(); }

  static void PutEntry(void* message, void* entry) {
    auto* from = static_cast<typename H::Entry*>(entry);
    Get(message).insert_or_assign(std::move(from->key), std::move(from->value));
  }

  static void Visit(const void* message, FieldVisitor* visitor) {
    const T& held = static_cast<const M*>(message)->*member;
    if constexpr (H::kLabel == FieldLabel::kRepeated) {
      // vector<bool> yields proxies, hence the conversion.
      for (auto&& value : held) VisitValue<Value>(value, visitor);
    } else if constexpr (H::kLabel == FieldLabel::kOptional) {
      if (held) VisitValue(*held, visitor);
    } else if constexpr (H::kLabel == FieldLabel::kMap) {
      for (const auto& [key, value] : held) {
        if constexpr (kIsMessage<Value>)
          visitor->OnEntryMessage(ToScalar(key), &value);
        else
          visitor->OnEntry(ToScalar(key), ToScalar(value));
      }
    } else {
      VisitValue(held, visitor);
    }
  }

  static FieldSchema Describe() {
    FieldSchema field{};
    field.kind = KindOf<Value>();
    field.label = H::kLabel;
    field.visit = &Visit;
    if constexpr (H::kLabel == FieldLabel::kMap) {
      field.message = &EntrySchema<typename H::Entry>();
      field.new_entry = &NewEntry;
      field.put_entry = &PutEntry;
    } else if constexpr (kIsMessage<Value>) {
      field.message = &SchemaOf<Value>();
      field.add = &Add;
    } else {
      if constexpr (std::is_enum_v<Value>) field.enumeration = &EnumOf<Value>();
      field.set = &Set;
    }
    return field;
  }
};

inline std::string LowerCamelCase(std::string_view name) {
  std::string result;
  bool upper = false;
  for (char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    result += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return result;
}

// The row of one field: `name` as in config.pbtxt.
template <auto member>
FieldSchema Row(std::string_view name, std::string_view oneof = "") {
  FieldSchema field = Access<member>::Describe();
  field.name = name;
  field.json_name = LowerCamelCase(name);
  field.oneof = oneof;
  return field;
}

template <typename Entry>
const MessageSchema& EntrySchema() {
  static const MessageSchema& schema =
      *new MessageSchema{"map entry", {Row<&Entry::key>("key"), Row<&Entry::value>("value")}};
  return schema;
}

}  // namespace trident::member_access
