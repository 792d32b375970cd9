#include "habits.h"

namespace trident::simulation {

BackendHabits RandomHabits(Random& random) {
  BackendHabits habits;
  habits.mean_execution_ns = static_cast<double>(random.OneOf<uint64_t>({0, 1000, 1000000}));
  const auto sometimes = [&](double most) { return random.Chance(0.4) ? random.Unit() * most : 0; };
  habits.slow = sometimes(0.1);
  habits.fails = sometimes(0.2);
  habits.request_fails = sometimes(0.3);
  habits.abandons = sometimes(0.1);
  habits.keeps = sometimes(0.5);
  habits.early_release = sometimes(0.5);
  habits.repeats_final = sometimes(0.2);
  habits.heeds_cancel = sometimes(1);
  habits.max_responses = random.Below(5);
  return habits;
}

ClientHabits RandomClient(Random& random, double mean_ns) {
  ClientHabits habits;
  habits.requests = random.Between(20, 200);
  // From half idle to four times more than the instances can do.
  habits.mean_gap_ns = mean_ns * (0.05 + random.Unit());
  habits.burst = random.Chance(0.5) ? random.Unit() * 0.3 : 0;
  habits.burst_size = random.Between(2, 30);
  habits.inlines = random.Chance(0.3) ? random.Unit() : 0;
  habits.cancels = random.Chance(0.5) ? random.Unit() * 0.5 : 0;
  habits.mean_patience_ns = mean_ns * 4 * random.Unit();
  habits.refuses_memory = random.Chance(0.2) ? 0.1 : 0;
  habits.bad = random.Chance(0.2) ? 0.1 : 0;
  habits.again = random.Chance(0.3) ? random.Unit() * 0.5 : 0;
  return habits;
}

Disturbances RandomDisturbances(Random& random, const ClientHabits& client) {
  Disturbances disturbances;
  if (random.Chance(0.2)) disturbances.reloads = random.Between(1, 3);
  if (random.Chance(0.3)) disturbances.instance_changes = random.Between(1, 6);
  disturbances.span_ns = client.mean_gap_ns * static_cast<double>(client.requests);
  return disturbances;
}

}  // namespace trident::simulation
