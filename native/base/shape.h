#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/datatype.h"
#include "base/status.h"

namespace trident {

using Shape = std::vector<int64_t>;

// Limits a request's tensors must keep, checked before anything is allocated.
inline constexpr size_t kMaxRank = 32;

// "[1,28,28]".
std::string ShapeToString(const Shape& shape);
std::string ShapeToString(const int64_t* dims, size_t count);

// Product of the dims; 1 for rank 0. INVALID_ARG when a dim is negative or the product overflows.
Result<uint64_t> ElementCount(const int64_t* dims, size_t count);

// Whether these are the bytes of a tensor with fixed-size elements. False also where
// TensorByteSize fails; it makes no Status, being asked twice per request.
bool HasByteSize(DataType type, const int64_t* dims, size_t count, uint64_t bytes);

// Bytes of a tensor with fixed-size elements; INVALID_ARG on overflow, negative dims or BYTES.
Result<uint64_t> TensorByteSize(DataType type, const int64_t* dims, size_t count);

// True when `dims` fits `pattern`, whose -1 entries match any dim.
bool ShapeMatches(const int64_t* dims, size_t count, const Shape& pattern);

// True when any dim is -1.
bool HasWildcard(const Shape& shape);

}  // namespace trident
