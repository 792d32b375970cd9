#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "config/json_format.h"
#include "config/scalars.h"
#include "config/schema.h"

namespace trident {
namespace {

using Json = nlohmann::json;

constexpr const char* kErrorPrefix = "Invalid config override: ";

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool IsInteger(FieldKind kind) {
  return kind == FieldKind::kInt32 || kind == FieldKind::kUint32 || kind == FieldKind::kInt64 ||
         kind == FieldKind::kUint64;
}

bool IsFloating(FieldKind kind) { return kind == FieldKind::kFloat || kind == FieldKind::kDouble; }

const char* ExpectedName(FieldKind kind) {
  if (IsInteger(kind)) return "an integer";
  if (IsFloating(kind)) return "a number";
  if (kind == FieldKind::kBool) return "true or false";
  return kind == FieldKind::kEnum ? "a name or number" : "a string";
}

// A number written as a JSON string, as protobuf writes 64-bit integers.
Result<Scalar> NumberFromText(FieldKind kind, std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  const std::string_view unsigned_text = text.substr(negative ? 1 : 0);
  if (IsInteger(kind)) {
    if (const auto magnitude = ParseMagnitude(unsigned_text, 10)) {
      return FitInteger(kind, negative, *magnitude);
    }
  } else if (unsigned_text == "Infinity" || text == "NaN") {
    return ParseFloating(kind, negative, unsigned_text == "NaN" ? "nan" : "inf");
  } else if (!unsigned_text.empty() && unsigned_text[0] >= '0' && unsigned_text[0] <= '9') {
    return ParseFloating(kind, negative, unsigned_text);
  }
  return InvalidArg("expected ", ExpectedName(kind), ", found \"", Excerpt(text), "\"");
}

// Receives the parser's events and fills the configuration as they come, so no tree is built and
// nesting is refused where the schema has none. A handler that returns false stops the parser, with
// the reason in status().
// *Externally synchronised by ParseModelConfigJson.*
class JsonReader final : public nlohmann::json_sax<Json> {
 public:
  JsonReader(std::string_view text, ModelConfig* config) : text_(text), config_(config) {}

  const Status& status() const { return status_; }

  bool null() override;
  bool boolean(bool value) override;
  bool number_integer(int64_t value) override;
  bool number_unsigned(uint64_t value) override;
  bool number_float(double value, const std::string& text) override;
  bool string(std::string& value) override;
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(size_t) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string& token, const Json::exception&) override;

 private:
  // An open object or array. A map or list frame fills `field` of `message`; a message frame fills
  // `message`, and `field` is the member whose value comes next.
  struct Frame {
    enum class Type { kMessage, kMap, kList };
    Type type;
    void* message;
    const FieldSchema* field;
    std::optional<GivenFields> given = {};  // kMessage
    std::set<std::string> keys = {};        // kMap: seen so far
    std::string key = {};                   // kMap: of the entry being filled
    std::shared_ptr<void> entry = {};       // kMap
    size_t index = 0;                       // kList
  };

  // Where the next value goes: a field of a message, or of an entry.
  struct Slot {
    const FieldSchema* field;
    void* message;
    bool element;  // of a list or map, where null is no value
  };

  Slot NextSlot() const;
  void Filled();
  void PushMessage(void* message, const MessageSchema& schema);
  bool Integer(bool negative, uint64_t magnitude);
  bool Store(Result<Scalar> value);
  bool StoreString(const Slot& slot, std::string value);
  bool TakesScalar(const Slot& slot) const;
  bool Fail(const std::string& message);
  bool Mismatch(const std::string& found);
  bool StartEntry(Frame* frame, const std::string& name);
  std::string Path() const;

  const std::string_view text_;
  ModelConfig* const config_;
  std::vector<Frame> frames_;
  Status status_;
};

JsonReader::Slot JsonReader::NextSlot() const {
  const Frame& top = frames_.back();
  if (top.type == Frame::Type::kMap) {
    return {top.field->message->Find("value"), top.entry.get(), true};
  }
  return {top.field, top.message, top.type == Frame::Type::kList};
}

// A value is complete: moves the frame that holds it on.
void JsonReader::Filled() {
  if (frames_.empty()) return;
  Frame& top = frames_.back();
  if (top.type == Frame::Type::kMap) {
    top.field->put_entry(top.message, top.entry.get());
  } else if (top.type == Frame::Type::kList) {
    ++top.index;
  }
}

void JsonReader::PushMessage(void* message, const MessageSchema& schema) {
  frames_.push_back({Frame::Type::kMessage, message, nullptr, GivenFields(schema)});
}

bool JsonReader::TakesScalar(const Slot& slot) const {
  const bool whole_field = !slot.element && (slot.field->label == FieldLabel::kRepeated ||
                                             slot.field->label == FieldLabel::kMap);
  return !whole_field && slot.field->kind != FieldKind::kMessage;
}

bool JsonReader::Store(Result<Scalar> value) {
  if (!value.ok()) return Fail(value.status().message());
  const Slot slot = NextSlot();
  slot.field->set(slot.message, std::move(value).value());
  Filled();
  return true;
}

bool JsonReader::null() {
  if (frames_.empty() || NextSlot().element) return Mismatch("null");
  return true;
}

bool JsonReader::boolean(bool value) {
  const bool fits =
      !frames_.empty() && TakesScalar(NextSlot()) && NextSlot().field->kind == FieldKind::kBool;
  return fits ? Store(Scalar(value)) : Mismatch(value ? "true" : "false");
}

bool JsonReader::number_integer(int64_t value) {
  const bool negative = value < 0;
  const auto bits = static_cast<uint64_t>(value);
  return Integer(negative, negative ? 0 - bits : bits);
}

bool JsonReader::number_unsigned(uint64_t value) { return Integer(false, value); }

bool JsonReader::Integer(bool negative, uint64_t magnitude) {
  const std::string text = (negative ? "-" : "") + std::to_string(magnitude);
  if (frames_.empty() || !TakesScalar(NextSlot())) return Mismatch(text);
  const FieldSchema& field = *NextSlot().field;
  if (IsInteger(field.kind)) return Store(FitInteger(field.kind, negative, magnitude));
  if (field.kind == FieldKind::kEnum) return Store(EnumByNumber(field, negative, magnitude));
  if (!IsFloating(field.kind)) return Mismatch(text);
  return Store(ParseFloating(field.kind, negative, std::to_string(magnitude)));
}

bool JsonReader::number_float(double value, const std::string& text) {
  // The parser writes the locale's decimal point into its copy of the number.
  std::string number = text;
  for (char& c : number) {
    if (std::string_view("0123456789eE+-").find(c) == std::string_view::npos) c = '.';
  }
  if (frames_.empty() || !TakesScalar(NextSlot())) return Mismatch(Excerpt(number));
  const FieldKind kind = NextSlot().field->kind;
  if (IsFloating(kind)) return Store(NumberFromText(kind, number));
  constexpr double kExactBelow = 9007199254740992.0;  // 2^53: every integer has its own double
  if (IsInteger(kind) && std::trunc(value) == value) {
    if (std::abs(value) < kExactBelow) {
      return Store(FitInteger(kind, value < 0, static_cast<uint64_t>(std::abs(value))));
    }
    return Fail(Excerpt(number) + " is out of range for " + FieldKindName(kind));
  }
  return Mismatch(Excerpt(number));
}

bool JsonReader::string(std::string& value) {
  if (frames_.empty() || !TakesScalar(NextSlot())) return Mismatch("a string");
  return StoreString(NextSlot(), std::move(value));
}

bool JsonReader::StoreString(const Slot& slot, std::string value) {
  const FieldKind kind = slot.field->kind;
  if (kind == FieldKind::kString) return Store(Scalar(std::move(value)));
  if (kind == FieldKind::kBool) return Mismatch("\"" + Excerpt(value) + "\"");
  if (kind != FieldKind::kEnum) return Store(NumberFromText(kind, value));
  for (const EnumSchema::Value& row : slot.field->enumeration->values) {
    if (EqualsIgnoringCase(row.name, value)) return Store(Scalar(int64_t{row.number}));
  }
  return Fail(UnknownEnumName(*slot.field, value).message());
}

bool JsonReader::start_object(size_t) {
  if (frames_.empty()) {
    PushMessage(config_, ModelConfigSchema());
    return true;
  }
  const Slot slot = NextSlot();
  if (slot.field->label == FieldLabel::kMap && !slot.element) {
    frames_.push_back({Frame::Type::kMap, slot.message, slot.field});
    return true;
  }
  const bool list = slot.field->label == FieldLabel::kRepeated && !slot.element;
  if (list || slot.field->kind != FieldKind::kMessage) return Mismatch("an object");
  PushMessage(slot.field->add(slot.message), *slot.field->message);
  return true;
}

bool JsonReader::end_object() {
  frames_.pop_back();
  Filled();
  return true;
}

bool JsonReader::start_array(size_t) {
  if (frames_.empty()) return Mismatch("an array");
  const Slot slot = NextSlot();
  if (slot.field->label != FieldLabel::kRepeated || slot.element) return Mismatch("an array");
  frames_.push_back({Frame::Type::kList, slot.message, slot.field});
  return true;
}

bool JsonReader::end_array() {
  frames_.pop_back();
  Filled();
  return true;
}

bool JsonReader::key(std::string& name) {
  Frame& top = frames_.back();
  if (top.type == Frame::Type::kMap) return StartEntry(&top, name);
  const MessageSchema& schema = top.given->schema();
  const FieldSchema* field = schema.FindJson(name);
  if (field == nullptr) {
    std::vector<std::string_view> names = schema.Names();
    for (const FieldSchema& known : schema.fields) names.push_back(known.json_name);
    top.field = nullptr;
    return Fail(
        StrCat("unknown field '", Excerpt(name), "' in ", schema.name, DidYouMean(name, names)));
  }
  top.field = field;
  const Status status = top.given->Note(*field);
  return status.ok() ? true : Fail(status.message());
}

bool JsonReader::StartEntry(Frame* frame, const std::string& name) {
  frame->key = name;
  if (!frame->keys.insert(name).second) return Fail("key is given more than once");
  frame->entry = frame->field->new_entry();
  const FieldSchema& key_field = *frame->field->message->Find("key");
  if (key_field.kind == FieldKind::kString) {
    key_field.set(frame->entry.get(), name);
    return true;
  }
  Result<Scalar> key = NumberFromText(key_field.kind, name);
  if (!key.ok()) return Fail(key.status().message());
  key_field.set(frame->entry.get(), std::move(key).value());
  return true;
}

bool JsonReader::parse_error(size_t position, const std::string&, const Json::exception& error) {
  constexpr int kNumberOutOfRange = 406;
  const size_t at = position == 0 ? 0 : position - 1;
  const std::string_view read = text_.substr(0, at);
  const auto line = 1 + std::count(read.begin(), read.end(), '\n');
  const size_t line_start = read.rfind('\n') + 1;  // npos + 1 is 0
  std::string reason = "unexpected end";
  if (error.id == kNumberOutOfRange) {
    reason = "number out of range";
  } else if (at < text_.size()) {
    reason = "unexpected '" + Excerpt(text_.substr(at, 1)) + "'";
  }
  status_ = InvalidArg(kErrorPrefix, "not JSON at line ", line, ", column ",
                       read.size() - line_start + 1, ": ", reason);
  return false;
}

bool JsonReader::Fail(const std::string& message) {
  const std::string path = Path();
  status_ = InvalidArg(kErrorPrefix, path, path.empty() ? "" : ": ", message);
  return false;
}

bool JsonReader::Mismatch(const std::string& found) {
  if (frames_.empty()) return Fail("expected an object, found " + found);
  const Slot slot = NextSlot();
  const bool whole = !slot.element;
  const char* expected =
      slot.field->kind == FieldKind::kMessage ? "an object" : ExpectedName(slot.field->kind);
  if (whole && slot.field->label == FieldLabel::kRepeated) expected = "an array";
  if (whole && slot.field->label == FieldLabel::kMap) expected = "an object";
  return Fail(StrCat("expected ", expected, ", found ", found));
}

std::string JsonReader::Path() const {
  std::string path;
  for (const Frame& frame : frames_) {
    if (frame.type == Frame::Type::kMap) {
      path += "[\"" + Excerpt(frame.key) + "\"]";
    } else if (frame.type == Frame::Type::kList) {
      path += "[" + std::to_string(frame.index) + "]";
    } else if (frame.field != nullptr) {
      path += path.empty() ? "" : ".";
      path += frame.field->name;
    }
  }
  return path;
}

}  // namespace

Result<ModelConfig> ParseModelConfigJson(std::string_view json) {
  ModelConfig config;
  JsonReader reader(json, &config);
  try {
    if (!Json::sax_parse(json.begin(), json.end(), &reader)) return reader.status();
  } catch (const Json::exception& error) {
    return InvalidArg(kErrorPrefix, error.what());
  }
  return config;
}

}  // namespace trident
