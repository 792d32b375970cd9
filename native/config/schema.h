#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace trident {

// The fields of ModelConfig described at run time, so that the text reader, the JSON reader and the
// JSON writer are each one plain walk over the same rows (schema_table.cc) and cannot disagree.
// A message is a void* whose struct its MessageSchema knows.
// *Immutable after construction.*

enum class FieldKind {
  kBool,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kFloat,
  kDouble,
  kString,
  kEnum,
  kMessage
};

// kSingular: a plain scalar. kOptional: a message or oneof member that may be absent. kMap: like
// kRepeated, of entry messages with the fields "key" and "value".
enum class FieldLabel { kSingular, kOptional, kRepeated, kMap };

// One value of any kind but kMessage: int32 and enums as int64_t, uint32 as uint64_t, float as
// double.
using Scalar = std::variant<bool, int64_t, uint64_t, double, std::string>;

struct EnumSchema {
  struct Value {
    std::string_view name;
    int number;
  };
  std::vector<Value> values;

  const Value* Find(std::string_view name) const;
  const Value* Find(int64_t number) const;
  std::vector<std::string_view> Names() const;
};

struct MessageSchema;

// Receives the values of a field in order; map entries with their key. Owned by the caller of
// Visit.
class FieldVisitor {
 public:
  virtual void OnScalar(const Scalar& value) = 0;
  virtual void OnMessage(const void* message) = 0;
  virtual void OnEntry(const Scalar& key, const Scalar& value) = 0;
  virtual void OnEntryMessage(const Scalar& key, const void* message) = 0;

 protected:
  ~FieldVisitor() = default;
};

struct FieldSchema {
  std::string_view name;
  std::string json_name;   // lowerCamelCase
  std::string_view oneof;  // "" when in none
  FieldKind kind;          // of the value, also for maps
  FieldLabel label;
  const EnumSchema* enumeration;  // kEnum
  const MessageSchema* message;   // kMessage; the entry's schema for kMap

  // Stores a scalar already in range: assigns, or appends to a repeated field.
  void (*set)(void* message, Scalar value);
  // The sub-message to fill: made present, or appended.
  void* (*add)(void* message);
  // kMap: an entry to fill, then to insert; a key already there is replaced.
  std::shared_ptr<void> (*new_entry)();
  void (*put_entry)(void* message, void* entry);

  void (*visit)(const void* message, FieldVisitor* visitor);
};

struct MessageSchema {
  std::string_view name;
  std::vector<FieldSchema> fields;  // in declaration order

  // The field called `name`, its index being its place in `fields`; null if none.
  const FieldSchema* Find(std::string_view name) const;
  const FieldSchema* FindJson(std::string_view name) const;  // either spelling
  size_t IndexOf(const FieldSchema& field) const { return &field - fields.data(); }
  std::vector<std::string_view> Names() const;
};

const MessageSchema& ModelConfigSchema();

// The fields that a reader has met in one message.
// *Externally synchronised by its reader.*
class GivenFields {
 public:
  explicit GivenFields(const MessageSchema& schema);

  const MessageSchema& schema() const { return *schema_; }

  // Notes `field`; INVALID_ARG when it, or another member of its oneof, was given before. What
  // the text format lets one repeat is for the caller to leave out.
  Status Note(const FieldSchema& field);

 private:
  const MessageSchema* schema_;
  std::vector<bool> given_;
};

// "; did you mean 'x'?" for the candidate nearest to `name`, "" when none is near.
std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates);

// `text` as it may stand in a message: cut when long, control and non-ASCII bytes escaped.
std::string Excerpt(std::string_view text);

}  // namespace trident
