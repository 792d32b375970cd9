#include "config/text_lexer.h"

#include "config/scalars.h"
#include "config/schema.h"

namespace trident {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kSymbols = "{}<>[]:,;-";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }
bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

int DigitValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

bool IsHighSurrogate(uint32_t code) { return code >= 0xd800 && code < 0xdc00; }
bool IsLowSurrogate(uint32_t code) { return code >= 0xdc00 && code < 0xe000; }

// What a one-letter escape stands for; '\0' when it is none.
char SimpleEscape(char c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '?':
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return '\0';
  }
}

}  // namespace

TextLexer::TextLexer(std::string_view text, const std::string& file_name)
    : text_(text.substr(0, kByteOrderMark.size()) == kByteOrderMark
                ? text.substr(kByteOrderMark.size())
                : text),
      file_name_(file_name) {}

Status TextLexer::ErrorAt(const TextPosition& position, const std::string& message) const {
  return InvalidArg(file_name_, ":", position.line, ":", position.column, ": ", message);
}

void TextLexer::Advance(size_t count) {
  for (; count > 0; --count, ++offset_) {
    if (text_[offset_] == '\n') {
      ++position_.line;
      position_.column = 1;
    } else if (!IsContinuation(text_[offset_])) {
      ++position_.column;
    }
  }
}

void TextLexer::SkipBlanks() {
  while (!AtEnd()) {
    if (Peek() == '#') {
      while (!AtEnd() && Peek() != '\n') Advance();
    } else if (IsBlank(Peek())) {
      Advance();
    } else {
      return;
    }
  }
}

Status TextLexer::Next(TextToken* token) {
  SkipBlanks();
  token->position = position_;
  token->value.clear();
  const size_t start = offset_;
  if (AtEnd()) {
    token->kind = TextToken::Kind::kEnd;
    token->text = "";
    return Status::Ok();
  }
  const char c = Peek();
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return ReadNumber(token);
  if (c == '"' || c == '\'') return ReadString(token);
  if (IsNameStart(c)) {
    while (IsNamePart(Peek())) Advance();
    token->kind = TextToken::Kind::kIdentifier;
  } else if (c != '\0' && kSymbols.find(c) != std::string_view::npos) {
    Advance();
    token->kind = TextToken::Kind::kSymbol;
  } else {
    return ErrorAt(position_, "unexpected character '" + Excerpt(text_.substr(start, 1)) + "'");
  }
  token->text = text_.substr(start, offset_ - start);
  return Status::Ok();
}

Status TextLexer::ReadNumber(TextToken* token) {
  const TextPosition start_position = position_;
  size_t start = offset_;
  const bool prefixed = Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X');
  if (prefixed) {
    Advance(2);
    start = offset_;
    while (DigitValue(Peek()) < 16) Advance();
    if (offset_ == start) return ErrorAt(start_position, "hexadecimal number without digits");
    token->kind = TextToken::Kind::kHex;
  } else {
    while (IsDigit(Peek())) Advance();
    const bool leading_zero = text_[start] == '0' && offset_ - start > 1;
    token->kind = leading_zero ? TextToken::Kind::kOctal : TextToken::Kind::kDecimal;
    if (Peek() == '.') {
      token->kind = TextToken::Kind::kFloat;
      Advance();
      while (IsDigit(Peek())) Advance();
    }
    if (Peek() == 'e' || Peek() == 'E') {
      token->kind = TextToken::Kind::kFloat;
      Advance();
      if (Peek() == '+' || Peek() == '-') Advance();
      if (!IsDigit(Peek())) return ErrorAt(start_position, "exponent without digits");
      while (IsDigit(Peek())) Advance();
    }
  }
  token->text = text_.substr(start, offset_ - start);
  const bool decimal =
      token->kind == TextToken::Kind::kDecimal || token->kind == TextToken::Kind::kFloat;
  if (decimal && (Peek() == 'f' || Peek() == 'F')) {
    token->kind = TextToken::Kind::kFloat;
    Advance();
  }
  if (token->kind == TextToken::Kind::kOctal &&
      token->text.find_first_of("89") != std::string_view::npos) {
    return ErrorAt(start_position, "a number with a leading zero is octal; '" +
                                       Excerpt(token->text) + "' has the digit 8 or 9");
  }
  if (IsNamePart(Peek()) || Peek() == '.') {
    return ErrorAt(position_, "a number must be followed by a space or separator");
  }
  return Status::Ok();
}

Status TextLexer::ReadString(TextToken* token) {
  const TextPosition start_position = position_;
  const size_t start = offset_;
  const char quote = Peek();
  Advance();
  while (Peek() != quote) {
    if (AtEnd() || Peek() == '\n') {
      return ErrorAt(start_position, "string without closing quote on its line");
    }
    if (Peek() == '\0') return ErrorAt(position_, "NUL character in string");
    if (Peek() == '\\') {
      TRIDENT_RETURN_IF_ERROR(ReadEscape(&token->value));
    } else {
      token->value += Peek();
      Advance();
    }
  }
  Advance();
  token->kind = TextToken::Kind::kString;
  token->text = text_.substr(start, offset_ - start);
  return Status::Ok();
}

Status TextLexer::ReadEscape(std::string* value) {
  const TextPosition start = position_;
  Advance();  // the backslash
  const char c = Peek();
  if (const char simple = SimpleEscape(c)) {
    Advance();
    *value += simple;
    return Status::Ok();
  }
  if (c == 'u' || c == 'U') return ReadUnicodeEscape(start, value);
  uint32_t byte = 0;
  if (c == 'x') {
    Advance();
    if (!ReadDigits(16, 1, 2, &byte)) return ErrorAt(start, "'\\x' needs a hexadecimal digit");
  } else if (!ReadDigits(8, 1, 3, &byte)) {
    return ErrorAt(start, "unknown escape '\\" + Excerpt(text_.substr(offset_, 1)) + "'");
  }
  if (byte > 0xff) return ErrorAt(start, "octal escape is greater than \\377");
  *value += static_cast<char>(byte);
  return Status::Ok();
}

Status TextLexer::ReadUnicodeEscape(const TextPosition& start, std::string* value) {
  const size_t digits = Peek() == 'u' ? 4 : 8;
  Advance();
  uint32_t code = 0;
  if (!ReadDigits(16, digits, digits, &code)) {
    return ErrorAt(start, digits == 4 ? "'\\u' needs 4 hexadecimal digits"
                                      : "'\\U' needs 8 hexadecimal digits");
  }
  // UTF-16 habits: a character beyond the basic plane written as two \u escapes.
  if (IsHighSurrogate(code) && Peek() == '\\' && Peek(1) == 'u') {
    uint32_t low = 0;
    Advance(2);
    if (ReadDigits(16, 4, 4, &low) && IsLowSurrogate(low)) {
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
  }
  if (IsHighSurrogate(code) || IsLowSurrogate(code)) {
    return ErrorAt(start, "unicode escape is half of a surrogate pair");
  }
  if (code > 0x10ffff) return ErrorAt(start, "unicode escape is beyond U+10FFFF");
  AppendUtf8(code, value);
  return Status::Ok();
}

bool TextLexer::ReadDigits(int base, size_t least, size_t most, uint32_t* value) {
  size_t count = 0;
  *value = 0;
  for (; count < most && DigitValue(Peek()) < base; ++count) {
    *value = *value * static_cast<uint32_t>(base) + static_cast<uint32_t>(DigitValue(Peek()));
    Advance();
  }
  return count >= least;
}

}  // namespace trident
