#include "entry_points.h"
#include "fake_cuda.h"
#include "streams.h"

namespace trident::cuda::fake {
extern "C" {

CuResult cuStreamCreate(CuStream* stream, unsigned flags) {
  const Call call(Row::cuStreamCreate);
  if (call.failed()) return call.result();
  if (flags > kStreamNonBlocking) return kInvalidValue;
  *stream = FakeStream::Start(&call.device())->handle();
  return kSuccess;
}

CuResult cuStreamDestroy_v2(CuStream stream) {
  const Call call(Row::cuStreamDestroy_v2);
  if (call.refused()) return call.result();
  const auto found = stream == nullptr ? nullptr : FakeStream::Find(stream);
  if (found == nullptr) return kInvalidHandle;
  found->Close();
  return call.result();
}

CuResult cuStreamSynchronize(CuStream stream) {
  const Call call(Row::cuStreamSynchronize);
  if (call.failed()) return call.result();
  const auto found = FakeStream::Find(stream);
  if (found == nullptr) return kInvalidHandle;
  found->WaitFor(found->asked());
  return found->device().Lost();
}

CuResult cuStreamQuery(CuStream stream) {
  const Call call(Row::cuStreamQuery, stream == nullptr ? Call::kNoCapture : Call::kContext);
  if (call.failed()) return call.result();
  const auto found = FakeStream::Find(stream);
  if (found == nullptr) return kInvalidHandle;
  return found->Done(found->asked()) ? found->device().Lost() : kNotReady;
}

}  // extern "C"

}  // namespace trident::cuda::fake

int FakeCudaEnqueue(void* stream, void (*work)(void* data), void* data) {
  using namespace trident::cuda;
  fake::FakeDevice* const device = fake::CurrentDevice();
  if (device == nullptr) return kInvalidContext;
  if (const CuResult lost = device->Lost()) return lost;
  const auto found = fake::FindOwnStream(static_cast<CuStream>(stream));
  if (found == nullptr) return kInvalidHandle;
  found->Ask([work, data] { work(data); });
  return kSuccess;
}
