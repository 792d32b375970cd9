// trident_simulation [--from N] [--seeds N] [--twice]   the seeds N .. N + seeds - 1
// trident_simulation --seed N [--verbose]              one seed

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "scenario.h"
#include "world.h"

namespace {

struct Arguments {
  uint64_t from = 1;
  uint64_t seeds = 1;
  bool twice = false;
  bool verbose = false;
  bool valid = true;
};

Arguments Parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const auto is = [&](const char* name) { return strcmp(values[i], name) == 0; };
    const auto number = [&](uint64_t* out) {
      char* end = nullptr;
      if (i + 1 < count) *out = strtoull(values[++i], &end, 10);
      arguments.valid = arguments.valid && end != nullptr && *end == '\0' && end != values[i];
    };
    if (is("--from") || is("--seed")) {
      number(&arguments.from);
    } else if (is("--seeds")) {
      number(&arguments.seeds);
    } else if (is("--twice")) {
      arguments.twice = true;
    } else if (is("--verbose")) {
      arguments.verbose = true;
    } else {
      arguments.valid = false;
    }
  }
  return arguments;
}

void OnCrash(int signal) {
  const auto* const world = trident::simulation::World::current;
  if (world != nullptr) world->Report("the program crashed");
  _Exit(128 + signal);
}

uint64_t Run(uint64_t seed, bool verbose) {
  trident::simulation::World world({.seed = seed, .verbose = verbose});
  trident::simulation::Play(world);
  return world.trace_hash();
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments = Parse(count, values);
  if (!arguments.valid) {
    fprintf(stderr, "usage: %s [--seed N | --from N --seeds N] [--twice] [--verbose]\n", values[0]);
    return 2;
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT}) std::signal(signal, OnCrash);
  uint64_t seed = arguments.from;
  for (uint64_t done = 0; done < arguments.seeds; ++done, ++seed) {
    const uint64_t hash = Run(seed, arguments.verbose);
    if (arguments.verbose) printf("seed %" PRIu64 ": trace %016" PRIx64 "\n", seed, hash);
    if (arguments.twice && Run(seed, false) != hash) {
      printf("seed %" PRIu64 " FAILED: two runs of it differ\n", seed);
      return 1;
    }
  }
  return 0;
}
