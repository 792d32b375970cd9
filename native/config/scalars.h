#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "config/schema.h"

namespace trident {

// Conversions both readers and the writer share. None depends on the process's locale. Failures are
// INVALID_ARG with a message that lacks the place; the reader adds it.

// `digits` in base 8, 10 or 16; nullopt when empty, ill-formed or beyond 64 bits.
std::optional<uint64_t> ParseMagnitude(std::string_view digits, int base);

// The integer +-magnitude as a field of `kind` (an integer kind or kEnum's int32) holds it.
Result<Scalar> FitInteger(FieldKind kind, bool negative, uint64_t magnitude);

// Decimal floating-point text without sign, as a kFloat or kDouble field holds it.
Result<Scalar> ParseFloating(FieldKind kind, bool negative, std::string_view text);

// The shortest decimal text that reads back as the same kFloat or kDouble; "inf", "-inf" and "nan"
// as std::to_chars spells them.
std::string FloatingText(FieldKind kind, double value);

// An enum's value by number, checked to exist.
Result<Scalar> EnumByNumber(const FieldSchema& field, bool negative, uint64_t magnitude);

// The failure for a name an enum field does not know.
Status UnknownEnumName(const FieldSchema& field, std::string_view name);

bool IsUtf8(std::string_view text);

// Appends the UTF-8 form of a code point that is not a surrogate and at most 0x10ffff.
void AppendUtf8(uint32_t code_point, std::string* text);

// "int32", "string", ...; a message kind has no such name.
const char* FieldKindName(FieldKind kind);

}  // namespace trident
