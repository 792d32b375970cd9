// What a request costs when many models are loaded: identity models, which of them is asked drawn
// by Zipf's law, so that most models are cold. Prints a JSON array, one object per number of models
// and lane: medians of the rounds. Offloaded requests are kept 64 outstanding.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "arguments.h"
#include "over_queue.h"
#include "samples.h"

namespace {

using namespace trident::bench;  // NOLINT: a program of one file

constexpr char kUsage[] =
    "usage: trident_scale --backends DIR [--models 10,1000,10000] [--requests 20000] [--rounds 5]\n"
    "                     [--seed 1]\n";
constexpr size_t kOutstanding = 64;
constexpr char kConfig[] =
    "backend: \"identity\"\nmax_batch_size: 8\n"
    "input [ { name: \"input\" data_type: TYPE_FP32 dims: [ 16 ] } ]\n"
    "output [ { name: \"output\" data_type: TYPE_FP32 dims: [ 16 ] } ]\n"
    "instance_group [ { count: 1 kind: KIND_CPU } ]\ndynamic_batching { }\n";

namespace fs = std::filesystem;

std::string ModelName(size_t index) { return "m" + std::to_string(index); }

// A repository of that many models, gone at the end of the program.
class Repository {
 public:
  explicit Repository(size_t models)
      : root_((fs::temp_directory_path() / "trident-scale-XXXXXX").string()) {
    if (mkdtemp(root_.data()) == nullptr) Die("can't make a directory like " + root_);
    for (size_t i = 0; i < models; ++i) {
      const fs::path folder = fs::path(root_) / ModelName(i);
      fs::create_directories(folder / "1");
      std::ofstream(folder / "config.pbtxt") << kConfig;
    }
  }
  ~Repository() { fs::remove_all(root_); }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

// Which model each request is for: the one of rank k with a probability of 1/k, ranks shuffled over
// the models.
std::vector<uint32_t> Traffic(size_t models, size_t requests, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint32_t> model_of_rank(models);
  std::vector<double> weights(models);
  for (size_t i = 0; i < models; ++i) {
    model_of_rank[i] = static_cast<uint32_t>(i);
    weights[i] = 1 / static_cast<double>(i + 1);
  }
  std::shuffle(model_of_rank.begin(), model_of_rank.end(), random);
  std::discrete_distribution<size_t> rank(weights.begin(), weights.end());
  std::vector<uint32_t> traffic(requests);
  for (uint32_t& model : traffic) model = model_of_rank[rank(random)];
  return traffic;
}

size_t Threads() {
  const fs::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

// A server with its models, and traffic for them; each model has as many requests as were ever
// under way for it. The submitting thread's work.
class Population : public SlotOwner {
 public:
  Population(size_t models, const std::string& repository, const std::string& backends,
             size_t requests, uint64_t seed)
      : server_({.repository = repository, .backends = backends, .load_all = true}),
        traffic_(Traffic(models, requests, seed)),
        free_(models) {
    first_ = std::make_unique<ModelClient>(&server_, ModelName(0), 1);
    RunInline();
    RunOffloaded();
  }

  void Over(Slot* slot) override {
    if (*slot->error() != '\0') Die("a request failed: " + std::string(slot->error()));
    if (offloading_) return queue_.Push(slot);
    free_[slot->index].push_back(slot);
  }

  // Nanoseconds per request.
  double RunInline() {
    const uint64_t begin = NowNs();
    for (const uint32_t model : traffic_) Free(model)->SubmitInline();
    return PerRequest(begin);
  }

  double RunOffloaded() {
    offloading_ = true;
    const uint64_t begin = NowNs();
    size_t going = 0;
    for (const uint32_t model : traffic_) {
      Must(Free(model)->Submit());
      if (++going == kOutstanding) going -= TakeBack();
    }
    while (going > 0) going -= TakeBack();
    offloading_ = false;
    return PerRequest(begin);
  }

 private:
  Slot* Free(uint32_t model) {
    std::vector<Slot*>& free = free_[model];
    if (free.empty()) {
      slots_.push_back(first_->MakeSlotFor(ModelName(model), this));
      slots_.back()->index = model;
      return slots_.back().get();
    }
    Slot* const slot = free.back();
    free.pop_back();
    return slot;
  }

  size_t TakeBack() {
    queue_.Take(&over_, /*wait=*/true);
    for (Slot* slot : over_) free_[slot->index].push_back(slot);
    return over_.size();
  }

  double PerRequest(uint64_t begin_ns) const {
    return static_cast<double>(NowNs() - begin_ns) / static_cast<double>(traffic_.size());
  }

  OverQueue queue_;
  Server server_;
  const std::vector<uint32_t> traffic_;
  std::unique_ptr<ModelClient> first_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::vector<Slot*>> free_;  // by model
  std::vector<Slot*> over_;
  bool offloading_ = false;
};

void Add(Json* rows, const Arguments& arguments, size_t models) {
  const Repository repository(models);
  Population population(models, repository.root(), arguments.Required("backends"),
                        arguments.Count("requests", 20000), arguments.Count("seed", 1));
  std::vector<double> inline_ns, offloaded_ns;
  for (uint64_t round = 0; round < arguments.Count("rounds", 5); ++round) {
    inline_ns.push_back(population.RunInline());
    offloaded_ns.push_back(population.RunOffloaded());
  }
  const auto row = [&](const char* lane, const std::vector<double>& ns) {
    rows->push_back({{"models", models},
                     {"lane", lane},
                     {"ns_per_request", Rounded(Median(ns))},
                     {"threads", Threads()}});
  };
  row("inline", inline_ns);
  row("offloaded", offloaded_ns);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kUsage,
                            {"backends", "models", "requests", "rounds", "seed"});
  LimitRunTime(600);
  Json rows = Json::array();
  for (const uint64_t models : arguments.Counts("models", {10, 1000, 10000})) {
    Add(&rows, arguments, models);
  }
  printf("%s\n", rows.dump(1).c_str());
  return 0;
}
