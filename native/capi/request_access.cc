#include "capi/request_access.h"

#include <chrono>
#include <thread>

#include "capi/in_callback.h"

namespace trident {
namespace {

using Time = std::chrono::steady_clock;
using State = InferenceRequest::State;

// Far longer than backends take from an answer to the release.
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kPause = std::chrono::microseconds(20);

bool IsAnswered(const InferenceRequest& request) {
  const State state = request.state();
  return (state == State::kQueued || state == State::kExecuting) && request.channel()->final_sent();
}

}  // namespace

bool AwaitRelease(const InferenceRequest& request) {
  if (request.state() == State::kIdle) return true;
  if (!IsAnswered(request) || InCallback::Now()) return false;
  const Time::time_point end = Time::now() + kPatience;
  while (request.state() != State::kIdle) {
    if (Time::now() > end) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace trident
