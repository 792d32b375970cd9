#pragma once

#include <cstdint>
#include <memory>

#include "scheduler/scheduler.h"
#include "support/fake_model.h"

namespace trident {

// As Scheduler::TakeInline for a request of `items` to a FakeTarget; nothing executes it.
inline bool TakeInline(Scheduler& scheduler, const std::shared_ptr<FakeTarget>& target,
                       int64_t items, uint64_t budget_ns, size_t* instance) {
  FakeRequest fake(target, Shape{items, 1});
  EXPECT_TRUE(fake.request.Prepare().ok());
  InferenceRequest* const request = &fake.request;
  InlineClaim claim;
  const bool claimed = scheduler.TakeInline({&request, 1}, budget_ns, &claim);
  if (claimed) *instance = claim.instance;
  return claimed;
}

}  // namespace trident
