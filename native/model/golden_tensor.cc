#include "model/golden_tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "base/float16.h"
#include "config/scalars.h"

namespace trident {
namespace {

using Json = nlohmann::json;

bool IsFloating(DataType type) {
  return type == DataType::kFp16 || type == DataType::kBf16 || type == DataType::kFp32 ||
         type == DataType::kFp64;
}

template <typename T>
void Append(T value, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T At(const std::string& bytes, size_t index) {
  T value;
  memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// JSON to bytes -----------------------------------------------------------------------------------

template <typename T>
bool AppendInteger(const Json& value, std::string* bytes) {
  if (!value.is_number_integer()) return false;
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<T>::max());
  if (value.is_number_unsigned()) {
    if (value.get<uint64_t>() > kMost) return false;
  } else if (std::cmp_less(value.get<int64_t>(), std::numeric_limits<T>::min())) {
    return false;
  }
  Append(static_cast<T>(value.is_number_unsigned() ? value.get<uint64_t>() : value.get<int64_t>()),
         bytes);
  return true;
}

std::optional<double> FloatingIn(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (value == "Infinity") return std::numeric_limits<double>::infinity();
  if (value == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

bool AppendFloating(DataType type, const Json& value, std::string* bytes) {
  const std::optional<double> number = FloatingIn(value);
  if (!number) return false;
  const auto single = static_cast<float>(*number);
  double kept = *number;
  if (type == DataType::kFp64) {
    Append(*number, bytes);
  } else if (type == DataType::kFp32) {
    Append(single, bytes);
    kept = single;
  } else if (type == DataType::kFp16) {
    Append(Fp16Of(single), bytes);
    kept = FloatOfFp16(Fp16Of(single));
  } else {
    Append(Bf16Of(single), bytes);
    kept = FloatOfBf16(Bf16Of(single));
  }
  return std::isinf(kept) == std::isinf(*number);  // else it is too large for the type
}

bool AppendString(const Json& value, std::string* bytes) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > std::numeric_limits<uint32_t>::max()) return false;
  Append(static_cast<uint32_t>(text.size()), bytes);
  *bytes += text;
  return true;
}

// False for what is no element of this type.
bool AppendElement(DataType type, const Json& value, std::string* bytes) {
  switch (type) {
    case DataType::kBool:
      if (value.is_boolean()) Append(static_cast<char>(value.get<bool>()), bytes);
      return value.is_boolean();
    case DataType::kUint8:
      return AppendInteger<uint8_t>(value, bytes);
    case DataType::kUint16:
      return AppendInteger<uint16_t>(value, bytes);
    case DataType::kUint32:
      return AppendInteger<uint32_t>(value, bytes);
    case DataType::kUint64:
      return AppendInteger<uint64_t>(value, bytes);
    case DataType::kInt8:
      return AppendInteger<int8_t>(value, bytes);
    case DataType::kInt16:
      return AppendInteger<int16_t>(value, bytes);
    case DataType::kInt32:
      return AppendInteger<int32_t>(value, bytes);
    case DataType::kInt64:
      return AppendInteger<int64_t>(value, bytes);
    case DataType::kBytes:
      return AppendString(value, bytes);
    default:
      return AppendFloating(type, value, bytes);
  }
}

Result<Shape> ParseShape(const Json& json) {
  if (!json.is_array() || json.size() > kMaxRank) {
    return InvalidArg("'shape' must be an array of at most ", kMaxRank, " dimensions");
  }
  Shape shape;
  for (const Json& dim : json) {
    std::string bytes;
    if (!AppendInteger<int64_t>(dim, &bytes) || At<int64_t>(bytes, 0) < 0) {
      return InvalidArg("'shape' must have integers that are not negative, found ", dim.dump());
    }
    shape.push_back(At<int64_t>(bytes, 0));
  }
  return shape;
}

// Elements of found tensors -----------------------------------------------------------------------

double FloatingAt(DataType type, const std::string& bytes, size_t index) {
  switch (type) {
    case DataType::kFp16:
      return FloatOfFp16(At<uint16_t>(bytes, index));
    case DataType::kBf16:
      return FloatOfBf16(At<uint16_t>(bytes, index));
    case DataType::kFp32:
      return At<float>(bytes, index);
    default:
      return At<double>(bytes, index);
  }
}

std::string ElementText(DataType type, const std::string& bytes, size_t index) {
  switch (type) {
    case DataType::kBool:
      return At<uint8_t>(bytes, index) != 0 ? "true" : "false";
    case DataType::kUint8:
      return std::to_string(At<uint8_t>(bytes, index));
    case DataType::kUint16:
      return std::to_string(At<uint16_t>(bytes, index));
    case DataType::kUint32:
      return std::to_string(At<uint32_t>(bytes, index));
    case DataType::kUint64:
      return std::to_string(At<uint64_t>(bytes, index));
    case DataType::kInt8:
      return std::to_string(At<int8_t>(bytes, index));
    case DataType::kInt16:
      return std::to_string(At<int16_t>(bytes, index));
    case DataType::kInt32:
      return std::to_string(At<int32_t>(bytes, index));
    case DataType::kInt64:
      return std::to_string(At<int64_t>(bytes, index));
    default:
      return FloatingText(type == DataType::kFp64 ? FieldKind::kDouble : FieldKind::kFloat,
                          FloatingAt(type, bytes, index));
  }
}

// The elements of a BYTES tensor; nullopt when the bytes are none.
std::optional<std::vector<std::string_view>> StringsIn(std::string_view bytes) {
  std::vector<std::string_view> strings;
  while (!bytes.empty()) {
    uint32_t length = 0;
    if (bytes.size() < sizeof(length)) return std::nullopt;
    memcpy(&length, bytes.data(), sizeof(length));
    bytes.remove_prefix(sizeof(length));
    if (bytes.size() < length) return std::nullopt;
    strings.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return strings;
}

bool Close(double expected, double found, const GoldenTolerance& tolerance) {
  if (expected == found || (std::isnan(expected) && std::isnan(found))) return true;
  // Not by the difference alone: that of infinities is none, or as large as any tolerance.
  return std::isfinite(expected) && std::isfinite(found) &&
         std::abs(found - expected) <= tolerance.absolute + tolerance.relative * std::abs(expected);
}

Status Different(size_t index, const std::string& expected, const std::string& found) {
  return Internal("element ", index, ": expected ", expected, ", found ", found);
}

Status CompareStrings(const GoldenTensor& expected, const GoldenTensor& found) {
  const auto wanted = StringsIn(expected.bytes);
  const auto given = StringsIn(found.bytes);
  if (!given || given->size() != wanted->size()) {
    return Internal("its bytes are not ", wanted->size(), " strings");
  }
  for (size_t i = 0; i < wanted->size(); ++i) {
    const std::string_view one = (*wanted)[i];
    const std::string_view other = (*given)[i];
    if (one != other) {
      return Different(i, "\"" + Excerpt(one) + "\"", "\"" + Excerpt(other) + "\"");
    }
  }
  return Status::Ok();
}

}  // namespace

Result<GoldenTensor> ParseGoldenTensor(const Json& json) {
  if (!json.is_object() || json.size() != 3 || !json.contains("datatype") ||
      !json.contains("shape") || !json.contains("data")) {
    return InvalidArg("a tensor must be an object with 'datatype', 'shape' and 'data'");
  }
  GoldenTensor tensor;
  const Json& name = json["datatype"];
  if (name.is_string()) tensor.datatype = DataTypeFromName(name.get_ref<const std::string&>());
  if (tensor.datatype == DataType::kInvalid) {
    return InvalidArg("'datatype' must be one like \"FP32\", found ", Excerpt(name.dump()));
  }
  TRIDENT_ASSIGN_OR_RETURN(tensor.shape, ParseShape(json["shape"]));
  TRIDENT_ASSIGN_OR_RETURN(const uint64_t count,
                           ElementCount(tensor.shape.data(), tensor.shape.size()));
  const Json& data = json["data"];
  if (!data.is_array() || data.size() != count) {
    return InvalidArg("'data' must be a flat array of ", count, " elements, as shape ",
                      ShapeToString(tensor.shape), " says",
                      data.is_array() ? StrCat(", found ", data.size()) : "");
  }
  for (size_t i = 0; i < data.size(); ++i) {
    if (AppendElement(tensor.datatype, data[i], &tensor.bytes)) continue;
    return InvalidArg("'data' has ", Excerpt(data[i].dump()), " as element ", i, ", which is no ",
                      DataTypeName(tensor.datatype));
  }
  return tensor;
}

Status CompareGoldenTensor(const GoldenTensor& expected, const GoldenTensor& found,
                           const GoldenTolerance& tolerance) {
  const DataType type = expected.datatype;
  if (found.datatype != type) {
    return Internal("expected datatype ", DataTypeName(type), ", found ",
                    DataTypeName(found.datatype));
  }
  if (found.shape != expected.shape) {
    return Internal("expected shape ", ShapeToString(expected.shape), ", found ",
                    ShapeToString(found.shape));
  }
  if (type == DataType::kBytes) return CompareStrings(expected, found);
  const size_t size = DataTypeByteSize(type);
  if (found.bytes.size() != expected.bytes.size()) {
    return Internal("expected ", expected.bytes.size(), " bytes, found ", found.bytes.size());
  }
  for (size_t i = 0; i * size < expected.bytes.size(); ++i) {
    const bool same =
        IsFloating(type) ? Close(FloatingAt(type, expected.bytes, i),
                                 FloatingAt(type, found.bytes, i), tolerance)
                         : expected.bytes.compare(i * size, size, found.bytes, i * size, size) == 0;
    if (!same) {
      return Different(i, ElementText(type, expected.bytes, i), ElementText(type, found.bytes, i));
    }
  }
  return Status::Ok();
}

}  // namespace trident
