#include "backends/onnxruntime/ort_api.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

namespace trident::ort {
namespace {

struct OrtApiBase {
  const void* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

// The number of the C API equals the release's minor version. An older library also says this
// itself, but on standard error: so the version is compared before the API is asked for.
bool NewEnough(const char* version) {
  int major = 0;
  int minor = 0;
  return sscanf(version, "%d.%d", &major, &minor) == 2 && major == 1 && minor >= kOrtNeededMinor;
}

// The name of a function that the table lacks; null when all are there.
const char* FillIn(const void* table, OrtApi* api) {
  const auto* slots = static_cast<void* const*>(table);
#define TRIDENT_ORT_FILL(index, result, name, ...) \
  if (slots[index] == nullptr) return #name;       \
  memcpy(&api->name, &slots[index], sizeof(void*));
  TRIDENT_ORT_SLOTS(TRIDENT_ORT_FILL)
#undef TRIDENT_ORT_FILL
  return nullptr;
}

// A status survives a round trip through the functions that every other call relies on.
bool Answers(const OrtApi& api) {
  OrtStatus* status = api.CreateStatus(kOrtInvalidArgument, "probe");
  const bool answers = status != nullptr && api.GetErrorCode(status) == kOrtInvalidArgument &&
                       strcmp(api.GetErrorMessage(status), "probe") == 0;
  if (status != nullptr) api.ReleaseStatus(status);
  return answers;
}

}  // namespace

OrtLoad LoadOrtApi(const std::string& path, OrtApi* api, std::string* version,
                   std::string* message) {
  // Never closed: ONNX Runtime's threads and other users may outlive any of ours.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    *message = std::string("cannot open ONNX Runtime: ") + dlerror();
    return OrtLoad::kNotFound;
  }
  const OrtApiBase* base = nullptr;
  if (void* entry = dlsym(library, "OrtGetApiBase")) {
    base = reinterpret_cast<const OrtApiBase* (*)()>(entry)();
  }
  if (base == nullptr) {
    *message = "'" + path + "' is not ONNX Runtime: it has no OrtGetApiBase";
    return OrtLoad::kUnusable;
  }
  *version = base->GetVersionString();
  const std::string where = "ONNX Runtime " + *version + " at '" + path + "'";
  const std::string needed = "1." + std::to_string(kOrtNeededMinor);
  const void* table = NewEnough(version->c_str()) ? base->GetApi(kOrtNeededMinor) : nullptr;
  if (table == nullptr) {
    *message = where + " cannot be used: expected version " + needed + " or a later 1.x";
    return OrtLoad::kUnusable;
  }
  const char* missing = FillIn(table, api);
  if (missing != nullptr || !Answers(*api)) {
    *message = where + " cannot be used: its C API differs from version " + needed + " in " +
               (missing != nullptr ? missing : "its status functions");
    return OrtLoad::kUnusable;
  }
  return OrtLoad::kOk;
}

}  // namespace trident::ort
