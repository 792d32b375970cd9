// How requests get from a model to its scheduler, or to an instance at once.

#include <algorithm>
#include <new>

#include "base/clock.h"
#include "base/scratch.h"
#include "model/model.h"
#include "scheduler/first_response_sink.h"

namespace trident {
namespace {

Status NoMemory() { return Unavailable("not enough memory to submit a request"); }

}  // namespace

// Submits all claimed `requests` into `submitted` or, when memory runs out, none: they are idle.
Status Model::SubmitAll(std::span<InferenceRequest* const> requests, uint64_t now_ns,
                        std::vector<RequestPtr>& submitted) {
  size_t done = 0;
  try {
    submitted.resize(requests.size());
    for (InferenceRequest* request : requests) {
      request->Submit(now_ns);
      submitted[done++].reset(request);
      if (first_response_ != nullptr) KeepTimeOfFirstResponse(request);
      if (order_ != nullptr) order_->Reserve(request);
    }
    return Status::Ok();
  } catch (const std::bad_alloc&) {
    WithdrawAll(submitted);
    for (InferenceRequest* request : requests.subspan(done)) request->Unclaim();
    return NoMemory();
  }
}

void Model::Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) {
  const Status* const why = out_of_service_.load(std::memory_order_acquire);
  Status status = why == nullptr ? StartThreads() : *why;
  if (!status.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), status);
    for (InferenceRequest* request : requests) request->Unclaim();
    return;
  }
  const uint64_t now = NowNs();
  Scratch<RequestPtr> submitted;
  if (status = SubmitAll(requests, now, *submitted); !status.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), status);
    return;
  }
  cache_ != nullptr ? EnqueueMissed(*submitted, outcomes) : Enqueue(*submitted, outcomes);
}

void Model::KeepTimeOfFirstResponse(InferenceRequest* request) const {
  ResponseChannel& channel = *request->channel();
  channel.Decorate(
      std::make_shared<FirstResponseSink>(channel.sink(), first_response_, request->start_ns()));
}

// Takes back what nobody has taken of the `submitted` requests.
void Model::WithdrawAll(std::span<RequestPtr> submitted) {
  for (RequestPtr& request : submitted) {
    if (request != nullptr) request.release()->Withdraw();
  }
}

void Model::Enqueue(std::span<RequestPtr> submitted, std::span<Status> outcomes) {
  scheduler_->Enqueue(submitted, outcomes);
  WithdrawAll(submitted);
}

void Model::EnqueueMissed(std::span<RequestPtr> submitted, std::span<Status> outcomes) {
  std::vector<std::optional<ModelCache::Hit>> hits;
  std::vector<RequestPtr> missed;
  std::vector<size_t> places;
  std::vector<Status> missed_outcomes;
  try {
    missed.reserve(submitted.size());
    places.reserve(submitted.size());
    missed_outcomes.reserve(submitted.size());
    hits.reserve(submitted.size());
    for (const RequestPtr& request : submitted) hits.push_back(cache_->Find(request.get()));
  } catch (const std::bad_alloc&) {
    hits.clear();  // while the requests whose memory they use are still ours
    WithdrawAll(submitted);
    std::fill(outcomes.begin(), outcomes.end(), NoMemory());
    return;
  }
  for (size_t i = 0; i < submitted.size(); ++i) {
    if (hits[i]) continue;
    missed.push_back(std::move(submitted[i]));
    places.push_back(i);
  }
  missed_outcomes.resize(missed.size());
  Enqueue(missed, missed_outcomes);
  for (size_t i = 0; i < missed.size(); ++i) outcomes[places[i]] = std::move(missed_outcomes[i]);
  // Last, because clients are called back.
  for (size_t i = 0; i < submitted.size(); ++i) {
    if (!hits[i]) continue;
    outcomes[i] = Status::Ok();
    cache_->Answer(std::move(submitted[i]), std::move(*hits[i]));
  }
}

bool Model::RunInline(std::span<InferenceRequest* const> requests, uint64_t budget_ns,
                      std::span<Status> outcomes) {
  // What the cache knows needs no lane: Submit answers it on this thread.
  if (cache_ != nullptr || !may_run_inline_.load(std::memory_order_relaxed)) return false;
  // This thread counts as a request of its own, so that a drain can't finalise the instance
  // between the end of the request and the end of Execute.
  Scratch<RequestPtr> batch;
  RequestStarted();
  InlineClaim claim;
  const bool claimed = scheduler_->TakeInline(requests, budget_ns, &claim);
  if (claimed) {
    const Status status = SubmitAll(requests, claim.taken_ns, *batch);
    std::fill(outcomes.begin(), outcomes.end(), status);
    if (status.ok()) {
      active_.load(std::memory_order_acquire)[claim.instance]->Execute(&*batch);
    } else {
      scheduler_->Finished(claim.instance);
    }
  }
  RequestEnded();
  return claimed;
}

}  // namespace trident
