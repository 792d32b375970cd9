#include "model/ensemble.h"

#include <map>
#include <string>

namespace trident {
namespace {

// What is known of an ensemble's tensor, and from whom.
struct TensorNode {
  std::string model;
  DataType datatype = DataType::kInvalid;
  Shape dims;
  Shape full_dims;  // with the batch dimension, if the model batches
};

std::string NameOf(const EnsembleStep& step) {
  return ModelIdentity{step.model_namespace, step.model_name}.Text();
}

bool Agree(const Shape& a, const Shape& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && a[i] != -1 && b[i] != -1) return false;
  }
  return true;
}

template <typename Tensor>
const Tensor* FindTensor(const std::vector<Tensor>& tensors, const std::string& name) {
  for (const Tensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

// The tensors of one ensemble as its own configuration and its steps' models describe them.
class Composition {
 public:
  explicit Composition(const ModelConfig& ensemble);
  Status AddStep(const EnsembleStep& step, const ModelConfig& model);

 private:
  Status Describe(const std::string& tensor, TensorNode node);
  Status AddInputs(const EnsembleStep& step, const ModelConfig& model);
  Status AddOutputs(const EnsembleStep& step, const ModelConfig& model);

  const ModelConfig& ensemble_;
  std::map<std::string, TensorNode> nodes_;
};

template <typename Tensor>
TensorNode NodeOf(const std::string& model, const ModelConfig& config, const Tensor& tensor,
                  const Shape& dims) {
  TensorNode node{model, tensor.data_type, dims, dims};
  if (config.max_batch_size > 0) node.full_dims.insert(node.full_dims.begin(), -1);
  return node;
}

Composition::Composition(const ModelConfig& ensemble) : ensemble_(ensemble) {
  const auto add = [&](const auto& tensor) {
    const Shape& dims = tensor.reshape ? tensor.reshape->shape : tensor.dims;
    nodes_.emplace(tensor.name, NodeOf(ensemble.name, ensemble, tensor, dims));
  };
  for (const ModelInput& input : ensemble.input) add(input);
  for (const ModelOutput& output : ensemble.output) add(output);
}

Status Composition::Describe(const std::string& tensor, TensorNode node) {
  const auto [at, added] = nodes_.emplace(tensor, node);
  if (added) return Status::Ok();
  const TensorNode& known = at->second;
  const std::string where = StrCat("in ensemble ", ensemble_.name, ", ensemble tensor ", tensor);
  if (known.datatype != node.datatype) {
    return InvalidArg(where, ": inconsistent data type: ", DataTypeConfigName(known.datatype),
                      " is inferred from model ", known.model, " while ",
                      DataTypeConfigName(node.datatype), " is inferred from model ", node.model);
  }
  // A model without batching may take or give what is a batch to another, or one item of it.
  if (!Agree(known.dims, node.dims) && !Agree(known.full_dims, node.full_dims)) {
    return InvalidArg(where, ": inconsistent shape: ", ShapeToString(known.full_dims),
                      " is inferred from model ", known.model, " while ",
                      ShapeToString(node.full_dims), " is inferred from model ", node.model);
  }
  return Status::Ok();
}

Status Composition::AddInputs(const EnsembleStep& step, const ModelConfig& model) {
  const std::string in = "in ensemble " + ensemble_.name + ", ";
  for (const auto& [name, tensor] : step.input_map) {
    const ModelInput* const input = FindTensor(model.input, name);
    if (input == nullptr) {
      return InvalidArg(in, "ensemble tensor ", tensor, " is mapping to non-existing input ", name,
                        " in model ", NameOf(step));
    }
    TRIDENT_RETURN_IF_ERROR(Describe(tensor, NodeOf(NameOf(step), model, *input, input->dims)));
  }
  for (const ModelInput& input : model.input) {
    if (input.optional || step.input_map.count(input.name) > 0) continue;
    return InvalidArg(in, "input ", input.name, " in model ", NameOf(step),
                      " is not mapped to any ensemble tensors");
  }
  return Status::Ok();
}

Status Composition::AddOutputs(const EnsembleStep& step, const ModelConfig& model) {
  for (const auto& [name, tensor] : step.output_map) {
    const ModelOutput* const output = FindTensor(model.output, name);
    if (output == nullptr) {
      return InvalidArg("in ensemble ", ensemble_.name, ", ensemble tensor ", tensor,
                        " is mapped from non-existing output ", name, " in model ", NameOf(step));
    }
    TRIDENT_RETURN_IF_ERROR(Describe(tensor, NodeOf(NameOf(step), model, *output, output->dims)));
  }
  return Status::Ok();
}

Status Composition::AddStep(const EnsembleStep& step, const ModelConfig& model) {
  if (model.max_batch_size != 0 && model.max_batch_size < ensemble_.max_batch_size) {
    return InvalidArg("ensemble ", ensemble_.name, " allows maximum batch size ",
                      ensemble_.max_batch_size, ", but it contains model ", NameOf(step),
                      " which only allows maximum batch size to be ", model.max_batch_size);
  }
  TRIDENT_RETURN_IF_ERROR(AddInputs(step, model));
  return AddOutputs(step, model);
}

// Follows what decoupled models stream through the ensemble: every tensor gets the number of the
// step where its stream begins, 0 for none.
class Streams {
 public:
  Streams(const ModelConfig& ensemble,
          const std::vector<std::shared_ptr<const ModelConfig>>& models)
      : ensemble_(ensemble), models_(models) {}

  // Whether anything streams.
  Result<bool> Follow();

 private:
  // False: some of `tensors` has no origin yet.
  template <typename Names>
  Result<bool> CommonOrigin(const Names& tensors, const std::string& reader, size_t* origin) const;

  const ModelConfig& ensemble_;
  const std::vector<std::shared_ptr<const ModelConfig>>& models_;
  std::map<std::string, size_t> origins_;
};

template <typename Names>
Result<bool> Streams::CommonOrigin(const Names& tensors, const std::string& reader,
                                   size_t* origin) const {
  bool first = true;
  for (const std::string& tensor : tensors) {
    const auto found = origins_.find(tensor);
    if (found == origins_.end()) return false;
    if (!first && found->second != *origin) {
      return InvalidArg("in ensemble ", ensemble_.name, ", step of model '", reader,
                        "' receives inputs originated from different decoupled models");
    }
    *origin = found->second;
    first = false;
  }
  return true;
}

Result<bool> Streams::Follow() {
  const std::vector<EnsembleStep>& steps = ensemble_.ensemble_scheduling->step;
  for (const ModelInput& input : ensemble_.input) origins_[input.name] = 0;
  bool any = false;
  std::vector<bool> done(steps.size(), false);
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (done[i]) continue;
      std::vector<std::string> reads;
      for (const auto& [name, tensor] : steps[i].input_map) reads.push_back(tensor);
      size_t origin = 0;
      TRIDENT_ASSIGN_OR_RETURN(done[i], CommonOrigin(reads, NameOf(steps[i]), &origin));
      if (!done[i]) continue;
      moved = true;
      if (models_[i]->IsDecoupled()) origin = i + 1;
      any = any || models_[i]->IsDecoupled();
      for (const auto& [name, tensor] : steps[i].output_map) origins_[tensor] = origin;
    }
  }
  std::vector<std::string> outputs;
  for (const ModelOutput& output : ensemble_.output) outputs.push_back(output.name);
  size_t origin = 0;
  const Result<bool> joined = CommonOrigin(outputs, ensemble_.name, &origin);
  if (!joined.ok()) return joined.status();
  return any;
}

}  // namespace

Result<std::vector<std::shared_ptr<Model>>> FindSteps(const ModelConfig& ensemble,
                                                      const FindModel& find_model) {
  std::vector<std::shared_ptr<Model>> models;
  for (const EnsembleStep& step : ensemble.ensemble_scheduling->step) {
    Result<std::shared_ptr<Model>> model =
        find_model({step.model_namespace, step.model_name}, step.model_version);
    if (!model.ok()) {
      return model.status().WithPrefix(
          StrCat("ensemble '", ensemble.name, "' depends on '", NameOf(step), "': "));
    }
    models.push_back(std::move(model).value());
  }
  return models;
}

Status CompleteEnsemble(const std::vector<std::shared_ptr<const ModelConfig>>& steps,
                        ModelConfig* ensemble) {
  Composition composition(*ensemble);
  for (size_t i = 0; i < steps.size(); ++i) {
    TRIDENT_RETURN_IF_ERROR(composition.AddStep(ensemble->ensemble_scheduling->step[i], *steps[i]));
  }
  TRIDENT_ASSIGN_OR_RETURN(const bool decoupled, Streams(*ensemble, steps).Follow());
  ensemble->model_transaction_policy = ModelTransactionPolicy{decoupled};
  return Status::Ok();
}

FindStep StepFinder(const ModelConfig& ensemble, FindModel find_model) {
  return [steps = ensemble.ensemble_scheduling->step,
          find_model = std::move(find_model)](size_t step) {
    const EnsembleStep& named = steps[step];
    auto model = find_model({named.model_namespace, named.model_name}, named.model_version);
    if (!model.ok()) return Result<std::shared_ptr<InferenceTarget>>(model.status());
    return Result<std::shared_ptr<InferenceTarget>>(std::move(model).value());
  };
}

}  // namespace trident
