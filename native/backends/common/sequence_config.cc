#include "backends/common/sequence_config.h"

#include "backends/common/model_config.h"

namespace trident::backend {
namespace {

// Of which datatype the tensor of a control is: said outright for CORRID, else by the pair of
// values that is given.
TRITONSERVER_DataType DatatypeOfControl(const Json& control) {
  if (control.FindString("kind") == "CONTROL_SEQUENCE_CORRID") {
    return DatatypeOfConfig(control.FindString("data_type"));
  }
  if (!control.FindItems("int32_false_true").empty()) return TRITONSERVER_TYPE_INT32;
  if (!control.FindItems("fp32_false_true").empty()) return TRITONSERVER_TYPE_FP32;
  if (!control.FindItems("bool_false_true").empty()) return TRITONSERVER_TYPE_BOOL;
  return TRITONSERVER_TYPE_INVALID;
}

}  // namespace

Status ReadSequenceConfig(const Json& config, SequenceConfig* sequence) {
  sequence->controls.clear();
  sequence->states.clear();
  const Json* batching = config.Find("sequence_batching");
  if (batching == nullptr) return Status();
  for (const Json& input : batching->FindItems("control_input")) {
    const std::vector<Json>& controls = input.FindItems("control");
    if (controls.empty()) continue;
    sequence->controls.push_back(
        {std::string(input.FindString("name")), DatatypeOfControl(controls[0])});
  }
  for (const Json& item : batching->FindItems("state")) {
    SequenceState state;
    state.input = item.FindString("input_name");
    state.output = item.FindString("output_name");
    state.datatype = DatatypeOfConfig(item.FindString("data_type"));
    BACKEND_RETURN_IF_ERROR(ReadDims(item.FindItems("dims"), &state.dims));
    sequence->states.push_back(std::move(state));
  }
  return Status();
}

}  // namespace trident::backend
