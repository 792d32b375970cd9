// A batching strategy: the inputs of a batch may have 24 bytes together. It
// fails for a request whose first input is larger than that, and leaves its
// batches without data for a model that is named "stateless". That every batch
// is finalised is checked when the batcher is.

#include <atomic>
#include <cstdint>
#include <cstring>

#include "triton/core/tritonbackend.h"

namespace {

constexpr uint64_t kMaxBytes = 24;

struct Batcher {
  bool stateless = false;
  mutable std::atomic<int> open{0};
};
struct Volume {
  const Batcher* batcher;
  uint64_t bytes = 0;
};

TRITONSERVER_Error* Fail(const char* message) {
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, message);
}

TRITONSERVER_Error* InputBytes(TRITONBACKEND_Request* request, uint64_t* bytes) {
  TRITONBACKEND_Input* input = nullptr;
  if (auto* error = TRITONBACKEND_RequestInputByIndex(request, 0, &input)) return error;
  return TRITONBACKEND_InputProperties(input, nullptr, nullptr, nullptr, nullptr, bytes, nullptr);
}

}  // namespace

extern "C" {

TRITONBACKEND_ISPEC TRITONSERVER_Error* TRITONBACKEND_ModelBatcherInitialize(
    TRITONBACKEND_Batcher** batcher, TRITONBACKEND_Model* model) {
  const char* name = nullptr;
  if (auto* error = TRITONBACKEND_ModelName(model, &name)) return error;
  if (strcmp(name, "refused") == 0) return Fail("this strategy is not for it");
  auto* const own = new Batcher();
  own->stateless = strcmp(name, "stateless") == 0;
  *batcher = reinterpret_cast<TRITONBACKEND_Batcher*>(own);
  return nullptr;
}

TRITONBACKEND_ISPEC TRITONSERVER_Error* TRITONBACKEND_ModelBatcherFinalize(
    TRITONBACKEND_Batcher* batcher) {
  auto* const own = reinterpret_cast<Batcher*>(batcher);
  const bool all_finalised = own->open.load() == 0;
  delete own;
  return all_finalised ? nullptr : Fail("some batches were not finalised");
}

TRITONBACKEND_ISPEC TRITONSERVER_Error* TRITONBACKEND_ModelBatchInitialize(
    const TRITONBACKEND_Batcher* batcher, void** userp) {
  const auto* const own = reinterpret_cast<const Batcher*>(batcher);
  if (own->stateless) return nullptr;
  own->open.fetch_add(1);
  *userp = new Volume{own};
  return nullptr;
}

TRITONBACKEND_ISPEC TRITONSERVER_Error* TRITONBACKEND_ModelBatchIncludeRequest(
    TRITONBACKEND_Request* request, void* userp, bool* should_include) {
  *should_include = true;
  if (userp == nullptr) return nullptr;
  auto* const volume = static_cast<Volume*>(userp);
  uint64_t bytes = 0;
  if (auto* error = InputBytes(request, &bytes)) return error;
  if (bytes > kMaxBytes) return Fail("too large for any batch");
  *should_include = volume->bytes + bytes <= kMaxBytes;
  volume->bytes += bytes;
  return nullptr;
}

TRITONBACKEND_ISPEC TRITONSERVER_Error* TRITONBACKEND_ModelBatchFinalize(void* userp) {
  auto* const volume = static_cast<Volume*>(userp);
  volume->batcher->open.fetch_sub(1);
  delete volume;
  return nullptr;
}

}  // extern "C"
