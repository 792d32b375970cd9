#include <algorithm>

#include "config/normalize.h"
#include "habits.h"
#include "judge_sequence.h"
#include "scenario.h"
#include "sequence_model.h"
#include "service.h"

namespace trident::simulation {
namespace {

SequenceControlInput RandomBoolean(Random& random, const char* name, SequenceControlKind kind) {
  SequenceControl control{.kind = kind};
  switch (random.Below(3)) {
    case 0:
      control.int32_false_true = {0, static_cast<int32_t>(random.Between(1, 3))};
      break;
    case 1:
      control.fp32_false_true = {0.5f, 1};
      break;
    default:
      control.bool_false_true = {false, true};
  }
  return {.name = name, .control = {control}};
}

void AddControls(Random& random, ModelSequenceBatching* batching) {
  const auto maybe = [&](const char* name, SequenceControlKind kind) {
    if (random.Chance(0.6)) batching->control_input.push_back(RandomBoolean(random, name, kind));
  };
  maybe("START", SequenceControlKind::kStart);
  maybe("END", SequenceControlKind::kEnd);
  maybe("READY", SequenceControlKind::kReady);
  if (random.Chance(0.4)) return;
  SequenceControl id{.kind = SequenceControlKind::kCorrid};
  id.data_type = random.OneOf({DataType::kUint64, DataType::kInt32, DataType::kBytes});
  if (batching->iterative_sequence) id.data_type = DataType::kUint64;
  batching->control_input.push_back({.name = "CORRID", .control = {id}});
}

ModelConfig RandomConfig(Random& random, double mean_us) {
  ModelConfig config;
  config.name = "sequence";
  config.backend = "simulated";
  config.max_batch_size = static_cast<int32_t>(random.Below(7));
  config.input = {
      {.name = "in", .data_type = DataType::kFp32, .dims = {random.Chance(0.3) ? -1 : 1}}};
  config.output = {{.name = "out", .data_type = DataType::kFp32, .dims = {1}}};
  ModelSequenceBatching& batching = config.sequence_batching.emplace();
  if (random.Chance(0.5)) {
    SequenceStrategyOldest& oldest = batching.oldest.emplace();
    oldest.max_candidate_sequences = static_cast<int32_t>(random.Below(9));
    if (random.Chance(0.4)) oldest.max_queue_delay_microseconds = 1 + random.Exponential(mean_us);
    if (config.max_batch_size > 0 && random.Chance(0.4)) {
      oldest.preferred_batch_size = {
          static_cast<int32_t>(random.Between(1, static_cast<uint64_t>(config.max_batch_size)))};
    }
    oldest.preserve_ordering = random.Chance(0.3);
  } else {
    SequenceStrategyDirect& direct = batching.direct.emplace();
    if (random.Chance(0.4)) {
      direct.max_queue_delay_microseconds = 1 + random.Exponential(mean_us);
      direct.minimum_slot_utilization = static_cast<float>(random.Unit());
    }
  }
  batching.max_sequence_idle_microseconds = 1 + random.Exponential(mean_us * 50);
  batching.iterative_sequence = random.Chance(0.15);
  AddControls(random, &batching);
  if (random.Chance(0.6)) {
    SequenceState state{.input_name = "state_in", .output_name = "state_out"};
    state.data_type = DataType::kFp32;
    state.use_same_buffer_for_input_output = random.Chance(0.3);
    state.dims = {random.Chance(0.3) ? -1 : 1};
    batching.state = {state};
  }
  if (random.Chance(0.15)) config.model_transaction_policy = ModelTransactionPolicy{true};
  Normalize(&config);
  return config;
}

// Who talks in sequences: long and short ones, one after the other and beside each other under one
// id, some given up, some wrong. Externally synchronised by its world.
class Talker {
 public:
  explicit Talker(World& world) : world_(world) {
    Random& random = world.random;
    concurrent_ = random.Between(1, 12);
    mean_length_ = static_cast<double>(random.OneOf<uint64_t>({1, 3, 10}));
    ids_ = random.Between(concurrent_, 20);
    abandons_ = random.Chance(0.5) ? random.Unit() * 0.1 : 0;
    mistakes_ = random.Chance(0.4) ? random.Unit() * 0.2 : 0;
    timeouts_ = random.Chance(0.4) ? random.Unit() : 0;
    mean_timeout_us_ = 1 + random.Exponential(5000);
  }

  Ask Next(const ModelConfig& config) {
    Random& random = world_.random;
    if (talks_.empty() || (talks_.size() < concurrent_ && random.Chance(0.3))) Begin(config);
    const size_t at = random.Below(talks_.size());
    Talk& talk = talks_[at];
    Ask ask;
    ask.value = static_cast<float>(random.Below(100));
    if (config.input.front().dims.front() == -1) {
      ask.width = static_cast<int64_t>(random.Between(1, 2));
    }
    ask.correlation_id = talk.id;
    if (talk.step++ == 0) ask.flags |= kStartFlag;
    if (--talk.left == 0) ask.flags |= kEndFlag;
    if (random.Chance(timeouts_)) ask.timeout_us = 1 + random.Exponential(mean_timeout_us_);
    if (random.Chance(mistakes_)) MakeMistake(config, &ask);
    if (talk.left == 0 || random.Chance(abandons_)) {
      talks_.erase(talks_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return ask;
  }

 private:
  struct Talk {
    CorrelationId id;
    uint64_t step = 0;
    uint64_t left = 1;
  };

  void Begin(const ModelConfig& config) {
    const uint64_t number = world_.random.Between(1, ids_);
    Talk talk{.left = 1 + world_.random.Exponential(mean_length_)};
    talk.id = {.number = number};
    for (const SequenceControlInput& input : config.sequence_batching->control_input) {
      if (input.control.front().data_type != DataType::kBytes) continue;
      talk.id = {.is_string = true, .text = "talk " + std::to_string(number)};
    }
    talks_.push_back(std::move(talk));
  }

  void MakeMistake(const ModelConfig& config, Ask* ask) {
    switch (world_.random.Below(5)) {
      case 0:
        ask->correlation_id = {.is_string = ask->correlation_id.is_string};
        break;
      case 1:
        ask->correlation_id = ask->correlation_id.is_string
                                  ? CorrelationId{.number = 5}
                                  : CorrelationId{.is_string = true, .text = "five"};
        break;
      case 2:
        if (config.max_batch_size > 1) ask->items = 2;
        break;
      case 3:
        ask->flags &= ~kStartFlag;
        break;
      default:
        ask->flags |= kStartFlag;
    }
  }

  World& world_;
  std::vector<Talk> talks_;
  uint64_t concurrent_;
  double mean_length_;
  uint64_t ids_;
  double abandons_;
  double mistakes_;
  double timeouts_;
  double mean_timeout_us_;
};

}  // namespace

void PlaySequence(World& world) {
  Random& random = world.random;
  BackendHabits backend = RandomHabits(random);
  const double mean_ns = std::max(backend.mean_execution_ns, 1000.0);
  const ModelConfig config = RandomConfig(random, mean_ns / 1000);
  backend.reschedules = random.Unit() * 0.8;
  Service service(
      world, [&] { return config; }, backend,
      [&](const ModelConfig& c) { return std::make_shared<SequenceJudge>(world, c); });
  service.Load();
  ClientHabits habits = RandomClient(random, mean_ns);
  // A request submitted from within another's submission has no place in the judge's order.
  habits.again = 0;
  Talker talker(world);
  Client client(world, habits, [&](const ModelConfig& served) { return talker.Next(served); });
  service.Serve(&client, RandomDisturbances(random, habits));
}

}  // namespace trident::simulation
