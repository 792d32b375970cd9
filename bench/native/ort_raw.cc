// The raw ONNX Runtime C API as a peer for the benchmarks: one session, one thread, inputs and
// outputs allocated once, Run in a loop. Prints one JSON object per batch size, as one array.
//
//   trident_ort_raw --library <libonnxruntime.so.1> --model <file.onnx>
//                   [--batches 1,8,64] [--seconds 1] [--threads 1]
//
// Every variable dimension but the first counts as 1; inputs hold small numbers of a fixed
// sequence.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "backends/onnxruntime/ort_api.h"

namespace {

using namespace trident::ort;  // NOLINT: a program of one file

struct Options {
  std::string library;
  std::string model;
  std::vector<int64_t> batches{1, 8, 64};
  double seconds = 1;
  int threads = 1;
};

struct Tensor {
  std::string name;
  OrtElementType type = kOrtUndefined;
  std::vector<int64_t> dims;
  std::vector<char> data;
  OrtValue* value = nullptr;
};

[[noreturn]] void Die(const std::string& message) {
  fprintf(stderr, "trident_ort_raw: %s\n", message.c_str());
  exit(1);
}

OrtApi api;

void Check(OrtStatus* status) {
  if (status != nullptr) Die(api.GetErrorMessage(status));
}

std::vector<int64_t> ParseList(const std::string& text) {
  std::vector<int64_t> values;
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    const int64_t value = strtoll(at, &end, 10);
    if (end == at || value < 1) Die("--batches must be positive numbers with commas between");
    values.push_back(value);
    at = *end == ',' ? end + 1 : end;
  }
  return values;
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string key = argv[i];
    if (i + 1 == argc) Die("'" + key + "' needs a value");
    const std::string value = argv[i + 1];
    if (key == "--library") {
      options.library = value;
    } else if (key == "--model") {
      options.model = value;
    } else if (key == "--batches") {
      options.batches = ParseList(value);
    } else if (key == "--seconds") {
      options.seconds = strtod(value.c_str(), nullptr);
    } else if (key == "--threads") {
      options.threads = static_cast<int>(strtol(value.c_str(), nullptr, 10));
    } else {
      Die("unknown option '" + key + "'");
    }
  }
  if (options.library.empty() || options.model.empty()) Die("--library and --model are needed");
  return options;
}

void DropLog(void*, OrtLogLevel, const char*, const char*, const char*, const char*) {}

OrtSession* Load(const Options& options) {
  OrtEnv* env = nullptr;
  OrtSessionOptions* session_options = nullptr;
  OrtSession* session = nullptr;
  Check(api.CreateEnvWithCustomLogger(DropLog, nullptr, kOrtLogWarning, "ort_raw", &env));
  Check(api.CreateSessionOptions(&session_options));
  Check(api.SetIntraOpNumThreads(session_options, options.threads));
  Check(api.SetInterOpNumThreads(session_options, 1));
  Check(api.AddSessionConfigEntry(session_options, "session.intra_op.allow_spinning", "0"));
  Check(api.CreateSession(env, options.model.c_str(), session_options, &session));
  api.ReleaseSessionOptions(session_options);
  return session;
}

std::vector<Tensor> Describe(const OrtSession* session,
                             OrtStatus* (*count_of)(const OrtSession*, size_t*),
                             OrtStatus* (*name_of)(const OrtSession*, size_t, OrtAllocator*,
                                                   char**),
                             OrtStatus* (*type_of)(const OrtSession*, size_t, OrtTypeInfo**)) {
  size_t count = 0;
  OrtAllocator* allocator = nullptr;
  Check(count_of(session, &count));
  Check(api.GetAllocatorWithDefaultOptions(&allocator));
  std::vector<Tensor> tensors(count);
  for (size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    OrtTypeInfo* type = nullptr;
    const OrtTensorInfo* info = nullptr;
    size_t dims_count = 0;
    Check(name_of(session, i, allocator, &name));
    tensors[i].name = name;
    Check(api.AllocatorFree(allocator, name));
    Check(type_of(session, i, &type));
    Check(api.CastTypeInfoToTensorInfo(type, &info));
    if (info == nullptr) Die("'" + tensors[i].name + "' is not a tensor");
    Check(api.GetTensorElementType(info, &tensors[i].type));
    Check(api.GetDimensionsCount(info, &dims_count));
    tensors[i].dims.resize(dims_count);
    Check(api.GetDimensions(info, tensors[i].dims.data(), dims_count));
    api.ReleaseTypeInfo(type);
  }
  return tensors;
}

size_t ElementBytes(OrtElementType type) {
  switch (type) {
    case kOrtFloat:
    case kOrtInt32:
    case kOrtUint32:
      return 4;
    case kOrtDouble:
    case kOrtInt64:
    case kOrtUint64:
      return 8;
    case kOrtInt16:
    case kOrtUint16:
    case kOrtFloat16:
    case kOrtBfloat16:
      return 2;
    case kOrtInt8:
    case kOrtUint8:
    case kOrtBool:
      return 1;
    default:
      Die("a tensor has a type without a fixed size");
  }
}

// Gives the tensor memory of its own for this batch size.
void Allocate(Tensor* tensor, int64_t batch, const OrtMemoryInfo* memory) {
  std::vector<int64_t> shape = tensor->dims;
  size_t elements = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) shape[i] = i == 0 ? batch : 1;
    elements *= static_cast<size_t>(shape[i]);
  }
  tensor->data.assign(elements * ElementBytes(tensor->type), 0);
  if (tensor->type == kOrtFloat) {
    auto* numbers = reinterpret_cast<float*>(tensor->data.data());
    for (size_t i = 0; i < elements; ++i) numbers[i] = static_cast<float>(i * 7919 % 1000) / 1000;
  }
  if (tensor->value != nullptr) api.ReleaseValue(tensor->value);
  Check(api.CreateTensorWithDataAsOrtValue(memory, tensor->data.data(), tensor->data.size(),
                                           shape.data(), shape.size(), tensor->type,
                                           &tensor->value));
}

double Percentile(const std::vector<double>& sorted, double fraction) {
  const size_t index = static_cast<size_t>(fraction * static_cast<double>(sorted.size()));
  return sorted[std::min(index, sorted.size() - 1)];
}

using Clock = std::chrono::steady_clock;

// The times of single runs in microseconds, after a warm-up of a tenth of the time.
std::vector<double> Measure(OrtSession* session, const std::vector<Tensor>& inputs,
                            const std::vector<Tensor>& outputs, double seconds) {
  std::vector<const char*> input_names, output_names;
  std::vector<const OrtValue*> input_values;
  std::vector<OrtValue*> output_values;
  for (const Tensor& input : inputs) {
    input_names.push_back(input.name.c_str());
    input_values.push_back(input.value);
  }
  for (const Tensor& output : outputs) {
    output_names.push_back(output.name.c_str());
    output_values.push_back(output.value);
  }
  std::vector<double> times;
  const auto begin = Clock::now();
  const auto warm = begin + std::chrono::duration<double>(seconds / 10);
  const auto end = begin + std::chrono::duration<double>(seconds * 1.1);
  for (auto now = begin; now < end || times.empty();) {
    Check(api.Run(session, nullptr, input_names.data(), input_values.data(), inputs.size(),
                  output_names.data(), outputs.size(), output_values.data()));
    const auto after = Clock::now();
    if (now >= warm)
      times.push_back(std::chrono::duration<double, std::micro>(after - now).count());
    now = after;
  }
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  std::string version, message;
  if (LoadOrtApi(options.library, &api, &version, &message) != OrtLoad::kOk) Die(message);
  OrtSession* session = Load(options);
  OrtMemoryInfo* memory = nullptr;
  Check(api.CreateCpuMemoryInfo(kOrtArenaAllocator, 0, &memory));
  std::vector<Tensor> inputs = Describe(session, api.SessionGetInputCount, api.SessionGetInputName,
                                        api.SessionGetInputTypeInfo);
  std::vector<Tensor> outputs = Describe(session, api.SessionGetOutputCount,
                                         api.SessionGetOutputName, api.SessionGetOutputTypeInfo);
  for (size_t i = 0; i < options.batches.size(); ++i) {
    const int64_t batch = options.batches[i];
    for (Tensor& input : inputs) Allocate(&input, batch, memory);
    for (Tensor& output : outputs) Allocate(&output, batch, memory);
    std::vector<double> times = Measure(session, inputs, outputs, options.seconds);
    double total_us = 0;
    for (double time : times) total_us += time;
    std::sort(times.begin(), times.end());
    printf(
        "%s{\"version\":\"%s\",\"batch\":%lld,\"runs\":%zu,\"p50_us\":%.2f,\"p90_us\":%.2f,"
        "\"p99_us\":%.2f,\"items_per_second\":%.0f}",
        i == 0 ? "[" : ",\n ", version.c_str(), static_cast<long long>(batch), times.size(),
        Percentile(times, 0.5), Percentile(times, 0.9), Percentile(times, 0.99),
        static_cast<double>(batch) * static_cast<double>(times.size()) / total_us * 1e6);
    fflush(stdout);
  }
  printf("]\n");
  return 0;
}
