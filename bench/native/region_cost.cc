// What the memory of a request costs: Acquire and Finish of a registered region by its name, and of
// a region of this process directly, with few and with many regions registered. One thread, the
// real clock. Prints one JSON object per kind and number of regions, as one array; times are
// nanoseconds per Acquire and Finish, medians of the rounds.
//
//   trident_region_cost [--regions 10,1000,60000] [--steps 200000] [--rounds 9]
//
// "name" uses one region over and over, "names" each of them in turn in a random order, "direct" a
// region of this process. All regions are parts of one object. Rounds of all kinds alternate.
//
// The floor is one lseek, which sees whether the object has shrunk, and taking the registry's lock
// twice. "name" with 60,000 regions may cost 1.1 times what it costs with 10; "names" adds what the
// machine's memory takes for two or three lines that were last used 60,000 requests ago.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "memory/region_registry.h"

namespace {

using namespace trident;  // NOLINT: a program of one file

constexpr uint64_t kPartBytes = 64;

struct Options {
  std::vector<size_t> regions{10, 1000, 60000};
  size_t steps = 200000;
  size_t rounds = 9;
};

[[noreturn]] void Die(const std::string& message) {
  fprintf(stderr, "trident_region_cost: %s\n", message.c_str());
  exit(1);
}

std::vector<size_t> ParseList(const std::string& text) {
  std::vector<size_t> values;
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    const size_t value = strtoul(at, &end, 10);
    if (end == at || value == 0) Die("--regions must be numbers from 1 on, commas between");
    values.push_back(value);
    at = *end == ',' ? end + 1 : end;
  }
  return values;
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string key = argv[i];
    if (i + 1 == argc) Die("'" + key + "' needs a value");
    const std::string value = argv[i + 1];
    if (key == "--regions") {
      options.regions = ParseList(value);
    } else if (key == "--steps") {
      options.steps = strtoul(value.c_str(), nullptr, 10);
    } else if (key == "--rounds") {
      options.rounds = strtoul(value.c_str(), nullptr, 10);
    } else {
      Die("unknown option '" + key + "'");
    }
  }
  if (options.regions.empty() || options.steps == 0 || options.rounds == 0) {
    Die("nothing to measure");
  }
  return options;
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) Die(result.status().message());
  return std::move(result).value();
}

void Must(const Status& status) {
  if (!status.ok()) Die(status.message());
}

// A server's regions, and the ways to use them.
class Regions {
 public:
  explicit Regions(size_t count)
      : object_(Must(SharedMemoryRegion::Create("/trident_region_cost_" + std::to_string(count),
                                                count * kPartBytes))) {
    for (size_t i = 0; i < count; ++i) {
      names_.push_back("camera_" + std::to_string(i));
      Must(registry_.Register(names_.back(), object_->key(), i * kPartBytes, kPartBytes));
    }
    std::shuffle(names_.begin(), names_.end(), std::mt19937_64(1));
  }

  void Name(size_t steps) {
    const std::string& name = names_.front();
    for (size_t i = 0; i < steps; ++i) Use(registry_.Acquire(name, 0, kPartBytes));
  }
  void Names(size_t steps) {
    size_t next = 0;
    for (size_t i = 0; i < steps; ++i) {
      Use(registry_.Acquire(names_[next], 0, kPartBytes));
      next = next + 1 == names_.size() ? 0 : next + 1;
    }
  }
  void Direct(size_t steps) {
    for (size_t i = 0; i < steps; ++i) {
      Use(RegionLease::Direct(object_, 0, kPartBytes, RegionAccess::kWrite));
    }
  }

 private:
  static void Use(Result<RegionLease> lease) { Must(Must(std::move(lease)).Finish()); }

  std::shared_ptr<SharedMemoryRegion> object_;
  RegionRegistry registry_{AllowedKeys()};
  std::vector<std::string> names_;
};

constexpr struct {
  const char* name;
  void (Regions::*run)(size_t steps);
} kKinds[] = {{"name", &Regions::Name}, {"names", &Regions::Names}, {"direct", &Regions::Direct}};

}  // namespace

int main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  std::vector<std::unique_ptr<Regions>> all;
  for (const size_t count : options.regions) all.push_back(std::make_unique<Regions>(count));
  const size_t kinds = std::size(kKinds);
  std::vector<std::vector<double>> times(all.size() * kinds);
  for (size_t round = 0; round <= options.rounds; ++round) {
    for (size_t i = 0; i < times.size(); ++i) {
      const uint64_t begin = NowNs();
      (all[i / kinds].get()->*kKinds[i % kinds].run)(options.steps);
      const double spent = static_cast<double>(NowNs() - begin);
      // The first round warms up.
      if (round > 0) times[i].push_back(spent / static_cast<double>(options.steps));
    }
  }
  for (size_t i = 0; i < times.size(); ++i) {
    std::vector<double>& sorted = times[i];
    std::sort(sorted.begin(), sorted.end());
    printf("%s{\"kind\":\"%s\",\"regions\":%zu,\"ns\":%.1f,\"min_ns\":%.1f,\"max_ns\":%.1f}",
           i == 0 ? "[" : ",\n ", kKinds[i % kinds].name, options.regions[i / kinds],
           sorted[sorted.size() / 2], sorted.front(), sorted.back());
  }
  printf("]\n");
  return 0;
}
