#include "model/batch_strategy.h"

#include <filesystem>
#include <optional>

#include "base/dynamic_library.h"
#include "model/plugin_status.h"

namespace trident {
namespace {

namespace fs = std::filesystem;

constexpr char kLibraryName[] = "batchstrategy.so";

struct EntryPoints {
  TRITONSERVER_Error* (*initialize)(TRITONBACKEND_Batcher**, TRITONBACKEND_Model*) = nullptr;
  TRITONSERVER_Error* (*finalize)(TRITONBACKEND_Batcher*) = nullptr;
  TRITONSERVER_Error* (*begin)(const TRITONBACKEND_Batcher*, void**) = nullptr;
  TRITONSERVER_Error* (*include)(TRITONBACKEND_Request*, void*, bool*) = nullptr;
  TRITONSERVER_Error* (*end)(void*) = nullptr;

  int Count() const {
    return (initialize != nullptr) + (finalize != nullptr) + (begin != nullptr) +
           (include != nullptr) + (end != nullptr);
  }
};

EntryPoints FindEntryPoints(const DynamicLibrary& library) {
  EntryPoints entry;
  const auto find = [&](const char* symbol, auto* out) {
    *out = reinterpret_cast<std::remove_reference_t<decltype(*out)>>(library.FindOptional(symbol));
  };
  find("TRITONBACKEND_ModelBatcherInitialize", &entry.initialize);
  find("TRITONBACKEND_ModelBatcherFinalize", &entry.finalize);
  find("TRITONBACKEND_ModelBatchInitialize", &entry.begin);
  find("TRITONBACKEND_ModelBatchIncludeRequest", &entry.include);
  find("TRITONBACKEND_ModelBatchFinalize", &entry.end);
  return entry;
}

// A plug-in's strategy. It keeps nothing from batch to batch: each is asked for from its beginning.
// Externally synchronised by its scheduler.
class PluginBatchStrategy : public BatchStrategy {
 public:
  PluginBatchStrategy(const EntryPoints& entry, TRITONBACKEND_Batcher* batcher, std::string model,
                      Logger& logger)
      : entry_(entry), batcher_(batcher), model_(std::move(model)), logger_(logger) {}
  ~PluginBatchStrategy() override { Call("finalize its batcher", entry_.finalize, batcher_); }

  size_t Accept(std::span<InferenceRequest* const> candidates) override {
    void* batch = nullptr;
    if (!Call("begin a batch", entry_.begin, batcher_, &batch)) return 0;
    size_t accepted = 0;
    while (accepted < candidates.size() && Include(candidates[accepted], batch)) ++accepted;
    // As in Triton, a batch that the plug-in left without data is not finalised.
    if (batch != nullptr) Call("finalize a batch", entry_.end, batch);
    return accepted;
  }

 private:
  bool Include(InferenceRequest* request, void* batch) {
    bool include = false;
    return Call("judge a request", entry_.include,
                reinterpret_cast<TRITONBACKEND_Request*>(request), batch, &include) &&
           include;
  }

  // False, and logged, when the plug-in fails at `what` it is called for.
  template <typename Function, typename... Arguments>
  bool Call(const char* what, Function* function, Arguments... arguments) {
    const Status status = CallPlugin(function, arguments...);
    if (status.ok()) return true;
    TRIDENT_LOG(logger_, LogLevel::kError, "the batching strategy of model '", model_,
                "' failed to ", what, ": ", status.message());
    return false;
  }

  const EntryPoints entry_;
  TRITONBACKEND_Batcher* const batcher_;
  const std::string model_;
  Logger& logger_;
};

// The file that the configuration names, absolute or seen from the model's directory.
Result<std::string> NamedLibrary(const ModelConfig& config, const std::string& named,
                                 const std::string& model_directory) {
  std::error_code error;
  const fs::path home = fs::weakly_canonical(model_directory, error);
  const fs::path path = fs::weakly_canonical(fs::path(model_directory) / named, error);
  const std::string prefix =
      "model '" + config.name + "': parameter " + kBatchStrategyParameter + " '" + named;
  const fs::path inside = path.lexically_relative(home);
  if (error || named.empty() || inside.empty() || *inside.begin() == "..") {
    return InvalidArg(prefix, "': Batching library path escapes model repository");
  }
  if (!fs::is_regular_file(path, error)) {
    return NotFound(prefix, "': Batching library path not found: ", path.string());
  }
  return path.string();
}

Result<std::string> FindLibrary(const ModelConfig& config, const BatchStrategySource& source) {
  const auto named = config.parameters.find(kBatchStrategyParameter);
  if (named != config.parameters.end()) {
    return NamedLibrary(config, named->second.string_value, source.model_directory);
  }
  for (const std::string& directory : source.search_paths) {
    if (directory.empty()) continue;
    std::error_code error;
    const fs::path path = fs::path(directory) / kLibraryName;
    if (fs::is_regular_file(path, error)) return fs::absolute(path).string();
  }
  return source.backend_library;
}

}  // namespace

Result<std::unique_ptr<BatchStrategy>> LoadBatchStrategy(const ModelConfig& config,
                                                         const BatchStrategySource& source,
                                                         TRITONBACKEND_Model* model,
                                                         Logger& logger) {
  std::unique_ptr<BatchStrategy> none;
  if (config.sequence_batching) {
    if (config.parameters.count(kBatchStrategyParameter) == 0) return none;
    return InvalidArg("model '", config.name, "': ", kBatchStrategyParameter,
                      " cannot be specified with sequence batcher");
  }
  TRIDENT_ASSIGN_OR_RETURN(const std::string path, FindLibrary(config, source));
  if (path.empty()) return none;
  TRIDENT_ASSIGN_OR_RETURN(const std::unique_ptr<DynamicLibrary> library,
                           DynamicLibrary::Open(path));
  const EntryPoints entry = FindEntryPoints(*library);
  if (entry.Count() == 0 && path == source.backend_library) return none;
  if (entry.Count() != 5) {
    return InvalidArg(path, " does not define all required custom batching functions for model ",
                      config.name);
  }
  TRITONBACKEND_Batcher* batcher = nullptr;
  TRIDENT_RETURN_IF_ERROR(CallPlugin(entry.initialize, &batcher, model)
                              .WithPrefix(StrCat("batching strategy ", path, " of model '",
                                                 config.name, "' failed to initialize: ")));
  return std::unique_ptr<BatchStrategy>(
      std::make_unique<PluginBatchStrategy>(entry, batcher, config.name, logger));
}

}  // namespace trident
