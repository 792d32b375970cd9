#include "server.h"

#include <dlfcn.h>

#include "arguments.h"
#include "trident/extension.h"

namespace trident::bench {
namespace {

// Looked up, so that these programs also measure libraries that are older than the function.
void SetSpin(TRITONSERVER_ServerOptions* options, uint64_t spin_us) {
  using Function = TRITONSERVER_Error* (*)(TRITONSERVER_ServerOptions*, uint64_t);
  const auto set = reinterpret_cast<Function>(
      dlsym(RTLD_DEFAULT, "TRITONSERVER_TridentServerOptionsSetSpinMicroseconds"));
  if (set == nullptr) Die("this libtritonserver.so does not spin");
  Must(set(options, spin_us));
}

}  // namespace

void Must(TRITONSERVER_Error* error) {
  if (error != nullptr) Die(TRITONSERVER_ErrorMessage(error));
}

Server::Server(const ServerSettings& settings) : loads_all_(settings.load_all) {
  TRITONSERVER_ServerOptions* options = nullptr;
  Must(TRITONSERVER_ServerOptionsNew(&options));
  Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, settings.repository.c_str()));
  Must(TRITONSERVER_ServerOptionsSetBackendDirectory(options, settings.backends.c_str()));
  Must(TRITONSERVER_ServerOptionsSetModelControlMode(
      options, loads_all_ ? TRITONSERVER_MODEL_CONTROL_NONE : TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  Must(TRITONSERVER_ServerOptionsSetLogInfo(options, false));
  if (!settings.onnxruntime.empty()) {
    Must(TRITONSERVER_ServerOptionsSetBackendConfig(options, "onnxruntime", "library",
                                                    settings.onnxruntime.c_str()));
  }
  Must(TRITONSERVER_TridentServerOptionsSetInlineBudgetNs(options, settings.inline_budget_ns));
  if (settings.spin_us > 0) SetSpin(options, settings.spin_us);
  Must(TRITONSERVER_ServerNew(&server_, options));
  Must(TRITONSERVER_ServerOptionsDelete(options));
}

Server::~Server() { Must(TRITONSERVER_ServerDelete(server_)); }

Json Server::Load(const std::string& model) {
  TRITONSERVER_Message* message = nullptr;
  const char* base = nullptr;
  size_t byte_size = 0;
  if (!loads_all_) Must(TRITONSERVER_ServerLoadModel(server_, model.c_str()));
  Must(TRITONSERVER_ServerModelMetadata(server_, model.c_str(), -1, &message));
  Must(TRITONSERVER_MessageSerializeToJson(message, &base, &byte_size));
  Json metadata = Json::parse(base, base + byte_size);
  Must(TRITONSERVER_MessageDelete(message));
  return metadata;
}

}  // namespace trident::bench
