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

}  // namespace

Status ValidateSequenceBatching(const ModelSequenceBatching& batching, int32_t max_batch_size) {
  if (batching.direct && batching.oldest) {
    return InvalidArg("'sequence_batching' takes only one of 'direct' and 'oldest'");
  }
  TRIDENT_RETURN_IF_ERROR(ValidateControls(batching));
  if (batching.oldest) {
    return ValidatePreferredSizes("sequence_batching.oldest.preferred_batch_size",
                                  batching.oldest->preferred_batch_size, max_batch_size);
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
