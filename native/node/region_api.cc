// Shared memory, as the facade sees it: regions of this process and regions registered by name.

#include <utility>

#include "node/bridge.h"
#include "node/napi_util.h"

namespace trident {
namespace {

NamedMemory* FindRegion(const JsCall& call) {
  NamedMemory* memory = call.bridge().memory_table.Find(call.Int32(0));
  return memory != nullptr && memory->region != nullptr ? memory : nullptr;
}

Status Closed() { return Unavailable("the shared-memory region is closed"); }

// [number, byteSize]
napi_value AddRegion(const JsCall& call, Result<std::shared_ptr<SharedMemoryRegion>> region) {
  if (!region.ok()) return call.Throw(region.status());
  auto memory = std::make_unique<NamedMemory>();
  memory->region = std::move(region).value();
  memory->byte_size = memory->region->byte_size();
  const auto byte_size = static_cast<double>(memory->byte_size);
  napi_env env = call.env();
  napi_value result = nullptr;
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0,
                   FromInt32(env, call.bridge().memory_table.Add(std::move(memory))));
  napi_set_element(env, result, 1, FromNumber(env, byte_size));
  return result;
}

// regionCreate(key, byteSize): [number, byteSize]
napi_value RegionCreate(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  return AddRegion(call, SharedMemoryRegion::Create(call.String(0), call.Size(1)));
}

// regionOpen(key, offset, byteSize, readOnly): [number, byteSize]
napi_value RegionOpen(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  return AddRegion(
      call, SharedMemoryRegion::Open(call.String(0), call.Size(1), call.Size(2), call.Bool(3)));
}

// regionRead(number, offset, array)
napi_value RegionRead(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const NamedMemory* memory = FindRegion(call);
  if (memory == nullptr) return call.Throw(Closed());
  const ByteSpan bytes = TypedArrayBytes(env, call.value(2));
  return call.ThrowIfError(memory->region->Read(call.Size(1), bytes.data, bytes.byte_size));
}

// regionWrite(number, offset, array)
napi_value RegionWrite(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const NamedMemory* memory = FindRegion(call);
  if (memory == nullptr) return call.Throw(Closed());
  const ByteSpan bytes = TypedArrayBytes(env, call.value(2));
  return call.ThrowIfError(memory->region->Write(call.Size(1), bytes.data, bytes.byte_size));
}

// regionUnlink(number): only what this process created
napi_value RegionUnlink(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const NamedMemory* memory = FindRegion(call);
  if (memory == nullptr) return call.Throw(Closed());
  memory->region->Unlink();
  return nullptr;
}

// regionView(number): an ArrayBuffer over the region itself; it keeps the mapping
napi_value RegionView(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const NamedMemory* memory = FindRegion(call);
  if (memory == nullptr) return call.Throw(Closed());
  Result<napi_value> view = ViewOfRegion(env, memory->region);
  return view.ok() ? *view : call.Throw(view.status());
}

// sharedArray(array): a number for the bytes of a SharedArrayBuffer
napi_value SharedArray(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  const ByteSpan bytes = TypedArrayBytes(env, call.value(0));
  if (!bytes.valid) return call.Throw(InvalidArg("not a typed array"));
  auto memory = std::make_unique<NamedMemory>();
  memory->base = bytes.data;
  memory->byte_size = bytes.byte_size;
  return FromInt32(env, call.bridge().memory_table.Add(std::move(memory)));
}

// forgetMemory(number): requests that use it keep it to their end
napi_value ForgetMemory(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  call.bridge().memory_table.Remove(call.Int32(0));
  return nullptr;
}

// registerRegion(server, name, key, offset, byteSize)
napi_value RegisterRegion(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* server = call.bridge().server_table.Find(call.Int32(0));
  if (server == nullptr) return call.Throw(Unavailable("the server is closed"));
  return call.ThrowIfError(
      server->regions.Register(call.String(1), call.String(2), call.Size(3), call.Size(4)));
}

// registerCudaRegion(server, name, rawHandle, deviceId, byteSize)
napi_value RegisterCudaRegion(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* server = call.bridge().server_table.Find(call.Int32(0));
  if (server == nullptr) return call.Throw(Unavailable("the server is closed"));
  const ByteSpan handle = TypedArrayBytes(env, call.value(2));
  const Status status = server->regions.RegisterCuda(
      call.String(1), {handle.data, handle.byte_size}, call.Int64(3), call.Size(4));
  call.bridge().CheckDevicesAfter(status);
  return call.ThrowIfError(status);
}

// unregisterRegion, unregisterCudaRegion(server, name | null): null is all of the kind
template <RegionKind kind>
napi_value UnregisterRegion(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* server = call.bridge().server_table.Find(call.Int32(0));
  if (server == nullptr) return call.Throw(Unavailable("the server is closed"));
  if (TypeOf(env, call.value(1)) == napi_string) {
    return call.ThrowIfError(server->regions.Unregister(call.String(1), kind));
  }
  server->regions.UnregisterAll(kind);
  return nullptr;
}

napi_value ToJs(napi_env env, const RegionStatus& region, RegionKind kind) {
  std::vector<napi_value> items = {FromString(env, region.name)};
  if (kind == RegionKind::kCuda) {
    items.push_back(FromInt32(env, region.device_id));
  } else {
    items.push_back(FromString(env, region.key));
    items.push_back(FromNumber(env, static_cast<double>(region.offset)));
  }
  items.push_back(FromNumber(env, static_cast<double>(region.byte_size)));
  return FromList(env, items);
}

// regionStatus(server, name | null): [[name, key, offset, byteSize], ...]
// cudaRegionStatus(server, name | null): [[name, deviceId, byteSize], ...]
template <RegionKind kind>
napi_value RegionsStatus(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* server = call.bridge().server_table.Find(call.Int32(0));
  if (server == nullptr) return call.Throw(Unavailable("the server is closed"));
  std::vector<napi_value> list;
  if (TypeOf(env, call.value(1)) == napi_string) {
    const Result<RegionStatus> found = server->regions.Find(call.String(1), kind);
    if (!found.ok()) return call.Throw(found.status());
    list.push_back(ToJs(env, *found, kind));
  } else {
    for (const RegionStatus& region : server->regions.List(kind)) {
      list.push_back(ToJs(env, region, kind));
    }
  }
  return FromList(env, list);
}

}  // namespace

const std::vector<Method>& RegionMethods() {
  static const auto* methods = new std::vector<Method>{
      {"regionCreate", RegionCreate},
      {"regionOpen", RegionOpen},
      {"regionRead", RegionRead},
      {"regionWrite", RegionWrite},
      {"regionUnlink", RegionUnlink},
      {"regionView", RegionView},
      {"sharedArray", SharedArray},
      {"forgetMemory", ForgetMemory},
      {"registerRegion", RegisterRegion},
      {"unregisterRegion", UnregisterRegion<RegionKind::kSystem>},
      {"regionStatus", RegionsStatus<RegionKind::kSystem>},
      {"registerCudaRegion", RegisterCudaRegion},
      {"unregisterCudaRegion", UnregisterRegion<RegionKind::kCuda>},
      {"cudaRegionStatus", RegionsStatus<RegionKind::kCuda>},
  };
  return *methods;
}

}  // namespace trident
