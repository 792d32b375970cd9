// The memory that a server hands out to its backends.

#include "device_models.h"
#include "devices.h"

namespace trident::contract {
namespace {

constexpr uint64_t kMegabyte = 1 << 20;

ServerSettings Pools(uint64_t pinned, uint64_t on_device_1) {
  return With([=](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetPinnedMemoryPoolByteSize(options, pinned));
    Must(TRITONSERVER_ServerOptionsSetCudaMemoryPoolByteSize(options, 1, on_device_1));
  });
}
std::string Keeping(const std::string& memory) {
  return "parameters { key: \"allocate\" value { string_value: \"" + memory + "\" } } ";
}

TEST(Pools, OfPinnedMemoryAreOneBlockOfTheServer) {
  const uint64_t before = BytesIn("host");
  {
    Server server(Pools(4 * kMegabyte, 0));
    const auto metrics_say = [&](uint64_t total, uint64_t used) {
      const std::string text = MetricsOf(server);
      return text.find("\nnv_pinned_memory_pool_total_bytes " + std::to_string(total) + "\n") !=
                 std::string::npos &&
             text.find("\nnv_pinned_memory_pool_used_bytes " + std::to_string(used) + "\n") !=
                 std::string::npos;
    };
    EXPECT_TRUE(metrics_say(0, 0));
    ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", Keeping("CPU_PINNED 1048576"))));
    EXPECT_EQ(BytesIn("host"), before + 4 * kMegabyte);
    EXPECT_TRUE(metrics_say(4 * kMegabyte, kMegabyte));
    ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", Keeping("CPU_PINNED 3145728"))));
    EXPECT_TRUE(FailedWith(LoadWitness(&server, "c", Keeping("CPU_PINNED 1048576")),
                           TRITONSERVER_ERROR_UNAVAILABLE, {"pinned memory pool has no room"}));
    EXPECT_TRUE(metrics_say(4 * kMegabyte, 4 * kMegabyte));
    ASSERT_TRUE(Succeeded(server.UnloadAndWait("a")));
    EXPECT_TRUE(Succeeded(server.Load("c")));
    EXPECT_EQ(BytesIn("host"), before + 4 * kMegabyte);
  }
  EXPECT_EQ(BytesIn("host"), before);
}

TEST(Pools, OfDevicesAreOneBlockEach) {
  const uint64_t before = BytesIn("device");
  {
    Server server(Pools(0, 2 * kMegabyte));
    ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", OnGpus("1") + Keeping("GPU 1048576"))));
    ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", OnGpus("1") + Keeping("GPU 1048576"))));
    EXPECT_EQ(BytesIn("device"), before + 2 * kMegabyte);
    EXPECT_TRUE(FailedWith(LoadWitness(&server, "c", OnGpus("1") + Keeping("GPU 1")),
                           TRITONSERVER_ERROR_UNAVAILABLE,
                           {"memory pool of device 1 has no room"}));
    ASSERT_TRUE(Succeeded(LoadWitness(&server, "d", OnGpus("0") + Keeping("GPU 1"))));
    EXPECT_EQ(BytesIn("device"), before + 66 * kMegabyte) << "64 MB unless the server says so";
    EXPECT_TRUE(FailedWith(LoadWitness(&server, "e", Keeping("CPU_PINNED 1")),
                           TRITONSERVER_ERROR_UNAVAILABLE, {"pinned memory pool has no bytes"}));
  }
  EXPECT_EQ(BytesIn("device"), before);
}

TEST(Pools, SayWhatTheDriverAnswered) {
  Server server(Pools(kMegabyte, kMegabyte));
  const Fault host("cuMemHostAlloc", cuda::kOutOfMemory);
  const Fault device("cuMemAlloc_v2", cuda::kOutOfMemory);
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "a", Keeping("CPU_PINNED 1")),
                         TRITONSERVER_ERROR_UNAVAILABLE, {"there is no pinned memory pool"}));
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "b", OnGpus("1") + Keeping("GPU 1")),
                         TRITONSERVER_ERROR_UNAVAILABLE, {"there is no memory pool of device 1"}));
}

}  // namespace
}  // namespace trident::contract
