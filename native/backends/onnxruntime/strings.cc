#include "backends/onnxruntime/strings.h"

#include <cstring>

namespace trident::ort {
namespace {

constexpr uint64_t kLengthBytes = sizeof(uint32_t);

}  // namespace

Status CreateStrings(const Runtime& runtime, const std::string& title,
                     const std::vector<int64_t>& shape, OrtValue** value) {
  ORT_RETURN_IF_ERROR(runtime,
                      runtime.api().CreateTensorAsOrtValue(runtime.allocator(), shape.data(),
                                                           shape.size(), kOrtString, value),
                      title);
  return Status();
}

Status FillStrings(const Runtime& runtime, const std::string& title, const char* data,
                   uint64_t bytes, size_t first, size_t count, OrtValue* value) {
  uint64_t offset = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    if (bytes - offset >= kLengthBytes) memcpy(&length, data + offset, kLengthBytes);
    if (bytes - offset < kLengthBytes || bytes - offset - kLengthBytes < length) {
      return backend::InvalidArg(title, ": element ", i, " of ", count, " reaches beyond the ",
                                 bytes, " bytes given");
    }
    offset += kLengthBytes;
    char* to = nullptr;
    ORT_RETURN_IF_ERROR(
        runtime, runtime.api().GetResizedStringTensorElementBuffer(value, first + i, length, &to),
        title);
    if (length > 0) memcpy(to, data + offset, length);
    offset += length;
  }
  if (offset == bytes) return Status();
  return backend::InvalidArg(title, ": expected ", count, " elements in ", offset, " bytes, found ",
                             bytes, " bytes");
}

Status StringsByteSize(const Runtime& runtime, const std::string& title, const OrtValue* value,
                       size_t begin, size_t end, uint64_t* bytes) {
  *bytes = 0;
  for (size_t i = begin; i < end; ++i) {
    size_t length = 0;
    ORT_RETURN_IF_ERROR(runtime, runtime.api().GetStringTensorElementLength(value, i, &length),
                        title);
    if (length > UINT32_MAX) {
      return backend::Internal(title, ": element ", i, " has ", length,
                               " bytes, more than BYTES can hold");
    }
    *bytes += kLengthBytes + length;
  }
  return Status();
}

Status WriteStrings(const Runtime& runtime, const std::string& title, const OrtValue* value,
                    size_t begin, size_t end, char* to) {
  for (size_t i = begin; i < end; ++i) {
    size_t length = 0;
    ORT_RETURN_IF_ERROR(runtime, runtime.api().GetStringTensorElementLength(value, i, &length),
                        title);
    const uint32_t prefix = static_cast<uint32_t>(length);
    memcpy(to, &prefix, kLengthBytes);
    to += kLengthBytes;
    ORT_RETURN_IF_ERROR(runtime, runtime.api().GetStringTensorElement(value, length, i, to), title);
    to += length;
  }
  return Status();
}

}  // namespace trident::ort
