// The "mortal" backend: doubles numbers, and on request ends its process, or answers otherwise.
//
//   backend: "mortal"
//   input  "input"   TYPE_INT32, any dims
//   output "output"  TYPE_INT32, the same dims: twice the input
//
// Request parameter `end` (string), before anything of the batch is answered:
//   kill   SIGKILL     abort   abort()
//   fault  a write where none may be   exit    exit code 3
//   hang   never returns from the execution
//
// Request parameter `answer` (string):
//   when cancelled   only then, with CANCELLED, on the thread that cancels
//   long error       an INTERNAL error whose message has 17 MiB
//   long parameter   a response parameter that has 17 MiB

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "backends/common/attached.h"
#include "backends/common/clock.h"
#include "backends/common/version.h"
#include "common/request_view.h"
#include "trident/extension.h"

namespace trident::test {
namespace {

void Fault() {
  signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would exit
  void* const page = mmap(nullptr, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(page) = 1;
}

void End(const std::string& way) {
  if (way == "kill") raise(SIGKILL);
  if (way == "abort") abort();
  if (way == "fault") Fault();
  if (way == "exit") _exit(3);
  while (way == "hang") pause();
}

const std::string& LongText() {
  static const std::string text(size_t{17} << 20, 'x');
  return text;
}

// Called once at most, as the request is released here.
void Cancelled(TRITONBACKEND_Request* request, void* instance) {
  Refuse(static_cast<TRITONBACKEND_ModelInstance*>(instance), request,
         Status(TRITONSERVER_ERROR_CANCELLED, "cancelled"));
}

// Instance thread only.
class Instance {
 public:
  explicit Instance(TRITONBACKEND_ModelInstance* handle) : handle_(handle) {}

  Status Execute(TRITONBACKEND_Request** requests, uint32_t count) {
    const uint64_t start = backend::NowNs();
    for (uint32_t i = 0; i < count; ++i) {
      std::string way;
      BACKEND_RETURN_IF_ERROR(ReadParameter(requests[i], "end", &way));
      End(way);
    }
    Must(TRITONBACKEND_ModelInstanceReportBatchStatistics(handle_, count, start, start, start,
                                                          start));
    for (uint32_t i = 0; i < count; ++i) Answer(requests[i], start);
    return Status();
  }

 private:
  void Answer(TRITONBACKEND_Request* request, uint64_t start) {
    Tensor tensor;
    std::string way;
    Status read = ReadParameter(request, "answer", &way);
    if (read.ok()) read = ReadInput(request, "input", &tensor);
    if (way == "long error") read = Status(TRITONSERVER_ERROR_INTERNAL, LongText());
    if (!read.ok()) return Refuse(handle_, request, read);
    if (way == "when cancelled") {
      return Must(TRITONBACKEND_TridentRequestSetCancelFn(request, Cancelled, handle_));
    }
    auto* const numbers = reinterpret_cast<int32_t*>(tensor.bytes.data());
    for (size_t i = 0; i < tensor.Count<int32_t>(); ++i) numbers[i] *= 2;
    TRITONBACKEND_Response* response = nullptr;
    Must(TRITONBACKEND_ResponseNew(&response, request));
    if (way == "long parameter") {
      Must(TRITONBACKEND_ResponseSetStringParameter(response, "long", LongText().c_str()));
    }
    const Status written = WriteOutput(response, "output", tensor);
    const uint64_t now = backend::NowNs();
    Must(TRITONBACKEND_ModelInstanceReportStatistics(handle_, request, written.ok(), start, start,
                                                     now, now));
    Must(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, written.get()));
    Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }

  TRITONBACKEND_ModelInstance* const handle_;
};

}  // namespace
}  // namespace trident::test

using trident::backend::Guard;
using trident::backend::Status;
using trident::test::Instance;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return Guard([] { return trident::backend::CheckApiVersion("mortal"); });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard(
      [handle] { return trident::backend::Attach(handle, std::make_unique<Instance>(handle)); });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  return trident::backend::DeleteAttached<Instance>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return trident::backend::ExecuteAttached<Instance>(handle, requests, count);
}

}  // extern "C"
