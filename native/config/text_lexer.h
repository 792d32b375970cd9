#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace trident {

struct TextPosition {
  size_t line = 1;
  size_t column = 1;  // in characters, not bytes
};

struct TextToken {
  enum class Kind { kEnd, kIdentifier, kDecimal, kOctal, kHex, kFloat, kString, kSymbol };

  Kind kind = Kind::kEnd;
  TextPosition position;
  std::string_view text;  // the source; for numbers without "0x" and the float suffix
  std::string value;      // kString: the content, escapes resolved

  bool Is(char symbol) const { return kind == Kind::kSymbol && text[0] == symbol; }
};

// Cuts protobuf text format into tokens, skipping white space and # comments. Views into `text`,
// which must outlive it.
// *Externally synchronised by its one reader.*
class TextLexer {
 public:
  TextLexer(std::string_view text, const std::string& file_name);

  Status Next(TextToken* token);

  // INVALID_ARG "file:line:column: message".
  Status ErrorAt(const TextPosition& position, const std::string& message) const;

 private:
  bool AtEnd() const { return offset_ == text_.size(); }
  char Peek(size_t ahead = 0) const {
    return offset_ + ahead < text_.size() ? text_[offset_ + ahead] : '\0';
  }
  void Advance(size_t count = 1);
  void SkipBlanks();
  Status ReadNumber(TextToken* token);
  Status ReadString(TextToken* token);
  Status ReadEscape(std::string* value);
  Status ReadUnicodeEscape(const TextPosition& start, std::string* value);
  // Up to `most` digits of the base; at least `least` of them, else false.
  bool ReadDigits(int base, size_t least, size_t most, uint32_t* value);

  const std::string_view text_;
  const std::string& file_name_;
  size_t offset_ = 0;
  TextPosition position_;
};

}  // namespace trident
