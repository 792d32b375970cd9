#include "backends/isolation/instance.h"

#include <algorithm>

#include "backends/common/memory.h"
#include "backends/isolation/tensors.h"
#include "base/clock.h"

namespace trident::isolated {

using backend::Status;

namespace {

// A restart may take this, and ten times as long as the first start.
constexpr uint64_t kRestartNs = 60'000'000'000;

Status Unavailable(const std::string& message) {
  return Status(TRITONSERVER_ERROR_UNAVAILABLE, message);
}

Status TooLong(uint64_t request_bytes) {
  return Status(
      TRITONSERVER_ERROR_INVALID_ARG,
      backend::StrCat("all but the inputs' data of the requests of an execution in a process may "
                      "take ",
                      isolation::Channel::kMaxMessageBytes, " bytes, and this request's takes ",
                      request_bytes));
}

}  // namespace

Status Instance::Create(Model* model, TRITONBACKEND_ModelInstance* handle,
                        std::unique_ptr<Instance>* instance) {
  std::unique_ptr<Instance> created(new Instance(model, handle));
  const backend::ModelConfig& config = model->config();
  BACKEND_RETURN_IF_ERROR(Describe(handle, &created->description_));
  BACKEND_RETURN_IF_ERROR(backend::BatchCopies::Create(handle, config, &created->input_copies_));
  std::unique_ptr<backend::BatchCopies> output_copies;
  BACKEND_RETURN_IF_ERROR(backend::BatchCopies::Create(handle, config, &output_copies));
  created->output_copies_ = std::move(output_copies);
  created->load_ = model->LoadFor(created->description_);
  std::shared_ptr<Child> child = model->TakeChild(created->description_);
  if (child == nullptr) {
    Result<std::shared_ptr<Child>> started = Child::Start(model->program());
    if (!started.ok()) return backend::FromCore(started.status());
    child = std::move(started).value();
    const Result<std::string> loaded = child->Load(created->load_);
    if (!loaded.ok()) return backend::FromCore(loaded.status());
  }
  created->restart_limit_ns_ = kRestartNs + 10 * child->load_ns();
  {
    MutexLock lock(created->mutex_);
    created->child_ = std::move(child);
  }
  created->keeper_ = std::thread([keeping = created.get()] {
    keeping->Keep();
    MutexLock lock(keeping->mutex_);
    keeping->kept_ = true;
    keeping->changed_.NotifyAll();
  });
  *instance = std::move(created);
  return Status();
}

Instance::~Instance() {
  if (!keeper_.joinable()) return;
  {
    MutexLock lock(mutex_);
    ending_ = true;
    changed_.NotifyAll();
    const uint64_t deadline_ns = NowNs() + Child::kTimeToEndNs;
    if (child_ != nullptr) (void)child_->Send(isolation::Finalize());
    while (!kept_ && changed_.WaitUntil(mutex_, deadline_ns)) {
    }
    if (!kept_ && child_ != nullptr) child_->Kill("timeout", "it did not end in time");
  }
  keeper_.join();
  lanes_.clear();
}

Status Instance::EndOf(Child* child) const {
  return Unavailable(backend::StrCat("model '", model_->config().name, "': ", child->EndReason()));
}

Status Instance::NotServing() const {
  return Unavailable(backend::StrCat("model '", model_->config().name, "': ", reason_));
}

Status Instance::Ready() {
  MutexLock lock(mutex_);
  return state_ == State::kServing ? Status() : NotServing();
}

Status Instance::AwaitService(uint64_t deadline_ns, std::shared_ptr<Child>* child) {
  MutexLock lock(mutex_);
  // The keeper would wait for itself.
  while (state_ == State::kStarting && !on_keeper()) {
    if (!changed_.WaitUntil(mutex_, deadline_ns)) break;
  }
  if (state_ != State::kServing) return NotServing();
  *child = child_;
  return Status();
}

void Instance::Refuse(TRITONBACKEND_Request* request, const Status& why) {
  TRITONBACKEND_Response* response = nullptr;
  Status ignored(TRITONBACKEND_ModelInstanceReportStatistics(handle_, request, false, 0, 0, 0, 0));
  ignored = TRITONBACKEND_ResponseNew(&response, request);
  ignored = TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, why.get());
  ignored = TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL);
}

Status Instance::Execute(TRITONBACKEND_Request** requests, uint32_t count) {
  const uint64_t timeout_us = model_->execution_timeout_us();
  const uint64_t timeout_ns = timeout_us < kNever / 2000 ? timeout_us * 1000 : 0;
  std::shared_ptr<Child> child;
  BACKEND_RETURN_IF_ERROR(AwaitService(timeout_ns == 0 ? kNever : NowNs() + timeout_ns, &child));

  isolation::Execute message;
  std::vector<isolation::Block> blocks;
  std::vector<TRITONBACKEND_Request*> readable;
  const auto free_blocks = [&](size_t first) {
    std::for_each(blocks.begin() + static_cast<std::ptrdiff_t>(first), blocks.end(),
                  [&](const isolation::Block& block) { child->channel().Free(block); });
    blocks.resize(first);
  };
  uint64_t message_bytes = isolation::Encode(message).size();
  for (uint32_t i = 0; i < count; ++i) {
    const size_t first = blocks.size();
    isolation::Request read;
    Status status = ReadRequest(requests[i], description_.host_policy.c_str(), &child->channel(),
                                input_copies_.get(), &read, &blocks);
    const uint64_t read_bytes = isolation::EncodedBytes(read);
    if (status.ok() && message_bytes + read_bytes > isolation::Channel::kMaxMessageBytes) {
      status = TooLong(read_bytes);
    }
    if (status.ok()) {
      message_bytes += read_bytes;
      message.requests.push_back(std::move(read));
      readable.push_back(requests[i]);
    } else {
      const Status ended = input_copies_->Synchronize();  // nothing is copied to the blocks then
      free_blocks(first);
      Refuse(requests[i], status);
    }
  }
  Status copied = input_copies_->Synchronize();
  input_copies_->TakeCount().Report(handle_);
  if (copied.ok() && !readable.empty()) copied = Begin(child, readable, &message);
  if (!copied.ok() || readable.empty()) {
    free_blocks(0);
    return copied;
  }
  const trident::Status sent = child->Send(message, blocks);
  if (!sent.ok()) child->GiveUp(sent);
  AwaitEnd(message.execution, timeout_ns, child);
  return Status();
}

// From here on the keeper sees to it that the requests are answered.
Status Instance::Begin(const std::shared_ptr<Child>& child,
                       const std::vector<TRITONBACKEND_Request*>& requests,
                       isolation::Execute* message) {
  std::vector<Open> open(requests.size());
  Status status;
  for (size_t i = 0; status.ok() && i < requests.size(); ++i) {
    open[i].request = requests[i];
    open[i].copies = output_copies_;
    if (message->requests[i].fills_place) continue;
    status = TRITONBACKEND_ResponseFactoryNew(&open[i].factory, requests[i]);
  }
  MutexLock lock(mutex_);
  if (status.ok() && (state_ != State::kServing || child_ != child)) status = NotServing();
  if (!status.ok()) {
    for (const Open& one : open) {
      if (one.factory != nullptr) Status ignored(TRITONBACKEND_ResponseFactoryDelete(one.factory));
    }
    return status;
  }
  message->execution = executing_ = ++executions_;
  for (uint32_t i = 0; i < open.size(); ++i) open_[{executing_, i}] = open[i];
  return status;
}

bool Instance::SetHandling(bool handling) {
  MutexLock lock(mutex_);
  const bool handled = handling_since_ns_ != 0;
  const uint64_t now = NowNs();
  if (handled) handled_ns_ += now - handling_since_ns_;
  handling_since_ns_ = handling ? now : 0;
  return handled;
}

uint64_t Instance::ExecutionNs() const {
  return (handling_since_ns_ == 0 ? NowNs() : handling_since_ns_) - handled_ns_;
}

void Instance::AwaitEnd(uint64_t execution, uint64_t timeout_ns,
                        const std::shared_ptr<Child>& child) {
  // The keeper itself executes this, while it handles a message: it goes on keeping.
  const bool keeping = on_keeper();
  const bool handled = keeping && SetHandling(false);
  uint64_t deadline_ns = kNever;
  {
    MutexLock lock(mutex_);
    if (timeout_ns > 0) deadline_ns = ExecutionNs() + timeout_ns;
  }
  for (;;) {
    uint64_t left_ns = 0;
    {
      MutexLock lock(mutex_);
      if (executing_ != execution) break;
      const uint64_t now = ExecutionNs();
      if (now < deadline_ns) {
        left_ns = handling_since_ns_ == 0 ? std::min(deadline_ns - now, kCancellationNs)
                                          : kCancellationNs;
        if (!keeping) {
          PassOnCancellations(child.get());
          changed_.WaitUntil(mutex_, NowNs() + left_ns);
          continue;
        }
      }
    }
    if (left_ns == 0) {
      child->Kill("timeout",
                  backend::StrCat("an execution took longer than ", model_->execution_timeout_us(),
                                  " microseconds (execution_timeout_microseconds)"));
      deadline_ns = kNever;
    } else if (!HandleNext(child, NowNs() + left_ns)) {
      FailOpen(execution, execution, EndOf(child.get()));
      MutexLock lock(mutex_);
      executing_ = 0;
    }
  }
  if (handled) (void)SetHandling(true);
}

void Instance::PassOnCancellations(Child* child) {
  const uint64_t now = NowNs();
  for (auto& [key, open] : open_) {
    bool cancelled = false;
    if (open.factory == nullptr || now < open.cancel_at_ns) continue;
    const Status asked(TRITONBACKEND_ResponseFactoryIsCancelled(open.factory, &cancelled));
    if (!cancelled) continue;
    // Until it is answered: the child may not have got to the request yet. Ever more rarely: one
    // that has stopped reads none of them.
    (void)child->Send(isolation::Cancel{key.first, key.second});
    open.cancel_at_ns = now + open.cancel_again_ns;
    open.cancel_again_ns *= 2;
  }
}

}  // namespace trident::isolated
