#include "scenario.h"

namespace trident::simulation {

void Play(World& world) {
  Random& random = world.random;
  if (random.Chance(0.25)) world.threads.settings.preemption = 0.05 + random.Unit() * 0.4;
  if (random.Chance(0.5)) world.threads.settings.spurious = random.Unit() * 0.2;
  world.few_executors = random.Chance(0.25);
  if (random.Chance(0.3)) world.timer->lateness_ns = random.Below(200'000);
  world.Describe([&] {
    return StrCat("preemption ", world.threads.settings.preemption, ", spurious wakes ",
                  world.threads.settings.spurious, ", timers late by ", world.timer->lateness_ns,
                  " ns, grain ", world.grain_ns, " ns");
  });
  world.grain_ns = random.OneOf<uint64_t>({1, 1, 1000, 100'000, 1'000'000});
  switch (random.Below(5)) {
    case 0:
    case 1:
      PlayQueue(world);
      break;
    case 2:
    case 3:
      PlaySequence(world);
      break;
    default:
      PlayEnsemble(world);
  }
  world.EndExecutors();
}

}  // namespace trident::simulation
