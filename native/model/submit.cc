// How requests get from a model to its scheduler, or to an instance at once.

#include <algorithm>
#include <new>

#include "base/clock.h"
#include "base/scratch.h"
#include "model/model.h"
#include "scheduler/first_response_sink.h"

namespace trident {

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
    }
    return Status::Ok();
  } catch (const std::bad_alloc&) {
    for (size_t i = 0; i < done; ++i) submitted[i].release()->Withdraw();
    for (InferenceRequest* request : requests.subspan(done)) request->Unclaim();
    return Unavailable("not enough memory to submit a request");
  }
}

void Model::Submit(std::span<InferenceRequest*> requests, std::span<Status> outcomes) {
  if (Status status = StartThreads(); !status.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), status);
    for (InferenceRequest* request : requests) request->Unclaim();
    return;
  }
  if (cache_ != nullptr) return SubmitThroughCache(requests, outcomes);
  const uint64_t now = NowNs();
  Scratch<RequestPtr> submitted;
  if (Status status = SubmitAll(requests, now, *submitted); !status.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), status);
    return;
  }
  scheduler_->Enqueue(*submitted, outcomes);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (submitted[i] != nullptr) submitted[i].release()->Withdraw();
  }
}

void Model::KeepTimeOfFirstResponse(InferenceRequest* request) const {
  ResponseChannel& channel = *request->channel();
  channel.Decorate(
      std::make_shared<FirstResponseSink>(channel.sink(), first_response_, request->start_ns()));
}

void Model::SubmitThroughCache(std::span<InferenceRequest*> requests, std::span<Status> outcomes) {
  const uint64_t now = NowNs();
  std::vector<RequestPtr> missed;
  std::vector<size_t> places;
  std::vector<std::pair<RequestPtr, ModelCache::Hit>> hits;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i]->Submit(now);
    RequestPtr request(requests[i]);
    if (first_response_ != nullptr) KeepTimeOfFirstResponse(request.get());
    if (order_ != nullptr) order_->Reserve(request.get());
    if (auto hit = cache_->Find(request.get())) {
      outcomes[i] = Status::Ok();
      hits.emplace_back(std::move(request), std::move(*hit));
    } else {
      missed.push_back(std::move(request));
      places.push_back(i);
    }
  }
  std::vector<Status> missed_outcomes(missed.size());
  scheduler_->Enqueue(missed, missed_outcomes);
  for (size_t i = 0; i < missed.size(); ++i) {
    outcomes[places[i]] = std::move(missed_outcomes[i]);
    if (missed[i] != nullptr) missed[i].release()->Withdraw();
  }
  // Last, because clients are called back.
  for (auto& [request, hit] : hits) cache_->Answer(std::move(request), hit);
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
    if (status.ok()) active_.load(std::memory_order_acquire)[claim.instance]->Execute(&*batch);
    scheduler_->Finished(claim.instance);
  }
  RequestEnded();
  return claimed;
}

}  // namespace trident
