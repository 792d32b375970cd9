// Batches that a host has made, past the scheduler.

#include <new>

#include "base/clock.h"
#include "model/model.h"

namespace trident {
namespace {

// Gives a model's reservation back at its end.
class Reservation {
 public:
  explicit Reservation(Model* model) : model_(model) {}
  ~Reservation() { model_->Unreserve(); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

 private:
  Model* const model_;
};

}  // namespace

Status Model::PrepareBatch(std::span<InferenceRequest* const> requests) const {
  if (backend_ == nullptr) return Unsupported("ensemble '", name_, "' executes no batches");
  for (InferenceRequest* request : requests) {
    TRIDENT_RETURN_IF_ERROR(request->PrepareScheduled());
    request->hosted = true;
    request->states = nullptr;
    if (hosted_states_ == nullptr) continue;
    TRIDENT_ASSIGN_OR_RETURN(request->states, SequenceStates::Resume(hosted_states_, *request));
  }
  return Status::Ok();
}

// On failure all requests are idle, and `batch` is empty.
Status Model::SubmitBatch(std::span<InferenceRequest* const> requests, Batch* batch) {
  Status status;
  try {
    status = PrepareBatch(requests);
    if (status.ok()) {
      batch->reserve(requests.size());
      const uint64_t now_ns = NowNs();
      for (InferenceRequest* request : requests) {
        request->Submit(now_ns);
        batch->emplace_back(request);
      }
      return status;
    }
  } catch (const std::bad_alloc&) {
    status = Unavailable("not enough memory to execute a batch");
  }
  for (InferenceRequest* request : requests.subspan(batch->size())) request->Unclaim();
  WithdrawAll(*batch);
  batch->clear();
  return status;
}

Status Model::ExecuteBatch(std::span<InferenceRequest* const> requests) {
  if (!Reserve()) {
    for (InferenceRequest* request : requests) request->Unclaim();
    return Unavailable("model '", name_, "' is being unloaded");
  }
  const Reservation reservation(this);
  Batch batch;
  TRIDENT_RETURN_IF_ERROR(SubmitBatch(requests, &batch));
  MutexLock turn(batch_turn_);
  active_.load(std::memory_order_acquire)[0]->ExecuteOnItsThread(&batch);
  return Status::Ok();
}

}  // namespace trident
