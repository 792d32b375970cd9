#include "cuda/device.h"

#include <climits>
#include <thread>
#include <vector>

#include "cuda/child.h"
#include "cuda/fixture.h"

namespace trident::cuda {
namespace {

class CudaDeviceTest : public CudaTest {
 protected:
  static CuContext Current() {
    CuContext context = nullptr;
    EXPECT_EQ((*Driver())->cuCtxGetCurrent(&context), kSuccess);
    return context;
  }
};

TEST_F(CudaDeviceTest, AreDescribed) {
  const auto devices = Device::All();
  ASSERT_TRUE(devices.ok());
  ASSERT_EQ(devices->size(), static_cast<size_t>(kDevices));
  const Device& second = *(*devices)[1];
  EXPECT_EQ(second.id(), 1);
  EXPECT_EQ(second.name(), "Fake GPU 1");
  EXPECT_EQ(second.uuid(), "GPU-f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfe01");
  EXPECT_EQ(second.memory_bytes(), 1u << 30);
  EXPECT_EQ(second.compute_major(), 9);
  EXPECT_EQ(second.compute_minor(), 0);
}

TEST_F(CudaDeviceTest, AreFoundById) {
  EXPECT_EQ(At(1)->id(), 1);
  for (const int64_t id : {int64_t{-1}, int64_t{kDevices}, INT64_MAX, INT64_MIN}) {
    const auto device = Device::Find(id);
    ASSERT_EQ(CodeOf(device), StatusCode::kInvalidArg);
    EXPECT_EQ(device.status().message(),
              StrCat("there is no device ", id, "; this process sees ", kDevices));
  }
}

TEST_F(CudaDeviceTest, HaveOneContextEach) {
  Device* const device = FreshDevice();
  const uint64_t before = Calls("contexts");
  std::vector<std::thread> threads;
  std::vector<CuContext> contexts(4);
  for (CuContext& context : contexts) {
    threads.emplace_back([&context, device] { context = *device->Context(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const CuContext context : contexts) EXPECT_EQ(context, contexts[0]);
  EXPECT_EQ(Calls("contexts"), before + 1);
  EXPECT_NE(contexts[0], *At(0)->Context());
}

TEST_F(CudaDeviceTest, AContextThatCanNotBeMadeIsTriedAgain) {
  Child child({"context", "cuDevicePrimaryCtxRetain=2"});
  EXPECT_EQ(child.Read(),
            "Unavailable: can't make a context of device 0: CUDA_ERROR_OUT_OF_MEMORY (2), out of "
            "memory");
  EXPECT_EQ(child.Read(), "OK");
  EXPECT_EQ(child.Read(), "OK");
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(CudaDeviceTest, KnowTheirFreeMemory) {
  const uint64_t before = *At(0)->FreeBytes();
  {
    const auto memory = DeviceMemory::Allocate(At(0), 4096);
    EXPECT_EQ(*At(0)->FreeBytes(), before - 4096);
  }
  EXPECT_EQ(*At(0)->FreeBytes(), before);
  Fail("cuMemGetInfo_v2");
  EXPECT_EQ(CodeOf(At(0)->FreeBytes()), StatusCode::kInternal);
  Heal("cuMemGetInfo_v2");
  Fail("cuCtxPushCurrent_v2", kInvalidContext);
  EXPECT_EQ(CodeOf(At(0)->FreeBytes()), StatusCode::kInternal);
}

TEST_F(CudaDeviceTest, BelongToAThreadForAScope) {
  const CuContext first = *At(0)->Context();
  const CuContext second = *At(1)->Context();
  EXPECT_EQ(Current(), nullptr);
  {
    const ScopedDevice outer(At(0));
    ASSERT_TRUE(outer.status().ok());
    EXPECT_EQ(Current(), first);
    {
      const ScopedDevice inner(At(1));
      EXPECT_EQ(Current(), second);
      const ScopedDevice again(At(1));
      EXPECT_EQ(Current(), second);
      std::thread([] { EXPECT_EQ(Current(), nullptr); }).join();
    }
    EXPECT_EQ(Current(), first);
  }
  EXPECT_EQ(Current(), nullptr);
}

TEST_F(CudaDeviceTest, AScopeThatCanNotBeEnteredLeavesTheThreadAsItWas) {
  const CuContext first = *At(0)->Context();
  const ScopedDevice outer(At(0));
  Fail("cuCtxPushCurrent_v2", kInvalidContext);
  {
    const ScopedDevice inner(At(1));
    EXPECT_EQ(inner.status().code(), StatusCode::kInternal);
    EXPECT_EQ(Current(), first);
  }
  EXPECT_EQ(Current(), first);
}

TEST_F(CudaDeviceTest, AreProbed) {
  EXPECT_TRUE(At(0)->Context().ok());
  EXPECT_TRUE(At(0)->Probe().ok());
  for (const CuResult passing : {kNotReady, kOutOfMemory, kUnknown}) {
    Fail("cuStreamQuery", passing);
    EXPECT_TRUE(At(0)->Probe().ok()) << passing;
  }
}

TEST_F(CudaDeviceTest, AProbeDoesNotMakeAContext) {
  Device* const unused = FreshDevice();
  const uint64_t queries = Calls("cuStreamQuery");
  const uint64_t contexts = Calls("contexts");
  EXPECT_TRUE(unused->Probe().ok());
  EXPECT_EQ(Calls("cuStreamQuery"), queries);
  EXPECT_EQ(Calls("contexts"), contexts);
}

TEST_F(CudaDeviceTest, AreLostForGood) {
  Device* const device = FreshDevice();
  EXPECT_TRUE(device->FreeBytes().ok());
  Fail("cuMemGetInfo_v2", kIllegalAddress);
  EXPECT_EQ(CodeOf(device->FreeBytes()), StatusCode::kUnavailable);
  Heal("cuMemGetInfo_v2");
  EXPECT_EQ(CodeOf(device->FreeBytes()), StatusCode::kUnavailable);
  const Status lost = device->Probe();
  EXPECT_EQ(lost.code(), StatusCode::kUnavailable);
  EXPECT_NE(lost.message().find("the device is lost to this process"), std::string::npos);
  EXPECT_TRUE(At(0)->FreeBytes().ok());
  EXPECT_TRUE(At(0)->Probe().ok());
}

TEST_F(CudaDeviceTest, AProbeFindsALossThatSomebodyElseMet) {
  Device* const device = FreshDevice();
  CuContext theirs = nullptr;
  ASSERT_EQ((*Driver())->cuDevicePrimaryCtxRetain(&theirs, device->id()), kSuccess);
  EXPECT_TRUE(device->Probe().ok());
  Device* const another = FreshDevice();
  ASSERT_EQ((*Driver())->cuDevicePrimaryCtxRetain(&theirs, another->id()), kSuccess);
  for (const Device* one : {device, another}) Row("lose").bytes |= uint64_t{1} << one->id();
  Row("lose").result = kEccUncorrectable;
  EXPECT_EQ(device->Probe().code(), StatusCode::kUnavailable);
  EXPECT_EQ(another->Probe().code(), StatusCode::kUnavailable);
  Row("lose").result = 0;
  Row("lose").bytes = 0;
}

TEST_F(CudaDeviceTest, AreProbedWhileAGraphIsCaptured) {
  Row("capture").result = 1;
  const ScopedDevice scope(At(0));
  EXPECT_EQ((*Driver())->cuStreamQuery(nullptr), kCaptureUnsupported);
  const uint64_t queries = Calls("cuStreamQuery");
  EXPECT_TRUE(At(0)->Probe().ok());
  EXPECT_EQ(Calls("cuStreamQuery"), queries + 1);
  EXPECT_EQ((*Driver())->cuStreamQuery(nullptr), kCaptureUnsupported) << "the mode is as before";
  Row("capture").result = 0;
}

TEST_F(CudaDeviceTest, ReachEachOther) {
  const uint64_t before = Calls("cuCtxEnablePeerAccess");
  EXPECT_TRUE(At(0)->EnablePeerAccess(At(1)).ok());
  EXPECT_TRUE(At(0)->EnablePeerAccess(At(1)).ok());
  EXPECT_EQ(Calls("cuCtxEnablePeerAccess"), before + 2);
  EXPECT_TRUE(At(0)->EnablePeerAccess(At(0)).ok());
  EXPECT_EQ(Calls("cuCtxEnablePeerAccess"), before + 2);
  for (const char* function :
       {"cuDeviceCanAccessPeer", "cuCtxEnablePeerAccess", "cuCtxPushCurrent_v2"}) {
    Fail(function);
    EXPECT_EQ(At(1)->EnablePeerAccess(At(0)).code(), StatusCode::kInternal) << function;
    Heal(function);
  }
}

TEST_F(CudaDeviceTest, StayStrangersWhereTheMachineCanNotJoinThem) {
  Child child({"strangers"}, {"FAKE_CUDA_PEER=0"});
  EXPECT_EQ(child.Read(), "OK");
  EXPECT_EQ(child.Read(), "0");
  EXPECT_EQ(child.Wait(), 0);
}

}  // namespace
}  // namespace trident::cuda
