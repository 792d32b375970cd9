// TRITONSERVER_InferenceResponse.

#include "capi/handles.h"
#include "inference/response.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

Status OutOfBounds(uint32_t index, size_t count, const char* what) {
  return InvalidArg("out of bounds index ", index, ": response has ", count, " ", what);
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_InferenceResponseDelete(
    TRITONSERVER_InferenceResponse* inference_response) {
  return Guard([&] {
    ResponsePtr(Core(inference_response)).reset();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseError(
    TRITONSERVER_InferenceResponse* inference_response) {
  TRIDENT_REQUIRE(inference_response);
  return Guard([&] { return Core(inference_response)->status(); });
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseModel(
    TRITONSERVER_InferenceResponse* inference_response, const char** model_name,
    int64_t* model_version) {
  TRIDENT_REQUIRE(inference_response, model_name, model_version);
  const ModelSignature& model = Core(inference_response)->model();
  *model_name = model.name.c_str();
  *model_version = model.version;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseId(
    TRITONSERVER_InferenceResponse* inference_response, const char** request_id) {
  TRIDENT_REQUIRE(inference_response, request_id);
  *request_id = Core(inference_response)->request_id().c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseParameterCount(
    TRITONSERVER_InferenceResponse* inference_response, uint32_t* count) {
  TRIDENT_REQUIRE(inference_response, count);
  *count = static_cast<uint32_t>(Core(inference_response)->parameters().size());
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseParameter(
    TRITONSERVER_InferenceResponse* inference_response, uint32_t index, const char** name,
    TRITONSERVER_ParameterType* type, const void** vvalue) {
  TRIDENT_REQUIRE(inference_response, name, type, vvalue);
  return Guard([&] {
    const std::vector<Parameter>& parameters = Core(inference_response)->parameters();
    if (index >= parameters.size()) return OutOfBounds(index, parameters.size(), "parameters");
    *name = parameters[index].name.c_str();
    *type = static_cast<TRITONSERVER_ParameterType>(parameters[index].type);
    *vvalue = parameters[index].ValuePointer();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseOutputCount(
    TRITONSERVER_InferenceResponse* inference_response, uint32_t* count) {
  TRIDENT_REQUIRE(inference_response, count);
  *count = static_cast<uint32_t>(Core(inference_response)->outputs().size());
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseOutput(
    TRITONSERVER_InferenceResponse* inference_response, uint32_t index, const char** name,
    TRITONSERVER_DataType* datatype, const int64_t** shape, uint64_t* dim_count, const void** base,
    size_t* byte_size, TRITONSERVER_MemoryType* memory_type, int64_t* memory_type_id,
    void** userp) {
  TRIDENT_REQUIRE(inference_response, name, datatype, shape, dim_count, base, byte_size,
                  memory_type, memory_type_id, userp);
  return Guard([&] {
    const auto outputs = Core(inference_response)->outputs();
    if (index >= outputs.size()) return OutOfBounds(index, outputs.size(), "outputs");
    const OutputTensor& output = *outputs[index];
    const OutputBuffer none;
    const OutputBuffer& buffer = output.has_buffer() ? output.buffer() : none;
    *name = output.name().c_str();
    *datatype = static_cast<TRITONSERVER_DataType>(output.datatype());
    *shape = output.shape().data();
    *dim_count = output.shape().size();
    *base = buffer.data;
    *byte_size = buffer.attributes.byte_size;
    *memory_type = static_cast<TRITONSERVER_MemoryType>(buffer.attributes.memory_type);
    *memory_type_id = buffer.attributes.memory_type_id;
    *userp = buffer.sink_data;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_InferenceResponseOutputClassificationLabel(
    TRITONSERVER_InferenceResponse* inference_response, uint32_t index, size_t class_index,
    const char** label) {
  TRIDENT_REQUIRE(inference_response, label);
  return Guard([&] {
    const auto outputs = Core(inference_response)->outputs();
    if (index >= outputs.size()) return OutOfBounds(index, outputs.size(), "outputs");
    *label = nullptr;
    const std::vector<TensorSpec>& specs = Core(inference_response)->model().outputs;
    const auto spec = ModelSignature::Find(specs, outputs[index]->name());
    if (!spec || class_index >= specs[*spec].labels.size()) return Status::Ok();
    const std::string& text = specs[*spec].labels[class_index];
    if (!text.empty()) *label = text.c_str();
    return Status::Ok();
  });
}

}  // extern "C"
