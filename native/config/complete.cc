#include "config/complete.h"

#include <algorithm>

#include "config/known_backends.h"
#include "config/normalize.h"

namespace trident {
namespace {

using Files = std::vector<std::string>;

bool Holds(const Files& files, std::string_view name) {
  return std::find(files.begin(), files.end(), name) != files.end();
}

std::string BackendInName(const std::string& model_name) {
  const size_t dot = model_name.find('.');
  return dot == std::string::npos ? "" : model_name.substr(dot + 1);
}

const KnownBackend* FindByFiles(const Files& files, const std::string& backend) {
  for (const KnownBackend& known : kKnownBackends) {
    if (!backend.empty() && known.backend != backend) continue;
    if (Holds(files, known.file)) return &known;
  }
  return nullptr;
}

// The row that the configuration's own words choose, else its files, else its backend's first.
const KnownBackend* Choose(const ModelConfig& config, const Files& files) {
  const bool named = !config.platform.empty() || !config.default_model_filename.empty();
  for (const KnownBackend& known : kKnownBackends) {
    if (!config.backend.empty() && known.backend != config.backend) continue;
    const bool match = config.platform.empty() ? known.file == config.default_model_filename
                                               : known.platform == config.platform;
    if (match) return &known;
  }
  if (!named) {
    if (const KnownBackend* known = FindByFiles(files, config.backend)) return known;
  }
  for (const KnownBackend& known : kKnownBackends) {
    // A TensorFlow model can be of either kind; guessing would hide that the platform is missing.
    if (known.backend == config.backend && known.backend != "tensorflow") return &known;
  }
  return nullptr;
}

Status CompleteFromName(ModelConfig* config, const std::string& model_name) {
  config->backend = BackendInName(model_name);
  if (config->backend.empty()) {
    return InvalidArg("Invalid model name: Could not determine backend for model '", model_name,
                      "': the configuration names no backend, its version directory holds no file "
                      "that tells one, and its name is not of the form 'model.<backend>'");
  }
  config->default_model_filename = "model." + config->backend;
  return Status::Ok();
}

enum class SchedulerKind { kNone, kDynamic, kSequence, kEnsemble };

SchedulerKind SchedulerOf(const ModelConfig& config) {
  if (config.dynamic_batching) return SchedulerKind::kDynamic;
  if (config.sequence_batching) return SchedulerKind::kSequence;
  return config.ensemble_scheduling ? SchedulerKind::kEnsemble : SchedulerKind::kNone;
}

const char* SchedulerName(SchedulerKind kind) {
  constexpr const char* kNames[] = {"none", "dynamic_batching", "sequence_batching",
                                    "ensemble_scheduling"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace

std::string InferBackend(const std::string& model_name, const Files& version_files) {
  const KnownBackend* known = FindByFiles(version_files, "");
  return known != nullptr ? std::string(known->backend) : BackendInName(model_name);
}

Status CompleteBackend(const std::string& model_name, const Files& version_files,
                       ModelConfig* config) {
  if (config->name.empty()) config->name = model_name;
  if (config->platform == "libtorch") config->platform = "pytorch_libtorch";  // older spelling
  const KnownBackend* known = Choose(*config, version_files);
  if (known != nullptr) {
    if (config->backend.empty()) config->backend = known->backend;
    if (config->platform.empty()) config->platform = known->platform;
    if (config->default_model_filename.empty()) config->default_model_filename = known->file;
    return Status::Ok();
  }
  const bool nothing_given =
      config->backend.empty() && config->platform.empty() && config->default_model_filename.empty();
  return nothing_given ? CompleteFromName(config, model_name) : Status::Ok();
}

Status MergeAutoCompleted(ModelConfig* base, const ModelConfig& from_backend) {
  const SchedulerKind have = SchedulerOf(*base);
  const SchedulerKind want = SchedulerOf(from_backend);
  if (have != SchedulerKind::kNone && have != want) {
    return Internal("the backend of model '", base->name, "' cannot change its scheduler from ",
                    SchedulerName(have), " to ", SchedulerName(want));
  }
  base->max_batch_size = from_backend.max_batch_size;
  base->input = from_backend.input;
  base->output = from_backend.output;
  if (have == SchedulerKind::kNone) {
    base->dynamic_batching = from_backend.dynamic_batching;
    base->sequence_batching = from_backend.sequence_batching;
    base->ensemble_scheduling = from_backend.ensemble_scheduling;
  }
  if (from_backend.model_transaction_policy) {
    base->model_transaction_policy = from_backend.model_transaction_policy;
  }
  Normalize(base);
  return Status::Ok();
}

}  // namespace trident
