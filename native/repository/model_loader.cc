#include "repository/model_loader.h"

#include <algorithm>
#include <new>

#include "config/complete.h"
#include "config/json_format.h"
#include "config/normalize.h"
#include "config/text_format.h"
#include "config/validate.h"
#include "model/supported.h"
#include "repository/plan.h"

namespace trident {
namespace {

bool IsFile(const Parameter& parameter) { return parameter.name.rfind("file:", 0) == 0; }

const std::string* ConfigOf(const std::vector<Parameter>& parameters) {
  const auto config =
      std::find_if(parameters.begin(), parameters.end(),
                   [](const Parameter& parameter) { return parameter.name == "config"; });
  return config == parameters.end() ? nullptr : &config->string_value;
}

// Of the configuration in the repository.
Result<std::optional<ModelRepositoryAgents>> AgentsIn(const ModelFiles& files) {
  if (!files.config.has_value()) return std::optional<ModelRepositoryAgents>();
  TRIDENT_ASSIGN_OR_RETURN(ModelConfig config,
                           ParseModelConfigText(files.config->text, files.config->path));
  return std::move(config.model_repository_agents);
}

}  // namespace

bool HasFiles(const std::vector<Parameter>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), IsFile);
}

std::vector<EnsembleStep> StepsOf(const ModelPlan& plan) {
  return plan.ensemble() ? plan.config.ensemble_scheduling->step : std::vector<EnsembleStep>();
}

bool FilesAsPlanned(const ModelPlan& plan) {
  return FingerprintOf(plan.source) == plan.fingerprint;
}

bool MayUpdate(const ModelPlan& served, const ModelPlan& next, int64_t version) {
  if (served.ensemble() || next.ensemble() || served.directory != next.directory) return false;
  // Agents follow a load from its begin to its end.
  if (served.agents != nullptr || next.agents != nullptr) return false;
  const auto old_files = served.fingerprint.versions.find(version);
  const auto new_files = next.fingerprint.versions.find(version);
  if (old_files == served.fingerprint.versions.end() ||
      new_files == next.fingerprint.versions.end() || old_files->second != new_files->second) {
    return false;
  }
  ModelConfig config = served.config;
  config.instance_group = next.config.instance_group;
  config.version_policy = next.config.version_policy;
  return config == next.config;
}

Status CheckLoadParameters(const std::vector<Parameter>& parameters) {
  for (const Parameter& parameter : parameters) {
    if (parameter.name == "config") {
      if (parameter.type != ParameterType::kString) {
        return InvalidArg("Config parameter 'config' must have string type for its value, not ",
                          ParameterTypeName(parameter.type));
      }
    } else if (IsFile(parameter)) {
      if (parameter.type != ParameterType::kBytes) {
        return InvalidArg("File parameter '", parameter.name,
                          "' must have bytes type for its value, not ",
                          ParameterTypeName(parameter.type));
      }
    } else {
      return InvalidArg("Unrecognized load parameter '", parameter.name, "' with type '",
                        ParameterTypeName(parameter.type), "'");
    }
  }
  if (HasFiles(parameters) && ConfigOf(parameters) == nullptr) {
    return InvalidArg("Load parameter 'config' must be specified for model file override");
  }
  return Status::Ok();
}

ModelLoader::ModelLoader(Options options, const ModelLocations& locations, BackendManager& backends,
                         std::shared_ptr<Logger> logger)
    : options_(std::move(options)),
      locations_(locations),
      backends_(backends),
      logger_(std::move(logger)),
      agents_(options_.agent_directory, logger_),
      threads_(options_.thread_count) {}

Result<FoundModel> ModelLoader::Find(const ModelIdentity& model,
                                     const std::vector<Parameter>& parameters) const {
  TRIDENT_RETURN_IF_ERROR(CheckModelName(model.name));
  TRIDENT_RETURN_IF_ERROR(CheckLoadParameters(parameters));
  const std::string* const config = ConfigOf(parameters);
  FoundModel found;
  found.model = model;
  found.overridden = config != nullptr;
  std::string directory;
  if (HasFiles(parameters)) {
    std::vector<Parameter> files;
    std::copy_if(parameters.begin(), parameters.end(), std::back_inserter(files), IsFile);
    TRIDENT_ASSIGN_OR_RETURN(found.temporary, TemporaryModel::Create(files));
    directory = found.temporary->directory();
  } else {
    TRIDENT_ASSIGN_OR_RETURN(const ModelLocations::Location location, locations_.Find(model));
    directory = location.directory;
    found.mapped = location.mapped;
  }
  TRIDENT_ASSIGN_OR_RETURN(found.files, ScanModel(directory, options_.config_name, *logger_));
  if (config == nullptr) {
    TRIDENT_ASSIGN_OR_RETURN(found.config, ReadConfig(model.name, found.files));
    return found;
  }
  TRIDENT_ASSIGN_OR_RETURN(found.config, ParseModelConfigJson(*config));
  if (found.temporary == nullptr) {  // no load gets the repository's files past its agents
    TRIDENT_ASSIGN_OR_RETURN(found.config.model_repository_agents, AgentsIn(found.files));
  }
  return found;
}

Result<FoundModel> ModelLoader::Provided(const ModelIdentity& model,
                                         const ProvidedModel& provided) {
  FoundModel found;
  found.model = model;
  found.overridden = true;
  found.provided = true;
  found.files.versions = {provided.version};
  found.files.directory = provided.directory;
  TRIDENT_ASSIGN_OR_RETURN(found.config, ParseModelConfigJson(provided.config));
  if (!provided.directory.empty()) {
    found.config.model_repository_agents.reset();
    return found;
  }
  TRIDENT_RETURN_IF_ERROR(
      CheckNeedsNoFiles(found.config).WithPrefix("model '" + model.Text() + "': "));
  return found;
}

Result<ModelConfig> ModelLoader::ReadConfig(const std::string& model,
                                            const ModelFiles& files) const {
  if (files.config.has_value()) {
    return ParseModelConfigText(files.config->text, files.config->path);
  }
  if (options_.auto_complete) return ModelConfig();
  return NotFound("model configuration is not provided for model '", model,
                  "': strict model configuration needs ", files.directory, "/config.pbtxt");
}

// What the agents have left is what was found, but for their own names; where they leave no
// configuration, the one before them stays.
Status ModelLoader::AskAgents(FoundModel* found, ModelPlan* plan) {
  TRIDENT_ASSIGN_OR_RETURN(plan->agents, ModelAgents::Load({.directory = plan->source,
                                                            .config = found->config,
                                                            .overridden = found->overridden,
                                                            .config_name = options_.config_name,
                                                            .manager = &agents_}));
  TRIDENT_ASSIGN_OR_RETURN(found->files,
                           ScanModel(plan->agents->directory(), options_.config_name, *logger_));
  if (found->overridden || !found->files.config.has_value()) return Status::Ok();
  const auto agents = found->config.model_repository_agents;
  TRIDENT_ASSIGN_OR_RETURN(found->config, ReadConfig(found->model.name, found->files));
  found->config.model_repository_agents = agents;
  return Status::Ok();
}

Result<ModelPlan> ModelLoader::Plan(FoundModel found) {
  ModelPlan plan;
  plan.model = found.model;
  plan.source = found.files.directory;
  plan.fingerprint = found.files.fingerprint;
  plan.overridden = found.overridden;
  plan.provided = found.provided;
  plan.temporary = found.temporary;
  const auto& agents = found.config.model_repository_agents;
  if (agents.has_value() && !agents->agents.empty()) {
    TRIDENT_RETURN_IF_ERROR(AskAgents(&found, &plan));
  }
  const ModelFiles& files = found.files;
  const std::string& name = found.model.name;
  plan.directory = files.directory;
  plan.config = std::move(found.config);
  ModelConfig& config = plan.config;
  if (found.mapped) config.name = name;
  if (!config.name.empty() && config.name != name) {
    return plan.provided ? InvalidArg("unexpected name '", config.name,
                                      "' in the configuration of model '", name, "'")
                         : InvalidArg("unexpected directory name '", name, "' for model '",
                                      config.name, "', directory name must equal model name");
  }
  TRIDENT_RETURN_IF_ERROR(CompleteBackend(name, files.first_version_files, &config));
  Normalize(&config);
  TRIDENT_RETURN_IF_ERROR(Validate(config));
  plan.versions = VersionsToServe(*config.version_policy, files.versions);
  if (plan.versions.empty()) {
    return InvalidArg(
        "at least one version must be available under the version policy of model '",
        plan.model.Text(), "'; ",
        plan.provided
            ? StrCat("it has version ", *files.versions.begin())
            : StrCat(files.versions.size(), " version directories were found in ", plan.directory));
  }
  return plan;
}

Result<std::shared_ptr<Model>> ModelLoader::Load(const ModelPlan& plan, int64_t version,
                                                 const FindModel& find_model,
                                                 const std::function<bool()>& stopped) {
  for (unsigned attempt = 0;; ++attempt) {
    Result<std::shared_ptr<Model>> model = TryLoad(plan, version, find_model);
    if (model.ok()) return model;
    TRIDENT_LOG(*logger_, LogLevel::kError, "failed to load '", plan.model.Text(), "' version ",
                version, ": ", model.status().message());
    if (attempt == options_.retry_count || stopped()) return model;
  }
}

Result<std::shared_ptr<Model>> ModelLoader::TryLoad(const ModelPlan& plan, int64_t version,
                                                    const FindModel& find_model) {
  try {
    ModelSource source;
    source.config = plan.config;
    source.space = plan.model.space;
    source.directory = plan.directory;
    source.version = version;
    source.find_model = find_model;
    source.auto_complete = options_.auto_complete;
    source.host_policies = options_.host_policies;
    source.gpus = options_.gpus;
    source.timer = options_.timer;
    source.executors = options_.executors;
    source.limiter = options_.limiter;
    source.cache = options_.cache;
    source.latency_summaries = options_.latency_summaries;
    source.latency_histograms = options_.latency_histograms;
    source.batch_host = options_.batch_host;
    source.server = options_.server;
    source.logger = logger_;
    TRIDENT_RETURN_IF_ERROR(CheckSupported(source.config));
    if (!plan.ensemble()) {
      TRIDENT_ASSIGN_OR_RETURN(source.backend,
                               backends_.Get(source.config, plan.directory, version));
      TRIDENT_RETURN_IF_ERROR(
          source.gpus->ResolveGroups(source.backend->attribute().preferred_groups, &source.config));
    }
    return Model::Load(std::move(source));
  } catch (const std::bad_alloc&) {  // on a helper's thread nobody else would catch it
    return Unavailable("out of memory while loading model '", plan.model.Text(), "' version ",
                       version);
  } catch (const std::exception& error) {
    return Internal("loading model '", plan.model.Text(), "' version ", version,
                    " failed: ", error.what());
  }
}

}  // namespace trident
