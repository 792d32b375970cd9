#include "backends/onnxruntime/tensor_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace trident::ort {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = 2 << 20;

std::align_val_t Alignment(size_t bytes) {
  return std::align_val_t{bytes < kHugePage ? kCacheLine : kHugePage};
}

char* Allocate(size_t bytes) {
  char* data = static_cast<char*>(operator new(bytes, Alignment(bytes)));
  // One page instead of 512 to fault in, and to look up again and again. The rest that fills no
  // huge page keeps small ones. A kernel without huge pages refuses: then all is as ever.
  if (bytes >= kHugePage) madvise(data, bytes - bytes % kHugePage, MADV_HUGEPAGE);
  return data;
}

}  // namespace

Scratch::Scratch(backend::MemoryPlace place, TRITONBACKEND_MemoryManager* manager) {
  if (place.on_device()) device_.emplace(manager, place.type_id);
}

Scratch::~Scratch() { operator delete(data_, Alignment(capacity_)); }

Status Scratch::Ensure(size_t bytes, char** data) {
  if (device_) return device_->Ensure(bytes, data);
  if (bytes > capacity_ || data_ == nullptr) {
    const size_t capacity = std::max(bytes, kCacheLine);
    char* grown = Allocate(capacity);
    operator delete(data_, Alignment(capacity_));
    data_ = grown;
    capacity_ = capacity;
  }
  *data = data_;
  return Status();
}

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
                      runtime_.api().CreateTensorWithDataAsOrtValue(memory_, data, bytes, shape,
                                                                    dims_count, type_, &value_),
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
