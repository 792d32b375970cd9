// What a CUDA kernel needs to be compiled for the host: its source comes after this, and then
// HOST_KERNEL(name) for each kernel. The fake NVRTC puts it there, and kernels.cc compiles and runs
// it.
#ifndef TEST_CUDA_HOST_KERNEL_H_
#define TEST_CUDA_HOST_KERNEL_H_

#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>

struct Dimensions {
  unsigned x = 1, y = 1, z = 1;
};

#define __global__
inline thread_local Dimensions gridDim, blockDim, blockIdx, threadIdx;

namespace host_kernel {

// The host's address of a device's; null when there is no such memory.
using Alias = void* (*)(uint64_t device_pointer);

// A kernel with a copy of its arguments, to run later.
struct Launch {
  virtual ~Launch() = default;
  // Pointers among the arguments are the device's until then. False: one is of no memory.
  virtual bool Run(Alias alias) = 0;
};

// Of what HOST_KERNEL(name) defines as host_kernel_<name>.
using MakeLaunch = Launch* (*)(void** values, Dimensions grid, Dimensions block);

template <typename Body>
void ForEach(Dimensions size, Dimensions* index, const Body& body) {
  for (index->z = 0; index->z < size.z; ++index->z) {
    for (index->y = 0; index->y < size.y; ++index->y) {
      for (index->x = 0; index->x < size.x; ++index->x) body();
    }
  }
}

template <typename... Arguments>
class LaunchOf : public Launch {
 public:
  LaunchOf(void (*kernel)(Arguments...), void** values, Dimensions grid, Dimensions block)
      : kernel_(kernel), grid_(grid), block_(block) {
    std::apply([&](auto&... each) { (memcpy(&each, *values++, sizeof(each)), ...); }, arguments_);
  }

  bool Run(Alias alias) override {
    const auto resolve_all = [&](auto&... each) { return (Resolve(&each, alias) && ...); };
    if (!std::apply(resolve_all, arguments_)) return false;
    gridDim = grid_;
    blockDim = block_;
    ForEach(grid_, &blockIdx,
            [&] { ForEach(block_, &threadIdx, [&] { std::apply(kernel_, arguments_); }); });
    return true;
  }

 private:
  template <typename T>
  static bool Resolve(T* argument, Alias alias) {
    if constexpr (std::is_pointer_v<T>) {
      *argument = static_cast<T>(alias(reinterpret_cast<uint64_t>(*argument)));
      return *argument != nullptr;
    }
    return true;
  }

  void (*const kernel_)(Arguments...);
  const Dimensions grid_;
  const Dimensions block_;
  std::tuple<std::remove_const_t<Arguments>...> arguments_;
};

}  // namespace host_kernel

#define HOST_KERNEL(name)                                                                     \
  extern "C" __attribute__((visibility("default")))                                           \
  host_kernel::Launch* host_kernel_##name(void** values, Dimensions grid, Dimensions block) { \
    return new host_kernel::LaunchOf(name, values, grid, block);                              \
  }

#endif
