#include "server.h"

#include "arguments.h"
#include "trident/extension.h"

namespace trident::bench {
void Must(TRITONSERVER_Error* error) {
  if (error != nullptr) Die(TRITONSERVER_ErrorMessage(error));
}

Server::Server(const ServerSettings& settings) {
  TRITONSERVER_ServerOptions* options = nullptr;
  Must(TRITONSERVER_ServerOptionsNew(&options));
  Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, settings.repository.c_str()));
  Must(TRITONSERVER_ServerOptionsSetBackendDirectory(options, settings.backends.c_str()));
  Must(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  Must(TRITONSERVER_ServerOptionsSetLogInfo(options, false));
  if (!settings.onnxruntime.empty()) {
    Must(TRITONSERVER_ServerOptionsSetBackendConfig(options, "onnxruntime", "library",
                                                    settings.onnxruntime.c_str()));
  }
  Must(TRITONSERVER_TridentServerOptionsSetInlineBudgetNs(options, settings.inline_budget_ns));
  Must(TRITONSERVER_ServerNew(&server_, options));
  Must(TRITONSERVER_ServerOptionsDelete(options));
}

Server::~Server() { Must(TRITONSERVER_ServerDelete(server_)); }

Json Server::Load(const std::string& model) {
  TRITONSERVER_Message* message = nullptr;
  const char* base = nullptr;
  size_t byte_size = 0;
  Must(TRITONSERVER_ServerLoadModel(server_, model.c_str()));
  Must(TRITONSERVER_ServerModelMetadata(server_, model.c_str(), -1, &message));
  Must(TRITONSERVER_MessageSerializeToJson(message, &base, &byte_size));
  Json metadata = Json::parse(base, base + byte_size);
  Must(TRITONSERVER_MessageDelete(message));
  return metadata;
}

}  // namespace trident::bench
