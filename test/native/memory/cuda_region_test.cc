#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "memory/cuda_ledger.h"
#include "memory/cuda_peer.h"
#include "memory/peer.h"
#include "memory/region_registry.h"

namespace trident {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr RegionKind kSystem = RegionKind::kSystem;
constexpr RegionKind kCuda = RegionKind::kCuda;

// Before the driver is first used.
[[maybe_unused]] const bool fake_is_used = UseSmallFakeCuda();

class CudaRegionTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_ = *CudaMemory::Allocate(1, 4096);
    handle_ = *memory_.Export();
  }
  ~CudaRegionTest() override {
    registry_.UnregisterAll(kCuda);
    memory_ = CudaMemory();
    CudaLedger::Get().AwaitDisposal();
    EXPECT_EQ(Calls("device"), 0u);
    EXPECT_EQ(Calls("opened"), 0u);
  }

  Status Register(const std::string& name, uint64_t byte_size = 4096, int64_t device_id = 1) {
    return registry_.RegisterCuda(name, handle_.bytes, device_id, byte_size);
  }

  CudaMemory memory_;
  cuda::IpcHandle handle_;
  RegionRegistry registry_{AllowedKeys()};
};

TEST_F(CudaRegionTest, RegisterListFindUnregister) {
  ASSERT_TRUE(Register("b", 100).ok());
  ASSERT_TRUE(Register("a").ok());
  const auto list = registry_.List(kCuda);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "a");
  EXPECT_EQ(list[1].byte_size, 100u);
  EXPECT_EQ(list[1].device_id, 1);
  EXPECT_EQ(registry_.Find("b", kCuda)->byte_size, 100u);
  EXPECT_EQ(registry_.Find("c", kCuda).status().message(),
            "Unable to find cuda shared memory region: 'c'");
  EXPECT_TRUE(registry_.List(kSystem).empty());
  EXPECT_TRUE(registry_.Unregister("b", kCuda).ok());
  EXPECT_TRUE(registry_.Unregister("never", kCuda).ok());
  EXPECT_EQ(registry_.List(kCuda).size(), 1u);
}

TEST_F(CudaRegionTest, OneNameSpaceForBothKinds) {
  const auto region = *SharedMemoryRegion::Create(NewKey(), 100);
  ASSERT_TRUE(registry_.Register("system", region->key(), 0, 100).ok());
  ASSERT_TRUE(Register("cuda").ok());
  EXPECT_EQ(Register("system").code(), StatusCode::kAlreadyExists);
  const Status taken = registry_.Register("cuda", region->key(), 0, 100);
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(taken.message(), "shared memory region 'cuda' already in manager");
  const auto expect_other = [](const Status& status, const std::string& message) {
    EXPECT_EQ(status.code(), StatusCode::kNotFound);
    EXPECT_EQ(status.message(), message);
  };
  const std::string is_cuda =
      "The region named 'cuda' is registered as CUDA shared memory, not system shared memory";
  const std::string is_system =
      "The region named 'system' is registered as system shared memory, not CUDA shared memory";
  expect_other(registry_.Find("cuda", kSystem).status(), is_cuda);
  expect_other(registry_.Find("system", kCuda).status(), is_system);
  expect_other(registry_.Unregister("cuda", kSystem), is_cuda);
  expect_other(registry_.Unregister("system", kCuda), is_system);
  registry_.UnregisterAll(kSystem);
  EXPECT_TRUE(registry_.List(kSystem).empty());
  EXPECT_EQ(registry_.List(kCuda).size(), 1u);
}

TEST_F(CudaRegionTest, LeaseSaysWhereTheBytesAre) {
  ASSERT_TRUE(Register("r", 1000).ok());
  auto lease = registry_.Acquire("r", 100, 900);
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->data(), memory_.data() + 100);
  EXPECT_EQ(lease->place(), cuda::Place{1});
  RegionLease moved = std::move(*lease);
  EXPECT_FALSE(lease->active());
  EXPECT_EQ(moved.place(), cuda::Place{1});
  EXPECT_TRUE(moved.Finish().ok());
  const auto refused = [this](uint64_t offset, uint64_t byte_size) {
    return registry_.Acquire("r", offset, byte_size).status().code();
  };
  EXPECT_EQ(refused(1000, 1), StatusCode::kInvalidArg);
  EXPECT_EQ(refused(999, 2), StatusCode::kInvalidArg);
  EXPECT_EQ(refused(10, kMax), StatusCode::kInvalidArg);
  EXPECT_EQ(RegionLease::Direct(memory_, 4096, 1).status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(RegionLease::Direct(memory_, 1, 4096).status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ(RegionLease::Direct(memory_, 1, kMax).status().code(), StatusCode::kInvalidArg);
}

TEST_F(CudaRegionTest, RefusesWhatIsNoRegion) {
  EXPECT_EQ(Register("").message(),
            "'region name' is necessary to register cuda shared memory region");
  const auto code = [this](std::span<const uint8_t> handle, int64_t device, uint64_t byte_size) {
    return registry_.RegisterCuda("r", handle, device, byte_size).code();
  };
  const std::span<const uint8_t> handle(handle_.bytes);
  EXPECT_EQ(code(handle.first(63), 1, 10), StatusCode::kInvalidArg);
  EXPECT_EQ(code({}, 1, 10), StatusCode::kInvalidArg);
  EXPECT_EQ(code(HandleBytes{9}, 1, 10), StatusCode::kInvalidArg);
  EXPECT_EQ(code(handle, 0, 10), StatusCode::kInvalidArg);
  EXPECT_EQ(code(handle, 2, 10), StatusCode::kInvalidArg);
  EXPECT_EQ(code(handle, -1, 10), StatusCode::kInvalidArg);
  EXPECT_EQ(code(handle, 1, 0), StatusCode::kInvalidArg);
  EXPECT_EQ(code(handle, 1, 4097), StatusCode::kInvalidArg);
  EXPECT_EQ(code(handle, 1, kMax), StatusCode::kInvalidArg);
  EXPECT_TRUE(registry_.List(kCuda).empty());
}

TEST_F(CudaRegionTest, RegistrationKeepsTheMemory) {
  ASSERT_TRUE(Register("r").ok());
  memory_ = CudaMemory();
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 1u);
  ASSERT_TRUE(registry_.Unregister("r", kCuda).ok());
  EXPECT_EQ(Register("r").code(), StatusCode::kInvalidArg);  // freed by now
}

TEST_F(CudaRegionTest, RegionsOfOneHandleShareOneOpening) {
  const CudaPeer peer(4096);
  const auto add = [&](const std::string& name) {
    return registry_.RegisterCuda(name, peer.handle(), 0, 4096);
  };
  ASSERT_TRUE(add("a").ok() && add("b").ok());
  EXPECT_EQ(registry_.Acquire("a", 0, 1)->data(), registry_.Acquire("b", 0, 1)->data());
  EXPECT_EQ(Calls("opened"), 1u);
  ASSERT_TRUE(registry_.Unregister("a", kCuda).ok());
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("opened"), 1u);
}

TEST_F(CudaRegionTest, UnregisterWaitsForTheLastLease) {
  const CudaPeer peer(4096);
  ASSERT_TRUE(registry_.RegisterCuda("r", peer.handle(), 0, 4096).ok());
  auto first = registry_.Acquire("r", 0, 10);
  auto second = registry_.Acquire("r", 0, 10);
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE(registry_.Unregister("r", kCuda).ok());
  EXPECT_EQ(registry_.Acquire("r", 0, 10).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Register("r").code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(first->Finish().ok());
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("opened"), 1u);
  EXPECT_TRUE(second->Finish().ok());
  EXPECT_TRUE(registry_.List(kCuda).empty());
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("opened"), 0u);
}

TEST_F(CudaRegionTest, LeasesOutliveTheRegistry) {
  RegionLease lease;
  {
    RegionRegistry registry{AllowedKeys()};
    ASSERT_TRUE(registry.RegisterCuda("r", handle_.bytes, 1, 4096).ok());
    lease = *registry.Acquire("r", 0, 10);
  }
  memory_ = CudaMemory();
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 1u);
}

TEST_F(CudaRegionTest, RequestsWhileRegionsComeAndGo) {
  const CudaPeer peer(4096);
  std::atomic<bool> over{false};
  std::vector<std::thread> requests;
  for (int thread = 0; thread < 3; ++thread) {
    requests.emplace_back([&] {
      while (!over) {
        auto lease = registry_.Acquire("r", 0, 10);
        EXPECT_TRUE(lease.ok() || lease.status().code() == StatusCode::kNotFound);
        if (!lease.ok()) continue;
        EXPECT_EQ(lease->place(), cuda::Place{0});
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    const Status added = registry_.RegisterCuda("r", peer.handle(), 0, 4096);
    EXPECT_TRUE(added.ok() || added.code() == StatusCode::kAlreadyExists) << added.message();
    EXPECT_TRUE(registry_.Unregister("r", kCuda).ok());
  }
  over = true;
  for (std::thread& request : requests) request.join();
  EXPECT_TRUE(registry_.List(kCuda).empty());
}

}  // namespace
}  // namespace trident
