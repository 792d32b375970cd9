#ifndef TEST_ONNXRUNTIME_FAKE_PARTS_H_
#define TEST_ONNXRUNTIME_FAKE_PARTS_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/onnxruntime/ort_api.h"
#include "fake_onnxruntime.h"

namespace trident::ort {

struct OrtCudaOptions {
  std::map<std::string, std::string> entries;
  void* stream = nullptr;
};

using Addresses = std::vector<const void*>;

struct CudaSession {
  OrtCudaOptions options;
  OrtMemoryInfo* memory = nullptr;
  std::set<std::string> on_host;  // tensors
  // As the real ones, each is of the thread that ran it first.
  std::map<std::pair<std::thread::id, std::string>, Addresses> graphs;  // by thread and their ids
};

// What the parts of the library share.
struct FakeState {
  OrtApi real;  // set at the start

  std::mutex mutex;  // guards all that follows
  std::map<const OrtSession*, CudaSession> sessions;
  std::set<const OrtMemoryInfo*> memories;        // of devices
  std::map<const OrtValue*, uint64_t> addresses;  // of tensors on devices
  std::set<uint64_t> allocations;                 // those of them that runs have allocated
  std::map<std::string, std::string> failures;    // by function
  FakeOnnxRuntimeRuns runs{};

  OrtStatus* Refuse(const std::string& message) const {
    return real.CreateStatus(kOrtFail, message.c_str());
  }
  // The failure that a test wants of the function, or null.
  OrtStatus* Fault(const char* function) const {
    const auto wanted = failures.find(function);
    return wanted == failures.end() ? nullptr : Refuse(wanted->second);
  }
  // Null when it is one for the CPU.
  CudaSession* FindSession(const OrtSession* session) {
    const auto found = sessions.find(session);
    return found == sessions.end() ? nullptr : &found->second;
  }
};
extern FakeState fake;

// Puts its functions into the table of the library.
void ReplaceSessions(void** table);
void ReplaceTensors(void** table);
void ReplaceRuns(void** table);

enum : size_t {
#define FAKE_SLOT(index, result, name, ...) k##name = index,
  TRIDENT_ORT_SLOTS(FAKE_SLOT)
#undef FAKE_SLOT
};

template <typename Function>
void Replace(void** table, size_t slot, Function* function) {
  table[slot] = reinterpret_cast<void*>(function);
}

}  // namespace trident::ort

#endif
