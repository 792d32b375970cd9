#include "open_loop.h"

#include <sys/prctl.h>
#include <time.h>

#include <map>
#include <random>

namespace trident::bench {
namespace {

constexpr uint64_t kHalfPeriodNs = 50'000'000;
constexpr uint64_t kSpinNs = 100'000;  // a sleep ends tens of microseconds late
constexpr size_t kSlotsAtFirst = 256;

// When requests are due, in nanoseconds after the start.
std::vector<uint64_t> Schedule(const OpenLoopPlan& plan) {
  std::mt19937_64 random(plan.seed);
  std::exponential_distribution<double> gap_s(plan.bursts ? 2 * plan.rate : plan.rate);
  const double busy_s = plan.bursts ? plan.seconds / 2 : plan.seconds;
  std::vector<uint64_t> due_ns;
  for (double at = gap_s(random); at < busy_s; at += gap_s(random)) {
    const auto at_ns = static_cast<uint64_t>(at * 1e9);
    due_ns.push_back(plan.bursts ? at_ns + at_ns / kHalfPeriodNs * kHalfPeriodNs : at_ns);
  }
  return due_ns;
}

void WaitUntil(uint64_t time_ns) {
  if (NowNs() + kSpinNs < time_ns) {
    const uint64_t until_ns = time_ns - kSpinNs;
    const timespec until = {static_cast<time_t>(until_ns / 1'000'000'000),
                            static_cast<long>(until_ns % 1'000'000'000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
  while (NowNs() < time_ns) continue;
}

// One request of the schedule. `error` is "" or the name of the code it was refused or failed with.
struct Fate {
  uint64_t late_start_ns = 0;  // the pacing thread's own lateness
  uint64_t latency_ns = 0;
  const char* error = "";
  bool refused = false;  // by the call that submitted it
};

// The pacing thread's work; callbacks write down the fate of their own request, nothing else.
class OpenLoop : public SlotOwner {
 public:
  OpenLoop(const ModelClient& client, OverQueue* queue, const OpenLoopPlan& plan)
      : client_(client), queue_(*queue), plan_(plan), due_ns_(Schedule(plan)) {
    fates_.resize(due_ns_.size());
    while (slots_.size() < kSlotsAtFirst) free_.push_back(MakeSlot());
  }

  void Over(Slot* slot) override {
    Fate& fate = fates_[slot->index];
    fate.latency_ns = NowNs() - (start_ns_ + due_ns_[slot->index]);
    fate.error = slot->error();
    queue_.Push(slot);
  }

  void Run() {
    prctl(PR_SET_TIMERSLACK, 1UL);
    start_ns_ = NowNs() + kSpinNs;
    for (size_t i = 0; i < due_ns_.size(); ++i) {
      Slot* const slot = FreeSlot();
      slot->index = i;
      WaitUntil(start_ns_ + due_ns_[i]);
      Submit(slot);
    }
    std::vector<Slot*> over;
    while (free_.size() < slots_.size()) {
      queue_.Take(&over, /*wait=*/true);
      free_.insert(free_.end(), over.begin(), over.end());
    }
  }

  const std::vector<Fate>& fates() const { return fates_; }

 private:
  Slot* MakeSlot() {
    slots_.push_back(client_.MakeSlot(this));
    if (plan_.timeout_us > 0) slots_.back()->SetTimeout(plan_.timeout_us);
    return slots_.back().get();
  }

  Slot* FreeSlot() {
    if (free_.empty()) queue_.Take(&free_, /*wait=*/false);
    if (free_.empty()) return MakeSlot();
    Slot* const slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void Submit(Slot* slot) {
    Fate& fate = fates_[slot->index];
    const uint64_t due_ns = start_ns_ + due_ns_[slot->index];
    fate.late_start_ns = NowNs() - due_ns;
    TRITONSERVER_Error* const error = slot->Submit();
    if (error == nullptr) return;
    fate.refused = true;
    fate.error = TRITONSERVER_ErrorCodeString(error);
    TRITONSERVER_ErrorDelete(error);
    free_.push_back(slot);
  }

  const ModelClient& client_;
  OverQueue& queue_;
  const OpenLoopPlan plan_;
  const std::vector<uint64_t> due_ns_;
  uint64_t start_ns_ = 0;
  std::vector<Fate> fates_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> free_;
};

// Against the objective: what was answered in time, of all that was asked.
Json Attainment(const std::vector<uint64_t>& latencies_ns, size_t offered,
                const OpenLoopPlan& plan) {
  const uint64_t slo_ns = plan.slo_us * 1000;
  uint64_t in_time = 0, late_by_5_percent = 0;
  std::vector<uint64_t> lateness_ns;
  for (const uint64_t latency_ns : latencies_ns) {
    if (latency_ns <= slo_ns) {
      ++in_time;
      continue;
    }
    lateness_ns.push_back(latency_ns - slo_ns);
    if (latency_ns > slo_ns + slo_ns / 20) ++late_by_5_percent;
  }
  return {
      {"slo_us", plan.slo_us},
      {"attained", offered == 0 ? 0 : static_cast<double>(in_time) / static_cast<double>(offered)},
      {"goodput_per_second", Rounded(static_cast<double>(in_time) / plan.seconds)},
      {"late", ToJson(Summarise(lateness_ns))},
      {"late_by_over_5_percent", late_by_5_percent}};
}

Json Report(const std::vector<Fate>& fates, const OpenLoopPlan& plan) {
  std::vector<uint64_t> latencies_ns, pacing_ns;
  std::map<std::string, uint64_t> refused, failed;
  for (const Fate& fate : fates) {
    pacing_ns.push_back(fate.late_start_ns);
    if (*fate.error == '\0') {
      latencies_ns.push_back(fate.latency_ns);
    } else {
      ++(fate.refused ? refused : failed)[fate.error];
    }
  }
  Json report = {{"rate", plan.rate},
                 {"arrivals", plan.bursts ? "bursts" : "poisson"},
                 {"seconds", plan.seconds},
                 {"seed", plan.seed},
                 {"offered", fates.size()},
                 {"answered", latencies_ns.size()},
                 {"refused", refused},
                 {"failed", failed},
                 {"latency", ToJson(Summarise(latencies_ns))},
                 {"pacing_lateness", ToJson(Summarise(pacing_ns))}};
  if (plan.slo_us > 0) report["slo"] = Attainment(latencies_ns, fates.size(), plan);
  return report;
}

}  // namespace

Json RunOpenLoop(const ModelClient& client, OverQueue* queue, const OpenLoopPlan& plan) {
  OpenLoop loop(client, queue, plan);
  loop.Run();
  return Report(loop.fates(), plan);
}

}  // namespace trident::bench
