#include "config/scalars.h"

#include <charconv>
#include <limits>

namespace trident {
namespace {

constexpr const char* kKindNames[] = {"bool",  "int32",  "uint32", "int64", "uint64",
                                      "float", "double", "string", "enum",  "message"};

struct Range {
  uint64_t negative;  // largest magnitude below zero
  uint64_t positive;
};

Range RangeOf(FieldKind kind) {
  constexpr uint64_t kInt32Max = std::numeric_limits<int32_t>::max();
  constexpr uint64_t kInt64Max = std::numeric_limits<int64_t>::max();
  switch (kind) {
    case FieldKind::kUint32:
      return {0, std::numeric_limits<uint32_t>::max()};
    case FieldKind::kUint64:
      return {0, std::numeric_limits<uint64_t>::max()};
    case FieldKind::kInt64:
      return {kInt64Max + 1, kInt64Max};
    default:
      return {kInt32Max + 1, kInt32Max};
  }
}

template <typename F>
std::optional<double> ParseAs(bool negative, std::string_view text) {
  F value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return negative ? -value : value;
}

template <typename F>
std::string ShortestText(F value) {
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

}  // namespace

std::optional<uint64_t> ParseMagnitude(std::string_view digits, int base) {
  uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

Result<Scalar> FitInteger(FieldKind kind, bool negative, uint64_t magnitude) {
  const Range range = RangeOf(kind);
  if (magnitude > (negative ? range.negative : range.positive)) {
    return InvalidArg(negative ? "-" : "", magnitude, " is out of range for ", FieldKindName(kind));
  }
  if (kind == FieldKind::kUint32 || kind == FieldKind::kUint64) return Scalar(magnitude);
  // Unsigned negation, so that the most negative value does not overflow on the way.
  return Scalar(static_cast<int64_t>(negative ? 0 - magnitude : magnitude));
}

Result<Scalar> ParseFloating(FieldKind kind, bool negative, std::string_view text) {
  const std::optional<double> value =
      kind == FieldKind::kFloat ? ParseAs<float>(negative, text) : ParseAs<double>(negative, text);
  if (!value) {
    return InvalidArg(negative ? "-" : "", Excerpt(text), " is out of range for ",
                      FieldKindName(kind));
  }
  return Scalar(*value);
}

std::string FloatingText(FieldKind kind, double value) {
  return kind == FieldKind::kFloat ? ShortestText(static_cast<float>(value)) : ShortestText(value);
}

Result<Scalar> EnumByNumber(const FieldSchema& field, bool negative, uint64_t magnitude) {
  TRIDENT_ASSIGN_OR_RETURN(const Scalar number, FitInteger(FieldKind::kEnum, negative, magnitude));
  const int64_t value = std::get<int64_t>(number);
  if (field.enumeration->Find(value) == nullptr) {
    return InvalidArg("unknown value ", value, " for '", field.name, "'");
  }
  return Scalar(value);
}

Status UnknownEnumName(const FieldSchema& field, std::string_view name) {
  return InvalidArg("unknown value '", Excerpt(name), "' for '", field.name, "'",
                    DidYouMean(name, field.enumeration->Names()));
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < length) return false;
    uint32_t code_point = lead & (0xff >> (length + 1));
    for (size_t j = 1; j < length; ++j) {
      const auto next = static_cast<unsigned char>(text[i + j]);
      if ((next & 0xc0) != 0x80) return false;
      code_point = code_point << 6 | (next & 0x3f);
    }
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code_point < kSmallest[length] || code_point > 0x10ffff) return false;
    if (code_point >= 0xd800 && code_point < 0xe000) return false;
    i += length;
  }
  return true;
}

void AppendUtf8(uint32_t code_point, std::string* text) {
  const auto trail = [&](int shift) {
    *text += static_cast<char>(0x80 | ((code_point >> shift) & 0x3f));
  };
  if (code_point < 0x80) {
    *text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    *text += static_cast<char>(0xc0 | code_point >> 6);
    trail(0);
  } else if (code_point < 0x10000) {
    *text += static_cast<char>(0xe0 | code_point >> 12);
    trail(6);
    trail(0);
  } else {
    *text += static_cast<char>(0xf0 | code_point >> 18);
    trail(12);
    trail(6);
    trail(0);
  }
}

const char* FieldKindName(FieldKind kind) { return kKindNames[static_cast<int>(kind)]; }

}  // namespace trident
