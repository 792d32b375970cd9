#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/onnxruntime/runtime.h"

namespace trident::ort {

// Between Triton's BYTES (each element a 32-bit length and its bytes) and ONNX Runtime's strings.

// A new tensor of empty strings, which the caller owns.
Status CreateStrings(const Runtime& runtime, const std::string& title,
                     const std::vector<int64_t>& shape, OrtValue** value);

// Sets the `count` elements from `first` on. INVALID_ARG when the bytes are not as many elements.
// Every length is read once: the bytes may lie in memory that others write.
Status FillStrings(const Runtime& runtime, const std::string& title, const char* data,
                   uint64_t bytes, size_t first, size_t count, OrtValue* value);

// How many bytes elements [begin, end) take as BYTES.
Status StringsByteSize(const Runtime& runtime, const std::string& title, const OrtValue* value,
                       size_t begin, size_t end, uint64_t* bytes);

// Writes those elements to `to`, which has room for StringsByteSize.
Status WriteStrings(const Runtime& runtime, const std::string& title, const OrtValue* value,
                    size_t begin, size_t end, char* to);

}  // namespace trident::ort
