#pragma once

#include <memory>
#include <vector>

#include "config/model_config.h"
#include "model/model.h"
#include "scheduler/ensemble_run.h"

namespace trident {

// The models that an ensemble's steps name, with the versions they ask for.
Result<std::vector<std::shared_ptr<Model>>> FindSteps(const ModelConfig& ensemble,
                                                      const FindModel& find_model);

// Checks an ensemble's configuration, which has passed Validate, against those of its steps'
// models: tensors are mapped and agree in datatype and shape, batches fit, and no step joins what
// different decoupled models stream. Sets whether the ensemble is decoupled. Pure.
Status CompleteEnsemble(const std::vector<std::shared_ptr<const ModelConfig>>& steps,
                        ModelConfig* ensemble);

// For the scheduler: `find_model` by the index of a step.
FindStep StepFinder(const ModelConfig& ensemble, FindModel find_model);

}  // namespace trident
