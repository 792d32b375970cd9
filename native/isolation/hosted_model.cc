#include "isolation/hosted_model.h"

#include <unistd.h>

#include <cstdio>

#include "base/clock.h"
#include "isolation/c_api.h"

namespace trident::isolation {

// Life --------------------------------------------------------------------------------------------

void HostedModel::Deleter::operator()(TRITONSERVER_ServerOptions* options) const {
  (void)Taken(TRITONSERVER_ServerOptionsDelete(options));
}
void HostedModel::Deleter::operator()(TRITONSERVER_ResponseAllocator* allocator) const {
  (void)Taken(TRITONSERVER_ResponseAllocatorDelete(allocator));
}

HostedModel::HostedModel(Channel* channel) : channel_(channel) {
  TRITONSERVER_ResponseAllocator* allocator = nullptr;
  (void)Taken(TRITONSERVER_ResponseAllocatorNew(&allocator, Allocate, Free, nullptr));
  allocator_.reset(allocator);
}

HostedModel::~HostedModel() {
  if (server_ != nullptr) (void)Taken(TRITONSERVER_ServerDelete(server_));
}

HostedModel::OpenRequest::~OpenRequest() {
  if (handle != nullptr) (void)Taken(TRITONSERVER_InferenceRequestDelete(handle));
}

Status HostedModel::TrySend(const ToParent& message, std::span<const Block> blocks) {
  return channel_->Send(Encode(message), blocks, kNever);
}

// The parent would wait for ever for what is not sent, and fails all that is open at an end.
void HostedModel::Send(const ToParent& message, std::span<const Block> blocks) {
  const Status sent = TrySend(message, blocks);
  if (sent.ok()) return;
  fprintf(stderr, "the process of model '%s' ends: %s\n", model_.c_str(), sent.message().c_str());
  _exit(1);
}

Result<HostedModel::Options> HostedModel::MakeOptions(const isolation::Load& load) {
  TRITONSERVER_ServerOptions* made = nullptr;
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_ServerOptionsNew(&made)));
  Options owned(made);
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_TridentServerOptionsSetBatchHost(made, OnReport, this)));
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_ServerOptionsSetLogCallback(made, OnLog, this)));
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_ServerOptionsSetLogInfo(made, true)));
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_ServerOptionsSetLogVerbose(made, load.verbose ? 1 : 0)));
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_ServerOptionsSetMetrics(made, false)));
  TRIDENT_RETURN_IF_ERROR(Taken(
      TRITONSERVER_ServerOptionsSetModelControlMode(made, TRITONSERVER_MODEL_CONTROL_EXPLICIT)));
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_ServerOptionsSetStrictModelConfig(made, !load.auto_complete)));
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_ServerOptionsSetBackendDirectory(made, load.backend_directory.c_str())));
  for (const Setting& setting : load.settings) {
    TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_ServerOptionsSetBackendConfig(
        made, load.backend.c_str(), setting.name.c_str(), setting.value.c_str())));
  }
  for (const Setting& setting : load.host_settings) {
    TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_ServerOptionsSetHostPolicy(
        made, load.host_policy.c_str(), setting.name.c_str(), setting.value.c_str())));
  }
  return owned;
}

Result<std::string> HostedModel::LoadModel(const isolation::Load& load, const Prepare& prepare) {
  TRIDENT_ASSIGN_OR_RETURN(const Options options, MakeOptions(load));
  if (prepare) prepare(options.get());
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_ServerNew(&server_, options.get())));
  model_ = load.model;
  version_ = static_cast<int64_t>(load.version);
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_TridentServerLoadHostedModel(
      server_, model_.c_str(), version_, load.directory.c_str(), load.configuration.c_str())));
  TRITONSERVER_Message* message = nullptr;
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_ServerModelConfig(server_, model_.c_str(), version_, 1, &message)));
  const char* text = nullptr;
  size_t byte_size = 0;
  const Status read = Taken(TRITONSERVER_MessageSerializeToJson(message, &text, &byte_size));
  std::string configuration(text, read.ok() ? byte_size : 0);
  (void)Taken(TRITONSERVER_MessageDelete(message));
  TRIDENT_RETURN_IF_ERROR(read);
  return configuration;
}

void HostedModel::Load(const isolation::Load& load, const Prepare& prepare) {
  Result<std::string> configuration = LoadModel(load, prepare);
  Status status = configuration.status();
  if (status.ok()) status = TrySend(Loaded{std::move(configuration).value()});
  if (!status.ok()) Send(LoadFailed{FailureOf(status)});
}

void HostedModel::OnLog(TRITONSERVER_LogLevel level, const char* file, int line, uint64_t,
                        const char* message, void* userp) {
  const LogRecord record{level, file, line, std::string(message).substr(0, kMaxFailureBytes)};
  // One more or less is not worth an end.
  (void)static_cast<HostedModel*>(userp)->TrySend(record);
}

// Executions --------------------------------------------------------------------------------------

void HostedModel::Execute(const isolation::Execute& execute) {
  const Status status = ExecuteBatch(execute);
  Executed executed{.execution = execute.execution};
  if (!status.ok()) executed.failure = FailureOf(status);
  Send(executed);
}

Status HostedModel::ExecuteBatch(const isolation::Execute& execute) {
  std::vector<OpenRequest*> batch;
  std::vector<TRITONSERVER_InferenceRequest*> handles;
  for (uint32_t i = 0; i < execute.requests.size(); ++i) {
    const auto open = std::make_shared<OpenRequest>();
    open->model = this;
    open->execution = execute.execution;
    open->request = i;
    const Status made = Make(execute.requests[i], open.get());
    if (!made.ok()) {
      Refuse(*open, made);
      continue;
    }
    batch.push_back(open.get());
    handles.push_back(open->handle);
    MutexLock lock(mutex_);
    open_[open.get()] = open;
  }
  if (batch.empty()) return Status::Ok();
  const Status status = Taken(TRITONSERVER_TridentServerExecuteBatch(
      server_, handles.data(), static_cast<uint32_t>(handles.size())));
  if (status.ok()) return status;
  for (OpenRequest* open : batch) {
    GiveBackInputs(*open);
    (void)Take(open);
  }
  return status;
}

Status HostedModel::Make(const Request& request, OpenRequest* open) const {
  for (const Tensor& input : request.inputs) {
    if (input.data.byte_size > 0) open->inputs.push_back(input.data);
  }
  TRITONSERVER_InferenceRequest*& handle = open->handle;
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_InferenceRequestNew(&handle, server_, model_.c_str(), version_)));
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_InferenceRequestSetId(handle, request.id.c_str())));
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_InferenceRequestSetFlags(handle, request.flags)));
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_InferenceRequestSetPriorityUInt64(handle, request.priority)));
  TRIDENT_RETURN_IF_ERROR(Taken(
      TRITONSERVER_InferenceRequestSetTimeoutMicroseconds(handle, request.timeout_microseconds)));
  const auto* text_id = std::get_if<std::string>(&request.correlation_id);
  TRIDENT_RETURN_IF_ERROR(
      Taken(text_id != nullptr
                ? TRITONSERVER_InferenceRequestSetCorrelationIdString(handle, text_id->c_str())
                : TRITONSERVER_InferenceRequestSetCorrelationId(
                      handle, std::get<uint64_t>(request.correlation_id))));
  for (const Parameter& parameter : request.parameters) {
    const char* const name = parameter.name.c_str();
    TRIDENT_RETURN_IF_ERROR(Taken(std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::string>) {
            return TRITONSERVER_InferenceRequestSetStringParameter(handle, name, value.c_str());
          } else if constexpr (std::is_same_v<T, int64_t>) {
            return TRITONSERVER_InferenceRequestSetIntParameter(handle, name, value);
          } else if constexpr (std::is_same_v<T, bool>) {
            return TRITONSERVER_InferenceRequestSetBoolParameter(handle, name, value);
          } else {
            return TRITONSERVER_InferenceRequestSetDoubleParameter(handle, name, value);
          }
        },
        parameter.value)));
  }
  TRIDENT_RETURN_IF_ERROR(AddInputs(request, open));
  for (const std::string& output : request.requested_outputs) {
    TRIDENT_RETURN_IF_ERROR(
        Taken(TRITONSERVER_InferenceRequestAddRequestedOutput(handle, output.c_str())));
  }
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_InferenceRequestSetReleaseCallback(handle, OnRelease, open)));
  open->answered = request.fills_place;
  if (request.fills_place) return Status::Ok();
  return Taken(TRITONSERVER_InferenceRequestSetResponseCallback(handle, allocator_.get(), channel_,
                                                                OnResponse, open));
}

Status HostedModel::AddInputs(const Request& request, OpenRequest* open) const {
  for (const Tensor& input : request.inputs) {
    const char* const name = input.name.c_str();
    TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_InferenceRequestAddInput(
        open->handle, name, CType(input.datatype), input.shape.data(), input.shape.size())));
    if (input.data.byte_size == 0) continue;
    TRIDENT_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, channel_->View(input.data));
    TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_InferenceRequestAppendInputData(
        open->handle, name, bytes.data(), bytes.size(), TRITONSERVER_MEMORY_CPU, 0)));
  }
  return Status::Ok();
}

void HostedModel::GiveBackInputs(const OpenRequest& open) {
  for (const Block& block : open.inputs) channel_->GiveBack(block);
}

// The others of its execution are not to fail with it.
void HostedModel::Refuse(const OpenRequest& open, const Status& why) {
  GiveBackInputs(open);
  Send(Report{.kind = TRITONSERVER_TRIDENT_REPORT_REQUEST,
              .execution = open.execution,
              .request = open.request,
              .times_ns = {0, 0, 0, 0}});
  Send(Response{.execution = open.execution,
                .request = open.request,
                .last = true,
                .failure = FailureOf(why)});
  Send(Released{.execution = open.execution,
                .request = open.request,
                .flags = TRITONSERVER_REQUEST_RELEASE_ALL});
}

void HostedModel::Cancel(const isolation::Cancel& cancel) {
  std::shared_ptr<OpenRequest> cancelled;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, open] : open_) {
      if (open->execution == cancel.execution && open->request == cancel.request) cancelled = open;
    }
  }
  // The backend may answer and release the request in here.
  if (cancelled == nullptr) return;
  (void)Taken(TRITONSERVER_InferenceRequestCancel(cancelled->handle));
}

std::shared_ptr<HostedModel::OpenRequest> HostedModel::Take(OpenRequest* open) {
  MutexLock lock(mutex_);
  return std::move(open_.extract(open).mapped());
}

void HostedModel::Close(OpenRequest* open, bool OpenRequest::*what) {
  {
    MutexLock lock(mutex_);
    open->*what = true;
    if (!open->released || !open->answered) return;
  }
  (void)Take(open);
}

}  // namespace trident::isolation
