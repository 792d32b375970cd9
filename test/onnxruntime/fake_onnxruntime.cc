#include "fake_onnxruntime.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "fake_parts.h"

namespace trident::ort {

FakeState fake;

namespace {

// As many functions as the table has of the version that the backend asks for.
constexpr size_t kSlots = 415;

struct ApiBase {
  const void* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};
const ApiBase* real_base = nullptr;

void** MakeTable() {
  static void* table[kSlots];
  memcpy(table, real_base->GetApi(kOrtNeededMinor), sizeof(table));
  ReplaceSessions(table);
  ReplaceTensors(table);
  ReplaceRuns(table);
  return table;
}

const void* GetApi(uint32_t version) {
  static void** const table = MakeTable();
  return version <= kOrtNeededMinor ? table : nullptr;
}

const char* GetVersionString() { return real_base->GetVersionString(); }

const ApiBase* LoadReal() {
  const char* path = getenv("FAKE_ONNXRUNTIME_LIBRARY");
  std::string version;
  std::string message;
  if (path == nullptr || LoadOrtApi(path, &fake.real, &version, &message) != OrtLoad::kOk) {
    return nullptr;
  }
  void* entry = dlsym(dlopen(path, RTLD_NOW | RTLD_LOCAL), "OrtGetApiBase");
  real_base = reinterpret_cast<const ApiBase* (*)()>(entry)();
  static const ApiBase base{GetApi, GetVersionString};
  return &base;
}

}  // namespace
}  // namespace trident::ort

FAKE_ONNXRUNTIME_API const void* OrtGetApiBase() {
  static const void* const base = trident::ort::LoadReal();
  return base;
}

FAKE_ONNXRUNTIME_API void FakeOnnxRuntimeFail(const char* function, const char* message) {
  const std::lock_guard lock(trident::ort::fake.mutex);
  trident::ort::fake.failures.erase(function);
  if (message != nullptr) trident::ort::fake.failures[function] = message;
}
