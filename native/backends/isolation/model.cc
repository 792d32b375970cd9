#include "backends/isolation/model.h"

#include "backends/common/memory.h"

namespace trident::isolated {
namespace {

using backend::Json;
using backend::Status;

// `{"cmdline": {...}}`
Status ReadSettings(TRITONBACKEND_Backend* backend, std::vector<isolation::Setting>* settings) {
  TRITONSERVER_Message* message = nullptr;
  Json json;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendConfig(backend, &message));
  BACKEND_RETURN_IF_ERROR(Json::Parse(message, &json));
  const Json* const cmdline = json.Find("cmdline");
  if (cmdline == nullptr) return Status();
  for (const auto& [name, value] : cmdline->members()) {
    settings->push_back({name, std::string(value.text())});
  }
  return Status();
}

// The value of the setting `isolation-host`: a JSON array of strings.
Status ReadProgram(const std::string& text, std::vector<std::string>* program) {
  Json json;
  Status parsed = Json::Parse(text, &json);
  program->clear();
  for (const Json& item : json.items()) {
    if (item.kind() == Json::Kind::kString) program->emplace_back(item.text());
  }
  if (parsed.ok() && !program->empty() && program->size() == json.items().size()) return Status();
  return backend::InvalidArg(
      "the backend setting 'isolation-host' must be a JSON array with a program and its ",
      "arguments, found '", text, "'");
}

}  // namespace

Status Describe(TRITONBACKEND_ModelInstance* handle, InstanceDescription* description) {
  const char* name = nullptr;
  TRITONSERVER_InstanceGroupKind kind;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceName(handle, &name));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceKind(handle, &kind));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceDeviceId(handle, &description->device_id));
  description->name = name;
  description->kind = std::string("KIND_") + TRITONSERVER_InstanceGroupKindString(kind);
  TRITONSERVER_Message* message = nullptr;
  Json policies;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceHostPolicy(handle, &message));
  BACKEND_RETURN_IF_ERROR(Json::Parse(message, &policies));
  for (const auto& [policy, settings] : policies.members()) {
    description->host_policy = policy;
    for (const auto& [setting, value] : settings.members()) {
      description->host_settings.emplace_back(setting, value.text());
    }
  }
  uint32_t count = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceProfileCount(handle, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* profile = nullptr;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceProfileName(handle, i, &profile));
    description->profiles.emplace_back(profile);
  }
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceSecondaryDeviceCount(handle, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* device_kind = nullptr;
    int64_t id = 0;
    BACKEND_RETURN_IF_ERROR(
        TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(handle, i, &device_kind, &id));
    description->secondary_devices.emplace_back(device_kind, id);
  }
  return Status();
}

Status Model::Create(TRITONBACKEND_Model* handle, std::unique_ptr<Model>* model) {
  auto created = std::make_unique<Model>();
  BACKEND_RETURN_IF_ERROR(created->ReadBackend(handle));
  BACKEND_RETURN_IF_ERROR(created->ReadConfig(handle));
  if (created->load_.auto_complete) BACKEND_RETURN_IF_ERROR(created->Complete(handle));
  *model = std::move(created);
  return Status();
}

Status Model::ReadBackend(TRITONBACKEND_Model* handle) {
  TRITONBACKEND_Backend* backend = nullptr;
  const char* name = nullptr;
  const char* directory = nullptr;
  TRITONBACKEND_ArtifactType type;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelBackend(handle, &backend));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendName(backend, &name));
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelRepository(handle, &type, &directory));
  load_.directory = directory;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_BackendArtifacts(backend, &type, &directory));
  load_.backend = name;
  program_.arguments = {std::string(directory) + "/trident-instance"};
  program_.environment = isolation::CopyEnvironment();
  BACKEND_RETURN_IF_ERROR(ReadSettings(backend, &load_.settings));
  for (const isolation::Setting& setting : load_.settings) {
    if (setting.name == "backend-directory") load_.backend_directory = setting.value;
    if (setting.name == "isolation-host") {
      BACKEND_RETURN_IF_ERROR(ReadProgram(setting.value, &program_.arguments));
    }
  }
  load_.verbose = TRITONSERVER_LogIsEnabled(TRITONSERVER_LOG_VERBOSE);
  return TRITONBACKEND_ModelAutoCompleteConfig(handle, &load_.auto_complete);
}

Status Model::ReadConfig(TRITONBACKEND_Model* handle) {
  BACKEND_RETURN_IF_ERROR(backend::ReadModelConfig(handle, &config_));
  load_.model = config_.name;
  load_.version = config_.version;
  int64_t timeout_us = 0;
  const Json* const timeout = config_.json.Find("execution_timeout_microseconds");
  if (timeout != nullptr && timeout->AsInt(&timeout_us)) {
    execution_timeout_us_ = static_cast<uint64_t>(timeout_us);
  }
  return Status();
}

// The first of the first group, as far as the configuration says.
InstanceDescription Model::FirstInstance() const {
  InstanceDescription instance;
  const std::vector<Json>& groups = config_.json.FindItems("instance_group");
  if (groups.empty()) return instance;
  const Json& group = groups.front();
  instance.name = std::string(group.FindString("name")) + "_0";
  instance.kind = group.FindString("kind");
  int64_t device_id = 0;
  const std::vector<Json>& gpus = group.FindItems("gpus");
  if (instance.kind == "KIND_GPU" && !gpus.empty() && gpus.front().AsInt(&device_id)) {
    instance.device_id = static_cast<int32_t>(device_id);
  }
  for (const Json& profile : group.FindItems("profile")) {
    instance.profiles.emplace_back(profile.text());
  }
  for (const Json& device : group.FindItems("secondary_devices")) {
    int64_t id = 0;
    const Json* const number = device.Find("device_id");
    if (number != nullptr) (void)number->AsInt(&id);
    instance.secondary_devices.emplace_back(device.FindString("kind"), id);
  }
  instance.host_policy = group.FindString("host_policy");
  if (instance.host_policy.empty()) {
    instance.host_policy = instance.kind == "KIND_GPU"     ? backend::StrCat("gpu_", device_id)
                           : instance.kind == "KIND_MODEL" ? "model"
                                                           : "cpu";
  }
  return instance;
}

Status Model::Complete(TRITONBACKEND_Model* handle) {
  first_instance_ = FirstInstance();
  Result<std::shared_ptr<Child>> child = Child::Start(program_);
  if (!child.ok()) return backend::FromCore(child.status());
  const Result<std::string> completed = (*child)->Load(LoadFor(first_instance_));
  if (!completed.ok()) return backend::FromCore(completed.status());
  TRITONSERVER_Message* message = nullptr;
  BACKEND_RETURN_IF_ERROR(
      TRITONSERVER_MessageNewFromSerializedJson(&message, completed->data(), completed->size()));
  Status set(TRITONBACKEND_ModelSetConfig(handle, 1, message));
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_MessageDelete(message));
  BACKEND_RETURN_IF_ERROR(std::move(set));
  {
    MutexLock lock(mutex_);
    first_child_ = std::move(child).value();
  }
  return ReadConfig(handle);
}

isolation::Load Model::LoadFor(const InstanceDescription& instance) const {
  Json group = Json::Object();
  group.Set("name", Json::String(instance.name));
  group.Set("kind", Json::String(instance.kind));
  group.Set("count", Json::Number(1));
  group.Set("host_policy", Json::String(instance.host_policy));
  Json gpus = Json::Array();
  if (instance.kind == "KIND_GPU") gpus.Append(Json::Number(instance.device_id));
  group.Set("gpus", std::move(gpus));
  Json profiles = Json::Array();
  for (const std::string& profile : instance.profiles) profiles.Append(Json::String(profile));
  group.Set("profile", std::move(profiles));
  Json devices = Json::Array();
  for (const auto& [kind, id] : instance.secondary_devices) {
    Json device = Json::Object();
    device.Set("kind", Json::String(kind));
    device.Set("device_id", Json::Number(id));
    devices.Append(std::move(device));
  }
  group.Set("secondary_devices", std::move(devices));
  Json groups = Json::Array();
  groups.Append(std::move(group));

  isolation::Load load = load_;
  load.host_policy = instance.host_policy;
  for (const auto& [name, value] : instance.host_settings) {
    load.host_settings.push_back({name, value});
  }
  Json config = config_.json;
  config.Set("instance_group", std::move(groups));
  // What this side has seen to.
  config.Remove("isolation");
  config.Remove("execution_timeout_microseconds");
  load.configuration = config.Dump();
  return load;
}

std::shared_ptr<Child> Model::TakeChild(const InstanceDescription& instance) {
  std::shared_ptr<Child> first;
  {
    MutexLock lock(mutex_);
    first = std::move(first_child_);
  }
  // One that is another instance ends: it would be a loaded model of no use.
  return instance == first_instance_ ? first : nullptr;
}

}  // namespace trident::isolated
