#include "stress.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

void Fail(const std::string& what) {
  fprintf(stderr, "FAILED: %s\n", what.c_str());
  abort();
}

bool OkOrAway(TRITONSERVER_Error* error, const char* what) {
  if (error == nullptr) return true;
  const TRITONSERVER_Error_Code code = TRITONSERVER_ErrorCode(error);
  const std::string text = TRITONSERVER_ErrorMessage(error);
  TRITONSERVER_ErrorDelete(error);
  if (code == TRITONSERVER_ERROR_UNAVAILABLE || code == TRITONSERVER_ERROR_NOT_FOUND ||
      code == TRITONSERVER_ERROR_CANCELLED) {
    return false;
  }
  Fail(std::string(what) + ": " + text);
}

void Must(TRITONSERVER_Error* error, const char* what) {
  if (error != nullptr) Fail(std::string(what) + ": " + TRITONSERVER_ErrorMessage(error));
}

std::string MakeRepository() {
  std::string path = (std::filesystem::temp_directory_path() / "trident-stress-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) Fail("mkdtemp");
  for (const char* version : {"/m/1", "/n/1"}) std::filesystem::create_directories(path + version);
  return path;
}

void RemoveRepository(const std::string& path) { std::filesystem::remove_all(path); }

TRITONSERVER_Server* StartServer(const std::string& repository, const char* backends) {
  TRITONSERVER_ServerOptions* options = nullptr;
  Must(TRITONSERVER_ServerOptionsNew(&options), "OptionsNew");
  Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, repository.c_str()), "Path");
  Must(TRITONSERVER_ServerOptionsSetBackendDirectory(options, backends), "BackendDirectory");
  Must(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT),
       "ControlMode");
  TRITONSERVER_Server* server = nullptr;
  Must(TRITONSERVER_ServerNew(&server, options), "ServerNew");
  Must(TRITONSERVER_ServerOptionsDelete(options), "OptionsDelete");
  return server;
}

TRITONSERVER_Error* LoadIdentity(TRITONSERVER_Server* server, const char* model, int instances) {
  const std::string config = R"({"backend":"identity","max_batch_size":8,"dynamic_batching":{},)"
                             R"("input":[{"name":"in","data_type":"TYPE_FP32","dims":[4]}],)"
                             R"("output":[{"name":"out","data_type":"TYPE_FP32","dims":[4]}],)"
                             R"("instance_group":[{"kind":"KIND_CPU","count":)" +
                             std::to_string(instances) + "}]}";
  TRITONSERVER_Parameter* parameter =
      TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, config.c_str());
  const TRITONSERVER_Parameter* parameters[] = {parameter};
  TRITONSERVER_Error* error =
      TRITONSERVER_ServerLoadModelWithParameters(server, model, parameters, 1);
  TRITONSERVER_ParameterDelete(parameter);
  return error;
}

namespace {

TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator*, const char*, size_t,
                             TRITONSERVER_MemoryType, int64_t, void* userp, void** buffer,
                             void** buffer_userp, TRITONSERVER_MemoryType* type, int64_t* id) {
  *buffer = userp;
  *buffer_userp = nullptr;
  *type = TRITONSERVER_MEMORY_CPU;
  *id = 0;
  return nullptr;
}

TRITONSERVER_Error* Free(TRITONSERVER_ResponseAllocator*, void*, void*, size_t,
                         TRITONSERVER_MemoryType, int64_t) {
  return nullptr;
}

}  // namespace

TRITONSERVER_ResponseAllocator* MakeAllocator() {
  TRITONSERVER_ResponseAllocator* allocator = nullptr;
  Must(TRITONSERVER_ResponseAllocatorNew(&allocator, Allocate, Free, nullptr), "AllocatorNew");
  return allocator;
}
