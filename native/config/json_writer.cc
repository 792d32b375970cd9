#include <cmath>

#include "config/json_format.h"
#include "config/scalars.h"
#include "config/schema.h"

namespace trident {
namespace {

void AppendString(const std::string& text, std::string* json) {
  constexpr char kHex[] = "0123456789abcdef";
  // A file name can be any bytes; JSON cannot carry those that are not UTF-8.
  const bool utf8 = IsUtf8(text);
  *json += '"';
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *json += '\\';
      *json += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      *json += "\\u00";
      *json += kHex[byte >> 4];
      *json += kHex[byte & 15];
    } else if (byte >= 0x80 && !utf8) {
      *json += "\\ufffd";
    } else {
      *json += c;
    }
  }
  *json += '"';
}

void AppendFloating(FieldKind kind, double value, std::string* json) {
  if (std::isnan(value)) {
    *json += "\"NaN\"";
  } else if (std::isinf(value)) {
    *json += value < 0 ? "\"-Infinity\"" : "\"Infinity\"";
  } else {
    *json += FloatingText(kind, value);
  }
}

void AppendEnum(const EnumSchema& enumeration, int64_t number, std::string* json) {
  const EnumSchema::Value* row = enumeration.Find(number);
  if (row == nullptr) {
    *json += std::to_string(number);
  } else {
    AppendString(std::string(row->name), json);
  }
}

void AppendScalar(const FieldSchema& field, const Scalar& value, std::string* json) {
  switch (field.kind) {
    case FieldKind::kBool:
      *json += std::get<bool>(value) ? "true" : "false";
      break;
    case FieldKind::kUint32:
    case FieldKind::kUint64:
      *json += std::to_string(std::get<uint64_t>(value));
      break;
    case FieldKind::kFloat:
    case FieldKind::kDouble:
      AppendFloating(field.kind, std::get<double>(value), json);
      break;
    case FieldKind::kString:
      AppendString(std::get<std::string>(value), json);
      break;
    case FieldKind::kEnum:
      AppendEnum(*field.enumeration, std::get<int64_t>(value), json);
      break;
    default:
      *json += std::to_string(std::get<int64_t>(value));
  }
}

void AppendKey(const Scalar& key, std::string* json) {
  const auto* name = std::get_if<std::string>(&key);
  AppendString(name != nullptr ? *name : std::to_string(std::get<uint64_t>(key)), json);
  *json += ':';
}

void AppendMessage(const MessageSchema& schema, const void* message, std::string* json);

// Prints one field's values, separated; the brackets are AppendField's.
class ValueWriter final : public FieldVisitor {
 public:
  ValueWriter(const FieldSchema& field, std::string* json) : field_(field), json_(json) {}

  void OnScalar(const Scalar& value) override {
    Separate();
    AppendScalar(field_, value, json_);
  }
  void OnMessage(const void* message) override {
    Separate();
    AppendMessage(*field_.message, message, json_);
  }
  void OnEntry(const Scalar& key, const Scalar& value) override {
    Separate();
    AppendKey(key, json_);
    AppendScalar(field_, value, json_);
  }
  void OnEntryMessage(const Scalar& key, const void* message) override {
    Separate();
    AppendKey(key, json_);
    AppendMessage(*field_.message->Find("value")->message, message, json_);
  }

 private:
  void Separate() {
    if (!first_) *json_ += ',';
    first_ = false;
  }

  const FieldSchema& field_;
  std::string* const json_;
  bool first_ = true;
};

void AppendField(const FieldSchema& field, const void* message, std::string* json) {
  std::string values;
  ValueWriter writer(field, &values);
  field.visit(message, &writer);
  if (field.label == FieldLabel::kOptional && values.empty()) return;
  if (json->back() != '{') *json += ',';
  AppendString(std::string(field.name), json);
  *json += ':';
  if (field.label == FieldLabel::kRepeated) {
    *json += '[' + values + ']';
  } else if (field.label == FieldLabel::kMap) {
    *json += '{' + values + '}';
  } else {
    *json += values;
  }
}

void AppendMessage(const MessageSchema& schema, const void* message, std::string* json) {
  *json += '{';
  for (const FieldSchema& field : schema.fields) AppendField(field, message, json);
  *json += '}';
}

}  // namespace

std::string ModelConfigToJson(const ModelConfig& config) {
  std::string json;
  AppendMessage(ModelConfigSchema(), &config, &json);
  return json;
}

}  // namespace trident
