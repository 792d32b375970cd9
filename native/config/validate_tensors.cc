#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "base/checked.h"
#include "config/enums.h"
#include "config/known_backends.h"
#include "config/validate.h"

namespace trident {
namespace {

// Element counts of the runs of fixed dimensions before, between and after the wildcards: shapes
// with equal runs hold equal elements whatever the wildcards turn out to be.
Result<std::vector<uint64_t>> FixedRuns(const Shape& shape) {
  std::vector<uint64_t> runs = {1};
  uint64_t total = 1;
  for (int64_t dim : shape) {
    if (dim == -1) {
      runs.push_back(1);
      continue;
    }
    const auto size = static_cast<uint64_t>(dim);
    // Nothing that could be held in memory has more elements than the signed range.
    if (!CheckedMultiply(total, size, &total) ||
        total > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return InvalidArg("element count of shape ", ShapeToString(shape), " overflows 63 bits");
    }
    runs.back() *= size;
  }
  return runs;
}

Status ValidateShape(const char* field, const Shape& shape, int32_t max_batch_size) {
  const size_t rank = shape.size() + (max_batch_size > 0 ? 1 : 0);
  if (rank > kMaxRank) {
    return InvalidArg("'", field, "' must give at most ", kMaxRank,
                      " dimensions including the batch dimension, got ", rank);
  }
  for (int64_t dim : shape) {
    if (dim < 1 && dim != -1) {
      return InvalidArg("'", field, "' must be integers >= 1, or -1 for any size, got ",
                        ShapeToString(shape));
    }
  }
  return FixedRuns(shape).status();
}

Status ValidateReshape(const Shape& dims, const TensorReshape& reshape, int32_t max_batch_size) {
  if (reshape.shape.empty() && max_batch_size == 0) {
    return InvalidArg("'reshape' must not be empty, as a model without batching has no scalars");
  }
  TRIDENT_RETURN_IF_ERROR(ValidateShape("reshape", reshape.shape, max_batch_size));
  TRIDENT_ASSIGN_OR_RETURN(const auto dims_runs, FixedRuns(dims));
  TRIDENT_ASSIGN_OR_RETURN(const auto reshape_runs, FixedRuns(reshape.shape));
  if (dims_runs == reshape_runs) return Status::Ok();
  return InvalidArg(
      "'dims' ", ShapeToString(dims), " and 'reshape' ", ShapeToString(reshape.shape),
      " differ in ",
      dims_runs.size() == reshape_runs.size() ? "size" : "their number of variable dimensions");
}

// What inputs and outputs have in common.
template <typename Tensor>
Status ValidateTensor(const Tensor& tensor, const ModelConfig& config) {
  if (tensor.data_type == DataType::kInvalid) return InvalidArg("must specify 'data_type'");
  if (tensor.dims.empty()) return InvalidArg("must specify 'dims'");
  TRIDENT_RETURN_IF_ERROR(ValidateShape("dims", tensor.dims, config.max_batch_size));
  if (tensor.reshape) {
    TRIDENT_RETURN_IF_ERROR(ValidateReshape(tensor.dims, *tensor.reshape, config.max_batch_size));
  }
  const bool tensor_rt = config.platform == kTensorRtPlatform;
  if (tensor.is_shape_tensor && !tensor_rt) {
    return InvalidArg("'is_shape_tensor' is only supported for TensorRT models");
  }
  if (!tensor.is_non_linear_format_io) return Status::Ok();
  if (!tensor_rt) {
    return InvalidArg("'is_non_linear_format_io' is only supported for TensorRT models");
  }
  if (tensor.dims.size() != 3) {
    return InvalidArg("'is_non_linear_format_io' requires 3 'dims', got ",
                      ShapeToString(tensor.dims));
  }
  return Status::Ok();
}

Status ValidateFormat(const ModelInput& input) {
  if (input.format == TensorFormat::kNone || input.dims.size() == 3) return Status::Ok();
  return InvalidArg("'format' ", EnumName(input.format), " requires 3 'dims', got ",
                    ShapeToString(input.dims));
}

// A path that climbs out of the directory it is relative to, judged by its text alone.
bool ClimbsOut(const std::string& path) {
  int depth = 0;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    if (part == "..")
      --depth;
    else if (!part.empty() && part != ".")
      ++depth;
    if (depth < 0) return true;
    start = end + 1;
  }
  return false;
}

Status ValidateLabels(const ModelOutput& output) {
  if (!ClimbsOut(output.label_filename)) return Status::Ok();
  return Unsupported("'label_filename' \"", output.label_filename,
                     "\" is outside the model directory");
}

Status ValidateSource(const std::string& kind, const std::vector<std::string>& sources,
                      const std::set<std::string>& inputs) {
  if (sources.size() != 1) {
    return InvalidArg(kind, " expects 1 'source_input', got ", sources.size());
  }
  if (inputs.count(sources[0]) == 0) {
    return InvalidArg(kind, " names unknown 'source_input' '", sources[0], "'");
  }
  return Status::Ok();
}

Status ValidateBatchInputs(const ModelConfig& config, const std::set<std::string>& inputs) {
  for (const BatchInput& batch : config.batch_input) {
    const std::string kind = StrCat("batch input ", EnumName(batch.kind));
    TRIDENT_RETURN_IF_ERROR(ValidateSource(kind, batch.source_input, inputs));
    if (batch.data_type != DataType::kInt32 && batch.data_type != DataType::kFp32) {
      return InvalidArg(kind, " must have 'data_type' TYPE_INT32 or TYPE_FP32, got ",
                        EnumName(batch.data_type));
    }
  }
  return Status::Ok();
}

Status ValidateBatchOutputs(const ModelConfig& config, const std::set<std::string>& inputs,
                            const std::set<std::string>& outputs) {
  for (const BatchOutput& batch : config.batch_output) {
    const std::string kind = StrCat("batch output ", EnumName(batch.kind));
    TRIDENT_RETURN_IF_ERROR(ValidateSource(kind, batch.source_input, inputs));
    std::set<std::string> targets;
    for (const std::string& target : batch.target_name) {
      if (outputs.count(target) == 0) {
        return InvalidArg(kind, " names unknown 'target_name' '", target, "'");
      }
      if (!targets.insert(target).second) {
        return InvalidArg(kind, " names 'target_name' '", target, "' more than once");
      }
    }
  }
  return Status::Ok();
}

template <typename Tensor, typename Extra>
Status ValidateAll(const char* what, const std::vector<Tensor>& tensors, const ModelConfig& config,
                   Extra extra, std::set<std::string>* names) {
  for (const Tensor& tensor : tensors) {
    if (tensor.name.empty()) return InvalidArg(what, " ", names->size(), " must specify 'name'");
    const std::string prefix = StrCat(what, " '", tensor.name, "': ");
    if (!names->insert(tensor.name).second) return InvalidArg(prefix, "is given more than once");
    TRIDENT_RETURN_IF_ERROR(ValidateTensor(tensor, config).WithPrefix(prefix));
    TRIDENT_RETURN_IF_ERROR(extra(tensor).WithPrefix(prefix));
  }
  return Status::Ok();
}

Status ValidateEverything(const ModelConfig& config) {
  std::set<std::string> inputs;
  std::set<std::string> outputs;
  TRIDENT_RETURN_IF_ERROR(ValidateAll("input", config.input, config, ValidateFormat, &inputs));
  TRIDENT_RETURN_IF_ERROR(ValidateAll("output", config.output, config, ValidateLabels, &outputs));
  TRIDENT_RETURN_IF_ERROR(ValidateBatchInputs(config, inputs));
  return ValidateBatchOutputs(config, inputs, outputs);
}

}  // namespace

Status ValidateTensors(const ModelConfig& config) {
  return ValidateEverything(config).WithPrefix("model '" + config.name + "': ");
}

}  // namespace trident
