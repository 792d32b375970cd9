#include <algorithm>
#include <set>

#include "config/enums.h"
#include "config/validate_parts.h"

namespace trident {
namespace {

Status CheckPair(const SequenceControl& control, const char* field, size_t entries) {
  if (entries == 0 || entries == 2) return Status::Ok();
  return InvalidArg("'", field, "' of sequence control ", EnumName(control.kind),
                    " must have exactly 2 entries, got ", entries);
}

Status ValidateBooleanControl(const SequenceControl& control) {
  const size_t ints = control.int32_false_true.size();
  const size_t floats = control.fp32_false_true.size();
  const size_t bools = control.bool_false_true.size();
  const int given = (ints > 0 ? 1 : 0) + (floats > 0 ? 1 : 0) + (bools > 0 ? 1 : 0);
  if (given != 1) {
    return InvalidArg("sequence control ", EnumName(control.kind), " must specify ",
                      given == 0 ? "one" : "only one",
                      " of 'int32_false_true', 'fp32_false_true' and 'bool_false_true'");
  }
  TRIDENT_RETURN_IF_ERROR(CheckPair(control, "int32_false_true", ints));
  TRIDENT_RETURN_IF_ERROR(CheckPair(control, "fp32_false_true", floats));
  return CheckPair(control, "bool_false_true", bools);
}

Status ValidateCorrelationControl(const SequenceControl& control) {
  if (!control.int32_false_true.empty() || !control.fp32_false_true.empty() ||
      !control.bool_false_true.empty()) {
    return InvalidArg("sequence control ", EnumName(control.kind),
                      " must not specify 'int32_false_true', 'fp32_false_true' or "
                      "'bool_false_true'");
  }
  switch (control.data_type) {
    case DataType::kUint64:
    case DataType::kInt64:
    case DataType::kUint32:
    case DataType::kInt32:
    case DataType::kBytes:
      return Status::Ok();
    default:
      return InvalidArg("sequence control ", EnumName(control.kind),
                        " must have 'data_type' TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 "
                        "or TYPE_STRING, got ",
                        EnumName(control.data_type));
  }
}

Status ValidateControls(const ModelSequenceBatching& batching) {
  std::set<std::string> names;
  std::set<SequenceControlKind> kinds;
  for (const SequenceControlInput& input : batching.control_input) {
    if (input.name.empty()) return InvalidArg("every sequence 'control_input' must have a 'name'");
    if (!names.insert(input.name).second) {
      return InvalidArg("sequence control tensor '", input.name,
                        "' is specified for several controls");
    }
    for (const SequenceControl& control : input.control) {
      if (!kinds.insert(control.kind).second) {
        return InvalidArg("sequence control ", EnumName(control.kind),
                          " is specified for several tensors");
      }
      TRIDENT_RETURN_IF_ERROR(control.kind == SequenceControlKind::kCorrid
                                  ? ValidateCorrelationControl(control)
                                  : ValidateBooleanControl(control));
    }
  }
  return Status::Ok();
}

// Tensors come from the server, so their names can be none that clients fill.
Status CheckName(const ModelConfig& config, const char* field, const std::string& name) {
  const auto same = [&](const ModelInput& input) { return input.name == name; };
  if (std::none_of(config.input.begin(), config.input.end(), same)) return Status::Ok();
  return InvalidArg("'", field, "' names '", name, "', which is one of the model's inputs");
}

Status ValidateInitialState(const SequenceState& state) {
  if (state.initial_state.empty()) return Status::Ok();
  if (state.initial_state.size() > 1) {
    return InvalidArg("'initial_state' must contain exactly one or zero element. Found '",
                      state.initial_state.size(), "' elements.");
  }
  const SequenceInitialState& initial = state.initial_state.front();
  if (initial.data_type != state.data_type) {
    return InvalidArg("the 'data_type' ", EnumName(initial.data_type),
                      " of 'initial_state' does not match the state data type ",
                      EnumName(state.data_type));
  }
  if (initial.name.empty()) return InvalidArg("field 'name' must be set in 'initial_state'");
  if (initial.dims.size() != state.dims.size()) {
    return InvalidArg("number of dimensions in 'initial_state' doesn't match the size of 'state' ",
                      "dimensions: ", initial.dims.size(), " != ", state.dims.size());
  }
  for (size_t i = 0; i < initial.dims.size(); ++i) {
    if (initial.dims[i] == -1) return InvalidArg("'initial_state' contains variable dimensions");
    if (initial.dims[i] < 1) {
      return InvalidArg("'initial_state' has dimension ", initial.dims[i],
                        "; dimensions must be integers >= 1");
    }
    if (state.dims[i] != -1 && initial.dims[i] != state.dims[i]) {
      return InvalidArg("'initial_state' dim doesn't match 'state' dim description. ",
                        initial.dims[i], " != ", state.dims[i]);
    }
  }
  if (initial.zero_data || initial.data_file) return Status::Ok();
  return InvalidArg("'initial_state' must have 'zero_data' or 'data_file' set");
}

Status ValidateState(const SequenceState& state) {
  if (state.data_type == DataType::kInvalid) return InvalidArg("must specify 'data_type'");
  for (const int64_t dim : state.dims) {
    if (dim < 1 && dim != -1) {
      return InvalidArg("has dimension ", dim, " in 'dims'; dimensions must be integers >= 1, or ",
                        "-1 to indicate a variable-size dimension");
    }
  }
  if (state.use_growable_memory && !state.use_same_buffer_for_input_output) {
    return InvalidArg("'use_growable_memory' needs 'use_same_buffer_for_input_output'");
  }
  return ValidateInitialState(state);
}

Status ValidateStates(const ModelConfig& config) {
  std::set<std::string> inputs;
  std::set<std::string> outputs;
  for (const SequenceControlInput& control : config.sequence_batching->control_input) {
    inputs.insert(control.name);
  }
  for (const SequenceState& state : config.sequence_batching->state) {
    if (state.input_name.empty() || state.output_name.empty()) {
      return InvalidArg("every 'state' must have an 'input_name' and an 'output_name'");
    }
    TRIDENT_RETURN_IF_ERROR(CheckName(config, "state", state.input_name));
    if (!inputs.insert(state.input_name).second) {
      return InvalidArg("state input name '", state.input_name, "' specified more than once");
    }
    if (!outputs.insert(state.output_name).second) {
      return InvalidArg("state output name '", state.output_name, "' specified more than once");
    }
    TRIDENT_RETURN_IF_ERROR(ValidateState(state).WithPrefix("state '" + state.input_name + "': "));
  }
  return Status::Ok();
}

}  // namespace

Status ValidateSequenceBatching(const ModelConfig& config) {
  const ModelSequenceBatching& batching = *config.sequence_batching;
  if (batching.direct && batching.oldest) {
    return InvalidArg("'sequence_batching' takes only one of 'direct' and 'oldest'");
  }
  TRIDENT_RETURN_IF_ERROR(ValidateControls(batching));
  for (const SequenceControlInput& control : batching.control_input) {
    TRIDENT_RETURN_IF_ERROR(CheckName(config, "control_input", control.name));
  }
  TRIDENT_RETURN_IF_ERROR(ValidateStates(config));
  if (batching.oldest) {
    return ValidatePreferredSizes("sequence_batching.oldest.preferred_batch_size",
                                  batching.oldest->preferred_batch_size, config.max_batch_size);
  }
  if (batching.direct) {
    const float utilization = batching.direct->minimum_slot_utilization;
    if (!(utilization >= 0 && utilization <= 1)) {  // refuses NaN too; 0 means not set
      return InvalidArg("'minimum_slot_utilization' must be in range (0.0, 1.0], got ",
                        utilization);
    }
  }
  return Status::Ok();
}

}  // namespace trident
