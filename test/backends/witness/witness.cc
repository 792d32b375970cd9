// The "witness" backend: answers output "output" with a copy of input "input" and writes down all
// it sees, one line a time, in the file that the model's parameter "log" names:
//
//   instance <name> kind=CPU device=0 passive=0 policy=<JSON> profiles=a,b secondary=KIND_NVDLA:3
//       cores=0,1 nice=0 current=none thread=7
//   execute <instance> requests=2 cores=0,1 nice=0 current=none thread=7
//   request <name>:<datatype>:<shape>:<bytes in hexadecimal, at most 64 of them> ...
//   end <instance> cores=0,1 nice=0 current=none thread=7
//
// "current" is the CUDA device of the calling thread, "thread" its number. Parameter "allocate"
// ("GPU 4096") has each instance keep so much memory of a kind, of its device, from the server's
// pools, for its lifetime. The backend's setting "device-blocking" (any text) makes that its
// execution policy. Parameter "refuse" (a text) makes every execution answer with an INTERNAL error
// that says it. A request's parameter "gate" names a FIFO: its answer waits until somebody has
// opened it for writing, which waits for the request to get there, and closed it again. Outputs
// that nobody wants, and inputs that are missing, are left out.

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "backends/common/attached.h"
#include "backends/common/clock.h"
#include "backends/common/model_config.h"
#include "backends/common/version.h"
#include "common/request_view.h"
#include "cuda/device.h"

namespace trident::test {
namespace {

std::string CurrentDevice() {
  const auto devices = cuda::Device::All();
  if (!devices.ok()) return "none";
  cuda::CuContext current = nullptr;
  if ((*devices)[0]->api().cuCtxGetCurrent(&current) != cuda::kSuccess) std::abort();
  if (current == nullptr) return "none";
  for (cuda::Device* device : *devices) {
    const auto context = device->Context();
    if (context.ok() && *context == current) return std::to_string(device->id());
  }
  return "unknown";
}

std::string ThreadText() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string cores;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) cores += (cores.empty() ? "" : ",") + std::to_string(i);
    }
  }
  return "cores=" + cores + " nice=" + std::to_string(getpriority(PRIO_PROCESS, 0)) +
         " current=" + CurrentDevice() + " thread=" + std::to_string(gettid());
}

std::string Hex(const std::string& bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size() && i < 64; ++i) {
    char byte[3];
    snprintf(byte, sizeof(byte), "%02x", static_cast<unsigned char>(bytes[i]));
    text += byte;
  }
  return text;
}

// Instance thread only; off devices the loading thread while it is made.
class Instance {
 public:
  static Status Create(TRITONBACKEND_ModelInstance* handle, std::unique_ptr<Instance>* instance) {
    auto created = std::make_unique<Instance>();
    created->handle_ = handle;
    TRITONBACKEND_Model* model = nullptr;
    backend::ModelConfig config;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(handle, &model));
    BACKEND_RETURN_IF_ERROR(backend::ReadModelConfig(model, &config));
    if (const std::string* log = config.Parameter("log")) created->log_ = *log;
    if (const std::string* refuse = config.Parameter("refuse")) created->refuse_ = *refuse;
    BACKEND_RETURN_IF_ERROR(created->WriteIntroduction());
    if (const std::string* wish = config.Parameter("allocate")) {
      BACKEND_RETURN_IF_ERROR(created->Allocate(model, *wish));
    }
    *instance = std::move(created);
    return Status();
  }

  ~Instance() {
    Write("end " + name_ + " " + ThreadText());
    if (piece_ == nullptr) return;
    Must(TRITONBACKEND_MemoryManagerFree(memory_, piece_, piece_type_, device_));
  }

  Status Execute(TRITONBACKEND_Request** requests, uint32_t count) {
    Write(backend::StrCat("execute ", name_, " requests=", count, " ", ThreadText()));
    const uint64_t start = backend::NowNs();
    // Before anybody is answered, so that a client finds all statistics of its answer.
    Must(TRITONBACKEND_ModelInstanceReportBatchStatistics(handle_, count, start, start, start,
                                                          backend::NowNs()));
    for (uint32_t i = 0; i < count; ++i) Answer(requests[i], start);
    return Status();
  }

 private:
  Status WriteIntroduction() {
    const char* name = nullptr;
    TRITONSERVER_InstanceGroupKind kind;
    bool passive = false;
    TRITONSERVER_Message* policy = nullptr;
    const char* json = nullptr;
    size_t json_size = 0;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceName(handle_, &name));
    name_ = name;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceKind(handle_, &kind));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceDeviceId(handle_, &device_));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceIsPassive(handle_, &passive));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceHostPolicy(handle_, &policy));
    BACKEND_RETURN_IF_ERROR(TRITONSERVER_MessageSerializeToJson(policy, &json, &json_size));
    std::string line =
        backend::StrCat("instance ", name_, " kind=", TRITONSERVER_InstanceGroupKindString(kind),
                        " device=", device_, " passive=", passive,
                        " policy=", std::string(json, json_size), " profiles=");
    uint32_t count = 0;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceProfileCount(handle_, &count));
    for (uint32_t i = 0; i < count; ++i) {
      BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceProfileName(handle_, i, &name));
      line += (i == 0 ? "" : ",") + std::string(name);
    }
    line += " secondary=";
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceSecondaryDeviceCount(handle_, &count));
    for (uint32_t i = 0; i < count; ++i) {
      int64_t id = -1;
      BACKEND_RETURN_IF_ERROR(
          TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(handle_, i, &name, &id));
      line += backend::StrCat(i == 0 ? "" : ",", name, ":", id);
    }
    Write(line + " " + ThreadText());
    return Status();
  }

  Status Allocate(TRITONBACKEND_Model* model, const std::string& wish) {
    TRITONBACKEND_Backend* backend = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelBackend(model, &backend));
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendMemoryManager(backend, &memory_));
    piece_type_ =
        wish.starts_with("GPU ") ? TRITONSERVER_MEMORY_GPU : TRITONSERVER_MEMORY_CPU_PINNED;
    const uint64_t byte_size = std::stoull(wish.substr(wish.find(' ')));
    return TRITONBACKEND_MemoryManagerAllocate(memory_, &piece_, piece_type_, device_, byte_size);
  }

  void Answer(TRITONBACKEND_Request* request, uint64_t start) {
    Status status = Describe(request);
    if (status.ok()) status = PassGate(request);
    if (status.ok() && !refuse_.empty()) status = backend::Internal(refuse_);
    if (!status.ok()) return Refuse(handle_, request, status);
    TRITONBACKEND_Response* response = nullptr;
    Must(TRITONBACKEND_ResponseNew(&response, request));
    status = Echo(request, response);
    const uint64_t end = backend::NowNs();
    Must(TRITONBACKEND_ModelInstanceReportStatistics(handle_, request, status.ok(), start, start,
                                                     end, end));
    Must(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, status.get()));
    Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }

  Status Describe(TRITONBACKEND_Request* request) {
    std::string line = "request";
    uint32_t count = 0;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestInputCount(request, &count));
    for (uint32_t i = 0; i < count; ++i) {
      const char* name = nullptr;
      BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestInputName(request, i, &name));
      Tensor tensor;
      BACKEND_RETURN_IF_ERROR(ReadInput(request, name, &tensor));
      line += backend::StrCat(" ", name, ":", TRITONSERVER_DataTypeString(tensor.datatype), ":",
                              backend::ShapeText(tensor.shape), ":", Hex(tensor.bytes));
    }
    Write(line);
    return Status();
  }

  static Status PassGate(TRITONBACKEND_Request* request) {
    std::string path;
    BACKEND_RETURN_IF_ERROR(ReadParameter(request, "gate", &path));
    if (path.empty()) return Status();
    const int gate = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    char byte;
    if (gate < 0 || read(gate, &byte, 1) != 0) std::abort();
    close(gate);
    return Status();
  }

  Status Echo(TRITONBACKEND_Request* request, TRITONBACKEND_Response* response) {
    if (!HasInput(request, "input")) return Status();
    Tensor tensor;
    std::vector<std::string> wanted;
    BACKEND_RETURN_IF_ERROR(ReadInput(request, "input", &tensor));
    BACKEND_RETURN_IF_ERROR(ReadWantedOutputs(request, &wanted));
    for (const std::string& name : wanted) {
      if (name == "output") BACKEND_RETURN_IF_ERROR(WriteOutput(response, "output", tensor));
    }
    return Status();
  }

  // One write a line, so that instances don't mix theirs.
  void Write(std::string line) {
    if (log_.empty()) return;
    line += '\n';
    const int file = open(log_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line.data(), line.size()) < 0) std::abort();
    close(file);
  }

  TRITONBACKEND_ModelInstance* handle_ = nullptr;
  std::string name_;
  std::string log_;
  std::string refuse_;
  int32_t device_ = -1;
  TRITONBACKEND_MemoryManager* memory_ = nullptr;
  TRITONSERVER_MemoryType piece_type_ = TRITONSERVER_MEMORY_CPU;
  void* piece_ = nullptr;
};

Status ReadPolicy(TRITONBACKEND_Backend* backend) {
  TRITONSERVER_Message* message = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendConfig(backend, &message));
  backend::Json config;
  BACKEND_RETURN_IF_ERROR(backend::Json::Parse(message, &config));
  const backend::Json* const settings = config.Find("cmdline");
  if (settings == nullptr || settings->Find("device-blocking") == nullptr) return Status();
  return TRITONBACKEND_BackendSetExecutionPolicy(backend, TRITONBACKEND_EXECUTION_DEVICE_BLOCKING);
}

}  // namespace
}  // namespace trident::test

using trident::backend::Guard;
using trident::backend::Status;
using trident::test::Instance;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend* handle) {
  return Guard([handle]() -> Status {
    BACKEND_RETURN_IF_ERROR(trident::backend::CheckApiVersion("witness"));
    return trident::test::ReadPolicy(handle);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    std::unique_ptr<Instance> instance;
    BACKEND_RETURN_IF_ERROR(Instance::Create(handle, &instance));
    return trident::backend::Attach(handle, std::move(instance));
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  return trident::backend::DeleteAttached<Instance>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t request_count) {
  return trident::backend::ExecuteAttached<Instance>(handle, requests, request_count);
}

}  // extern "C"
