// Memory of CUDA devices, as the facade sees it: numbers for it, and copies, which are tasks.

#include <cstring>
#include <utility>

#include "node/bridge.h"
#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

// The memory that argument `index` numbers, or none.
CudaMemory FindMemory(const JsCall& call, size_t index) {
  const NamedMemory* memory = call.bridge().memory_table.Find(call.Int32(index));
  return memory != nullptr ? memory->device_memory : CudaMemory();
}

Status Closed() { return Unavailable("the CUDA memory is closed"); }

napi_value Throw(const JsCall& call, const Status& status) {
  call.bridge().CheckDevicesAfter(status);
  return call.Throw(status);
}

napi_value AddMemory(const JsCall& call, Result<CudaMemory> memory) {
  if (memory.ok()) return call.bridge().AddDeviceMemory(std::move(memory).value());
  return Throw(call, memory.status());
}

// cudaReport(): [library, version, problem | null, [[id, name, uuid, major, minor, bytes], ...]]
napi_value CudaReport(napi_env env, napi_callback_info) {
  const cuda::DriverReport& report = cuda::ReportDriver();
  const auto devices = cuda::Device::All();
  napi_value problem = nullptr;
  napi_get_null(env, &problem);
  std::vector<napi_value> list;
  if (devices.ok()) {
    for (const cuda::Device* device : *devices) {
      list.push_back(
          FromList(env, {FromInt32(env, device->id()), FromString(env, device->name()),
                         FromString(env, device->uuid()), FromInt32(env, device->compute_major()),
                         FromInt32(env, device->compute_minor()),
                         FromNumber(env, static_cast<double>(device->memory_bytes()))}));
    }
  } else {
    problem = FromString(env, devices.status().message());
  }
  return FromList(env, {FromString(env, report.library), FromInt32(env, report.version), problem,
                        FromList(env, list)});
}

// cudaAllocate(deviceId, byteSize): as AddDeviceMemory
napi_value CudaAllocate(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  return AddMemory(call, call.bridge().blocks.Allocate(call.Int64(0), call.Size(1)));
}

// cudaOpen(rawHandle, deviceId, offset, byteSize): as AddDeviceMemory; byteSize 0 is up to the end
napi_value CudaOpen(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const ByteSpan handle = TypedArrayBytes(env, call.value(0));
  return AddMemory(call, CudaMemory::Open({handle.data, handle.byte_size}, call.Int64(1),
                                          call.Size(2), call.Size(3)));
}

// cudaWrap(pointer, deviceId, byteSize): as AddDeviceMemory
napi_value CudaWrap(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  uint64_t pointer = 0;
  bool lossless = false;
  napi_get_value_bigint_uint64(env, call.value(0), &pointer, &lossless);
  if (!lossless) return call.Throw(InvalidArg("a device pointer is a bigint of 64 bits"));
  return AddMemory(
      call, CudaMemory::Wrap(reinterpret_cast<const void*>(pointer), call.Int64(1), call.Size(2)));
}

// cudaHandle(memory): an ArrayBuffer of 64 bytes
napi_value CudaHandle(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const CudaMemory memory = FindMemory(call, 0);
  if (!memory) return call.Throw(Closed());
  const auto handle = memory.Export();
  if (!handle.ok()) return Throw(call, handle.status());
  napi_value buffer = nullptr;
  void* data = nullptr;
  if (napi_create_arraybuffer(env, sizeof(handle->bytes), &data, &buffer) == napi_ok) {
    memcpy(data, handle->bytes, sizeof(handle->bytes));
  }
  return buffer;
}

// Copies ------------------------------------------------------------------------------------------

// Keeps a typed array from being collected. Made and ended on the JS thread.
class ArrayReference {
 public:
  ArrayReference(napi_env env, napi_value array) : env_(env) {
    napi_create_reference(env, array, 1, &reference_);
  }
  ~ArrayReference() { napi_delete_reference(env_, reference_); }
  ArrayReference(const ArrayReference&) = delete;
  ArrayReference& operator=(const ArrayReference&) = delete;

  // INVALID_ARG, and nothing written, when the array has become too small.
  Status Fill(const void* data, uint64_t byte_size) const {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    napi_value array = nullptr;
    napi_get_reference_value(env_, reference_, &array);
    const ByteSpan bytes = TypedArrayBytes(env_, array);
    const bool fits = byte_size <= bytes.byte_size;
    if (fits && byte_size > 0) memcpy(bytes.data, data, byte_size);
    napi_close_handle_scope(env_, scope);
    if (fits) return Status::Ok();
    return InvalidArg("the array to read into was detached or shrank before its ", byte_size,
                      " bytes had come");
  }

 private:
  const napi_env env_;
  napi_ref reference_ = nullptr;
};

// Of a SharedArrayBuffer: its bytes may be used by any thread while it is there.
bool IsShared(napi_env env, napi_value array) {
  napi_value buffer = nullptr;
  bool is_private = true;
  napi_get_named_property(env, array, "buffer", &buffer);
  napi_is_arraybuffer(env, buffer, &is_private);
  return !is_private;
}

// The arguments that cudaWrite and cudaRead share: (task, memory, offset, array).
struct HostCopy {
  CudaCopy copy;
  ByteSpan bytes;
  uint8_t* device_data = nullptr;
  uint8_t* host_data = nullptr;  // of a shared array; else staging
};

Result<HostCopy> ReadHostCopy(const JsCall& call) {
  HostCopy host;
  CudaCopy& copy = host.copy;
  copy.task = call.Int32(0);
  copy.memory = FindMemory(call, 1);
  if (!copy.memory) return Closed();
  host.bytes = TypedArrayBytes(call.env(), call.value(3));
  if (!host.bytes.valid) return InvalidArg("not a typed array");
  copy.byte_size = host.bytes.byte_size;
  const uint64_t offset = call.Size(2);
  TRIDENT_RETURN_IF_ERROR(copy.memory.CheckInside(offset, copy.byte_size));
  host.device_data = copy.memory.data() + offset;
  if (IsShared(call.env(), call.value(3))) {
    host.host_data = host.bytes.data;
    return host;
  }
  copy.staging = call.bridge().staging.Take(copy.byte_size);
  if (copy.staging == nullptr) {
    return Unavailable("no memory to stage a copy of ", copy.byte_size, " bytes");
  }
  host.host_data = copy.staging.get();
  return host;
}

// cudaWrite(task, memory, offset, array): of a SharedArrayBuffer what is there when its turn comes
napi_value CudaWrite(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  Result<HostCopy> host = ReadHostCopy(call);
  if (!host.ok()) return call.Throw(host.status());
  CudaCopy& copy = host->copy;
  copy.to = host->device_data;
  copy.to_place = copy.memory.place();
  copy.from = host->host_data;
  if (copy.staging == nullptr) {
    auto array = std::make_shared<ArrayReference>(env, call.value(3));
    copy.finish = [array](Status*) {};
  } else if (copy.byte_size > 0) {
    memcpy(host->host_data, host->bytes.data, copy.byte_size);
  }
  return call.ThrowIfError(call.bridge().StartCopy(std::move(copy)));
}

// cudaRead(task, memory, offset, array)
napi_value CudaRead(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  Result<HostCopy> host = ReadHostCopy(call);
  if (!host.ok()) return call.Throw(host.status());
  CudaCopy& copy = host->copy;
  copy.to = host->host_data;
  copy.from = host->device_data;
  copy.from_place = copy.memory.place();
  auto array = std::make_shared<ArrayReference>(env, call.value(3));
  copy.finish = [array, staging = copy.staging, byte_size = copy.byte_size](Status* status) {
    if (status->ok() && staging != nullptr) *status = array->Fill(staging.get(), byte_size);
  };
  return call.ThrowIfError(call.bridge().StartCopy(std::move(copy)));
}

// cudaCopy(task, from, fromOffset, to, toOffset, byteSize)
napi_value CudaCopyBetween(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  CudaCopy copy;
  copy.task = call.Int32(0);
  copy.other_memory = FindMemory(call, 1);
  copy.memory = FindMemory(call, 3);
  copy.byte_size = call.Size(5);
  if (!copy.memory || !copy.other_memory) return call.Throw(Closed());
  for (const auto& [memory, offset] :
       {std::pair(copy.other_memory, call.Size(2)), std::pair(copy.memory, call.Size(4))}) {
    const Status inside = memory.CheckInside(offset, copy.byte_size);
    if (!inside.ok()) return call.Throw(inside);
  }
  const uint8_t* const from = copy.other_memory.data() + call.Size(2);
  uint8_t* const to = copy.memory.data() + call.Size(4);
  if (from < to + copy.byte_size && to < from + copy.byte_size) {
    return call.Throw(InvalidArg("the ", copy.byte_size, " bytes to copy from and to overlap"));
  }
  copy.from = from;
  copy.from_place = copy.other_memory.place();
  copy.to = to;
  copy.to_place = copy.memory.place();
  return call.ThrowIfError(call.bridge().StartCopy(std::move(copy)));
}

}  // namespace

napi_value Bridge::AddDeviceMemory(CudaMemory memory) {
  std::vector<napi_value> items = {nullptr,
                                   FromNumber(env_, static_cast<double>(memory.byte_size())),
                                   nullptr, FromInt32(env_, memory.device().id())};
  napi_create_bigint_uint64(env_, reinterpret_cast<uint64_t>(memory.data()), &items[2]);
  auto named = std::make_unique<NamedMemory>();
  named->byte_size = memory.byte_size();
  named->device_memory = std::move(memory);
  items[0] = FromInt32(env_, memory_table.Add(std::move(named)));
  return FromList(env_, items);
}

void Bridge::CheckDevicesAfter(const Status& status) {
  const bool by_device =
      status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kInternal;
  if (!by_device) return;
  for (const auto& server : server_table.all()) {
    TRITONSERVER_Server* const core = server == nullptr ? nullptr : server->server.load();
    if (core == nullptr) continue;
    (void)TakeError(TRITONSERVER_TridentServerCheckDevices(core));
    return;  // it asks for all servers of the process
  }
}

Status Bridge::StartCopy(CudaCopy copy) {
  copy.finish = [this, finish = std::move(copy.finish)](Status* status) {
    CheckDevicesAfter(*status);
    if (finish) finish(status);
  };
  TRIDENT_RETURN_IF_ERROR(copier_.Start(std::move(copy)));
  ++in_flight_;
  UpdateKeepAlive();
  return Status::Ok();
}

const std::vector<Method>& CudaMethods() {
  static const auto* methods = new std::vector<Method>{
      {"cudaReport", CudaReport}, {"cudaAllocate", CudaAllocate}, {"cudaOpen", CudaOpen},
      {"cudaWrap", CudaWrap},     {"cudaHandle", CudaHandle},     {"cudaWrite", CudaWrite},
      {"cudaRead", CudaRead},     {"cudaCopy", CudaCopyBetween},
  };
  return *methods;
}

}  // namespace trident
