#include <sstream>

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

bool IsArena(const std::string& name) {
  if (name == "cpu:0") return true;
  return name.size() > 4 && name.starts_with("gpu:") &&
         name.find_first_not_of("0123456789", 4) == std::string::npos;
}

Status ReadShrinkage(const backend::ModelConfig& config, SessionOptions* options) {
  constexpr const char* kKey = "memory.enable_memory_arena_shrinkage";
  const std::string* text = config.Parameter(kKey);
  if (text == nullptr || text->find(':') == std::string::npos) {
    return ReadSwitch(config, kKey, &options->shrink_all_arenas);
  }
  std::istringstream list(*text);
  for (std::string name; std::getline(list, name, ';');) {
    if (!IsArena(name)) {
      return backend::InvalidArg("model '", config.name, "': parameter '", kKey,
                                 "' must list arenas, as \"cpu:0;gpu:0\", or be 0 or 1, found '",
                                 *text, "'");
    }
    options->shrunk_arenas.insert(name);
  }
  return Status();
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

// What Triton's plug-in would do and this one can't: to go on would be to run another model, or the
// same one elsewhere, than its author asked for. Accelerators for GPUs are for GPU instances only.
Status CheckSupported(const backend::ModelConfig& config) {
  const backend::Json* operations = config.json.Find("model_operations");
  const backend::Json* accelerators = config.json.Find("optimization");
  if (accelerators != nullptr) accelerators = accelerators->Find("execution_accelerators");
  if (operations != nullptr && !operations->FindItems("op_library_filename").empty()) {
    return backend::Unsupported("model '", config.name, "' sets model_operations.",
                                "op_library_filename, but this onnxruntime backend can't load ",
                                "libraries of operators");
  }
  if (accelerators != nullptr && !accelerators->FindItems("cpu_execution_accelerator").empty()) {
    return backend::Unsupported("model '", config.name, "' sets optimization.",
                                "execution_accelerators.cpu_execution_accelerator, but this ",
                                "onnxruntime backend has no accelerators for the CPU");
  }
  return Status();
}

}  // namespace

Status ReadSessionOptions(const backend::ModelConfig& config, SessionOptions* options) {
  BACKEND_RETURN_IF_ERROR(CheckSupported(config));
  int mode = 0;
  BACKEND_RETURN_IF_ERROR(
      ReadInt(config, "intra_op_thread_count", kMaxThreads, &options->intra_op_threads));
  BACKEND_RETURN_IF_ERROR(
      ReadInt(config, "inter_op_thread_count", kMaxThreads, &options->inter_op_threads));
  BACKEND_RETURN_IF_ERROR(ReadInt(config, "execution_mode", 1, &mode));
  options->parallel = mode == 1;
  BACKEND_RETURN_IF_ERROR(ReadSwitch(config, "enable_mem_arena", &options->memory_arena));
  BACKEND_RETURN_IF_ERROR(ReadSwitch(config, "enable_mem_pattern", &options->memory_pattern));
  BACKEND_RETURN_IF_ERROR(ReadShrinkage(config, options));
  if (options->Shrinks("cpu:0") && !options->memory_arena) {
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
