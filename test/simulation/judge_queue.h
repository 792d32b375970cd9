#pragma once

#include <map>
#include <vector>

#include "config/model_config.h"
#include "judge.h"

namespace trident::simulation {

// What dynamic batching and the default scheduler promise, kept as plain lists of who waits:
// batches are prefixes of the queue, in the order of priority levels and arrival; sizes and delays
// as configured; queues bounded exactly; timeouts in time; responses in order where promised. With
// deadlines, sizes and delays are what the measured durations say: nobody is executed or waits
// beyond its deadline, and only who could be late is refused for it.
class QueueJudge : public Judge {
 public:
  QueueJudge(World& world, const ModelConfig& config);

  void InstanceAdded(size_t) override { instances_.push_back({}); }
  void InstanceRemoved(size_t instance) override { instances_[instance].removed = true; }
  void Stopped() override { stopped_ = true; }
  void Submitted(Submission& submission, const Status& outcome) override;
  void Handed(size_t instance, const std::vector<RequestPtr>& batch) override;
  void HandedInline(size_t instance, const std::vector<RequestPtr>& batch) override;
  void Finished(size_t instance) override;
  void CoreAnswered(Submission& submission, const InferenceResponse* response,
                    const Status& status) override;
  void Released(Submission& submission) override;
  void Delivered(Submission& submission, bool final) override;
  void InstantOver(uint64_t next_ns) override;

 private:
  struct Instance {
    bool busy = false;
    bool removed = false;
    uint64_t claimed_ns = 0;
  };
  using Queue = std::vector<Submission*>;
  // What one batch could hold of the head of a queue.
  struct Pending {
    size_t count = 0;
    uint64_t items = 0;
    size_t marked = 0;  // requests up to the best preferred size; 0: none
    bool closed = false;
    uint64_t oldest_ns = kNever;
  };
  uint64_t LevelOf(const Submission& submission) const;
  const QueuePolicy& PolicyOf(uint64_t level) const;
  // When it is rejected or falls behind; kNever: never.
  uint64_t DeadlineOf(const Submission& submission) const;
  // When its answer is due, where the model has deadlines.
  uint64_t DueOf(const Submission& submission) const;
  bool Rejects(const Submission& submission) const;
  // Whether its answer could come too late, for all that can be known of durations.
  bool MayBeLate(const Submission& submission) const;
  // All that waits, in the order in which it must be served at `now_ns`.
  Queue InOrder(uint64_t now_ns) const;
  // The same for now, without what is rejected at this very instant.
  Queue SurelyWaiting() const;
  void Claim(size_t instance);
  bool IsPrefix(const std::vector<RequestPtr>& batch, Queue* queue) const;
  bool Alike(const Submission& a, const Submission& b) const;
  Pending LookAt(const Queue& queue) const;
  bool DelayIsOver(const Pending& pending, uint64_t now_ns) const;
  void NoteBatch(const std::vector<RequestPtr>& batch, const Queue& queue) const;
  void CheckSize(const Queue& queue, size_t taken) const;
  void CheckDelay(uint64_t next_ns) const;
  void CheckTimeouts(uint64_t next_ns) const;

  World& world_;
  const ModelConfig config_;
  const bool dynamic_;
  ModelDynamicBatching batching_;
  bool compares_ = false;
  uint64_t max_items_ = 1;
  uint64_t delay_ns_ = 0;
  Queue waiting_;     // accepted, neither handed out nor ended; in order of arrival
  Queue unanswered_;  // accepted, without final response; in order of arrival
  std::vector<Instance> instances_;
  uint64_t longest_ns_ = 0;  // of all executions that are over
  bool stopped_ = false;
};

}  // namespace trident::simulation
