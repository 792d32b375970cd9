#include "backend.h"

#include <cstring>

#include "sequence_model.h"

namespace trident::simulation {
namespace {

// The first element of an input, which may lie in several buffers.
float FirstValue(const InputTensor& input) {
  float value = 0;
  memcpy(&value, input.buffers().front().data, sizeof(value));
  return value;
}

Status SendTo(InferenceRequest& request, ResponsePtr response, const Sent& sent) {
  Submission* const submission = Submission::Of(request);
  if (submission != nullptr) submission->OnSent(sent);
  const uint32_t flags = sent.final ? kResponseFinal : 0;
  const std::shared_ptr<ResponseChannel> channel = request.channel();
  return response != nullptr ? InferenceResponse::Send(std::move(response), flags)
                             : channel->Send(nullptr, flags);
}

// A response with the value, or with the reason why the client gave no memory for it.
ResponsePtr MakeResponse(InferenceRequest& request, Sent* sent) {
  ResponsePtr response = InferenceResponse::New(request.channel());
  Shape shape = {1};
  if (response->model().batching()) shape.insert(shape.begin(), request.batch_size());
  OutputTensor* const out = response->AddOutput("out", DataType::kFp32, shape);
  const Status status = out->Allocate(request.batch_size() * sizeof(float), {});
  if (status.ok()) {
    memcpy(out->buffer().data, &sent->value, sizeof(sent->value));
  } else {
    response->set_status(status);
    sent->code = status.code();
  }
  return response;
}

ResponsePtr MakeError(InferenceRequest& request, StatusCode code, Sent* sent) {
  ResponsePtr response = InferenceResponse::New(request.channel());
  response->set_status(Status(code, "the simulated backend says no"));
  sent->code = code;
  return response;
}

}  // namespace

uint64_t Backend::Begin(Batch* batch, int64_t instance) {
  world_.RequireNoLock("a backend is called under a lock");
  world_.Require(running_.empty(), "instance ", instance, " got a batch while it runs another");
  world_.Require(!batch->empty(), "an instance got an empty batch");
  uint64_t items = 0;
  for (RequestPtr& request : *batch) {
    request->MarkExecuting();
    items += request->batch_size();
    if (Submission* submission = Submission::Of(*request)) submission->OnHanded(instance);
    running_.push_back(std::move(request));
  }
  batch->clear();
  const uint64_t limit = signature_.batching() ? signature_.max_batch_size : 1;
  world_.Require(items <= limit, "a batch of ", items, " items; at most ", limit, " are allowed");
  double mean = habits_.mean_execution_ns;
  if (world_.random.Chance(habits_.slow)) mean *= 20;
  return world_.Grained(world_.now() + world_.random.Exponential(mean));
}

void Backend::End() {
  std::vector<RequestPtr> requests = std::move(running_);
  running_.clear();
  if (world_.random.Chance(habits_.fails)) {
    world_.Note("execution fails", static_cast<int64_t>(requests.size()));
    for (RequestPtr& request : requests) {
      if (Submission* submission = Submission::Of(*request)) {
        submission->OnSent({.code = StatusCode::kInternal});
        submission->OnReleasing(false);
      }
      RespondError(std::move(request), Internal("the simulated execution failed"));
    }
    return;
  }
  for (RequestPtr& request : requests) Finish(std::move(request));
}

void Backend::Release(RequestPtr request, uint32_t flags) {
  if (Submission* submission = Submission::Of(*request)) {
    submission->OnReleasing(flags == kReleaseReschedule);
  }
  request.release()->Release(flags);
}

float Backend::Compute(InferenceRequest& request) {
  const auto input = request.FindBackendInput("in");
  world_.Require(input.ok(), "a request reached its backend without its input");
  const float in = FirstValue(**input);
  if (!config_.sequence_batching || config_.sequence_batching->state.empty()) {
    const auto more = request.FindBackendInput("more");
    return ValueOf(in, more.ok() ? FirstValue(**more) : 0);
  }
  const ModelSequenceBatching& batching = *config_.sequence_batching;
  const float next = NextState(*ReadState(request, batching), in);
  const bool grows = HasWildcard(batching.state.front().dims);
  WriteState(request, batching, next, grows ? 1 + static_cast<int64_t>(next) % 3 : 1);
  if (Submission* submission = Submission::Of(request)) submission->OnStateWritten(next);
  return next;
}

void Backend::Finish(RequestPtr request) {
  Submission* const submission = Submission::Of(*request);
  if (request->is_null) {  // a backend need not look
    (void)Compute(*request);
    return;
  }
  if (signature_.reschedulable && world_.random.Chance(habits_.reschedules)) {
    (void)Compute(*request);
    Release(std::move(request), kReleaseReschedule);
    return;
  }
  if (signature_.decoupled) {
    Stream(std::make_shared<RequestPtr>(std::move(request)),
           world_.random.Below(habits_.max_responses + 1));
    return;
  }
  if (world_.random.Chance(habits_.abandons)) {
    if (submission != nullptr) submission->abandoned = true;
    Release(std::move(request));
    return;
  }
  if (world_.random.Chance(habits_.keeps)) {
    // std::function copies; the request moves along in a holder.
    auto kept = std::make_shared<RequestPtr>(std::move(request));
    world_.After(world_.random.Exponential(habits_.mean_execution_ns), [this, kept] {
      Answer(**kept, true);
      Release(std::move(*kept));
    });
    return;
  }
  if (world_.random.Chance(habits_.early_release)) {
    ReleaseEarly(std::move(request));
    return;
  }
  Answer(*request, true);
  Release(std::move(request));
}

// The response outlives the request.
void Backend::ReleaseEarly(RequestPtr request) {
  Sent sent{.value = Compute(*request)};
  auto held = std::make_shared<ResponsePtr>(MakeResponse(*request, &sent));
  if (Submission* submission = Submission::Of(*request)) submission->OnSent(sent);
  Release(std::move(request));
  world_.After(world_.random.Exponential(habits_.mean_execution_ns), [this, held] {
    const Status status = InferenceResponse::Send(std::move(*held), kResponseFinal);
    world_.Require(status.ok(), "a response after the release was refused: ", status.message());
  });
}

void Backend::Answer(InferenceRequest& request, bool final) {
  Sent sent{.value = Compute(request), .final = final};
  ResponsePtr response;
  if (request.IsCancelled() && world_.random.Chance(habits_.heeds_cancel)) {
    response = MakeError(request, StatusCode::kCancelled, &sent);
  } else if (world_.random.Chance(habits_.request_fails)) {
    response = MakeError(request, StatusCode::kInvalidArg, &sent);
  } else {
    response = MakeResponse(request, &sent);
  }
  const Status status = SendTo(request, std::move(response), sent);
  world_.Require(status.ok(), "a response was refused: ", status.message());
  if (!final || !world_.random.Chance(habits_.repeats_final)) return;
  ResponsePtr second = InferenceResponse::New(request.channel());
  const Status repeated = InferenceResponse::Send(std::move(second), kResponseFinal);
  world_.Require(repeated.code() == StatusCode::kInvalidArg,
                 "a second final response was not refused");
}

void Backend::Stream(std::shared_ptr<RequestPtr> request, uint64_t responses) {
  if (responses == 0 || ((*request)->IsCancelled() && world_.random.Chance(habits_.heeds_cancel))) {
    SendFinalFlag(**request);
    Release(std::move(*request));
    return;
  }
  const bool final = responses == 1 && world_.random.Chance(0.5);
  Answer(**request, final);
  if (final) {
    Release(std::move(*request));
    return;
  }
  world_.After(world_.random.Exponential(habits_.mean_execution_ns / 4),
               [this, request, responses] { Stream(request, responses - 1); });
}

void Backend::SendFinalFlag(InferenceRequest& request) {
  const Status status = SendTo(request, nullptr, {.has_response = false});
  world_.Require(status.ok(), "a final flag was refused: ", status.message());
}

}  // namespace trident::simulation
