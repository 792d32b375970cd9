#include "memory/cuda_memory.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

#include "memory/cuda_ledger.h"
#include "memory/cuda_peer.h"

namespace trident {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

// Before the driver is first used.
[[maybe_unused]] const bool fake_is_used = UseSmallFakeCuda();

HandleBytes HandleOf(const CudaMemory& memory) {
  const auto handle = memory.Export();
  EXPECT_TRUE(handle.ok()) << handle.status().message();
  return handle.ok() ? Bytes(*handle) : HandleBytes();
}

class CudaMemoryTest : public testing::Test {
 protected:
  ~CudaMemoryTest() override {
    CudaLedger::Get().AwaitDisposal();
    EXPECT_EQ(Calls("device"), 0u);
    EXPECT_EQ(Calls("opened"), 0u);
    EXPECT_EQ(Calls("violations"), 0u);
  }

  static void ExpectInvalid(const Result<CudaMemory>& memory) {
    EXPECT_EQ(memory.status().code(), StatusCode::kInvalidArg) << memory.status().message();
  }
};

TEST_F(CudaMemoryTest, IsFreedWithTheLastHold) {
  auto memory = CudaMemory::Allocate(1, 1000);
  ASSERT_TRUE(memory.ok()) << memory.status().message();
  EXPECT_EQ(memory->byte_size(), 1000u);
  EXPECT_EQ(memory->place(), cuda::Place{1});
  CudaMemory other = *memory;
  *memory = CudaMemory();
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 1u);
  other = CudaMemory();
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 0u);
}

TEST_F(CudaMemoryTest, RefusesImpossibleAllocations) {
  ExpectInvalid(CudaMemory::Allocate(0, 0));
  ExpectInvalid(CudaMemory::Allocate(2, 10));
  ExpectInvalid(CudaMemory::Allocate(-1, 10));
  EXPECT_EQ(CudaMemory::Allocate(0, kFakeMemoryBytes + 1).status().code(),
            StatusCode::kUnavailable);
  const FailingCall fail("cuMemAlloc_v2", cuda::kOutOfMemory);
  EXPECT_EQ(CudaMemory::Allocate(0, 10).status().code(), StatusCode::kUnavailable);
}

TEST_F(CudaMemoryTest, MemoryThatIsBeingFreedIsWaitedFor) {
  constexpr uint64_t kMoreThanHalf = kFakeMemoryBytes / 3 * 2;
  for (int i = 0; i < 4; ++i) {
    const auto memory = CudaMemory::Allocate(0, kMoreThanHalf);
    ASSERT_TRUE(memory.ok()) << memory.status().message();
  }
}

TEST_F(CudaMemoryTest, OwnHandleLeadsToTheOriginal) {
  auto memory = CudaMemory::Allocate(0, 4096);
  ASSERT_TRUE(memory.ok());
  const HandleBytes handle = HandleOf(*memory);
  EXPECT_EQ(HandleOf(*memory), handle);
  const uint64_t opens = Calls("cuIpcOpenMemHandle_v2");
  auto all = CudaMemory::Open(handle, 0, 0, 0);
  auto part = CudaMemory::Open(handle, 0, 96, 4000);
  ASSERT_TRUE(all.ok() && part.ok());
  EXPECT_EQ(all->data(), memory->data());
  EXPECT_EQ(all->byte_size(), 4096u);
  EXPECT_EQ(part->data(), memory->data() + 96);
  EXPECT_EQ(part->byte_size(), 4000u);
  EXPECT_EQ(HandleOf(*part), handle);
  EXPECT_EQ(Calls("cuIpcOpenMemHandle_v2"), opens);
  ExpectInvalid(CudaMemory::Open(handle, 1, 0, 0));
  // The opened ones hold it, too.
  *memory = *all = CudaMemory();
  CudaLedger::Get().AwaitDisposal();
  EXPECT_TRUE(CudaMemory::Open(handle, 0, 0, 0).ok());
}

TEST_F(CudaMemoryTest, OwnHandleOfFreedMemoryIsRefused) {
  const HandleBytes handle = HandleOf(*CudaMemory::Allocate(0, 4096));
  ExpectInvalid(CudaMemory::Open(handle, 0, 0, 0));
  CudaLedger::Get().AwaitDisposal();
  ExpectInvalid(CudaMemory::Open(handle, 0, 0, 0));
}

TEST_F(CudaMemoryTest, ForeignHandleIsOpenedOnceAndClosedWithTheLast) {
  const CudaPeer peer(4096);
  const uint64_t opens = Calls("cuIpcOpenMemHandle_v2");
  auto first = CudaMemory::Open(peer.handle(), 0, 0, 0);
  ASSERT_TRUE(first.ok()) << first.status().message();
  EXPECT_EQ(first->byte_size(), 4096u);
  auto second = CudaMemory::Open(peer.handle(), 0, 4000, 96);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->data(), first->data() + 4000);
  EXPECT_EQ(HandleOf(*second), peer.handle());
  EXPECT_EQ(Calls("cuIpcOpenMemHandle_v2"), opens + 1);
  *first = CudaMemory();
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("opened"), 1u);
  *second = CudaMemory();
  // While it is being closed, or after: it is opened anew.
  auto again = CudaMemory::Open(peer.handle(), 0, 0, 0);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(Calls("cuIpcOpenMemHandle_v2"), opens + 2);
}

TEST_F(CudaMemoryTest, RefusesHandlesThatAreNone) {
  CudaPeer peer(4096);
  const HandleBytes& handle = peer.handle();
  ExpectInvalid(CudaMemory::Open(std::span(handle).first(63), 0, 0, 0));
  ExpectInvalid(CudaMemory::Open(std::vector<uint8_t>(65), 0, 0, 0));
  ExpectInvalid(CudaMemory::Open({}, 0, 0, 0));
  ExpectInvalid(CudaMemory::Open(HandleBytes{1, 2, 3}, 0, 0, 0));
  ExpectInvalid(CudaMemory::Open(handle, 7, 0, 0));
  ExpectInvalid(CudaMemory::Open(handle, -1, 0, 0));
  peer.Exit();
  ExpectInvalid(CudaMemory::Open(handle, 0, 0, 0));
  const FailingCall fail("cuIpcOpenMemHandle_v2", cuda::kUnknown);
  EXPECT_EQ(CudaMemory::Open(handle, 0, 0, 0).status().code(), StatusCode::kInternal);
}

TEST_F(CudaMemoryTest, RefusesPartsOutsideTheAllocation) {
  const CudaPeer peer(4096);
  const auto own = CudaMemory::Allocate(0, 4096);
  ASSERT_TRUE(own.ok());
  for (const HandleBytes& handle : {peer.handle(), HandleOf(*own)}) {
    ExpectInvalid(CudaMemory::Open(handle, 0, 4096, 0));
    ExpectInvalid(CudaMemory::Open(handle, 0, 0, 4097));
    ExpectInvalid(CudaMemory::Open(handle, 0, 1, 4096));
    ExpectInvalid(CudaMemory::Open(handle, 0, 5000, 1));
    ExpectInvalid(CudaMemory::Open(handle, 0, 1, kMax));
    ExpectInvalid(CudaMemory::Open(handle, 0, kMax, 1));
    EXPECT_TRUE(CudaMemory::Open(handle, 0, 4095, 1).ok());
  }
  EXPECT_TRUE(own->CheckInside(4096, 0).ok());
  EXPECT_TRUE(own->CheckInside(0, 4096).ok());
  EXPECT_EQ(own->CheckInside(1, 4096).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(own->CheckInside(4000, kMax - 3999).code(), StatusCode::kInvalidArg);
}

TEST_F(CudaMemoryTest, HandleCanLeadIntoAnAllocation) {
  const CudaPeer peer(1024, 96);
  const auto memory = CudaMemory::Open(peer.handle(), 0, 0, 0);
  ASSERT_TRUE(memory.ok()) << memory.status().message();
  EXPECT_EQ(memory->byte_size(), 1024u);
  ExpectInvalid(CudaMemory::Open(peer.handle(), 0, 0, 1025));
  ExpectInvalid(CudaMemory::Open(peer.handle(), 0, 1000, 25));
}

TEST_F(CudaMemoryTest, WrapsWhatTheDriverKnows) {
  auto device = cuda::Device::Find(1);
  ASSERT_TRUE(device.ok());
  auto theirs = cuda::DeviceMemory::Allocate(*device, 4096);
  ASSERT_TRUE(theirs.ok());
  auto* const data = static_cast<uint8_t*>((*theirs)->data());
  {
    const auto part = CudaMemory::Wrap(data + 96, 1, 4000);
    ASSERT_TRUE(part.ok()) << part.status().message();
    EXPECT_EQ(part->data(), data + 96);
    EXPECT_EQ(part->byte_size(), 4000u);
    // Its handle is that of all of the allocation, here as elsewhere.
    const auto all = CudaMemory::Open(HandleOf(*part), 1, 0, 0);
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(all->data(), data);
    ExpectInvalid(CudaMemory::Wrap(data + 96, 1, 4001));
    ExpectInvalid(CudaMemory::Wrap(data + 96, 1, kMax));
    ExpectInvalid(CudaMemory::Wrap(data + 96, 1, kMax - 95));
    ExpectInvalid(CudaMemory::Wrap(data, 1, 0));
    ExpectInvalid(CudaMemory::Wrap(data, 0, 10));
    ExpectInvalid(CudaMemory::Wrap(data, 5, 10));
    ExpectInvalid(CudaMemory::Wrap(&device, 1, 1));
    ExpectInvalid(CudaMemory::Wrap(nullptr, 1, 1));
  }
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 1u);  // still theirs
}

TEST_F(CudaMemoryTest, WrappingOwnMemoryHoldsIt) {
  auto memory = CudaMemory::Allocate(0, 4096);
  ASSERT_TRUE(memory.ok());
  auto wrapped = CudaMemory::Wrap(memory->data() + 10, 0, 10);
  ASSERT_TRUE(wrapped.ok());
  *memory = CudaMemory();
  CudaLedger::Get().AwaitDisposal();
  EXPECT_EQ(Calls("device"), 1u);
}

TEST_F(CudaMemoryTest, MemoryThatIsBeingFreedIsNotWrapped) {
  for (int i = 0; i < 100; ++i) {
    auto memory = CudaMemory::Allocate(0, 4096);
    ASSERT_TRUE(memory.ok());
    uint8_t* const data = memory->data();
    *memory = CudaMemory();
    ExpectInvalid(CudaMemory::Wrap(data, 0, 10));
  }
}

TEST_F(CudaMemoryTest, WrappingOpenedMemoryHoldsItWhereverItsHandleLeads) {
  const CudaPeer peer(4096, /*lead=*/512);
  auto opened = CudaMemory::Open(peer.handle(), 0, 0, 0);
  ASSERT_TRUE(opened.ok());
  auto inside = CudaMemory::Wrap(opened->data() + 10, 0, 10);
  auto before = CudaMemory::Wrap(opened->data() - 10, 0, 10);
  ASSERT_TRUE(inside.ok() && before.ok());
  EXPECT_EQ(inside->data(), opened->data() + 10);
  EXPECT_EQ(inside->hold(), opened->hold());
  EXPECT_EQ(before->hold(), opened->hold());
}

TEST_F(CudaMemoryTest, AHandleOfForeignMemoryLeadsToAnyOfItsWraps) {
  const auto foreign = *cuda::DeviceMemory::Allocate(*cuda::Device::Find(0), 4096);
  auto first = *CudaMemory::Wrap(foreign->data(), 0, 10);
  auto second = *CudaMemory::Wrap(foreign->data(), 0, 10);
  const HandleBytes handle = HandleOf(first);
  EXPECT_EQ(HandleOf(second), handle);
  second = CudaMemory();
  EXPECT_TRUE(CudaMemory::Open(handle, 0, 0, 0).ok());
  second = *CudaMemory::Wrap(foreign->data(), 0, 10);
  EXPECT_EQ(HandleOf(second), handle);
  first = CudaMemory();
  EXPECT_TRUE(CudaMemory::Open(handle, 0, 0, 0).ok());
  second = CudaMemory();
  ExpectInvalid(CudaMemory::Open(handle, 0, 0, 0));
}

TEST_F(CudaMemoryTest, ThreadsOpenAndCloseOneHandle) {
  const CudaPeer peer(4096);
  const HandleBytes& handle = peer.handle();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&handle] {
      for (int i = 0; i < 100; ++i) {
        const auto memory = CudaMemory::Open(handle, 0, i, 1);
        EXPECT_TRUE(memory.ok()) << memory.status().message();
        EXPECT_LE(Calls("opened"), 1u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CudaMemoryTest, ThreadsExportOpenAndFree) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([thread] {
      for (int i = 0; i < 50; ++i) {
        auto memory = CudaMemory::Allocate(thread % 2, 4096);
        ASSERT_TRUE(memory.ok());
        const auto opened = CudaMemory::Open(HandleOf(*memory), thread % 2, 0, 0);
        ASSERT_TRUE(opened.ok()) << opened.status().message();
        EXPECT_EQ(opened->data(), memory->data());
        *memory = CudaMemory();
        EXPECT_TRUE(CudaMemory::Wrap(opened->data(), thread % 2, 4096).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace trident
