#include "backends/onnxruntime/tensor_memory.h"

#include <algorithm>
#include <new>

namespace trident::ort {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

Scratch::~Scratch() { operator delete(data_, kAlignment); }

char* Scratch::Ensure(size_t bytes) {
  if (bytes > capacity_ || data_ == nullptr) {
    char* grown = static_cast<char*>(operator new(std::max<size_t>(bytes, 64), kAlignment));
    operator delete(data_, kAlignment);
    data_ = grown;
    capacity_ = bytes;
  }
  return data_;
}

BoundTensor::BoundTensor(BoundTensor&& other) noexcept
    : runtime_(other.runtime_),
      type_(other.type_),
      value_(std::exchange(other.value_, nullptr)),
      data_(other.data_),
      shape_(std::move(other.shape_)) {}

BoundTensor::~BoundTensor() {
  if (value_ != nullptr) runtime_.api().ReleaseValue(value_);
}

Status BoundTensor::Bind(char* data, size_t bytes, const int64_t* shape, size_t dims_count) {
  if (value_ != nullptr && data == data_ &&
      std::equal(shape, shape + dims_count, shape_.begin(), shape_.end())) {
    return Status();
  }
  if (value_ != nullptr) runtime_.api().ReleaseValue(std::exchange(value_, nullptr));
  shape_.assign(shape, shape + dims_count);
  data_ = data;
  ORT_RETURN_IF_ERROR(runtime_,
                      runtime_.api().CreateTensorWithDataAsOrtValue(
                          runtime_.cpu_memory(), data, bytes, shape, dims_count, type_, &value_),
                      "cannot describe a tensor");
  return Status();
}

int64_t ElementCount(const int64_t* shape, size_t dims_count) {
  int64_t count = 1;
  for (size_t i = 0; i < dims_count; ++i) {
    if (shape[i] < 0 || __builtin_mul_overflow(count, shape[i], &count)) return -1;
  }
  return count;
}

}  // namespace trident::ort
