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
  BACKEND_RETURN_IF_ERROR(created->FindFile());

  std::unique_ptr<Session> session;
  BACKEND_RETURN_IF_ERROR(Session::Create(runtime, created->path_, created->options_,
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
Status Model::FindFile() {
  std::string name(config_.json.FindString("default_model_filename"));
  if (name.empty()) name = "model.onnx";
  if (!IsPlainFileName(name)) {
    return backend::InvalidArg("cannot load ", title_, ": 'default_model_filename' must be the ",
                               "name of a file in the version's directory, found '", name, "'");
  }
  path_ = config_.directory + "/" + name;
  struct stat info;
  int result = stat(path_.c_str(), &info);
  if (result == 0 && S_ISDIR(info.st_mode)) {
    path_ += "/model.onnx";
    result = stat(path_.c_str(), &info);
  }
  if (result != 0 || !S_ISREG(info.st_mode)) {
    return backend::NotFound("cannot load ", title_, ": there is no file '", path_, "'");
  }
  file_bytes_ = static_cast<uint64_t>(info.st_size);
  return Status();
}

Status Model::TakeSession(std::unique_ptr<Session>* session) {
  if (Session* first = first_session_.exchange(nullptr)) {
    session->reset(first);
    return Status();
  }
  return Session::Create(runtime_, path_, options_, "cannot load " + title_, session);
}

}  // namespace trident::ort
