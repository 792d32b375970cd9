#include "metrics/gpu_usage.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

namespace trident {
namespace {

int Inits() {
  void* const library = dlopen(FAKE_NVML, RTLD_NOW);
  const auto inits = reinterpret_cast<int (*)()>(dlsym(library, "fake_nvml_inits"));
  const int count = inits();
  dlclose(library);
  return count;
}

TEST(GpuUsage, WithoutADriverThereIsNoGpu) {
  GpuUsage usage(1000, "libthere-is-no-such-library.so.1");
  EXPECT_TRUE(usage.Read(0).empty());
  EXPECT_TRUE(usage.Read(5000).empty());
}

TEST(GpuUsage, ALibraryWithoutTheFunctionsIsNone) {
  GpuUsage usage(1000, "libc.so.6");
  EXPECT_TRUE(usage.Read(0).empty());
}

TEST(GpuUsage, TellsWhatTheDriverTells) {
  GpuUsage usage(1000, FAKE_NVML);
  const auto readings = usage.Read(0);
  ASSERT_EQ(readings.size(), 2u);
  const GpuReading& whole = readings[0];
  EXPECT_EQ(whole.uuid, "GPU-a");
  EXPECT_EQ(whole.utilization, 0.25);
  EXPECT_EQ(whole.memory_total_bytes, 4096u);
  EXPECT_EQ(whole.memory_used_bytes, 3072u);
  EXPECT_EQ(whole.power_watts, 70.5);
  EXPECT_EQ(whole.power_limit_watts, 300);
  EXPECT_EQ(whole.energy_joules, 2);
  const GpuReading& part = readings[1];
  EXPECT_EQ(part.uuid, "GPU-b");
  EXPECT_EQ(part.memory_total_bytes, 8192u);
  EXPECT_FALSE(part.utilization || part.power_watts || part.power_limit_watts);
  EXPECT_FALSE(part.energy_joules);
}

TEST(GpuUsage, AsksTheDriverOnceAnInterval) {
  GpuUsage usage(1000, FAKE_NVML);
  EXPECT_EQ(usage.Read(5000)[0].energy_joules, 2);
  EXPECT_EQ(usage.Read(5999)[0].energy_joules, 2);
  EXPECT_EQ(usage.Read(6000)[0].energy_joules, 4);
}

TEST(GpuUsage, LetsGoOfTheDriver) {
  const int before = Inits();
  {
    GpuUsage usage(1000, FAKE_NVML);
    EXPECT_EQ(Inits(), before);  // nobody has asked yet
    usage.Read(0);
    EXPECT_EQ(Inits(), before + 1);
  }
  EXPECT_EQ(Inits(), before);
}

}  // namespace
}  // namespace trident
