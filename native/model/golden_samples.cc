#include "model/golden_samples.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "model/model_file.h"
#include "scheduler/sequence_policy.h"

namespace trident {
namespace {

namespace fs = std::filesystem;

// Numbers as text; a file beyond this is a mistake.
constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;

Result<std::vector<fs::path>> SampleFiles(const std::string& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  if (!fs::is_directory(directory, error)) return files;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    if (it->path().extension() == ".json") files.push_back(it->path());
  }
  if (error) return Internal("failed to read directory ", directory, ": ", error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// Controls and states of sequences are the scheduler's: they are no inputs of the model.
bool IsOfModel(const ModelConfig& config, const std::string& name) {
  return !config.sequence_batching ||
         std::any_of(config.input.begin(), config.input.end(),
                     [&](const ModelInput& input) { return input.name == name; });
}

GoldenTensors OutputsOf(const InferenceResponse& response) {
  GoldenTensors tensors;
  for (const auto& output : response.outputs()) {
    const OutputBuffer& buffer = output->buffer();
    std::string bytes(static_cast<const char*>(buffer.data), buffer.attributes.byte_size);
    tensors[output->name()] = {output->datatype(), output->shape(), std::move(bytes)};
  }
  return tensors;
}

std::string NameOf(const std::string& file) { return StrCat("golden sample '", file, "': "); }

}  // namespace

Result<GoldenSamples> GoldenSamples::Read(const ModelConfig& config,
                                          const std::string& model_directory) {
  GoldenSamples out;
  if (model_directory.empty()) return out;  // the model has no files
  TRIDENT_ASSIGN_OR_RETURN(const std::vector<fs::path> files,
                           SampleFiles(model_directory + "/golden"));
  for (const fs::path& path : files) {
    Result<Sample> sample = ReadSample(config, path.string());
    if (!sample.ok()) return sample.status().WithPrefix(NameOf(path.filename().string()));
    out.samples_.push_back(std::move(sample).value());
  }
  if (out.samples_.empty() || !config.sequence_batching) return out;
  TRIDENT_ASSIGN_OR_RETURN(SequencePolicy policy, MakeSequencePolicy(config, model_directory));
  out.states_ = std::move(policy.states);
  return out;
}

Result<GoldenSamples::Sample> GoldenSamples::ReadSample(const ModelConfig& config,
                                                        const std::string& path) {
  Sample sample;
  sample.file = fs::path(path).filename().string();
  TRIDENT_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path, kMaxFileBytes));
  TRIDENT_ASSIGN_OR_RETURN(sample.expected, ParseGoldenSample(text));
  for (auto& [name, tensor] : sample.expected.inputs) {
    sample.inputs.push_back({name, tensor.datatype, tensor.shape, IsOfModel(config, name),
                             std::make_shared<const std::string>(std::move(tensor.bytes))});
  }
  std::set<std::string> outputs;
  for (const GoldenTensors& response : sample.expected.responses) {
    for (const auto& [name, tensor] : response) outputs.insert(name);
  }
  sample.outputs.assign(outputs.begin(), outputs.end());
  return sample;
}

Status GoldenSamples::RunOne(const std::shared_ptr<InferenceTarget>& model, ModelInstance* instance,
                             const Sample& sample) const {
  std::vector<GoldenTensors> found;
  DirectExecution execution(model, states_, [&](const InferenceResponse& response) {
    found.push_back(OutputsOf(response));
  });
  TRIDENT_ASSIGN_OR_RETURN(InferenceRequest* const request, execution.Add(sample.inputs));
  request->id = sample.file;  // in what the core and the backend say of it
  for (const std::string& output : sample.outputs) {
    TRIDENT_RETURN_IF_ERROR(request->AddRequestedOutput(output));
  }
  TRIDENT_RETURN_IF_ERROR(request->Prepare());
  TRIDENT_RETURN_IF_ERROR(execution.Run(instance));
  return CompareGoldenResponses(sample.expected, found);
}

Status GoldenSamples::Run(const std::shared_ptr<InferenceTarget>& model,
                          ModelInstance* instance) const {
  for (const Sample& sample : samples_) {
    TRIDENT_RETURN_IF_ERROR(RunOne(model, instance, sample).WithPrefix(NameOf(sample.file)));
  }
  return Status::Ok();
}

}  // namespace trident
