#pragma once

#include <memory>
#include <string>

#include "config/model_config.h"
#include "scheduler/batch_strategy.h"
#include "scheduler/ordering.h"
#include "scheduler/scheduler.h"

namespace trident {

// What the request path needs to know of a model version, out of its complete configuration.
ModelSignature SignatureOf(const ModelConfig& config, int64_t version);

// The order its responses have to keep, or null: for a context whose order others share (a cache).
std::shared_ptr<ResponseOrder> MakeResponseOrder(const ModelConfig& config);

// The scheduler that a complete, valid configuration asks for; without instances yet. What it needs
// from files (initial states) it reads in `model_directory`; `strategy` may be null.
Result<std::unique_ptr<Scheduler>> MakeScheduler(const ModelConfig& config,
                                                 const SchedulerContext& context,
                                                 const std::string& model_directory,
                                                 BatchStrategy* strategy = nullptr);

}  // namespace trident
