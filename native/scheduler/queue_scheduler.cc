#include "scheduler/queue_scheduler.h"

#include <algorithm>

namespace trident {
namespace {

const InputTensor* InputNamed(const InferenceRequest& request, const std::string& name) {
  for (const auto& input : request.inputs()) {
    if (input->name() == name) return input.get();
  }
  return nullptr;
}

}  // namespace

bool CanShareBatch(const ModelSignature& signature, const InferenceRequest& a,
                   const InferenceRequest& b) {
  if (!signature.compare_inputs) return true;
  const size_t first = signature.batching() ? 1 : 0;
  for (const TensorSpec& spec : signature.inputs) {
    if (!spec.variable && !spec.optional) continue;
    const InputTensor* in_a = InputNamed(a, spec.name);
    const InputTensor* in_b = InputNamed(b, spec.name);
    if ((in_a == nullptr) != (in_b == nullptr)) return false;
    if (in_a == nullptr) continue;
    if (!std::equal(in_a->shape().begin() + first, in_a->shape().end(),
                    in_b->shape().begin() + first, in_b->shape().end())) {
      return false;
    }
  }
  return true;
}

QueueScheduler::QueueScheduler(const SchedulerContext& context, BatchPolicy policy)
    : PullScheduler(context.clock), signature_(context.signature), policy_(std::move(policy)) {}

Status QueueScheduler::CheckAdmission() const {
  if (stopped()) {
    return Unavailable("model '", signature_.name, "' version ", signature_.version,
                       " is unloading and accepts no new requests");
  }
  if (policy_.max_queue_size > 0 && queue_.size() >= policy_.max_queue_size) {
    return Unavailable("queue of model '", signature_.name, "' is full: ", queue_.size(),
                       " requests wait, max_queue_size is ", policy_.max_queue_size);
  }
  return Status::Ok();
}

void QueueScheduler::Enqueue(std::span<RequestPtr> requests, std::span<Status> outcomes) {
  CondVar* wake = nullptr;
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < requests.size(); ++i) {
      outcomes[i] = CheckAdmission();
      if (outcomes[i].ok()) queue_.PushBack(std::move(requests[i]));
    }
    wake = WhomToWake();
  }
  if (wake != nullptr) wake->NotifyOne();
}

CondVar* QueueScheduler::WhomToWake() {
  if (queue_.empty()) return nullptr;
  if (watcher_ == kNobody) return AnySleeper();
  // Unlike tensors can close the forming batch early, so then every arrival is worth a look.
  const bool worth_a_look = queue_.items() >= watched_items_ || signature_.compare_inputs;
  return worth_a_look ? Sleeper(watcher_) : nullptr;
}

PendingRequests QueueScheduler::LookAtHead() {
  head_sizes_.clear();
  const InferenceRequest* head = queue_.front();
  if (head == nullptr) return {};
  uint64_t items = 0;
  bool closed = false;
  for (const InferenceRequest* request = head; request != nullptr;
       request = RequestQueue::Next(*request)) {
    if (request != head && !CanShareBatch(signature_, *head, *request)) {
      closed = true;
      break;
    }
    head_sizes_.push_back(request->batch_size());
    items += request->batch_size();
    if (!policy_.dynamic || items > policy_.max_batch_size) break;
  }
  return {head_sizes_, closed, head->start_ns()};
}

PullScheduler::Due QueueScheduler::Look(size_t instance) {
  if (watcher_ == instance) watcher_ = kNobody;
  if (removed(instance)) return {};
  const PendingRequests pending = LookAtHead();
  // The clock is read only where the rule depends on it.
  const uint64_t now = policy_.max_queue_delay_ns != 0 ? clock_.Now() : 0;
  const Decision decision = Decide(pending, policy_, now);
  due_count_ = decision.take;
  // After Stop nothing more arrives, so there is nothing to wait for.
  if (due_count_ == 0 && stopped()) due_count_ = pending.batch_sizes.size();
  if (due_count_ > 0) return {.now = true};
  if (decision.look_again_ns == kNever || watcher_ != kNobody) return {};
  watcher_ = instance;
  watched_items_ = decision.look_again_at_items;
  return {.look_again_ns = decision.look_again_ns};
}

CondVar* QueueScheduler::Pop(size_t, Batch* batch) {
  for (; due_count_ > 0; --due_count_) batch->push_back(queue_.PopFront());
  // An empty queue needs no watcher, whose instance a caller may claim.
  if (queue_.empty()) watcher_ = kNobody;
  return WhomToWake();  // what is left may be a batch for somebody else
}

void QueueScheduler::Cancel(InferenceRequest* request) {
  RequestPtr waiting;
  {
    MutexLock lock(mutex_);
    waiting = queue_.Remove(request);
    if (queue_.empty()) watcher_ = kNobody;
  }
  if (waiting == nullptr) return;
  RespondError(std::move(waiting),
               Error(StatusCode::kCancelled, "request was cancelled while it waited for model '",
                     signature_.name, "'"));
}

}  // namespace trident
