#include "repository/model_loader.h"

#include <atomic>
#include <new>
#include <system_error>
#include <thread>

#include "config/complete.h"
#include "config/json_format.h"
#include "config/normalize.h"
#include "config/text_format.h"
#include "config/validate.h"
#include "model/supported.h"
#include "repository/plan.h"

namespace trident {
namespace {

struct LoadParameters {
  const std::string* config = nullptr;
  std::vector<Parameter> files;
};

Result<LoadParameters> SortParameters(const std::vector<Parameter>& parameters) {
  LoadParameters out;
  for (const Parameter& parameter : parameters) {
    if (parameter.name == "config") {
      if (parameter.type != ParameterType::kString) {
        return InvalidArg("load parameter 'config' must be a string; it has type ",
                          ParameterTypeName(parameter.type));
      }
      out.config = &parameter.string_value;
    } else if (parameter.name.rfind("file:", 0) == 0) {
      if (parameter.type != ParameterType::kBytes) {
        return InvalidArg("load parameter '", parameter.name, "' must be bytes; it has type ",
                          ParameterTypeName(parameter.type));
      }
      out.files.push_back(parameter);
    } else {
      return InvalidArg("unrecognized load parameter '", parameter.name, "' with type ",
                        ParameterTypeName(parameter.type));
    }
  }
  if (!out.files.empty() && out.config == nullptr) {
    return InvalidArg("load parameter 'config' must be given with model files");
  }
  return out;
}

}  // namespace

void ParallelFor(size_t count, unsigned threads, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::atomic<bool> out_of_memory{false};
  const auto run = [&] {
    try {
      for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
    } catch (const std::bad_alloc&) {
      out_of_memory = true;  // told to the caller, on whose thread something catches it
    }
  };
  std::vector<std::thread> helpers;
  try {
    for (size_t i = 1; i < std::min<size_t>(count, threads); ++i) helpers.emplace_back(run);
  } catch (const std::system_error&) {
    // No more threads to be had: this one does the rest.
  }
  run();
  for (std::thread& helper : helpers) helper.join();
  if (out_of_memory) throw std::bad_alloc();
}

ModelLoader::ModelLoader(Options options, const ModelLocations& locations, BackendManager& backends,
                         std::shared_ptr<Logger> logger)
    : options_(std::move(options)),
      locations_(locations),
      backends_(backends),
      logger_(std::move(logger)) {}

Result<ModelPlan> ModelLoader::Plan(const std::string& name,
                                    const std::vector<Parameter>& parameters) const {
  TRIDENT_RETURN_IF_ERROR(CheckModelName(name));
  TRIDENT_ASSIGN_OR_RETURN(const LoadParameters load, SortParameters(parameters));
  ModelPlan plan;
  plan.overridden = load.config != nullptr;
  bool mapped = false;
  if (!load.files.empty()) {
    TRIDENT_ASSIGN_OR_RETURN(std::unique_ptr<TemporaryModel> temporary,
                             TemporaryModel::Create(load.files));
    plan.temporary = std::move(temporary);
    plan.directory = plan.temporary->directory();
  } else {
    TRIDENT_ASSIGN_OR_RETURN(const ModelLocations::Location location, locations_.Find(name));
    plan.directory = location.directory;
    mapped = location.mapped;
  }
  TRIDENT_ASSIGN_OR_RETURN(const ModelFiles files,
                           ScanModel(plan.directory, options_.config_name, *logger_));
  plan.fingerprint = files.fingerprint;
  TRIDENT_ASSIGN_OR_RETURN(plan.config, ReadConfig(name, mapped, load.config, files));
  plan.versions = VersionsToServe(*plan.config.version_policy, files.versions);
  if (plan.versions.empty()) {
    return InvalidArg("at least one version must be available under the version policy of model '",
                      name, "'; ", files.versions.size(), " version directories were found in ",
                      plan.directory);
  }
  return plan;
}

Result<ModelConfig> ModelLoader::ReadConfig(const std::string& name, bool mapped,
                                            const std::string* override_json,
                                            const ModelFiles& files) const {
  ModelConfig config;
  if (override_json != nullptr) {
    TRIDENT_ASSIGN_OR_RETURN(config, ParseModelConfigJson(*override_json));
  } else if (files.has_config) {
    TRIDENT_ASSIGN_OR_RETURN(config, ParseModelConfigText(files.config_text, files.config_path));
  } else if (!options_.auto_complete) {
    return NotFound("model configuration is not provided for model '", name,
                    "': strict model configuration needs ", files.directory, "/config.pbtxt");
  }
  if (mapped) config.name = name;
  if (!config.name.empty() && config.name != name) {
    return InvalidArg("the configuration of model '", name, "' names it '", config.name,
                      "'; the two must be equal");
  }
  TRIDENT_RETURN_IF_ERROR(CompleteBackend(name, files.first_version_files, &config));
  Normalize(&config);
  TRIDENT_RETURN_IF_ERROR(Validate(config));
  return config;
}

// One of the versions that may load at the same time.
class ModelLoader::LoadSlot {
 public:
  explicit LoadSlot(ModelLoader* loader) : loader_(loader) {
    MutexLock lock(loader_->mutex_);
    const unsigned limit = std::max(1u, loader_->options_.thread_count);
    while (loader_->loading_ >= limit) loader_->slot_free_.Wait(loader_->mutex_);
    ++loader_->loading_;
  }
  ~LoadSlot() {
    {
      MutexLock lock(loader_->mutex_);
      --loader_->loading_;
    }
    loader_->slot_free_.NotifyOne();
  }
  LoadSlot(const LoadSlot&) = delete;
  LoadSlot& operator=(const LoadSlot&) = delete;

 private:
  ModelLoader* const loader_;
};

std::vector<LoadedVersion> ModelLoader::LoadVersions(const ModelPlan& plan) {
  const std::vector<int64_t> versions(plan.versions.begin(), plan.versions.end());
  std::vector<LoadedVersion> out(versions.size());
  ParallelFor(versions.size(), options_.thread_count, [&](size_t i) {
    const LoadSlot slot(this);
    out[i] = LoadVersion(plan, versions[i]);
  });
  return out;
}

LoadedVersion ModelLoader::LoadVersion(const ModelPlan& plan, int64_t version) {
  LoadedVersion out{version, nullptr, Status::Ok()};
  for (unsigned attempt = 0; attempt <= options_.retry_count; ++attempt) {
    auto model = TryLoad(plan, version);
    out.status = model.status();
    if (model.ok()) {
      out.model = *model;
      break;
    }
    TRIDENT_LOG(*logger_, LogLevel::kError, "failed to load '", plan.config.name, "' version ",
                version, ": ", out.status.message());
  }
  return out;
}

Result<std::shared_ptr<Model>> ModelLoader::TryLoad(const ModelPlan& plan, int64_t version) {
  ModelSource source;
  source.config = plan.config;
  source.directory = plan.directory;
  source.version = version;
  source.auto_complete = options_.auto_complete;
  source.host_policies = options_.host_policies;
  source.timer = options_.timer;
  source.server = options_.server;
  source.logger = logger_;
  TRIDENT_RETURN_IF_ERROR(CheckSupported(source.config));
  TRIDENT_ASSIGN_OR_RETURN(source.backend, backends_.Get(source.config, plan.directory, version));
  const std::vector<int32_t> no_gpus;
  NormalizeInstanceGroups(source.backend->attribute().preferred_groups, no_gpus, &source.config);
  TRIDENT_RETURN_IF_ERROR(ValidateInstanceGroups(source.config, no_gpus));
  return Model::Load(std::move(source));
}

}  // namespace trident
