#pragma once

#include <memory>

#include "config/model_config.h"
#include "scheduler/scheduler.h"

namespace trident {

// What the request path needs to know of a model version, out of its complete configuration.
ModelSignature SignatureOf(const ModelConfig& config, int64_t version);

// The scheduler that a complete, valid configuration asks for; without instances yet.
Result<std::unique_ptr<Scheduler>> MakeScheduler(const ModelConfig& config,
                                                 const SchedulerContext& context);

}  // namespace trident
