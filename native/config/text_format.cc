#include "config/text_format.h"

#include <utility>
#include <vector>

#include "config/scalars.h"
#include "config/schema.h"
#include "config/text_lexer.h"

namespace trident {
namespace {

using Kind = TextToken::Kind;

std::string Describe(const TextToken& token) {
  if (token.kind == Kind::kEnd) return "end of file";
  if (token.kind == Kind::kString) return "string " + Excerpt(token.text);
  return "'" + Excerpt(token.text) + "'";
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

// Recursive descent over the schema, one token ahead. Messages hold no messages of their own kind,
// so the schema's own depth bounds the recursion whatever the text says.
class TextReader {
 public:
  TextReader(std::string_view text, const std::string& file_name) : lexer_(text, file_name) {}

  Status Read(const MessageSchema& schema, void* message) {
    TRIDENT_RETURN_IF_ERROR(Advance());
    GivenFields given(schema);
    while (token_.kind != Kind::kEnd) TRIDENT_RETURN_IF_ERROR(ReadField(&given, message));
    return Status::Ok();
  }

 private:
  Status Advance() { return lexer_.Next(&token_); }
  Status Fail(const std::string& message) const { return lexer_.ErrorAt(token_.position, message); }
  Status Expected(const std::string& what) const {
    return Fail("expected " + what + ", found " + Describe(token_));
  }
  Status AdvanceIf(char symbol, bool* found) {
    *found = token_.Is(symbol);
    return *found ? Advance() : Status::Ok();
  }

  Status ReadField(GivenFields* given, void* message);
  Status ReadList(const FieldSchema& field, void* message);
  Status ReadValue(const FieldSchema& field, void* message);
  Status ReadMessage(const FieldSchema& field, const MessageSchema& schema, void* message);
  Status ReadScalar(const FieldSchema& field, Scalar* value);
  Status ReadBool(const FieldSchema& field, Scalar* value);
  Status ReadEnum(const FieldSchema& field, Scalar* value);
  Status ReadInteger(const FieldSchema& field, Scalar* value);
  Status ReadFloating(const FieldSchema& field, Scalar* value);
  Status ReadString(const FieldSchema& field, Scalar* value);
  // The current token as a whole number; nullopt if it is none or beyond 64 bits.
  std::optional<uint64_t> Magnitude() const;
  bool AtInteger() const {
    return token_.kind == Kind::kDecimal || token_.kind == Kind::kOctal ||
           token_.kind == Kind::kHex;
  }
  // Stores a conversion's result, or its failure with the place of the value.
  Status Store(const TextPosition& position, Result<Scalar> converted, Scalar* value);

  TextLexer lexer_;
  TextToken token_;
};

Status TextReader::ReadField(GivenFields* given, void* message) {
  if (token_.Is('[')) return Fail("extensions are not part of model configuration");
  if (token_.kind != Kind::kIdentifier) return Expected("a field name");
  const FieldSchema* field = given->schema().Find(token_.text);
  if (field == nullptr) {
    return Fail(StrCat("unknown field '", Excerpt(token_.text), "' in ", given->schema().name,
                       DidYouMean(token_.text, given->schema().Names())));
  }
  if (field->label == FieldLabel::kSingular || field->label == FieldLabel::kOptional) {
    if (const Status status = given->Note(*field); !status.ok()) return Fail(status.message());
  }
  TRIDENT_RETURN_IF_ERROR(Advance());
  bool colon = false;
  TRIDENT_RETURN_IF_ERROR(AdvanceIf(':', &colon));
  if (!colon && field->kind != FieldKind::kMessage && field->label != FieldLabel::kMap) {
    return Expected(StrCat("':' after '", field->name, "'"));
  }
  TRIDENT_RETURN_IF_ERROR(token_.Is('[') ? ReadList(*field, message) : ReadValue(*field, message));
  bool separator = false;
  TRIDENT_RETURN_IF_ERROR(AdvanceIf(';', &separator));
  return separator ? Status::Ok() : AdvanceIf(',', &separator);
}

Status TextReader::ReadList(const FieldSchema& field, void* message) {
  if (field.label != FieldLabel::kRepeated && field.label != FieldLabel::kMap) {
    return Fail(StrCat("field '", field.name, "' takes one value, not a list"));
  }
  TRIDENT_RETURN_IF_ERROR(Advance());
  bool more = !token_.Is(']');
  while (more) {
    TRIDENT_RETURN_IF_ERROR(ReadValue(field, message));
    TRIDENT_RETURN_IF_ERROR(AdvanceIf(',', &more));
  }
  if (!token_.Is(']')) return Expected(StrCat("',' or ']' in the list of '", field.name, "'"));
  return Advance();
}

Status TextReader::ReadValue(const FieldSchema& field, void* message) {
  if (field.label == FieldLabel::kMap) {
    const std::shared_ptr<void> entry = field.new_entry();
    TRIDENT_RETURN_IF_ERROR(ReadMessage(field, *field.message, entry.get()));
    field.put_entry(message, entry.get());
    return Status::Ok();
  }
  if (field.kind == FieldKind::kMessage) {
    return ReadMessage(field, *field.message, field.add(message));
  }
  Scalar value;
  TRIDENT_RETURN_IF_ERROR(ReadScalar(field, &value));
  field.set(message, std::move(value));
  return Status::Ok();
}

Status TextReader::ReadMessage(const FieldSchema& field, const MessageSchema& schema,
                               void* message) {
  const TextPosition open = token_.position;
  const char closer = token_.Is('<') ? '>' : '}';
  if (!token_.Is('{') && !token_.Is('<')) {
    return Expected(StrCat("'{' after '", field.name, "'"));
  }
  TRIDENT_RETURN_IF_ERROR(Advance());
  GivenFields given(schema);
  while (!token_.Is(closer)) {
    if (token_.kind == Kind::kEnd) {
      return Fail(StrCat("end of file before the '", closer, "' that closes '", field.name,
                         "' opened at ", open.line, ":", open.column));
    }
    TRIDENT_RETURN_IF_ERROR(ReadField(&given, message));
  }
  return Advance();
}

Status TextReader::ReadScalar(const FieldSchema& field, Scalar* value) {
  switch (field.kind) {
    case FieldKind::kBool:
      return ReadBool(field, value);
    case FieldKind::kEnum:
      return ReadEnum(field, value);
    case FieldKind::kFloat:
    case FieldKind::kDouble:
      return ReadFloating(field, value);
    case FieldKind::kString:
      return ReadString(field, value);
    default:
      return ReadInteger(field, value);
  }
}

Status TextReader::ReadBool(const FieldSchema& field, Scalar* value) {
  const std::string_view text = token_.text;
  const bool word = token_.kind == Kind::kIdentifier;
  const std::optional<uint64_t> number = Magnitude();
  const bool yes = number == 1 || (word && (text == "true" || text == "True" || text == "t"));
  const bool no = number == 0 || (word && (text == "false" || text == "False" || text == "f"));
  if (!yes && !no) return Expected(StrCat("true or false for '", field.name, "'"));
  *value = yes;
  return Advance();
}

Status TextReader::ReadEnum(const FieldSchema& field, Scalar* value) {
  const TextPosition start = token_.position;
  if (token_.kind == Kind::kIdentifier) {
    const EnumSchema::Value* row = field.enumeration->Find(token_.text);
    if (row == nullptr) {
      return lexer_.ErrorAt(start, UnknownEnumName(field, token_.text).message());
    }
    *value = static_cast<int64_t>(row->number);
    return Advance();
  }
  bool negative = false;
  TRIDENT_RETURN_IF_ERROR(AdvanceIf('-', &negative));
  if (!AtInteger()) return Expected(StrCat("a name or number for '", field.name, "'"));
  // A magnitude beyond 64 bits is as unknown as the largest one.
  const uint64_t magnitude = Magnitude().value_or(UINT64_MAX);
  return Store(start, EnumByNumber(field, negative, magnitude), value);
}

Status TextReader::ReadInteger(const FieldSchema& field, Scalar* value) {
  const TextPosition start = token_.position;
  bool negative = false;
  TRIDENT_RETURN_IF_ERROR(AdvanceIf('-', &negative));
  if (!AtInteger()) return Expected(StrCat("an integer for '", field.name, "'"));
  const std::optional<uint64_t> magnitude = Magnitude();
  if (!magnitude) {
    return lexer_.ErrorAt(start, StrCat(negative ? "-" : "", Excerpt(token_.text),
                                        " is out of range for ", FieldKindName(field.kind)));
  }
  return Store(start, FitInteger(field.kind, negative, *magnitude), value);
}

Status TextReader::ReadFloating(const FieldSchema& field, Scalar* value) {
  const TextPosition start = token_.position;
  bool negative = false;
  TRIDENT_RETURN_IF_ERROR(AdvanceIf('-', &negative));
  if (token_.kind == Kind::kDecimal || token_.kind == Kind::kFloat) {
    return Store(start, ParseFloating(field.kind, negative, token_.text), value);
  }
  const bool word = token_.kind == Kind::kIdentifier;
  const bool infinite = word && (EqualsIgnoringCase(token_.text, "inf") ||
                                 EqualsIgnoringCase(token_.text, "infinity"));
  if (!infinite && !(word && EqualsIgnoringCase(token_.text, "nan"))) {
    return Expected(StrCat("a decimal number for '", field.name, "'"));
  }
  return Store(start, ParseFloating(field.kind, negative, infinite ? "inf" : "nan"), value);
}

Status TextReader::ReadString(const FieldSchema& field, Scalar* value) {
  const TextPosition start = token_.position;
  if (token_.kind != Kind::kString) {
    return Expected(StrCat("a quoted string for '", field.name, "'"));
  }
  std::string text;
  while (token_.kind == Kind::kString) {
    text += token_.value;
    TRIDENT_RETURN_IF_ERROR(Advance());
  }
  if (!IsUtf8(text)) {
    return lexer_.ErrorAt(start, StrCat("the string for '", field.name, "' is not UTF-8"));
  }
  *value = std::move(text);
  return Status::Ok();
}

std::optional<uint64_t> TextReader::Magnitude() const {
  if (!AtInteger()) return std::nullopt;
  const int base = token_.kind == Kind::kHex ? 16 : token_.kind == Kind::kOctal ? 8 : 10;
  return ParseMagnitude(token_.text, base);
}

Status TextReader::Store(const TextPosition& position, Result<Scalar> converted, Scalar* value) {
  if (!converted.ok()) return lexer_.ErrorAt(position, converted.status().message());
  *value = std::move(converted).value();
  return Advance();
}

}  // namespace

Result<ModelConfig> ParseModelConfigText(std::string_view text, const std::string& file_name) {
  ModelConfig config;
  TRIDENT_RETURN_IF_ERROR(TextReader(text, file_name).Read(ModelConfigSchema(), &config));
  return config;
}

}  // namespace trident
