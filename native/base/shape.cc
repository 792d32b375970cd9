#include "base/shape.h"

#include <algorithm>

#include "base/checked.h"

namespace trident {

std::string ShapeToString(const int64_t* dims, size_t count) {
  std::string text = "[";
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) text += ',';
    text += std::to_string(dims[i]);
  }
  return text + "]";
}

std::string ShapeToString(const Shape& shape) { return ShapeToString(shape.data(), shape.size()); }

Result<uint64_t> ElementCount(const int64_t* dims, size_t count) {
  uint64_t elements = 1;
  for (size_t i = 0; i < count; ++i) {
    if (dims[i] < 0) {
      return InvalidArg("dimension ", i, " of shape ", ShapeToString(dims, count), " is negative");
    }
    if (!CheckedMultiply(elements, static_cast<uint64_t>(dims[i]), &elements)) {
      return InvalidArg("element count of shape ", ShapeToString(dims, count),
                        " overflows 64 bits");
    }
  }
  return elements;
}

bool HasByteSize(DataType type, const int64_t* dims, size_t count, uint64_t bytes) {
  uint64_t expected = DataTypeByteSize(type);
  if (expected == 0) return false;
  for (size_t i = 0; i < count; ++i) {
    if (dims[i] < 0 || !CheckedMultiply(expected, static_cast<uint64_t>(dims[i]), &expected)) {
      return false;
    }
  }
  return expected == bytes && bytes <= INT64_MAX;
}

Result<uint64_t> TensorByteSize(DataType type, const int64_t* dims, size_t count) {
  const uint32_t element_bytes = DataTypeByteSize(type);
  if (element_bytes == 0) {
    return InvalidArg("datatype ", DataTypeName(type), " has no fixed element size");
  }
  TRIDENT_ASSIGN_OR_RETURN(const uint64_t elements, ElementCount(dims, count));
  uint64_t bytes = 0;
  // Nothing beyond the signed range can be addressed, and Triton's ABI carries some sizes signed.
  if (!CheckedMultiply(elements, element_bytes, &bytes) || bytes > INT64_MAX) {
    return InvalidArg("byte size of shape ", ShapeToString(dims, count), " with datatype ",
                      DataTypeName(type), " overflows 63 bits");
  }
  return bytes;
}

bool ShapeMatches(const int64_t* dims, size_t count, const Shape& pattern) {
  if (count != pattern.size()) return false;
  for (size_t i = 0; i < count; ++i) {
    if (pattern[i] != -1 && pattern[i] != dims[i]) return false;
  }
  return true;
}

bool HasWildcard(const Shape& shape) {
  return std::find(shape.begin(), shape.end(), -1) != shape.end();
}

}  // namespace trident
