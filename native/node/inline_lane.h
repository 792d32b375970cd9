#pragma once

#include <cstdint>

namespace trident {

// Decides whether requests of one shape are short enough for the JS thread to execute itself
// instead of handing them to an instance thread, which costs two thread wake-ups. Starts with no;
// a row of runs within the budget earns it, and one run beyond the budget loses it for about a
// hundred runs: so at most 1 in 100 inline runs is longer than the budget. JS thread only.
class InlineLane {
 public:
  bool Allows() const { return score_ >= kRunsToEarn; }

  // How long a run took: executed on this thread, or from submission to completion elsewhere (an
  // upper bound of its execution).
  void Record(uint64_t duration_ns, uint64_t budget_ns) {
    if (duration_ns > budget_ns) {
      score_ = kRunsToEarn - kRunsToForgive;
    } else if (score_ < kRunsToEarn) {
      ++score_;
    }
  }

 private:
  static constexpr int kRunsToEarn = 8;
  static constexpr int kRunsToForgive = 100;

  int score_ = 0;
};

}  // namespace trident
