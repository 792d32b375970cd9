#include <algorithm>

#include "config/normalize.h"
#include "habits.h"
#include "judge_queue.h"
#include "scenario.h"
#include "service.h"

namespace trident::simulation {
namespace {

QueuePolicy RandomPolicy(Random& random, double mean_us, bool may_delay) {
  QueuePolicy policy;
  if (may_delay && random.Chance(0.5)) policy.timeout_action = TimeoutAction::kDelay;
  if (random.Chance(0.5)) {
    policy.default_timeout_microseconds = 1 + random.Exponential(mean_us * 4);
    policy.allow_timeout_override = random.Chance(0.5);
  }
  if (random.Chance(0.4)) policy.max_queue_size = static_cast<uint32_t>(random.Between(1, 20));
  return policy;
}

void AddDynamicBatching(Random& random, double mean_us, ModelConfig* config) {
  ModelDynamicBatching& batching = config->dynamic_batching.emplace();
  if (config->max_batch_size > 0 && random.Chance(0.5)) {
    for (uint64_t i = random.Between(1, 3); i > 0; --i) {
      const auto size =
          static_cast<int32_t>(random.Between(1, static_cast<uint64_t>(config->max_batch_size)));
      batching.preferred_batch_size.push_back(size);
    }
  }
  if (random.Chance(0.6)) {
    batching.max_queue_delay_microseconds = 1 + random.Exponential(mean_us);
  }
  if (random.Chance(0.35)) {
    ModelDeadlineBatching& deadline = batching.deadline.emplace();
    if (random.Chance(0.7)) deadline.slo_microseconds = 1 + random.Exponential(mean_us * 8);
    deadline.adaptive_queue_delay = random.Chance(0.5);
  }
  batching.preserve_ordering = !batching.deadline && random.Chance(0.25);
  const bool may_delay = !batching.preserve_ordering && !batching.deadline;
  if (random.Chance(0.4)) {
    batching.priority_levels = batching.preserve_ordering ? 1 : random.Between(1, 4);
    batching.default_priority_level = random.Between(1, batching.priority_levels);
    for (uint64_t level = 1; level <= batching.priority_levels; ++level) {
      if (random.Chance(0.5)) continue;
      batching.priority_queue_policy[level] = RandomPolicy(random, mean_us, may_delay);
    }
  }
  if (random.Chance(0.7)) {
    batching.default_queue_policy = RandomPolicy(random, mean_us, may_delay);
  }
}

ModelConfig RandomConfig(Random& random, double mean_us) {
  ModelConfig config;
  config.name = "queue";
  config.backend = "simulated";
  if (random.Chance(0.85)) config.max_batch_size = static_cast<int32_t>(random.Between(1, 12));
  config.input = {
      {.name = "in", .data_type = DataType::kFp32, .dims = {random.Chance(0.4) ? -1 : 1}}};
  config.output = {{.name = "out", .data_type = DataType::kFp32, .dims = {1}}};
  if (random.Chance(0.25)) {
    config.input.push_back(
        {.name = "more", .data_type = DataType::kFp32, .dims = {1}, .optional = true});
  }
  if (config.max_batch_size > 0) {
    config.input.front().allow_ragged_batch = random.Chance(0.15);
  }
  if (random.Chance(0.8)) AddDynamicBatching(random, mean_us, &config);
  if (random.Chance(0.15)) config.model_transaction_policy = ModelTransactionPolicy{true};
  Normalize(&config);
  return config;
}

Ask RandomAsk(World& world, const ModelConfig& config) {
  Random& random = world.random;
  Ask ask;
  ask.value = static_cast<float>(random.Below(1000));
  if (config.max_batch_size > 0 && random.Chance(0.3)) {
    ask.items =
        static_cast<uint32_t>(random.Between(1, static_cast<uint64_t>(config.max_batch_size)));
  }
  if (config.input.front().dims.front() == -1 && random.Chance(0.3)) {
    ask.width = static_cast<int64_t>(random.Between(1, 3));
  }
  ask.with_more = config.input.size() > 1 && random.Chance(0.2);
  if (random.Chance(0.5)) ask.priority = random.Below(6);
  if (random.Chance(0.4)) ask.timeout_us = 1 + random.Exponential(2000);
  if (random.Chance(0.4)) ask.deadline_us = 1 + random.Exponential(4000);
  return ask;
}

}  // namespace

void PlayQueue(World& world) {
  Random& random = world.random;
  const BackendHabits backend = RandomHabits(random);
  const double mean_ns = std::max(backend.mean_execution_ns, 1000.0);
  Service service(
      world, [&] { return RandomConfig(random, mean_ns / 1000); }, backend,
      [&](const ModelConfig& config) { return std::make_shared<QueueJudge>(world, config); });
  service.Load();
  const ClientHabits habits = RandomClient(random, mean_ns);
  Client client(world, habits, [&](const ModelConfig& config) { return RandomAsk(world, config); });
  service.Serve(&client, RandomDisturbances(random, habits));
}

}  // namespace trident::simulation
