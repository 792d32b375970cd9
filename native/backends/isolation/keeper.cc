// The keeper of an instance: what its process says becomes answers, and its end a new one.

#include <algorithm>
#include <system_error>

#include "backends/common/memory.h"
#include "backends/isolation/instance.h"
#include "backends/isolation/log.h"
#include "backends/isolation/restarts.h"
#include "base/clock.h"
#include "isolation/c_api.h"

namespace trident::isolated {

using backend::Status;

void Instance::Keep() {
  for (;;) {
    std::shared_ptr<Child> child;
    {
      MutexLock lock(mutex_);
      child = child_;
    }
    for (bool alive = true; alive;) {
      uint64_t deadline_ns = kNever;
      {
        MutexLock lock(mutex_);
        // Of responses after the end of an execution, as nobody waits for those who could look.
        if (!open_.empty()) deadline_ns = NowNs() + kCancellationNs;
      }
      alive = HandleNext(child, deadline_ns);
    }
    {
      MutexLock lock(mutex_);
      if (ending_) return;
    }
    Ended(child.get());
    child = nullptr;
    while (!Restart()) {
      MutexLock lock(mutex_);
      if (ending_) return;
    }
  }
}

// Its requests are answered, and others wait or are refused until there is another process.
void Instance::Ended(Child* child) {
  const Status why = EndOf(child);
  uint64_t last = 0;
  {
    MutexLock lock(mutex_);
    reason_ = child->EndReason();
    // Together: who finds it serving goes to the child, which knows how it has ended.
    child_ = nullptr;
    state_ = State::kStarting;
    last = executions_;
  }
  LogIfError(backend::StrCat("instance '", description_.name, "' has ended"), why);
  CountRestart(model_->config().name, model_->config().version, child->EndKind());
  FailOpen(0, last, why);
  Rest();
}

void Instance::Rest() {
  MutexLock lock(mutex_);
  const uint64_t until_ns = backoff_.Ended(NowNs());
  executing_ = 0;
  while (!ending_ && NowNs() < until_ns) {
    state_ = State::kResting;
    changed_.NotifyAll();
    changed_.WaitUntil(mutex_, until_ns);
  }
  state_ = State::kStarting;
  changed_.NotifyAll();
}

// False: it could not be, and has rested; or the instance ends.
bool Instance::Restart() {
  {
    MutexLock lock(mutex_);
    if (ending_) return false;
  }
  Result<std::shared_ptr<Child>> child = Child::Start(model_->program());
  Status status = backend::FromCore(child.status());
  if (child.ok()) {
    {
      MutexLock lock(mutex_);
      child_ = *child;  // for who ends the instance meanwhile
      if (ending_) return false;
    }
    status = backend::FromCore((*child)->Load(load_, restart_limit_ns_).status());
  }
  if (status.ok()) {
    MutexLock lock(mutex_);
    state_ = State::kServing;
    changed_.NotifyAll();
    return true;
  }
  {
    MutexLock lock(mutex_);
    child_ = nullptr;
    if (ending_) return false;
    reason_ = backend::StrCat("its process can't be started again: ",
                              TRITONSERVER_ErrorMessage(status.get()));
  }
  LogIfError("an isolated instance is not back", status);
  Rest();
  return false;
}

bool Instance::HandleNext(const std::shared_ptr<Child>& child, uint64_t deadline_ns) {
  Result<std::optional<isolation::ToParent>> message = child->Receive(deadline_ns);
  if (!message.ok()) {
    child->GiveUp(message.status());
    return false;
  }
  if (!message->has_value()) {
    MutexLock lock(mutex_);
    PassOnCancellations(child.get());
    return true;
  }
  isolation::ToParent& told = **message;
  if (std::holds_alternative<isolation::Finalized>(told)) return false;
  (void)SetHandling(true);
  if (const auto* executed = std::get_if<isolation::Executed>(&told)) {
    Handle(*executed);
  } else if (const std::shared_ptr<Lane> lane = LaneFor(told)) {
    lane->Do([this, child, told = std::move(told)] { Answer(told, child.get()); });
  } else {
    Answer(told, child.get());
  }
  (void)SetHandling(false);
  return true;
}

// A request gets one with the first response that is not its last.
std::shared_ptr<Lane> Instance::LaneFor(const isolation::ToParent& message) {
  const Key key = std::visit(
      [](const auto& told) -> Key {
        if constexpr (requires { told.request; }) return {told.execution, told.request};
        return {};
      },
      message);
  const Open open = Find(key);
  if (open.lane != nullptr || open.factory == nullptr) return open.lane;
  const auto* response = std::get_if<isolation::Response>(&message);
  if (response == nullptr || response->last) return nullptr;
  std::erase_if(lanes_, [](const auto& lane) { return lane->finished(); });
  std::unique_ptr<backend::BatchCopies> copies;
  const Status made = backend::BatchCopies::Create(handle_, model_->config(), &copies);
  if (!made.ok()) return nullptr;
  try {
    lanes_.push_back(std::make_shared<Lane>());
  } catch (const std::system_error&) {
    return nullptr;  // without a thread to be had, the others wait for this client
  }
  MutexLock lock(mutex_);
  Open& opened = open_[key];
  opened.copies = std::move(copies);
  opened.lane = lanes_.back();
  return lanes_.back();
}

void Instance::Handle(const isolation::Executed& message) {
  if (message.failure) {
    FailOpen(message.execution, message.execution,
             backend::FromCore(isolation::StatusOf(*message.failure)));
  }
  MutexLock lock(mutex_);
  if (!message.failure) backoff_.Succeeded();
  if (executing_ == message.execution) executing_ = 0;
  changed_.NotifyAll();
}

void Instance::FailOpen(uint64_t first, uint64_t last, const Status& why) {
  std::map<Key, Open> failed;
  {
    MutexLock lock(mutex_);
    const auto begin = open_.lower_bound({first, 0});
    const auto end = open_.upper_bound({last, UINT32_MAX});
    failed.insert(begin, end);
    open_.erase(begin, end);
  }
  for (const auto& [key, open] : failed) {
    if (open.lane == nullptr) {
      Fail(open, why);
      continue;
    }
    // Behind what has come of it before. The reason is the lane's own, as `why` goes.
    const auto reason = std::make_shared<Status>(why.Clone());
    Open left{.request = open.request, .factory = open.factory, .reported = open.reported};
    open.lane->Do([this, left, reason] { Fail(left, *reason); });
    open.lane->Close();
  }
}

}  // namespace trident::isolated
