#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "config/model_config.h"
#include "judge.h"

namespace trident::simulation {

// What both strategies of sequence batching promise: a sequence has one request in flight at most,
// in order, in one slot that is its own; controls and states are right; ids are checked; what is
// idle ends and what is in the backlog times out; nothing waits beside a free slot. Slots, the
// backlog and idleness are kept as plain lists of what clients and backends saw.
class SequenceJudge : public Judge {
 public:
  SequenceJudge(World& world, const ModelConfig& config);

  void InstanceAdded(size_t) override { instances_.push_back({}); }
  void InstanceRemoved(size_t instance) override { instances_[instance].removed = true; }
  void Stopped() override { stopped_ = true; }
  void Submitted(Submission& submission, const Status& outcome) override;
  void Handed(size_t instance, const std::vector<RequestPtr>& batch) override;
  void HandedInline(size_t, const std::vector<RequestPtr>&) override {
    Violation("a request of a sequence runs on its caller's thread");
  }
  void Finished(size_t instance) override { instances_[instance].busy = false; }
  void CoreAnswered(Submission& submission, const InferenceResponse* response,
                    const Status& status) override;
  void Releasing(Submission& submission, bool again) override;
  void Released(Submission& submission) override;
  void Delivered(Submission& submission, bool final) override;
  void StateWritten(Submission& submission, float value) override;
  void InstantOver(uint64_t next_ns) override;

 private:
  using Key = std::pair<std::string, uint64_t>;
  // From the START of an id to its end, by END, idleness, cancellation or timeout.
  struct Run {
    Key id;
    bool open = true;
    std::deque<Submission*> waiting;
    Submission* in_flight = nullptr;
    bool handed = false;  // has had a slot
    bool cancelled = false;
    size_t instance = 0;
    size_t row = 0;
    uint64_t released_ns = 0;      // the last time; quiet since then if quiet
    uint64_t expires_ns = kNever;  // in the backlog
    float state = 0;
    bool over() const { return !open && waiting.empty() && in_flight == nullptr; }
    bool quiet() const { return waiting.empty() && in_flight == nullptr; }
  };
  struct Instance {
    bool busy = false;
    bool removed = false;
    size_t in_flight = 0;
    std::deque<const Submission*> turns;  // handed out, in order, not answered for good
  };

  Key KeyOf(const Submission& submission) const;
  Run* OpenRun(const Key& key);
  Run& Begin(const Key& key);
  Run* RunOf(const Submission& submission);
  size_t Holding(size_t instance) const;
  // Forgets runs that are over, for idleness too.
  void Sweep();
  bool MayBeIdle(const Run& run) const;
  bool Starts(const Submission& submission) const;
  bool IsLegal(const Submission& submission, const Run* run) const;
  void CheckOutcome(const Submission& submission, const Run* run, const Status& outcome) const;
  bool IdFits(const Submission& submission) const;
  void CheckNull(InferenceRequest& request);
  void TakeSlot(size_t instance, size_t row, Run& run);
  void CheckTurn(size_t instance, size_t row, Submission& submission, Run& run);
  void CheckControls(InferenceRequest& request, const Submission& submission);
  void CheckState(InferenceRequest& request, Run& run, bool start);
  void CheckForm(const std::vector<RequestPtr>& batch) const;
  bool Idle(size_t instance) const;
  void CheckBacklog(uint64_t next_ns) const;
  void CheckReady(size_t instance, uint64_t next_ns) const;

  World& world_;
  const ModelConfig config_;
  const ModelSequenceBatching& batching_;
  const bool direct_;
  uint64_t slots_ = 1;
  uint64_t delay_ns_ = 0;
  std::vector<std::unique_ptr<Run>> runs_;  // not over, in order of START
  std::vector<std::unique_ptr<Run>> past_;  // over; responses may still come
  std::map<const Submission*, Run*> run_of_;
  std::vector<Instance> instances_;
  bool stopped_ = false;
};

}  // namespace trident::simulation
