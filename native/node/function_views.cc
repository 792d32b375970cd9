#include "node/function_views.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "node/napi_util.h"

namespace trident {
namespace {

// A copy costs its size, a view the same at any: a buffer that V8 has to know, and a call by the
// event loop when it ends. By the processor's time of inferSync they cross at 30 KiB.
constexpr uint64_t kSmallestView = 32 << 10;
// V8 expects buffers where its allocator puts them.
constexpr uintptr_t kAlignment = 8;

// Whether a write there is possible: to memory that is only mapped to be read, a function's would
// end the process. Asked of the kernel by adding 0 to a word.
bool IsWritable(const uint8_t* data) {
  auto* const word = reinterpret_cast<uint32_t*>(const_cast<uint8_t*>(data));
  return syscall(SYS_futex, word, FUTEX_WAKE_OP_PRIVATE, 0, nullptr, word,
                 FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)) >= 0;
}

// Up to here every byte counts; of more, as many in blocks at equal distances.
constexpr uint64_t kWholeBytes = 32 << 10;
constexpr uint64_t kWordBytes = sizeof(uint64_t);
constexpr uint64_t kLanes = 4;  // words of a block, that processors work at side by side
constexpr uint64_t kBlockBytes = kLanes * kWordBytes;

uint64_t Mix(uint64_t sum, uint64_t word) { return std::rotl(sum ^ word, 29) * 0x9E3779B97F4A7C15; }

// Not against who means to deceive: tells whether a function has written where it should read.
uint64_t Checksum(const uint8_t* data, uint64_t byte_size) {
  const uint64_t blocks = byte_size / kBlockBytes;
  const uint64_t step = std::max<uint64_t>(1, blocks / (kWholeBytes / kBlockBytes));
  uint64_t lanes[kLanes] = {byte_size, 1, 2, 3};
  for (uint64_t block = 0; block < blocks; block += step) {
    uint64_t words[kLanes];
    memcpy(words, data + block * kBlockBytes, kBlockBytes);
    for (uint64_t i = 0; i < kLanes; ++i) lanes[i] = Mix(lanes[i], words[i]);
  }
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) sum = Mix(sum, lane);
  for (uint64_t at = blocks * kBlockBytes; at < byte_size; ++at) sum = Mix(sum, data[at]);
  return sum;
}

}  // namespace

Result<napi_value> FunctionViews::Give(const uint8_t* data, uint64_t byte_size,
                                       std::shared_ptr<void> keeper, FunctionInput* input) {
  const bool aligned = reinterpret_cast<uintptr_t>(data) % kAlignment == 0;
  if (allowed_ && byte_size >= kSmallestView && aligned && IsWritable(data)) {
    auto view = NewView(data, byte_size, std::move(keeper), input);
    if (view.ok() || view.status().code() != StatusCode::kUnsupported) return view;
    allowed_ = false;
  }
  uint8_t* copy = nullptr;
  TRIDENT_ASSIGN_OR_RETURN(napi_value buffer, GiveEmpty(byte_size, &copy));
  if (byte_size > 0) memcpy(copy, data, byte_size);
  Note(copy, byte_size, input);
  return buffer;
}

Result<napi_value> FunctionViews::NewView(const uint8_t* data, uint64_t byte_size,
                                          std::shared_ptr<void> keeper, FunctionInput* input) {
  auto view = std::make_shared<FunctionView>(FunctionView{std::move(keeper)});
  TRIDENT_ASSIGN_OR_RETURN(napi_value buffer,
                           NewExternalBuffer(env_, const_cast<uint8_t*>(data), byte_size, view));
  Note(data, byte_size, input);
  input->view = std::move(view);
  given_.emplace(data, *input);
  return buffer;
}

Result<napi_value> FunctionViews::GiveEmpty(uint64_t byte_size, uint8_t** data) {
  napi_value buffer = nullptr;
  void* bytes = nullptr;
  if (napi_create_arraybuffer(env_, byte_size, &bytes, &buffer) != napi_ok) {
    return Unavailable("no buffer for the ", byte_size,
                       " bytes of an input: its thread ends, or memory is short");
  }
  *data = static_cast<uint8_t*>(bytes);
  return buffer;
}

void FunctionViews::Note(const uint8_t* data, uint64_t byte_size, FunctionInput* input) const {
  input->data = data;
  input->byte_size = byte_size;
  input->checksum = Checksum(data, byte_size);
}

FunctionViews::Found FunctionViews::Look(napi_value buffer, const FunctionInput& input) const {
  void* data = nullptr;
  size_t byte_size = 0;
  napi_get_arraybuffer_info(env_, buffer, &data, &byte_size);
  if (byte_size != input.byte_size) {
    // A copy is the function's to carry off.
    return input.view == nullptr ? Found::kSame : Found::kCarriedOff;
  }
  const bool same = Checksum(static_cast<const uint8_t*>(data), byte_size) == input.checksum;
  return same ? Found::kSame : Found::kChanged;
}

void FunctionViews::TakeBack(napi_value buffer, FunctionInput* input) {
  if (input->view == nullptr) return;
  bool carried_off = false;
  napi_is_detached_arraybuffer(env_, buffer, &carried_off);
  if (carried_off || napi_detach_arraybuffer(env_, buffer) != napi_ok) {
    allowed_ = false;
    Drop(input);
  } else {
    Forget(input);
  }
}

void FunctionViews::Forget(FunctionInput* input) {
  if (input->view == nullptr) return;
  input->view->keeper.reset();
  Drop(input);
}

void FunctionViews::Drop(FunctionInput* input) {
  const auto [first, last] = given_.equal_range(input->data);
  const auto given = std::find_if(
      first, last, [input](const auto& entry) { return entry.second.view == input->view; });
  if (given != last) given_.erase(given);
  input->view.reset();
}

std::shared_ptr<void> FunctionViews::KeeperOf(const void* data) const {
  if (given_.empty()) return nullptr;
  const auto* const at = static_cast<const uint8_t*>(data);
  auto next = given_.upper_bound(at);
  // Requests may share memory, so more than the nearest may have it; inputs mostly don't nest.
  while (next != given_.begin()) {
    const FunctionInput& input = (--next)->second;
    if (at < input.data + input.byte_size) return input.view->keeper;
  }
  return nullptr;
}

}  // namespace trident
