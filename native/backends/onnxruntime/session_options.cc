#include "backends/onnxruntime/model.h"

namespace trident::ort {
namespace {

constexpr int64_t kMaxThreads = 1024;

// Leaves `value` alone when the parameter is not set.
Status ReadInt(const backend::ModelConfig& config, const char* key, int64_t max, int* value) {
  const std::string* text = config.Parameter(key);
  if (text == nullptr) return Status();
  int64_t parsed = 0;
  BACKEND_RETURN_IF_ERROR(backend::ParseIntParameter(config, key, *text, 0, max, &parsed));
  *value = static_cast<int>(parsed);
  return Status();
}

Status ReadSwitch(const backend::ModelConfig& config, const char* key, bool* value) {
  const std::string* text = config.Parameter(key);
  if (text == nullptr) return Status();
  if (*text == "1" || *text == "true") {
    *value = true;
  } else if (*text == "0" || *text == "false") {
    *value = false;
  } else {
    return backend::InvalidArg("model '", config.name, "': parameter '", key,
                               "' must be 0 or 1, found '", *text, "'");
  }
  return Status();
}

Status ReadShrinkage(const backend::ModelConfig& config, bool* shrink) {
  const std::string* text = config.Parameter("memory.enable_memory_arena_shrinkage");
  if (text != nullptr && *text == "cpu:0") {
    *shrink = true;
    return Status();
  }
  return ReadSwitch(config, "memory.enable_memory_arena_shrinkage", shrink);
}

// Switches that ONNX Runtime takes under the same name. Other entries of its own are not passed on:
// some name files and directories.
constexpr const char* kPassedSwitches[] = {
    "session.intra_op.allow_spinning",
    "session.inter_op.allow_spinning",
    "session.disable_prepacking",
    "session.set_denormal_as_zero",
    "session.use_device_allocator_for_initializers",
};

OrtOptimization ReadOptimization(const backend::ModelConfig& config) {
  int64_t level = 0;
  const backend::Json* value = config.json.Find("optimization");
  if (value != nullptr) value = value->Find("graph");
  if (value != nullptr) value = value->Find("level");
  if (value != nullptr) value->AsInt(&level);
  switch (level) {
    case -1:
      return kOrtEnableBasic;
    case 1:
      return kOrtEnableExtended;
    case 2:
      return kOrtDisableAll;
    default:
      return kOrtEnableAll;
  }
}

}  // namespace

Status ReadSessionOptions(const backend::ModelConfig& config, SessionOptions* options) {
  int mode = 0;
  BACKEND_RETURN_IF_ERROR(
      ReadInt(config, "intra_op_thread_count", kMaxThreads, &options->intra_op_threads));
  BACKEND_RETURN_IF_ERROR(
      ReadInt(config, "inter_op_thread_count", kMaxThreads, &options->inter_op_threads));
  BACKEND_RETURN_IF_ERROR(ReadInt(config, "execution_mode", 1, &mode));
  options->parallel = mode == 1;
  BACKEND_RETURN_IF_ERROR(ReadSwitch(config, "enable_mem_arena", &options->memory_arena));
  BACKEND_RETURN_IF_ERROR(ReadSwitch(config, "enable_mem_pattern", &options->memory_pattern));
  BACKEND_RETURN_IF_ERROR(ReadShrinkage(config, &options->shrink_arena));
  if (options->shrink_arena && !options->memory_arena) {
    return backend::InvalidArg("model '", config.name, "': parameter ",
                               "'memory.enable_memory_arena_shrinkage' needs the arena that ",
                               "'enable_mem_arena' switches off");
  }
  for (const char* key : kPassedSwitches) {
    bool on = false;
    BACKEND_RETURN_IF_ERROR(ReadSwitch(config, key, &on));
    options->config_entries.emplace_back(key, on ? "1" : "0");
  }
  options->optimization = ReadOptimization(config);
  return Status();
}

}  // namespace trident::ort
