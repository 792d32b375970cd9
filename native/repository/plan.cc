#include "repository/plan.h"

#include <algorithm>
#include <charconv>

#include "model/batch_strategy.h"

namespace trident {

std::set<int64_t> VersionsToServe(const ModelVersionPolicy& policy,
                                  const std::set<int64_t>& available) {
  if (policy.all) return available;
  std::set<int64_t> out;
  if (policy.specific) {
    for (const int64_t version : policy.specific->versions) {
      if (available.count(version) > 0) out.insert(version);
    }
    return out;
  }
  const size_t wanted = policy.latest ? std::max(1u, policy.latest->num_versions) : 1;
  for (auto it = available.rbegin(); it != available.rend() && out.size() < wanted; ++it) {
    out.insert(*it);
  }
  return out;
}

DirectoryKind ClassifyDirectory(const std::string& name, int64_t* version) {
  for (const char* reserved : {"warmup", "initial_state", "configs", "golden"}) {
    if (name == reserved) return DirectoryKind::kReserved;
  }
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, *version);
  const bool number = error == std::errc() && stop == end && *version > 0 && name[0] != '0';
  return number ? DirectoryKind::kVersion : DirectoryKind::kForeign;
}

Status CheckModelName(const std::string& name) {
  if (name.empty()) {
    return InvalidArg("Model name cannot be empty. Please enter a valid name to deploy.");
  }
  if (name.size() > 255) {
    return InvalidArg("model name of ", name.size(), " bytes is longer than 255");
  }
  const bool legal = name[0] != '.' && std::none_of(name.begin(), name.end(), [](unsigned char c) {
                       return c == '/' || c == '\\' || c < 0x20 || c == 0x7f;
                     });
  if (!legal) {
    return InvalidArg("invalid model name '", name,
                      "', model name must not contain path traversal characters: it begins with a ",
                      "dot or contains path separators or control characters");
  }
  return Status::Ok();
}

Status CheckNeedsNoFiles(const ModelConfig& config) {
  const auto refuse = [](const char* field, const std::string& file) {
    return InvalidArg("'", field, "' names '", file, "', but a provided model has no files");
  };
  for (const ModelOutput& output : config.output) {
    if (!output.label_filename.empty()) return refuse("label_filename", output.label_filename);
  }
  for (const ModelWarmup& warmup : config.model_warmup) {
    for (const auto& [name, input] : warmup.inputs) {
      if (input.input_data_file) return refuse("input_data_file", *input.input_data_file);
    }
  }
  if (config.sequence_batching) {
    for (const SequenceState& state : config.sequence_batching->state) {
      for (const SequenceInitialState& initial : state.initial_state) {
        if (initial.data_file) return refuse("data_file", *initial.data_file);
      }
    }
  }
  const auto strategy = config.parameters.find(kBatchStrategyParameter);
  if (strategy != config.parameters.end()) {
    return refuse(kBatchStrategyParameter, strategy->second.string_value);
  }
  if (config.model_repository_agents && !config.model_repository_agents->agents.empty()) {
    return InvalidArg("'model_repository_agents' work on files, but a provided model has none");
  }
  return Status::Ok();
}

Status CheckRelativePath(const std::string& path) {
  size_t begin = 0;
  bool legal = !path.empty() && path[0] != '/';
  while (legal && begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    legal = !part.empty() && part != "." && part != ".." && part.find('\0') == std::string::npos;
    begin = end + 1;
  }
  return legal
             ? Status::Ok()
             : InvalidArg("path '", path, "' must be relative and stay inside the model directory");
}

}  // namespace trident
