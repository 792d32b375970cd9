// What becomes of the requests that a hosted model executes, told to the parent.

#include <cstring>

#include "base/clock.h"
#include "isolation/c_api.h"
#include "isolation/hosted_model.h"

namespace trident::isolation {
namespace {

// Where an output lies, from its allocation until the response is gone.
struct OutputBlock {
  Channel* channel;
  Block block;
  bool sent = false;
};

// Memory that no tensor has bytes in.
char no_bytes = 0;

}  // namespace

// Responses ---------------------------------------------------------------------------------------

TRITONSERVER_Error* HostedModel::Allocate(TRITONSERVER_ResponseAllocator*, const char*,
                                          size_t byte_size, TRITONSERVER_MemoryType, int64_t,
                                          void* userp, void** buffer, void** buffer_userp,
                                          TRITONSERVER_MemoryType* type, int64_t* type_id) {
  *type = TRITONSERVER_MEMORY_CPU;
  *type_id = 0;
  *buffer = &no_bytes;
  *buffer_userp = nullptr;
  if (byte_size == 0) return nullptr;
  auto* const channel = static_cast<Channel*>(userp);
  const Result<Block> block = channel->Allocate(byte_size);
  if (!block.ok()) return ErrorOf(block.status());
  *buffer = channel->Data(*block);
  *buffer_userp = new OutputBlock{channel, *block};
  return nullptr;
}

TRITONSERVER_Error* HostedModel::Free(TRITONSERVER_ResponseAllocator*, void*, void* buffer_userp,
                                      size_t, TRITONSERVER_MemoryType, int64_t) {
  const std::unique_ptr<OutputBlock> output(static_cast<OutputBlock*>(buffer_userp));
  if (output != nullptr && !output->sent) output->channel->Free(output->block);
  return nullptr;
}

namespace {

Status ReadParameters(TRITONSERVER_InferenceResponse* response, Response* message) {
  uint32_t count = 0;
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_InferenceResponseParameterCount(response, &count)));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    TRITONSERVER_ParameterType type;
    const void* value = nullptr;
    TRIDENT_RETURN_IF_ERROR(
        Taken(TRITONSERVER_InferenceResponseParameter(response, i, &name, &type, &value)));
    TRIDENT_ASSIGN_OR_RETURN(message->parameters.emplace_back(), ParameterOf(name, type, value));
  }
  return Status::Ok();
}

Status ReadOutputs(TRITONSERVER_InferenceResponse* response, Response* message,
                   std::vector<OutputBlock*>* blocks) {
  uint32_t count = 0;
  TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_InferenceResponseOutputCount(response, &count)));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    TRITONSERVER_DataType datatype;
    const int64_t* shape = nullptr;
    uint64_t rank = 0;
    const void* base = nullptr;
    size_t byte_size = 0;
    TRITONSERVER_MemoryType type;
    int64_t type_id = 0;
    void* userp = nullptr;
    TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_InferenceResponseOutput(
        response, i, &name, &datatype, &shape, &rank, &base, &byte_size, &type, &type_id, &userp)));
    Tensor& output = message->outputs.emplace_back();
    output.name = name;
    output.datatype = static_cast<DataType>(datatype);
    output.shape.assign(shape, shape + rank);
    if (userp == nullptr) continue;
    blocks->push_back(static_cast<OutputBlock*>(userp));
    output.data = blocks->back()->block;
  }
  return Status::Ok();
}

}  // namespace

void HostedModel::OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags,
                             void* userp) {
  auto* const open = static_cast<OpenRequest*>(userp);
  open->model->Respond(open, response, flags);
}

void HostedModel::Respond(OpenRequest* open, TRITONSERVER_InferenceResponse* response,
                          uint32_t flags) {
  const bool last = (flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) != 0;
  Response message{.execution = open->execution,
                   .request = open->request,
                   .last = last,
                   .empty = response == nullptr};
  std::vector<OutputBlock*> outputs;
  if (response != nullptr) {
    TRITONSERVER_Error* const error = TRITONSERVER_InferenceResponseError(response);
    Status status = Taken(error);
    if (status.ok()) status = ReadOutputs(response, &message, &outputs);
    if (const Status read = ReadParameters(response, &message); status.ok()) status = read;
    if (!status.ok()) {
      message.outputs.clear();
      outputs.clear();
      message.failure = FailureOf(status);
    }
  }
  std::vector<Block> blocks;
  for (const OutputBlock* output : outputs) blocks.push_back(output->block);
  if (const Status sent = TrySend(message, blocks); sent.ok()) {
    for (OutputBlock* output : outputs) output->sent = true;
  } else {
    message.outputs.clear();
    message.parameters.clear();
    message.failure = FailureOf(sent);
    Send(message);
  }
  if (response != nullptr) (void)Taken(TRITONSERVER_InferenceResponseDelete(response));
  if (last) Close(open, &OpenRequest::answered);
}

// Releases ----------------------------------------------------------------------------------------

void HostedModel::OnRelease(TRITONSERVER_InferenceRequest*, uint32_t flags, void* userp) {
  auto* const open = static_cast<OpenRequest*>(userp);
  open->model->Release(open, flags);
}

void HostedModel::Release(OpenRequest* open, uint32_t flags) {
  Released message{.execution = open->execution, .request = open->request, .flags = flags};
  std::vector<Block> blocks;
  const Status read = ReadStates(*open, &message, &blocks);
  if (!read.ok()) {
    // Its sequence goes on with what it had.
    for (const Block& block : blocks) channel_->Free(block);
    blocks.clear();
    message.states.clear();
    (void)TrySend(LogRecord{TRITONSERVER_LOG_ERROR, __FILE__, __LINE__,
                            StrCat("the states of a request are lost: ", read.message())});
  }
  Send(message, blocks);
  GiveBackInputs(*open);
  // Released to run again, it is over here, whatever it has answered.
  if ((flags & TRITONSERVER_REQUEST_RELEASE_RESCHEDULE) != 0) open->answered = true;
  Close(open, &OpenRequest::released);
}

Status HostedModel::ReadStates(const OpenRequest& open, Released* message,
                               std::vector<Block>* blocks) {
  uint32_t count = 0;
  TRIDENT_RETURN_IF_ERROR(
      Taken(TRITONSERVER_TridentInferenceRequestWrittenStateCount(open.handle, &count)));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    TRITONSERVER_DataType datatype;
    const int64_t* shape = nullptr;
    uint64_t rank = 0;
    const void* base = nullptr;
    size_t byte_size = 0;
    TRIDENT_RETURN_IF_ERROR(Taken(TRITONSERVER_TridentInferenceRequestWrittenState(
        open.handle, i, &name, &datatype, &shape, &rank, &base, &byte_size)));
    Tensor& state = message->states.emplace_back();
    state.name = name;
    state.datatype = static_cast<DataType>(datatype);
    state.shape.assign(shape, shape + rank);
    if (byte_size == 0) continue;
    TRIDENT_ASSIGN_OR_RETURN(state.data, channel_->Allocate(byte_size));
    blocks->push_back(state.data);
    memcpy(channel_->Data(state.data), base, byte_size);
  }
  return Status::Ok();
}

// Statistics --------------------------------------------------------------------------------------

void HostedModel::OnReport(const TRITONSERVER_TridentReport* report, void* userp) {
  auto* const model = static_cast<HostedModel*>(userp);
  Report message{.kind = static_cast<uint32_t>(report->kind),
                 .success = report->success,
                 .cancelled = report->cancelled,
                 .count = report->count,
                 .byte_size = report->byte_size};
  message.times_ns.assign(std::begin(report->times_ns), std::end(report->times_ns));
  if (report->response_userp != nullptr) {
    MutexLock lock(model->mutex_);
    const auto open = model->open_.find(report->response_userp);
    if (open == model->open_.end()) return;  // nothing more was to come of it
    message.execution = open->second->execution;
    message.request = open->second->request;
  }
  model->Send(message);
}

}  // namespace trident::isolation
