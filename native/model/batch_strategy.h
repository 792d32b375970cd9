#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "config/model_config.h"
#include "scheduler/batch_strategy.h"
#include "triton/core/tritonbackend.h"

namespace trident {

// The parameter of a configuration that names a library with a batching strategy.
inline constexpr char kBatchStrategyParameter[] = "TRITON_BATCH_STRATEGY_PATH";

// Where a batching strategy for a model may come from.
struct BatchStrategySource {
  std::string model_directory;  // a library the configuration names must lie in it
  // Else batchstrategy.so in the first of these that has it; empty ones have none.
  std::vector<std::string> search_paths;
  std::string backend_library;  // else the backend's own library, unless empty
};

// The strategy that a plug-in offers for a model through the five TRITONBACKEND_ModelBatch*
// functions: those of the library that kBatchStrategyParameter names, of
// batchstrategy.so, or of the backend itself. Null when nobody offers one. `model` is the handle
// for the plug-in; it and `logger` outlive the strategy, whose end finalises the plug-in's batcher.
Result<std::unique_ptr<BatchStrategy>> LoadBatchStrategy(const ModelConfig& config,
                                                         const BatchStrategySource& source,
                                                         TRITONBACKEND_Model* model,
                                                         Logger& logger);

}  // namespace trident
