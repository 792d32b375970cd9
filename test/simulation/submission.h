#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inference/request.h"
#include "world.h"

namespace trident::simulation {

class Judge;

// What a client asks for.
struct Ask {
  uint32_t items = 1;      // batch size; not batching models: 1
  int64_t width = 1;       // the variable dimension, where there is one
  bool with_more = false;  // the optional input is present
  uint64_t priority = 0;
  uint64_t timeout_us = 0;
  uint64_t deadline_us = 0;
  float value = 0;  // the first element of "in"
  uint32_t flags = 0;
  CorrelationId correlation_id;
  int64_t sequence = -1;  // the client's own number of the sequence, which an id may serve twice
  int64_t step = -1;      // of the sequence
};

// One thing a backend sent to a request.
struct Sent {
  bool has_response = true;
  StatusCode code = StatusCode::kOk;
  float value = 0;
  bool final = true;
};

// One submission of a request: what was asked, what happened, and the sink that watches over it.
// What must hold for every request in every model is checked here, the rest by the model's judge.
// Shared by the client and the request. Externally synchronised by its world.
class Submission : public ResponseSink {
 public:
  Submission(World& world, std::shared_ptr<Judge> judge, int64_t number, Ask ask);
  ~Submission() override;

  // The one a request belongs to; null: not a client's (a null request, a step of an ensemble).
  static Submission* Of(const InferenceRequest& request);

  void OnSubmitted(const Status& outcome);
  // Its caller runs it: it was never in the queue.
  void OnClaimed();
  void OnHanded(int64_t instance);
  // Before the backend sends it.
  void OnSent(Sent sent) { sent_.push_back(sent); }
  // `again`: it is rescheduled.
  void OnReleasing(bool again);
  void OnRelease();
  void OnStateWritten(float value);
  void CheckOver() const;
  bool over() const { return finals == 1 && releases == 1; }
  bool waiting() const { return accepted && handed == 0 && finals == 0 && releases == 0; }

  Status Allocate(const char* output_name, uint64_t byte_size, OutputBuffer* buffer) override;
  void Free(const OutputBuffer& buffer) override;
  Status Query(const char* output_name, uint64_t* byte_size, BufferAttributes* at) override;
  void Deliver(ResponsePtr response, uint32_t flags) override;

  const int64_t number;
  const Ask ask;
  bool refuses_memory = false;
  bool cancel_called = false;
  bool abandoned = false;  // the backend released the request without a final response

  bool accepted = false;
  uint64_t submitted_ns = 0;
  uint64_t ended_ns = 0;  // final response
  int handed = 0;
  int finals = 0;
  int releases = 0;
  Status last;  // of the final response

 private:
  World& world_;
  const std::shared_ptr<Judge> judge_;
  std::vector<Sent> sent_;
  size_t received_ = 0;
  int live_buffers_ = 0;
};

}  // namespace trident::simulation
