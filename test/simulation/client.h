#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "model.h"
#include "submission.h"
#include "world.h"

namespace trident::simulation {

// How the clients of a world behave.
struct ClientHabits {
  size_t requests = 100;
  double mean_gap_ns = 1e6;  // between arrivals
  double burst = 0;          // an arrival brings several requests, given together
  uint64_t burst_size = 8;
  double inlines = 0;             // an arrival tries the inline lane first
  double cancels = 0;             // a request is cancelled some time later
  double mean_patience_ns = 1e6;  // how much later
  double refuses_memory = 0;
  double bad = 0;    // a request is not legal for its model
  double again = 0;  // the release callback submits the next request
};

// Who submits requests to a service, one model after the other as reloads replace them, and keeps
// what became of each. Externally synchronised by its world.
class Client {
 public:
  // What the next request asks of a model with this configuration.
  using NextAsk = std::function<Ask(const ModelConfig&)>;
  Client(World& world, const ClientHabits& habits, NextAsk next_ask);
  ~Client();

  void Serve(std::shared_ptr<SimulatedModel> model) { model_ = std::move(model); }
  // Begins the arrivals.
  void Start() { ScheduleArrival(); }
  bool finished() const { return arrived_ >= habits_.requests; }
  void CheckOver() const;

 private:
  struct Slot;  // a request object, used again and again

  void ScheduleArrival();
  void Arrive();
  bool RunInline(SimulatedModel& model, const std::vector<Slot*>& together);
  Slot* Fill(const std::shared_ptr<SimulatedModel>& model, const Ask& ask);
  bool Give(Slot* slot);
  void GiveAll(const std::shared_ptr<SimulatedModel>& model, std::vector<Slot*> slots);
  void OnRelease(Slot* slot, Submission& submission);
  void CancelLater(const std::shared_ptr<SimulatedModel>& model, Slot* slot);
  void SubmitBad();

  World& world_;
  const ClientHabits habits_;
  const NextAsk next_ask_;
  std::shared_ptr<SimulatedModel> model_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> idle_;
  std::vector<std::shared_ptr<Submission>> submissions_;
  size_t arrived_ = 0;
};

}  // namespace trident::simulation
