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

QueueScheduler::QueueScheduler(const ModelSignature& signature, BatchPolicy policy,
                               size_t instance_count, Clock& clock)
    : signature_(signature),
      policy_(std::move(policy)),
      clock_(clock),
      busy_(instance_count),
      inline_(instance_count) {}

Status QueueScheduler::CheckAdmission() const {
  if (stopped_) {
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
  Wake wake = Wake::kNobody;
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < requests.size(); ++i) {
      outcomes[i] = CheckAdmission();
      if (outcomes[i].ok()) queue_.PushBack(std::move(requests[i]));
    }
    wake = WhomToWake();
  }
  Notify(wake);
}

QueueScheduler::Wake QueueScheduler::WhomToWake() const {
  if (queue_.empty()) return Wake::kNobody;
  if (timed_waiter_) {
    // Unlike tensors can close the forming batch early, so then every arrival is worth a look.
    return queue_.items() >= timed_wake_items_ || signature_.compare_inputs ? Wake::kTimed
                                                                            : Wake::kNobody;
  }
  if (idle_waiters_ == 0) return Wake::kNobody;
  // One sleeper would do, but it must not be the one whose instance a caller has claimed.
  return inline_count_ == 0 ? Wake::kOne : Wake::kAll;
}

void QueueScheduler::Notify(Wake wake) {
  if (wake == Wake::kOne) idle_wait_.NotifyOne();
  if (wake == Wake::kAll) idle_wait_.NotifyAll();
  if (wake == Wake::kTimed) timed_wait_.NotifyOne();
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

Decision QueueScheduler::DecideNow() {
  const PendingRequests pending = LookAtHead();
  // The clock is read only where the rule depends on it.
  const uint64_t now = policy_.max_queue_delay_ns != 0 ? clock_.Now() : 0;
  Decision decision = Decide(pending, policy_, now);
  // After Stop nothing more arrives, so there is nothing to wait for.
  if (decision.take == 0 && stopped_) decision.take = pending.batch_sizes.size();
  return decision;
}

void QueueScheduler::PopBatch(size_t count, Batch* batch) {
  for (size_t i = 0; i < count; ++i) batch->push_back(queue_.PopFront());
}

bool QueueScheduler::TryTake(size_t instance, Batch* batch, uint64_t* look_again_ns) {
  *look_again_ns = kNever;
  MutexLock lock(mutex_);
  if (busy_[instance]) return false;
  const Decision decision = DecideNow();
  *look_again_ns = decision.look_again_ns;
  if (decision.take == 0) return false;
  PopBatch(decision.take, batch);
  busy_[instance] = true;
  return true;
}

bool QueueScheduler::Take(size_t instance, Batch* batch) {
  Wake wake = Wake::kNobody;
  {
    MutexLock lock(mutex_);
    for (;;) {
      Decision decision;
      if (!busy_[instance]) {
        decision = DecideNow();
        if (decision.take > 0) {
          PopBatch(decision.take, batch);
          busy_[instance] = true;
          wake = WhomToWake();  // what is left may be a batch for somebody else
          break;
        }
        if (stopped_ && queue_.empty()) return false;
      }
      if (decision.look_again_ns != kNever && !timed_waiter_) {
        timed_waiter_ = true;
        timed_wake_items_ = decision.look_again_at_items;
        clock_.WaitUntil(timed_wait_, mutex_, decision.look_again_ns);
        timed_waiter_ = false;
        // A caller may have claimed this instance meanwhile: then the watch passes to another.
        if (busy_[instance] && !queue_.empty() && idle_waiters_ > 0) idle_wait_.NotifyAll();
      } else {
        ++idle_waiters_;
        idle_wait_.Wait(mutex_);
        --idle_waiters_;
      }
    }
  }
  Notify(wake);
  return true;
}

bool QueueScheduler::TakeInline(size_t* instance) {
  MutexLock lock(mutex_);
  if (stopped_ || !queue_.empty()) return false;
  const auto free = std::find(busy_.begin(), busy_.end(), false);
  if (free == busy_.end()) return false;
  *free = true;
  *instance = static_cast<size_t>(free - busy_.begin());
  inline_[*instance] = true;
  ++inline_count_;
  return true;
}

void QueueScheduler::Finished(size_t instance) {
  bool wake = false;
  {
    MutexLock lock(mutex_);
    busy_[instance] = false;
    if (inline_[instance]) {
      inline_[instance] = false;
      --inline_count_;
      // This instance's own thread may be among the sleepers.
      wake = idle_waiters_ > 0 && (!queue_.empty() || stopped_);
    }
  }
  if (wake) idle_wait_.NotifyAll();
}

RequestPtr QueueScheduler::Remove(InferenceRequest* request) {
  MutexLock lock(mutex_);
  return queue_.Remove(request);
}

void QueueScheduler::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  idle_wait_.NotifyAll();
  timed_wait_.NotifyOne();
}

}  // namespace trident
