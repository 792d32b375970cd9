// What backends with kernels call of the fake driver: modules, kernels, their hold on a context.
// Its "PTX" is what the fake NVRTC makes: a kernel's source behind a line that says for which
// device. The host's compiler does what the driver's does.

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "devices.h"
#include "fake_cuda.h"
#include "host_kernel.h"
#include "streams.h"

namespace trident::cuda::fake {
namespace {

constexpr CuResult kInvalidImage = 200;
constexpr CuResult kNoBinaryForDevice = 209;
constexpr unsigned kMostThreadsPerBlock = 1024;

// A module's code, until the last launch is done.
using FakeModule = std::shared_ptr<void>;

struct FakeKernel {
  FakeModule code;
  host_kernel::MakeLaunch make_launch = nullptr;
};

struct Modules {
  Mutex mutex;
  std::map<void*, FakeModule> open GUARDED_BY(mutex);
  std::map<void*, FakeKernel> kernels GUARDED_BY(mutex);
};

Modules& All() {
  static Modules* const modules = new Modules;
  return *modules;
}

// Null when it does not compile.
FakeModule CompileForHost(const std::string& source) {
  char directory[] = "/tmp/fake-cuda-XXXXXX";
  if (mkdtemp(directory) == nullptr) return nullptr;
  const std::string text = std::string(directory) + "/kernel.cc";
  const std::string code = std::string(directory) + "/kernel.so";
  std::ofstream(text) << source;
  const std::string command =
      FAKE_CUDA_COMPILER " -std=c++20 -O1 -fPIC -shared -w -o " + code + " " + text;
  void* library = nullptr;
  if (system(command.c_str()) == 0) library = dlopen(code.c_str(), RTLD_NOW | RTLD_LOCAL);
  std::filesystem::remove_all(directory);
  return library == nullptr ? nullptr : FakeModule(library, dlclose);
}

}  // namespace

#define FAKE_CUDA_EXPORT extern "C" __attribute__((visibility("default")))

FAKE_CUDA_EXPORT CuResult cuDevicePrimaryCtxRelease_v2(CuDevice device) {
  const Call call(Row::cuDevicePrimaryCtxRelease_v2, Call::kDriver);
  if (call.failed()) return call.result();
  FakeDevice* found = DeviceAt(device);
  if (found == nullptr) return kInvalidDevice;
  if (!found->Release()) return kInvalidContext;
  Count(Row::contexts, -1, 0);
  return kSuccess;
}

FAKE_CUDA_EXPORT CuResult cuModuleLoadData(void** module, const void* image) {
  const Call call(Row::cuModuleLoadData);
  if (call.failed()) return call.result();
  int capability = 0;
  if (sscanf(static_cast<const char*>(image), "// fake PTX for %d\n", &capability) != 1) {
    return kInvalidImage;
  }
  const FakeDevice& device = call.device();
  if (capability > 10 * device.major() + device.minor()) return kNoBinaryForDevice;
  FakeModule loaded = CompileForHost(static_cast<const char*>(image));
  if (loaded == nullptr) return kInvalidImage;
  *module = loaded.get();
  Count(Row::modules, 1, 0);
  MutexLock lock(All().mutex);
  All().open[*module] = std::move(loaded);
  return kSuccess;
}

FAKE_CUDA_EXPORT CuResult cuModuleUnload(void* module) {
  const Call call(Row::cuModuleUnload);
  if (call.refused()) return call.result();
  MutexLock lock(All().mutex);
  if (All().open.erase(module) == 0) return kInvalidHandle;
  std::erase_if(All().kernels,
                [&](const auto& kernel) { return kernel.second.code.get() == module; });
  Count(Row::modules, -1, 0);
  return call.result();
}

FAKE_CUDA_EXPORT CuResult cuModuleGetFunction(void** kernel, void* module, const char* name) {
  const Call call(Row::cuModuleGetFunction);
  if (call.failed()) return call.result();
  MutexLock lock(All().mutex);
  const auto found = All().open.find(module);
  if (found == All().open.end()) return kInvalidHandle;
  *kernel = dlsym(module, (std::string("host_kernel_") + name).c_str());
  if (*kernel == nullptr) return kNotFound;
  All().kernels[*kernel] = {found->second, reinterpret_cast<host_kernel::MakeLaunch>(*kernel)};
  return kSuccess;
}

FAKE_CUDA_EXPORT CuResult cuLaunchKernel(void* handle, unsigned grid_x, unsigned grid_y,
                                         unsigned grid_z, unsigned block_x, unsigned block_y,
                                         unsigned block_z, unsigned, CuStream stream_handle,
                                         void** arguments, void**) {
  const Call call(Row::cuLaunchKernel);
  if (call.failed()) return call.result();
  const auto stream = FindOwnStream(stream_handle);
  FakeKernel kernel;
  {
    MutexLock lock(All().mutex);
    const auto found = All().kernels.find(handle);
    if (found != All().kernels.end()) kernel = found->second;
  }
  if (stream == nullptr || kernel.make_launch == nullptr) return kInvalidHandle;
  const Dimensions grid{grid_x, grid_y, grid_z};
  const Dimensions block{block_x, block_y, block_z};
  const uint64_t threads = uint64_t{block_x} * block_y * block_z;
  if (grid_x == 0 || grid_y == 0 || grid_z == 0 || threads == 0 || threads > kMostThreadsPerBlock) {
    return kInvalidValue;
  }
  const std::shared_ptr<host_kernel::Launch> launch(kernel.make_launch(arguments, grid, block));
  stream->Ask([code = kernel.code, launch] {
    // A real device is lost by memory that is gone.
    if (!launch->Run(FakeCudaHostAlias)) Count(Row::violations, 1, 0);
  });
  return kSuccess;
}

}  // namespace trident::cuda::fake
