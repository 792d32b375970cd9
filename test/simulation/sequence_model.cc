#include "sequence_model.h"

#include <cstring>

#include "inference/sequence_state.h"
#include "world.h"

namespace trident::simulation {
namespace {

template <typename T>
T First(const InputTensor& tensor) {
  T value{};
  World::current->Require(tensor.byte_size() >= sizeof(T), "tensor '", tensor.name(), "' has only ",
                          tensor.byte_size(), " bytes");
  memcpy(&value, tensor.buffers().front().data, sizeof(T));
  return value;
}

InputTensor& Find(InferenceRequest& request, const std::string& name) {
  const auto found = request.FindBackendInput(name);
  World::current->Require(found.ok(), "a request of a sequence comes without '", name, "'");
  return **found;
}

template <typename T, typename Values>
bool IsTrue(const InputTensor& tensor, const Values& false_true) {
  const T value = First<T>(tensor);
  const bool yes = value == static_cast<T>(false_true[1]);
  World::current->Require(yes || value == static_cast<T>(false_true[0]), "control '", tensor.name(),
                          "' has a value of its own");
  return yes;
}

bool ReadBoolean(const InputTensor& tensor, const SequenceControl& control) {
  if (!control.int32_false_true.empty()) return IsTrue<int32_t>(tensor, control.int32_false_true);
  if (!control.fp32_false_true.empty()) return IsTrue<float>(tensor, control.fp32_false_true);
  return IsTrue<bool>(tensor, control.bool_false_true);
}

CorrelationId ReadId(const InputTensor& tensor, DataType datatype) {
  if (datatype == DataType::kBytes) {
    const auto length = First<uint32_t>(tensor);
    const char* const text = static_cast<const char*>(tensor.buffers().front().data);
    return {.is_string = true, .text = std::string(text + sizeof(length), length)};
  }
  if (DataTypeByteSize(datatype) == sizeof(uint32_t)) return {.number = First<uint32_t>(tensor)};
  return {.number = First<uint64_t>(tensor)};
}

}  // namespace

Controls ReadControls(InferenceRequest& request, const ModelSequenceBatching& config) {
  Controls controls;
  for (const SequenceControlInput& input : config.control_input) {
    for (const SequenceControl& control : input.control) {
      const InputTensor& tensor = Find(request, input.name);
      switch (control.kind) {
        case SequenceControlKind::kStart:
          controls.start = ReadBoolean(tensor, control);
          break;
        case SequenceControlKind::kEnd:
          controls.end = ReadBoolean(tensor, control);
          break;
        case SequenceControlKind::kReady:
          controls.ready = ReadBoolean(tensor, control);
          break;
        case SequenceControlKind::kCorrid:
          controls.id = ReadId(tensor, control.data_type);
          break;
      }
    }
  }
  return controls;
}

std::optional<float> ReadState(InferenceRequest& request, const ModelSequenceBatching& config) {
  if (config.state.empty()) return std::nullopt;
  return First<float>(Find(request, config.state.front().input_name));
}

void WriteState(InferenceRequest& request, const ModelSequenceBatching& config, float value,
                int64_t width) {
  World& world = *World::current;
  world.Require(request.states != nullptr, "a request of a model with state has none");
  const auto state = request.states->Find(config.state.front().output_name);
  world.Require(state.ok(), "a state is not found by its name");
  Shape shape = {width};
  if (request.target()->signature().batching()) shape.insert(shape.begin(), 1);
  void* data = nullptr;
  BufferAttributes attributes;
  Status status = (*state)->Describe(DataType::kFp32, shape);
  const auto bytes = static_cast<uint64_t>(width) * sizeof(float);
  if (status.ok()) status = (*state)->Buffer(bytes, &data, &attributes);
  if (status.ok()) {
    memset(data, 0, bytes);
    memcpy(data, &value, sizeof(value));
    status = (*state)->Update();
  }
  world.Require(status.ok(), "a state can't be written: ", status.message());
}

}  // namespace trident::simulation
