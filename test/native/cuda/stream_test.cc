#include "cuda/stream.h"

#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "cuda/fixture.h"

namespace trident::cuda {
namespace {

constexpr Place kHost;
constexpr uint64_t kBytes = 1000;

class CudaStreamTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    stream_ = *Stream::Create(At(0));
    near_ = *DeviceMemory::Allocate(At(0), kBytes);
    far_ = *DeviceMemory::Allocate(At(1), kBytes);
    pinned_ = *PinnedMemory::Allocate(kBytes);
    memset(pinned_->data(), 0, kBytes);
    numbers_.resize(kBytes);
    std::iota(numbers_.begin(), numbers_.end(), 1);
  }
  void TearDown() override {
    stream_.reset();
    near_.reset();
    far_.reset();
    pinned_.reset();
    CudaTest::TearDown();
  }

  // What pinned memory holds has come from numbers_.
  bool Arrived() const { return memcmp(pinned_->data(), numbers_.data(), kBytes) == 0; }

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<DeviceMemory> near_;
  std::unique_ptr<DeviceMemory> far_;
  std::unique_ptr<PinnedMemory> pinned_;
  std::vector<unsigned char> numbers_;
};

TEST_F(CudaStreamTest, CopiesFromAndToWhereverBytesLie) {
  const auto second = *DeviceMemory::Allocate(At(0), kBytes);
  const auto back = *DeviceMemory::Allocate(At(0), kBytes);
  const uint64_t in = Row("cuMemcpyHtoDAsync_v2").bytes;
  const uint64_t beside = Row("cuMemcpyDtoDAsync_v2").bytes;
  const uint64_t across = Row("cuMemcpyPeerAsync").bytes;
  const uint64_t out = Row("cuMemcpyDtoHAsync_v2").bytes;
  ASSERT_TRUE(stream_->Copy(near_->data(), Place{0}, numbers_.data(), kHost, kBytes).ok());
  ASSERT_TRUE(stream_->Copy(second->data(), Place{0}, near_->data(), Place{0}, kBytes).ok());
  ASSERT_TRUE(stream_->Copy(far_->data(), Place{1}, second->data(), Place{0}, kBytes).ok());
  ASSERT_TRUE(stream_->Copy(back->data(), Place{0}, far_->data(), Place{1}, kBytes).ok());
  ASSERT_TRUE(stream_->Copy(pinned_->data(), kHost, back->data(), Place{0}, kBytes).ok());
  ASSERT_TRUE(stream_->Synchronize().ok());
  EXPECT_TRUE(Arrived());
  EXPECT_EQ(Row("cuMemcpyHtoDAsync_v2").bytes, in + kBytes);
  EXPECT_EQ(Row("cuMemcpyDtoDAsync_v2").bytes, beside + kBytes);
  EXPECT_EQ(Row("cuMemcpyPeerAsync").bytes, across + 2 * kBytes);
  EXPECT_EQ(Row("cuMemcpyDtoHAsync_v2").bytes, out + kBytes);
}

TEST_F(CudaStreamTest, CopiesParts) {
  char* const data = static_cast<char*>(near_->data());
  ASSERT_TRUE(stream_->Fill(data, 7, kBytes).ok());
  ASSERT_TRUE(stream_->Copy(data + 10, Place{0}, numbers_.data() + 20, kHost, 30).ok());
  std::vector<unsigned char> read(kBytes);
  ASSERT_TRUE(stream_->Copy(read.data(), kHost, data, Place{0}, kBytes).ok());
  EXPECT_EQ(read[9], 7);
  EXPECT_EQ(memcmp(read.data() + 10, numbers_.data() + 20, 30), 0);
  EXPECT_EQ(read[40], 7);
  EXPECT_EQ(read[kBytes - 1], 7);
}

TEST_F(CudaStreamTest, NothingIsNoWork) {
  const uint64_t before = Calls("cuCtxPushCurrent_v2");
  EXPECT_TRUE(stream_->Copy(nullptr, Place{0}, nullptr, kHost, 0).ok());
  EXPECT_TRUE(stream_->Fill(nullptr, 1, 0).ok());
  EXPECT_EQ(Calls("cuCtxPushCurrent_v2"), before);
}

TEST_F(CudaStreamTest, DoesNotWaitForPinnedMemory) {
  Row("hold").result = 1;
  ASSERT_TRUE(stream_->Copy(near_->data(), Place{0}, numbers_.data(), kHost, kBytes).ok());
  ASSERT_TRUE(stream_->Copy(pinned_->data(), kHost, near_->data(), Place{0}, kBytes).ok());
  EXPECT_FALSE(Arrived());
  EXPECT_EQ((*Driver())->cuStreamQuery(stream_->handle()), kInvalidContext);
  {
    const ScopedDevice scope(At(0));
    EXPECT_EQ((*Driver())->cuStreamQuery(stream_->handle()), kNotReady);
  }
  Row("hold").result = 0;
  ASSERT_TRUE(stream_->Synchronize().ok());
  EXPECT_TRUE(Arrived());
}

TEST_F(CudaStreamTest, EndsWhenItsWorkIsDone) {
  Row("slow").result = 20'000;
  ASSERT_TRUE(stream_->Copy(near_->data(), Place{0}, numbers_.data(), kHost, kBytes).ok());
  ASSERT_TRUE(stream_->Copy(pinned_->data(), kHost, near_->data(), Place{0}, kBytes).ok());
  stream_.reset();
  Row("slow").result = 0;
  EXPECT_TRUE(Arrived());
}

TEST_F(CudaStreamTest, RefusesWhatIsNotThere) {
  char* const data = static_cast<char*>(near_->data());
  void* const host = numbers_.data();
  const std::function<Status()> refused[] = {
      [&] { return stream_->Copy(data, Place{0}, host, kHost, kBytes + 1); },
      [&] { return stream_->Copy(data + 1, Place{0}, host, kHost, kBytes); },
      [&] { return stream_->Copy(data, Place{0}, host, kHost, UINT64_MAX); },
      [&] { return stream_->Copy(host, kHost, data - 1, Place{0}, 1); },
      [&] { return stream_->Copy(host, Place{0}, host, kHost, 1); },
      [&] { return stream_->Copy(host, kHost, host, Place{0}, 1); },
      [&] { return stream_->Copy(data, Place{0}, host, Place{0}, 1); },
      [&] { return stream_->Copy(data, kHost, data, Place{0}, 1); },
      [&] { return stream_->Copy(data, Place{0}, far_->data(), Place{kDevices}, 1); },
      [&] { return stream_->Copy(data, Place{-2}, far_->data(), Place{1}, 1); },
      [&] { return stream_->Copy(data, Place{1}, far_->data(), Place{0}, 1); },
      [&] { return stream_->Fill(data, 0, kBytes + 1); },
      [&] { return stream_->Fill(host, 0, 1); },
  };
  for (size_t i = 0; i < std::size(refused); ++i) {
    EXPECT_EQ(refused[i]().code(), StatusCode::kInvalidArg) << i;
  }
  EXPECT_TRUE(stream_->Synchronize().ok());
}

TEST_F(CudaStreamTest, AnErrorSaysWhatFailed) {
  EXPECT_EQ(stream_->Copy(near_->data(), Place{0}, numbers_.data(), kHost, kBytes + 1).message(),
            "can't copy 1001 bytes from the host to device 0: CUDA_ERROR_INVALID_VALUE (1), "
            "invalid argument");
}

TEST_F(CudaStreamTest, EachCallCanFail) {
  void* const near = near_->data();
  void* const host = numbers_.data();
  const std::pair<const char*, std::function<StatusCode()>> steps[] = {
      {"cuStreamCreate", [&] { return CodeOf(Stream::Create(At(0))); }},
      {"cuStreamSynchronize", [&] { return stream_->Synchronize().code(); }},
      {"cuMemcpyHtoDAsync_v2",
       [&] { return stream_->Copy(near, Place{0}, host, kHost, 1).code(); }},
      {"cuMemcpyDtoHAsync_v2",
       [&] { return stream_->Copy(host, kHost, near, Place{0}, 1).code(); }},
      {"cuMemcpyDtoDAsync_v2",
       [&] { return stream_->Copy(near, Place{0}, near, Place{0}, 1).code(); }},
      {"cuMemcpyPeerAsync",
       [&] { return stream_->Copy(near, Place{0}, far_->data(), Place{1}, 1).code(); }},
      {"cuMemsetD8Async", [&] { return stream_->Fill(near, 0, 1).code(); }},
  };
  for (const auto& [function, step] : steps) {
    EXPECT_EQ(step(), StatusCode::kOk) << function;
    Fail(function);
    EXPECT_EQ(step(), StatusCode::kInternal) << function;
    Fail(function, kOutOfMemory, /*after=*/1);
    EXPECT_EQ(step(), StatusCode::kOk) << function;
    EXPECT_EQ(step(), StatusCode::kUnavailable) << function;
    Heal(function);
    Fail("cuCtxPushCurrent_v2");
    EXPECT_EQ(step(), StatusCode::kInternal) << function;
    Heal("cuCtxPushCurrent_v2");
    EXPECT_EQ(step(), StatusCode::kOk) << function;
  }
}

TEST_F(CudaStreamTest, ALostDeviceFailsAtOnceAndAlone) {
  Device* const device = FreshDevice();
  const Place there{device->id()};
  auto stream = *Stream::Create(device);
  auto memory = *DeviceMemory::Allocate(device, kBytes);
  Row("hold").result = 1;  // work under way will never be done
  ASSERT_TRUE(stream->Fill(memory->data(), 1, kBytes).ok());
  Row("lose").bytes = uint64_t{1} << device->id();
  Row("lose").result = kEccUncorrectable;
  EXPECT_EQ(stream->Synchronize().code(), StatusCode::kUnavailable);
  EXPECT_EQ(stream->Fill(memory->data(), 1, 1).code(), StatusCode::kUnavailable);
  EXPECT_EQ(stream->Copy(memory->data(), there, numbers_.data(), kHost, 1).code(),
            StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(Stream::Create(device)), StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(DeviceMemory::Allocate(device, 1)), StatusCode::kUnavailable);
  EXPECT_EQ(device->Probe().code(), StatusCode::kUnavailable);
  Row("hold").result = 0;
  Row("lose").result = 0;
  Row("lose").bytes = 0;
  EXPECT_EQ(device->Probe().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(stream_->Fill(near_->data(), 1, kBytes).ok());
  EXPECT_TRUE(stream_->Synchronize().ok());
}

}  // namespace
}  // namespace trident::cuda
