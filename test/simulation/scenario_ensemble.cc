#include <algorithm>

#include "config/normalize.h"
#include "habits.h"
#include "judge_ensemble.h"
#include "scenario.h"
#include "service.h"

namespace trident::simulation {
namespace {

// The models that steps use: "single" and "stream" take one tensor, "join" takes two.
enum class Kind { kSingle, kStream, kJoin };

struct Step {
  Kind kind;
  std::string in, more;  // tensors
  std::string out;
};

// An ensemble as the simulation thinks of it: what it computes, and its configuration.
struct Graph {
  std::vector<Step> steps;
  std::vector<std::string> outputs;
  bool streams = false;

  std::map<std::string, float> Evaluate(float in) const {
    std::map<std::string, float> values = {{"in", in}};
    for (const Step& step : steps) {
      const float more = step.kind == Kind::kJoin ? values[step.more] : 0;
      values[step.out] = ValueOf(values[step.in], more);
    }
    std::map<std::string, float> result;
    for (const std::string& output : outputs) result[output] = values[output];
    return result;
  }
};

Graph RandomGraph(Random& random) {
  Graph graph;
  graph.streams = random.Chance(0.25);
  std::vector<std::string> tensors = {"in"};
  std::map<std::string, size_t> readers;
  const auto any = [&] {
    const std::string tensor = tensors[random.Below(tensors.size())];
    ++readers[tensor];
    return tensor;
  };
  for (uint64_t i = random.Between(1, 5); i > 0; --i) {
    Step step{.out = i == 1 ? "out" : "t" + std::to_string(i)};
    if (graph.streams) {  // what streams can't be joined: a chain
      step.kind = random.Chance(0.5) ? Kind::kStream : Kind::kSingle;
      step.in = tensors.back();
      ++readers[step.in];
    } else {
      step.kind = tensors.size() > 1 && random.Chance(0.4) ? Kind::kJoin : Kind::kSingle;
      step.in = graph.steps.empty() ? "in" : any();
      if (graph.steps.empty()) ++readers["in"];
      if (step.kind == Kind::kJoin) step.more = any();
    }
    tensors.push_back(step.out);
    graph.steps.push_back(step);
  }
  graph.streams = std::any_of(graph.steps.begin(), graph.steps.end(),
                              [](const Step& step) { return step.kind == Kind::kStream; });
  // What nobody reads must be an output.
  for (const std::string& tensor : tensors) {
    if (readers[tensor] == 0) graph.outputs.push_back(tensor);
  }
  return graph;
}

const char* NameOf(Kind kind) {
  return kind == Kind::kSingle ? "single" : kind == Kind::kStream ? "stream" : "join";
}

ModelConfig ConfigOf(const Graph& graph, Random& random, int32_t max_batch_size) {
  ModelConfig config;
  config.name = "ensemble";
  config.platform = "ensemble";
  config.max_batch_size = max_batch_size;
  config.input = {{.name = "in", .data_type = DataType::kFp32, .dims = {1}}};
  for (const std::string& output : graph.outputs) {
    config.output.push_back({.name = output, .data_type = DataType::kFp32, .dims = {1}});
  }
  ModelEnsembling& ensembling = config.ensemble_scheduling.emplace();
  if (random.Chance(0.3)) {
    ensembling.max_inflight_requests = static_cast<uint32_t>(random.Between(1, 3));
  }
  for (const Step& step : graph.steps) {
    EnsembleStep made{.model_name = NameOf(step.kind), .model_version = -1};
    made.input_map["in"] = step.in;
    if (step.kind == Kind::kJoin) made.input_map["more"] = step.more;
    made.output_map["out"] = step.out;
    ensembling.step.push_back(std::move(made));
  }
  config.model_transaction_policy = ModelTransactionPolicy{graph.streams};
  Normalize(&config);
  return config;
}

ModelConfig StepConfig(Kind kind, Random& random, int32_t max_batch_size, bool may_refuse) {
  ModelConfig config;
  config.name = NameOf(kind);
  config.backend = "simulated";
  config.max_batch_size = max_batch_size;
  config.input = {{.name = "in", .data_type = DataType::kFp32, .dims = {1}}};
  if (kind == Kind::kJoin) {
    config.input.push_back({.name = "more", .data_type = DataType::kFp32, .dims = {1}});
  }
  config.output = {{.name = "out", .data_type = DataType::kFp32, .dims = {1}}};
  if (kind == Kind::kStream) config.model_transaction_policy = ModelTransactionPolicy{true};
  if (random.Chance(0.7)) {
    ModelDynamicBatching& batching = config.dynamic_batching.emplace();
    batching.max_queue_delay_microseconds = random.Chance(0.5) ? random.Below(500) : 0;
    batching.preserve_ordering = random.Chance(0.2);
    if (may_refuse) {
      QueuePolicy& policy = batching.default_queue_policy.emplace();
      policy.max_queue_size = static_cast<uint32_t>(random.Between(1, 10));
      policy.default_timeout_microseconds = random.Below(2000);
    }
  }
  Normalize(&config);
  return config;
}

}  // namespace

void PlayEnsemble(World& world) {
  Random& random = world.random;
  BackendHabits backend = RandomHabits(random);
  const bool may_refuse = random.Chance(0.2);
  const bool may_fail =
      may_refuse || backend.fails > 0 || backend.request_fails > 0 || backend.abandons > 0;
  const double mean_ns = std::max(backend.mean_execution_ns, 1000.0);
  const auto max_batch_size = static_cast<int32_t>(random.Below(6));
  const ClientHabits habits = RandomClient(random, mean_ns);
  const Disturbances disturbances = RandomDisturbances(random, habits);

  std::map<std::string, std::unique_ptr<Service>> services;
  for (const Kind kind : {Kind::kSingle, Kind::kStream, Kind::kJoin}) {
    const ModelConfig config = StepConfig(kind, random, max_batch_size, may_refuse);
    auto service = std::make_unique<Service>(
        world, [config] { return config; }, backend,
        [](const ModelConfig&) { return std::make_shared<Judge>(); });
    service->Load();
    service->Disturb(disturbances);
    services[NameOf(kind)] = std::move(service);
  }
  const Graph graph = RandomGraph(random);
  const ModelConfig config = ConfigOf(graph, random, max_batch_size);
  const auto judge = std::make_shared<EnsembleJudge>(
      world, EnsembleJudge::Rules{.streams = graph.streams,
                                  .steps_may_fail = may_fail,
                                  .outputs = [&](float in) { return graph.Evaluate(in); }});
  const auto ensemble = SimulatedModel::LoadEnsemble(
      world, config,
      [&](size_t step) -> Result<std::shared_ptr<InferenceTarget>> {
        const std::string& name = config.ensemble_scheduling->step[step].model_name;
        return std::shared_ptr<InferenceTarget>(services[name]->shared_model());
      },
      judge);
  Client client(world, habits, [&](const ModelConfig&) {
    Ask ask{.value = static_cast<float>(random.Below(1000))};
    if (max_batch_size > 0) ask.items = static_cast<uint32_t>(random.Between(1, max_batch_size));
    if (random.Chance(0.3)) ask.timeout_us = 1 + random.Exponential(2000);
    return ask;
  });
  client.Serve(ensemble);
  client.Start();
  world.Run();
  ensemble->Drain();
  world.Run();
  for (const auto& [name, service] : services) service->Drain();
  world.Run();
  client.CheckOver();
  ensemble->CheckOver();
  for (const auto& [name, service] : services) service->CheckOver();
}

}  // namespace trident::simulation
