#include "raw_session.h"

#include <algorithm>

#include "arguments.h"

namespace trident::bench {
namespace {

void DropLog(void*, ort::OrtLogLevel, const char*, const char*, const char*, const char*) {}

size_t ElementBytes(ort::OrtElementType type) {
  switch (type) {
    case ort::kOrtFloat:
    case ort::kOrtInt32:
    case ort::kOrtUint32:
      return 4;
    case ort::kOrtDouble:
    case ort::kOrtInt64:
    case ort::kOrtUint64:
      return 8;
    case ort::kOrtInt16:
    case ort::kOrtUint16:
    case ort::kOrtFloat16:
    case ort::kOrtBfloat16:
      return 2;
    case ort::kOrtInt8:
    case ort::kOrtUint8:
    case ort::kOrtBool:
      return 1;
    default:
      Die("a tensor has a type without a fixed size");
  }
}

}  // namespace

void FillWithNumbers(float* data, size_t elements) {
  for (size_t i = 0; i < elements; ++i) data[i] = static_cast<float>(i * 7919 % 1000) / 1000;
}

RawSession::RawSession(const std::string& library, const std::string& model) {
  std::string message;
  if (LoadOrtApi(library, &api_, &version_, &message) != ort::OrtLoad::kOk) Die(message);
  Open(model);
  Check(api_.CreateCpuMemoryInfo(ort::kOrtArenaAllocator, 0, &memory_));
  inputs_ = Describe(/*inputs=*/true);
  outputs_ = Describe(/*inputs=*/false);
  SetBatch(1);
}

void RawSession::Check(ort::OrtStatus* status) const {
  if (status != nullptr) Die(api_.GetErrorMessage(status));
}

void RawSession::Open(const std::string& model) {
  ort::OrtEnv* env = nullptr;
  ort::OrtSessionOptions* options = nullptr;
  Check(api_.CreateEnvWithCustomLogger(DropLog, nullptr, ort::kOrtLogWarning, "raw", &env));
  Check(api_.CreateSessionOptions(&options));
  Check(api_.SetIntraOpNumThreads(options, 1));
  Check(api_.SetInterOpNumThreads(options, 1));
  Check(api_.AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0"));
  Check(api_.CreateSession(env, model.c_str(), options, &session_));
  api_.ReleaseSessionOptions(options);
}

RawSession::Tensors RawSession::Describe(bool inputs) const {
  size_t count = 0;
  ort::OrtAllocator* allocator = nullptr;
  Check((inputs ? api_.SessionGetInputCount : api_.SessionGetOutputCount)(session_, &count));
  Check(api_.GetAllocatorWithDefaultOptions(&allocator));
  Tensors tensors;
  tensors.names.resize(count);
  tensors.types.resize(count);
  tensors.shapes.resize(count);
  tensors.data.resize(count);
  tensors.values.resize(count);
  for (size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    ort::OrtTypeInfo* type = nullptr;
    const ort::OrtTensorInfo* info = nullptr;
    size_t rank = 0;
    Check((inputs ? api_.SessionGetInputName : api_.SessionGetOutputName)(session_, i, allocator,
                                                                          &name));
    tensors.names[i] = name;
    Check(api_.AllocatorFree(allocator, name));
    Check((inputs ? api_.SessionGetInputTypeInfo : api_.SessionGetOutputTypeInfo)(session_, i,
                                                                                  &type));
    Check(api_.CastTypeInfoToTensorInfo(type, &info));
    if (info == nullptr) Die("'" + tensors.names[i] + "' is not a tensor");
    Check(api_.GetTensorElementType(info, &tensors.types[i]));
    Check(api_.GetDimensionsCount(info, &rank));
    tensors.shapes[i].resize(rank);
    Check(api_.GetDimensions(info, tensors.shapes[i].data(), rank));
    api_.ReleaseTypeInfo(type);
  }
  return tensors;
}

void RawSession::Allocate(Tensors* tensors, int64_t batch) const {
  tensors->name_pointers.clear();
  for (size_t i = 0; i < tensors->names.size(); ++i) {
    tensors->name_pointers.push_back(tensors->names[i].c_str());
    std::vector<int64_t> shape = tensors->shapes[i];
    size_t elements = 1;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] < 0) shape[axis] = axis == 0 ? batch : 1;
      elements *= static_cast<size_t>(shape[axis]);
    }
    std::vector<char>& data = tensors->data[i];
    data.assign(elements * ElementBytes(tensors->types[i]), 0);
    if (tensors->types[i] == ort::kOrtFloat) {
      FillWithNumbers(reinterpret_cast<float*>(data.data()), elements);
    }
    ort::OrtValue*& value = tensors->values[i];
    if (value != nullptr) api_.ReleaseValue(value);
    Check(api_.CreateTensorWithDataAsOrtValue(memory_, data.data(), data.size(), shape.data(),
                                              shape.size(), tensors->types[i], &value));
  }
}

void RawSession::SetBatch(int64_t batch) {
  Allocate(&inputs_, batch);
  Allocate(&outputs_, batch);
}

void RawSession::Run() {
  Check(api_.Run(session_, nullptr, inputs_.name_pointers.data(), inputs_.values.data(),
                 inputs_.values.size(), outputs_.name_pointers.data(), outputs_.values.size(),
                 outputs_.values.data()));
}

std::vector<float> RawSession::FirstValues(size_t count) const {
  if (outputs_.types.front() != ort::kOrtFloat) return {};
  const std::vector<char>& data = outputs_.data.front();
  const auto* numbers = reinterpret_cast<const float*>(data.data());
  return {numbers, numbers + std::min(count, data.size() / sizeof(float))};
}

}  // namespace trident::bench
