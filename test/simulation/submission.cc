#include "submission.h"

#include <cstring>

#include "judge.h"

namespace trident::simulation {
namespace {

constexpr int64_t kCode(StatusCode code) { return static_cast<int64_t>(code); }

}  // namespace

Submission::Submission(World& world, std::shared_ptr<Judge> judge, int64_t number_in, Ask ask_in)
    : number(number_in), ask(std::move(ask_in)), world_(world), judge_(std::move(judge)) {}

Submission::~Submission() {
  world_.Require(live_buffers_ == 0, "request ", number, " leaked ", live_buffers_, " buffers");
}

Submission* Submission::Of(const InferenceRequest& request) {
  return dynamic_cast<Submission*>(request.sink.get());
}

void Submission::OnSubmitted(const Status& outcome) {
  world_.Note(outcome.ok() ? "accepted" : "refused", number, kCode(outcome.code()));
  accepted = outcome.ok();
  if (!accepted) {
    world_.Require(!outcome.message().empty(), "request ", number, " was refused without a word");
    world_.Require(finals == 0 && releases == 0 && handed == 0, "refused request ", number,
                   " was answered, released or executed");
  }
  judge_->Submitted(*this, outcome);
}

void Submission::OnClaimed() {
  world_.Note("claimed", number);
  accepted = true;
}

void Submission::OnHanded(int64_t instance) {
  world_.Note("handed", number, instance);
  world_.Require(releases == 0, "request ", number, " is executed after its release");
  world_.Require(finals == 0, "request ", number, " is executed after its final response");
  ++handed;
}

void Submission::OnReleasing(bool again) { judge_->Releasing(*this, again); }

void Submission::OnStateWritten(float value) { judge_->StateWritten(*this, value); }

void Submission::OnRelease() {
  world_.Note("released", number);
  world_.RequireNoLock("a release callback is called under a lock");
  world_.Require(++releases == 1, "request ", number, " was released twice");
  judge_->Released(*this);
}

void Submission::CheckOver() const {
  if (!accepted) return;
  world_.Require(finals == 1, "request ", number, " ended with ", finals, " final responses");
  world_.Require(releases == 1, "request ", number, " ended with ", releases, " releases");
  world_.Require(received_ == sent_.size() || (abandoned && received_ == sent_.size() + 1),
                 "request ", number, " got ", received_, " responses of ", sent_.size(), " sent");
}

Status Submission::Allocate(const char*, uint64_t byte_size, OutputBuffer* buffer) {
  world_.RequireNoLock("memory for a response is asked for under a lock");
  if (refuses_memory) return Unavailable("this client has no memory");
  buffer->data = new char[byte_size];
  ++live_buffers_;
  return Status::Ok();
}

void Submission::Free(const OutputBuffer& buffer) {
  delete[] static_cast<char*>(buffer.data);
  --live_buffers_;
}

Status Submission::Query(const char*, uint64_t*, BufferAttributes*) {
  return Unavailable("not known");
}

void Submission::Deliver(ResponsePtr response, uint32_t flags) {
  const bool final = (flags & kResponseFinal) != 0;
  const Status status = response != nullptr ? response->status() : Status::Ok();
  world_.Note(final ? "final response" : "response", number, kCode(status.code()));
  world_.RequireNoLock("a response is delivered under a lock");
  world_.Require(finals == 0, "request ", number, " got a response after its final one");
  world_.Require(final || response != nullptr, "request ", number, " got nothing at all");
  if (final) {
    ++finals;
    ended_ns = world_.now();
    last = status;
  }
  if (received_ < sent_.size()) {
    const Sent& sent = sent_[received_++];
    world_.Require(sent.final == final && sent.has_response == (response != nullptr) &&
                       sent.code == status.code(),
                   "request ", number,
                   " got another response than the backend sent: ", status.message());
    if (response != nullptr && status.ok()) {
      const OutputTensor* out = response->FindOutput("out");
      world_.Require(out != nullptr && out->has_buffer(), "request ", number, " lost its output");
      float value = 0;
      memcpy(&value, out->buffer().data, sizeof(value));
      world_.Require(value == sent.value, "request ", number, " got the value ", value,
                     "; the backend sent ", sent.value);
    }
  } else if (abandoned) {
    ++received_;
    world_.Require(final && status.code() == StatusCode::kInternal, "request ", number,
                   " was let go by its backend and ended with: ", status.message());
  } else {
    world_.Require(final || judge_->CoreStreams(), "request ", number,
                   " got a response nobody sent");
    judge_->CoreAnswered(*this, response.get(), status);
  }
  judge_->Delivered(*this, final);
}

}  // namespace trident::simulation
