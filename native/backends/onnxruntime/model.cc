#include "backends/onnxruntime/model.h"

#include <sys/stat.h>

#include <algorithm>
#include <sstream>

namespace trident::ort {
namespace {

// The name must stay beneath the version's directory.
bool IsPlainFileName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

Status SetConfig(TRITONBACKEND_Model* handle, const backend::ModelConfig& config) {
  const std::string text = config.json.Dump();
  TRITONSERVER_Message* message = nullptr;
  BACKEND_RETURN_IF_ERROR(
      TRITONSERVER_MessageNewFromSerializedJson(&message, text.data(), text.size()));
  Status set(TRITONBACKEND_ModelSetConfig(handle, 1, message));
  Status deleted(TRITONSERVER_MessageDelete(message));
  return set.ok() ? std::move(deleted) : std::move(set);
}

}  // namespace

Status Model::Create(const Runtime& runtime, TRITONBACKEND_Model* handle,
                     std::unique_ptr<Model>* model) {
  auto created = std::make_unique<Model>(runtime);
  BACKEND_RETURN_IF_ERROR(backend::ReadModelConfig(handle, &created->config_));
  created->title_ =
      backend::StrCat("model '", created->config_.name, "' version ", created->config_.version);
  BACKEND_RETURN_IF_ERROR(ReadSessionOptions(created->config_, &created->options_));
  const std::string_view name = created->config_.json.FindString("default_model_filename");
  BACKEND_RETURN_IF_ERROR(created->FindFile(name.empty() ? "model.onnx" : std::string(name),
                                            &created->path_, &created->file_bytes_));

  std::unique_ptr<Session> session;
  BACKEND_RETURN_IF_ERROR(Session::Create(runtime, created->path_, created->options_, nullptr,
                                          "cannot load " + created->title_, &session));
  bool complete = false;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelAutoCompleteConfig(handle, &complete));
  if (complete) {
    bool changed = false;
    BACKEND_RETURN_IF_ERROR(
        CompleteConfig(*session, runtime.default_max_batch_size(), &created->config_, &changed));
    if (changed) {
      BACKEND_RETURN_IF_ERROR(SetConfig(handle, created->config_));
      BACKEND_RETURN_IF_ERROR(backend::ReadModelConfig(handle, &created->config_));
    }
  }
  BACKEND_RETURN_IF_ERROR(CheckConfig(*session, created->config_));
  created->first_session_ = session.release();
  *model = std::move(created);
  return Status();
}

Model::~Model() { delete first_session_.load(); }

// As Triton has it: the file itself, or a directory of that name which holds model.onnx and the
// files that it refers to.
Status Model::FindFile(const std::string& name, std::string* path, uint64_t* bytes) const {
  if (!IsPlainFileName(name)) {
    return backend::InvalidArg("cannot load ", title_, ": 'default_model_filename' and ",
                               "'cc_model_filenames' must name files in the version's directory, ",
                               "found '", name, "'");
  }
  *path = config_.directory + "/" + name;
  struct stat info;
  int result = stat(path->c_str(), &info);
  if (result == 0 && S_ISDIR(info.st_mode)) {
    *path += "/model.onnx";
    result = stat(path->c_str(), &info);
  }
  if (result != 0 || !S_ISREG(info.st_mode)) {
    return backend::NotFound("cannot load ", title_, ": there is no file '", *path, "'");
  }
  *bytes = static_cast<uint64_t>(info.st_size);
  return Status();
}

Status Model::FindFileFor(const cuda::Device& device, std::string* path) const {
  const std::string capability =
      backend::StrCat(device.compute_major(), ".", device.compute_minor());
  uint64_t bytes = 0;
  const backend::Json* names = config_.json.Find("cc_model_filenames");
  const std::string_view name = names == nullptr ? "" : names->FindString(capability);
  if (!name.empty()) return FindFile(std::string(name), path, &bytes);
  *path = path_;
  return Status();
}

Status Model::TakeSession(std::unique_ptr<Session>* session) {
  if (Session* first = first_session_.exchange(nullptr)) {
    session->reset(first);
    return Status();
  }
  return Session::Create(runtime_, path_, options_, nullptr, "cannot load " + title_, session);
}

Status Model::MakeSession(const cuda::Stream& stream, std::unique_ptr<Session>* session) {
  const std::string context =
      backend::StrCat("cannot load ", title_, " on GPU ", stream.device().id());
  const Status provider = runtime_.CudaProvider();
  if (!provider.ok()) {
    return backend::NotFound(context, ": ", TRITONSERVER_ErrorMessage(provider.get()));
  }
  delete first_session_.exchange(nullptr);  // the host's memory may be wanted elsewhere
  CudaTarget target{stream, {}};
  BACKEND_RETURN_IF_ERROR(ReadCudaOptions(config_, &target.options));
  const backend::MemoryPlace place = backend::OnDevice(stream.device().id());
  if (target.options.graphs && options_.Shrinks(ArenaOf(place))) {
    return backend::InvalidArg(context, ": CUDA graphs need the memory that parameter ",
                               "'memory.enable_memory_arena_shrinkage' gives back");
  }
  std::string path;
  BACKEND_RETURN_IF_ERROR(FindFileFor(stream.device(), &path));
  BACKEND_RETURN_IF_ERROR(Session::Create(runtime_, path, options_, &target, context, session));
  if (path != path_) BACKEND_RETURN_IF_ERROR(CheckConfig(**session, config_));
  return target.options.graphs ? CheckGraphs(**session, config_) : Status();
}

}  // namespace trident::ort
