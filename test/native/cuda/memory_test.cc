#include "cuda/memory.h"

#include <functional>

#include "cuda/child.h"
#include "cuda/fixture.h"
#include "cuda/hex.h"

namespace trident::cuda {
namespace {

class CudaMemoryTest : public CudaTest {};

TEST_F(CudaMemoryTest, OfADeviceIsAllocatedAndFreed) {
  const uint64_t bytes = Row("device").bytes;
  auto memory = DeviceMemory::Allocate(At(1), 1000);
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(&(*memory)->device(), At(1));
  EXPECT_EQ((*memory)->byte_size(), 1000u);
  EXPECT_EQ(Row("device").bytes, bytes + 1000);
  ASSERT_NE(Alias((*memory)->data()), nullptr);
  EXPECT_NE(Alias((*memory)->data()), (*memory)->data());
  const void* const data = (*memory)->data();
  memory->reset();
  EXPECT_EQ(Alias(data), nullptr);
  EXPECT_EQ(Row("device").bytes, bytes);
}

TEST_F(CudaMemoryTest, CanNotBeTouchedByTheHost) {
  Child child({"touch"});
  EXPECT_NE(child.Wait(), 0);
}

TEST_F(CudaMemoryTest, EndsSomewhere) {
  const uint64_t all = At(1)->memory_bytes();
  auto most = DeviceMemory::Allocate(At(1), all - 64);
  ASSERT_TRUE(most.ok());
  const auto more = DeviceMemory::Allocate(At(1), 65);
  EXPECT_EQ(CodeOf(more), StatusCode::kUnavailable);
  EXPECT_EQ(more.status().message(),
            "can't allocate 65 bytes on device 1: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory");
  EXPECT_TRUE(DeviceMemory::Allocate(At(1), 64).ok());
  EXPECT_TRUE(DeviceMemory::Allocate(At(0), 65).ok());
  most->reset();
  EXPECT_TRUE(DeviceMemory::Allocate(At(1), 65).ok());
  EXPECT_EQ(CodeOf(DeviceMemory::Allocate(At(1), UINT64_MAX)), StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(DeviceMemory::Allocate(At(1), 0)), StatusCode::kInvalidArg);
}

TEST_F(CudaMemoryTest, OfTheHostIsPinned) {
  const uint64_t bytes = Row("host").bytes;
  {
    const auto memory = PinnedMemory::Allocate(100);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ((*memory)->byte_size(), 100u);
    static_cast<char*>((*memory)->data())[99] = 1;
    EXPECT_EQ(Row("host").bytes, bytes + 100);
  }
  EXPECT_EQ(Row("host").bytes, bytes);
  EXPECT_EQ(CodeOf(PinnedMemory::Allocate(0)), StatusCode::kInvalidArg);
}

TEST_F(CudaMemoryTest, OfTheHostIsPinnedWhileAnyDeviceIsLeft) {
  Child child({"pinned"});
  EXPECT_EQ(child.Read(), "OK");
  EXPECT_EQ(child.Read().find("Unavailable: can't allocate 64 bytes of pinned memory"), 0u);
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(CudaMemoryTest, OfTheHostIsPinnedByWayOfTheDeviceAsked) {
  Device* const device = FreshDevice();
  const uint64_t contexts = Calls("contexts");
  EXPECT_TRUE(PinnedMemory::Allocate(64, device).ok());
  EXPECT_EQ(Calls("contexts"), contexts + 1);
}

TEST_F(CudaMemoryTest, IsAllocatedAndFreedWhileAGraphIsCaptured) {
  Child owner({"owner", "0", "64", "7"});
  const IpcHandle handle = FromHex(owner.Ask("handle"));
  Row("capture").result = 1;
  EXPECT_TRUE(DeviceMemory::Allocate(At(0), 64).ok());
  EXPECT_TRUE(DeviceMemory::Open(At(0), handle).ok());
  EXPECT_TRUE(PinnedMemory::Allocate(64).ok());
  Row("capture").result = 0;
}

TEST_F(CudaMemoryTest, EachCallCanFail) {
  const auto memory = *DeviceMemory::Allocate(At(0), 64);
  const auto look_up = [&] { return CodeOf(FindRange(At(0), memory->data())); };
  const std::pair<const char*, std::function<StatusCode()>> steps[] = {
      {"cuMemAlloc_v2", [&] { return CodeOf(DeviceMemory::Allocate(At(0), 1)); }},
      {"cuMemHostAlloc", [&] { return CodeOf(PinnedMemory::Allocate(1)); }},
      {"cuIpcGetMemHandle", [&] { return CodeOf(Export(At(0), memory->data())); }},
      {"cuPointerGetAttribute", look_up},
      {"cuMemGetAddressRange_v2", look_up},
  };
  for (const auto& [function, step] : steps) {
    EXPECT_EQ(step(), StatusCode::kOk) << function;
    Fail(function);
    EXPECT_EQ(step(), StatusCode::kInternal) << function;
    Heal(function);
    Fail("cuCtxPushCurrent_v2");
    EXPECT_EQ(step(), StatusCode::kInternal) << function;
    Heal("cuCtxPushCurrent_v2");
  }
  Fail("cuPointerGetAttribute", kUnknown, /*after=*/1);
  EXPECT_EQ(look_up(), StatusCode::kInternal);
}

TEST_F(CudaMemoryTest, IsFoundByAnyAddressInside) {
  const auto memory = *DeviceMemory::Allocate(At(1), 1000);
  char* const data = static_cast<char*>(memory->data());
  for (const uint64_t offset : {0, 1, 500, 999}) {
    const auto range = FindRange(At(1), data + offset);
    ASSERT_TRUE(range.ok());
    EXPECT_EQ(range->base, data);
    EXPECT_EQ(range->byte_size, 1000u);
  }
}

TEST_F(CudaMemoryTest, IsNotFoundElsewhere) {
  auto memory = *DeviceMemory::Allocate(At(1), 1000);
  const auto pinned = *PinnedMemory::Allocate(64);
  char* const data = static_cast<char*>(memory->data());
  const int local = 0;
  for (const void* address :
       {static_cast<const void*>(data + 1000), static_cast<const void*>(data - 1),
        static_cast<const void*>(&local), static_cast<const void*>(pinned->data()),
        static_cast<const void*>(nullptr)}) {
    EXPECT_EQ(CodeOf(FindRange(At(1), address)), StatusCode::kInvalidArg) << address;
  }
  const auto foreign = FindRange(At(0), data);
  EXPECT_EQ(CodeOf(foreign), StatusCode::kInvalidArg);
  EXPECT_EQ(foreign.status().message(),
            StrCat("address ", memory->data(), " is memory of device 1, not of device 0"));
  memory.reset();
  EXPECT_EQ(CodeOf(FindRange(At(1), data)), StatusCode::kInvalidArg);
}

TEST_F(CudaMemoryTest, FreedUnderAStreamIsNoticed) {
  auto memory = *DeviceMemory::Allocate(At(0), 1000);
  auto pinned = *PinnedMemory::Allocate(1000);
  const auto stream = *Stream::Create(At(0));
  Row("hold").result = 1;
  ASSERT_TRUE(stream->Fill(memory->data(), 1, 1000).ok());
  ASSERT_TRUE(stream->Copy(memory->data(), Place{0}, pinned->data(), Place{}, 1000).ok());
  memory.reset();
  pinned.reset();
  Row("hold").result = 0;
  EXPECT_TRUE(stream->Synchronize().ok());
  EXPECT_EQ(Calls("violations"), 2u);
  Row("violations").calls = 0;
}

}  // namespace
}  // namespace trident::cuda
