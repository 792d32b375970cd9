#include <cstring>

#include "cuda/child.h"
#include "cuda/fixture.h"
#include "cuda/hex.h"

namespace trident::cuda {
namespace {

// Memory of another process, which fills it with a value.
class CudaIpcTest : public CudaTest {
 protected:
  static std::vector<std::string> Owner(int device, uint64_t bytes, int value) {
    return {"owner", std::to_string(device), std::to_string(bytes), std::to_string(value)};
  }

  static void ExpectRefused(Device* device, const IpcHandle& handle) {
    const auto memory = DeviceMemory::Open(device, handle);
    EXPECT_EQ(CodeOf(memory), StatusCode::kInvalidArg);
  }

  static unsigned char ByteOf(const DeviceMemory& memory, uint64_t offset) {
    const auto stream = *Stream::Create(&memory.device());
    const Place there{memory.device().id()};
    unsigned char byte = 0;
    const char* const data = static_cast<const char*>(memory.data());
    EXPECT_TRUE(stream->Copy(&byte, Place{}, data + offset, there, 1).ok());
    return byte;
  }
};

TEST_F(CudaIpcTest, TwoProcessesShareMemory) {
  Child owner(Owner(1, 1000, 42));
  const IpcHandle handle = FromHex(owner.Ask("handle"));
  const auto memory = DeviceMemory::Open(At(1), handle);
  ASSERT_TRUE(memory.ok()) << memory.status().message();
  EXPECT_EQ((*memory)->byte_size(), 1000u);
  EXPECT_EQ(ByteOf(**memory, 999), 42);
  const auto stream = *Stream::Create(At(1));
  ASSERT_TRUE(stream->Fill((*memory)->data(), 43, 1).ok());
  ASSERT_TRUE(stream->Synchronize().ok());
  EXPECT_EQ(owner.Ask("byte 0"), "43");
  EXPECT_EQ(owner.Ask("byte 1"), "42");
}

TEST_F(CudaIpcTest, OpenedTwiceItLiesInOnePlace) {
  Child owner(Owner(0, 64, 1));
  const IpcHandle handle = FromHex(owner.Ask("handle"));
  auto first = DeviceMemory::Open(At(0), handle);
  auto second = DeviceMemory::Open(At(0), handle);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->data(), (*second)->data());
  first->reset();
  EXPECT_EQ(ByteOf(**second, 0), 1);
}

TEST_F(CudaIpcTest, LastsAsLongAsItIsOpen) {
  Child owner(Owner(0, 64, 5));
  const IpcHandle handle = FromHex(owner.Ask("handle"));
  const auto memory = DeviceMemory::Open(At(0), handle);
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(owner.Wait(), 0);
  EXPECT_EQ(ByteOf(**memory, 63), 5);
  ExpectRefused(At(0), handle);
}

TEST_F(CudaIpcTest, AHandleCanNameTheMiddleOfAnAllocation) {
  Child owner({"owner", "0", "1000", "9", "512"});
  const auto memory = DeviceMemory::Open(At(0), FromHex(owner.Ask("handle")));
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ((*memory)->byte_size(), 1000u);
  const auto range = FindRange(At(0), (*memory)->data());
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->byte_size, 1512u);
  EXPECT_EQ(static_cast<char*>(range->base) + 512, (*memory)->data());
  EXPECT_EQ(ByteOf(**memory, 0), 9);
}

TEST_F(CudaIpcTest, AHandleOfThisProcessIsRefused) {
  const auto memory = *DeviceMemory::Allocate(At(0), 64);
  const IpcHandle handle = *Export(At(0), memory->data());
  const auto opened = DeviceMemory::Open(At(0), handle);
  EXPECT_EQ(CodeOf(opened), StatusCode::kInvalidArg);
  EXPECT_EQ(opened.status().message(),
            "can't open a CUDA memory handle on device 0: CUDA_ERROR_INVALID_CONTEXT (201), "
            "invalid device context; a handle can be opened while its owner, another process, has "
            "the memory");
}

TEST_F(CudaIpcTest, WhatIsNoHandleIsRefused) {
  IpcHandle handle{};
  ExpectRefused(At(0), handle);
  memset(handle.bytes, 0xff, sizeof(handle.bytes));
  ExpectRefused(At(0), handle);
}

TEST_F(CudaIpcTest, AHandleOfFreedMemoryIsRefused) {
  Child owner(Owner(0, 64, 1));
  const IpcHandle handle = FromHex(owner.Ask("handle"));
  EXPECT_EQ(owner.Ask("free"), "freed");
  ExpectRefused(At(0), handle);
}

TEST_F(CudaIpcTest, AHandleOfAnotherDeviceIsRefused) {
  Child owner(Owner(1, 64, 1));
  const IpcHandle handle = FromHex(owner.Ask("handle"));
  const auto memory = DeviceMemory::Open(At(0), handle);
  EXPECT_EQ(CodeOf(memory), StatusCode::kInvalidArg);
  EXPECT_NE(memory.status().message().find("is memory of device 1, not of device 0"),
            std::string::npos);
  EXPECT_TRUE(DeviceMemory::Open(At(1), handle).ok());
}

TEST_F(CudaIpcTest, EachCallCanFail) {
  Child owner(Owner(0, 64, 1));
  const IpcHandle handle = FromHex(owner.Ask("handle"));
  for (const char* function : {"cuIpcOpenMemHandle_v2", "cuPointerGetAttribute",
                               "cuMemGetAddressRange_v2", "cuCtxPushCurrent_v2"}) {
    Fail(function);
    EXPECT_EQ(CodeOf(DeviceMemory::Open(At(0), handle)), StatusCode::kInternal) << function;
    Heal(function);
  }
  EXPECT_TRUE(DeviceMemory::Open(At(0), handle).ok());
}

TEST_F(CudaIpcTest, WhatIsNotAnAllocationOfThisProcessIsNotExported) {
  Child owner(Owner(0, 64, 1));
  const auto memory = DeviceMemory::Open(At(0), FromHex(owner.Ask("handle")));
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(CodeOf(Export(At(0), (*memory)->data())), StatusCode::kInvalidArg);
  EXPECT_EQ(CodeOf(Export(At(0), &owner)), StatusCode::kInvalidArg);
}

}  // namespace
}  // namespace trident::cuda
