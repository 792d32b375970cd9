#include "client.h"

#include <algorithm>

namespace trident::simulation {

struct Client::Slot {
  std::unique_ptr<InferenceRequest> request;
  std::vector<float> data;
  std::shared_ptr<Submission> submission;
  int cancelling = 0;  // calls of Cancel going on: the client leaves the request alone
};

Client::Client(World& world, const ClientHabits& habits, NextAsk next_ask)
    : world_(world), habits_(habits), next_ask_(std::move(next_ask)) {}

Client::~Client() = default;

void Client::ScheduleArrival() {
  if (finished()) return;
  const double gap = habits_.mean_gap_ns;
  world_.After(world_.random.Exponential(gap), [this] {
    Arrive();
    ScheduleArrival();
  });
}

void Client::Arrive() {
  if (world_.random.Chance(habits_.bad)) SubmitBad();
  size_t count = 1;
  if (world_.random.Chance(habits_.burst)) count = world_.random.Between(2, habits_.burst_size);
  // For all of them, also if another one serves before they are made.
  const std::shared_ptr<SimulatedModel> model = model_;
  std::vector<Slot*> together;
  for (size_t i = 0; i < count && !finished(); ++i) {
    together.push_back(Fill(model, next_ask_(model->config())));
  }
  if (world_.random.Chance(habits_.inlines) && RunInline(*model, together)) return;
  GiveAll(model, std::move(together));
}

bool Client::RunInline(SimulatedModel& model, const std::vector<Slot*>& together) {
  std::vector<InferenceRequest*> requests;
  for (const Slot* slot : together) requests.push_back(slot->request.get());
  for (InferenceRequest* request : requests) request->Claim();
  // Either whatever it takes, or only what is known to be short.
  const uint64_t budget_ns = world_.random.Chance(0.5) ? kNever : world_.random.Below(2'000'000);
  if (!requests.empty() && model.RunInline(requests, budget_ns)) return true;
  for (InferenceRequest* request : requests) request->Unclaim();
  return false;
}

// A request object, new or used, that says what `ask` does.
Client::Slot* Client::Fill(const std::shared_ptr<SimulatedModel>& model, const Ask& ask) {
  ++arrived_;
  Slot* slot = nullptr;
  if (!idle_.empty() && idle_.back()->cancelling == 0 && world_.random.Chance(0.7)) {
    slot = idle_.back();
    idle_.pop_back();
    slot->request->Rebind(model);
    slot->request->RemoveAllInputs();
  } else {
    slots_.push_back(std::make_unique<Slot>());
    slot = slots_.back().get();
    slot->request = std::make_unique<InferenceRequest>(model, -1);
  }
  InferenceRequest& request = *slot->request;
  const auto number = static_cast<int64_t>(submissions_.size());
  slot->submission = std::make_shared<Submission>(world_, model->shared_judge(), number, ask);
  submissions_.push_back(slot->submission);
  world_.Note("asks for items, width", number, ask.items, ask.width);
  if (ask.flags != 0 || model->config().sequence_batching) {
    world_.Note("in sequence, with flags", number, static_cast<int64_t>(ask.correlation_id.number),
                ask.flags);
  }
  slot->submission->refuses_memory = world_.random.Chance(habits_.refuses_memory);
  request.id = std::to_string(number);
  request.sink = slot->submission;
  request.priority = ask.priority;
  request.timeout_us = ask.timeout_us;
  request.deadline_us = ask.deadline_us;
  request.flags = ask.flags;
  request.correlation_id = ask.correlation_id;
  request.on_release = [this, slot](InferenceRequest*, uint32_t) {
    OnRelease(slot, *slot->submission);
  };
  slot->data.assign(static_cast<size_t>(ask.items) * static_cast<size_t>(ask.width), ask.value);
  const auto add = [&](const char* name, int64_t width) {
    Shape shape = {width};
    if (model->signature().batching()) shape.insert(shape.begin(), ask.items);
    ConstBuffer buffer{slot->data.data(), {}};
    buffer.attributes.byte_size = static_cast<uint64_t>(ask.items * width) * sizeof(float);
    const Status status = (*request.AddInput(name, DataType::kFp32, shape))->Append(buffer);
    world_.Require(status.ok(), "the simulation made a bad request: ", status.message());
  };
  add("in", ask.width);
  if (ask.with_more) add("more", 1);
  const Status status = request.Prepare();
  world_.Require(status.ok(), "a legal request was refused: ", status.message());
  return slot;
}

void Client::GiveAll(const std::shared_ptr<SimulatedModel>& model, std::vector<Slot*> slots) {
  if (slots.empty()) return;
  std::vector<InferenceRequest*> requests;
  for (Slot* slot : slots) {
    slot->submission->submitted_ns = world_.now();
    world_.Require(slot->request->Claim(), "an idle request can't be claimed");
    requests.push_back(slot->request.get());
    CancelLater(model, slot);
  }
  std::vector<std::shared_ptr<Submission>> given;
  for (const Slot* slot : slots) given.push_back(slot->submission);
  std::vector<Status> outcomes(slots.size());
  // Even if another model serves by now: its own may just be closing.
  const std::shared_ptr<InferenceTarget> target = requests.front()->target();
  target->Submit(requests, outcomes);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!outcomes[i].ok()) idle_.push_back(slots[i]);
  }
}

void Client::CancelLater(const std::shared_ptr<SimulatedModel>& model, Slot* slot) {
  if (!world_.random.Chance(habits_.cancels)) return;
  const uint64_t patience = world_.random.Exponential(habits_.mean_patience_ns);
  world_.After(patience, [this, slot, submission = slot->submission, model] {
    const Judge& judge = model->judge();
    // The request may be back, and even out again for somebody else.
    if (slot->submission != submission || !submission->accepted) return;
    const bool waited = submission->waiting();
    if (!submission->over()) submission->cancel_called = true;
    world_.Note("cancel", submission->number);
    ++slot->cancelling;
    const Status status = slot->request->Cancel();
    --slot->cancelling;
    world_.Require(status.ok(), "a submitted request can't be cancelled: ", status.message());
    if (waited && !world_.preemptive() && judge.CancelEndsAtOnce()) {
      world_.Require(submission->releases == 1, "request ", submission->number,
                     " waits on after it was cancelled");
    }
  });
}

void Client::OnRelease(Slot* slot, Submission& submission) {
  submission.OnRelease();
  if (slot->cancelling == 0 && world_.random.Chance(0.2)) {
    // A client may free its request in the callback. The slot stays, for those who look at it.
    slot->submission = nullptr;
    slot->request = nullptr;  // and with it the callback that runs
    return;
  }
  idle_.push_back(slot);
  if (!finished() && model_->accepting() && world_.random.Chance(habits_.again)) {
    const std::shared_ptr<SimulatedModel> model = model_;
    GiveAll(model, {Fill(model, next_ask_(model->config()))});
  }
}

// Refused before it reaches a scheduler.
void Client::SubmitBad() {
  InferenceRequest request(model_, -1);
  request.sink = std::make_shared<Submission>(world_, model_->shared_judge(), -1, Ask());
  request.on_release = [](InferenceRequest*, uint32_t) {};
  Shape shape = {1};
  if (model_->signature().batching()) {
    shape.insert(shape.begin(), model_->signature().max_batch_size + 1);
  } else {
    shape.push_back(2);
  }
  const auto input = request.AddInput("in", DataType::kFp32, shape);
  world_.Require(input.ok() && request.Prepare().code() == StatusCode::kInvalidArg,
                 "a request that does not fit its model was not refused");
}

void Client::CheckOver() const {
  for (const auto& submission : submissions_) submission->CheckOver();
}

}  // namespace trident::simulation
