#pragma once

#include <cstdint>

namespace trident {

// Decides whether requests of one shape are short enough for the JS thread to execute itself
// instead of handing them to an instance thread, which costs two thread wake-ups. Starts with no;
// some runs within the budget earn it, and one run on the JS thread beyond the budget loses it
// until a hundred runs were short again: so at most 1 in 100 is longer. JS thread only.
class InlineLane {
 public:
  bool Allows() const { return score_ >= kRunsToEarn; }

  void RecordInline(uint64_t duration_ns, uint64_t budget_ns) {
    if (duration_ns > budget_ns) {
      score_ = kRunsToEarn - kRunsToForgive;
    } else {
      RecordShort();
    }
  }

  // From submission to completion on another thread: an upper bound of the execution, so a short
  // one proves something and a long one, which may have waited for a core, nothing.
  void RecordRoundTrip(uint64_t duration_ns, uint64_t budget_ns) {
    if (duration_ns <= budget_ns) RecordShort();
  }

 private:
  static constexpr int kRunsToEarn = 8;
  static constexpr int kRunsToForgive = 100;

  void RecordShort() {
    if (score_ < kRunsToEarn) ++score_;
  }

  int score_ = 0;
};

}  // namespace trident
