// What queue policies make of a load, in virtual time: one executor of 2.0 + 0.1 n ms, at most 32
// items a batch, and 15.6 ms for an answer. The queue is the production one.

#include <cstdio>

#include "arguments.h"
#include "support/slo_world.h"

namespace trident {
namespace {

constexpr char kUsage[] = "usage: trident_slo_policies [--arrivals 400000] [--seed 1]\n";

struct Named {
  const char* name;
  SloPolicies policies;
};

void PrintRow(const SloLoad& load, const Named& policy, bool first) {
  const SloResult result = SloWorld(policy.policies, load).Run();
  printf(
      "%s\n  {\"load\": \"%s %.0f %%\", \"noise\": %.2f, \"policy\": \"%s\", "
      "\"attained\": %.4f, \"goodput_of_capacity\": %.4f, \"late_of_accepted\": %.4f, "
      "\"p50_ms\": %.2f}",
      first ? "" : ",", load.bursts ? "bursts" : "poisson", load.of_capacity * 100, load.noise,
      policy.name, result.attained, result.goodput_of_capacity, result.late_of_accepted,
      result.p50_ms);
  fflush(stdout);
}

void PrintAll(size_t arrivals, uint64_t seed) {
  const Named policies[] = {{"eager", SloWorld::Eager()},
                            {"timeout", SloWorld::Timeout()},
                            {"deadline", SloWorld::Deadline(false)},
                            {"deadline, adaptive delay", SloWorld::Deadline(true)}};
  const SloLoad loads[] = {{.of_capacity = 0.3},
                           {.of_capacity = 0.7},
                           {.of_capacity = 0.9},
                           {.of_capacity = 1.0},
                           {.of_capacity = 1.2},
                           {.of_capacity = 1.5},
                           {.of_capacity = 0.7, .bursts = true},
                           {.of_capacity = 0.9, .bursts = true}};
  printf("{\"arrivals\": %zu, \"seed\": %llu, \"rows\": [", arrivals,
         static_cast<unsigned long long>(seed));
  bool first = true;
  for (const double noise : {0.0, 0.1}) {
    for (SloLoad load : loads) {
      load.noise = noise;
      load.arrivals = arrivals;
      load.seed = seed;
      for (const Named& policy : policies) {
        PrintRow(load, policy, first);
        first = false;
      }
    }
  }
  printf("\n]}\n");
}

}  // namespace
}  // namespace trident

int main(int argc, char** argv) {
  const trident::bench::Arguments arguments(argc, argv, trident::kUsage, {"arrivals", "seed"});
  // What SloWorld expects as a test would otherwise be printed and forgotten.
  GTEST_FLAG_SET(throw_on_failure, true);
  trident::PrintAll(arguments.Count("arrivals", 400'000), arguments.Count("seed", 1));
  return 0;
}
