#include "node/function_execution.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "node/function_outputs.h"
#include "node/function_registry.h"
#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

constexpr uint64_t kNsPerUs = 1'000;
constexpr uint64_t kNsPerMs = 1'000'000;
// Of each input: name, datatype, shape, bytes.
constexpr uint32_t kPartsPerInput = 4;
constexpr uint32_t kBytesPart = 3;

void ReleaseRequest(TRITONBACKEND_Request* request) {
  (void)TakeError(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
}

uint64_t ContextOf(TRITONBACKEND_Request* request) {
  uint64_t context = 0;
  (void)TakeError(TRITONBACKEND_TridentRequestContext(request, &context));
  return context;
}

// How many items of a batch it is.
uint64_t ItemsOf(TRITONBACKEND_Request* request, int64_t max_batch_size) {
  TRITONBACKEND_Input* input = nullptr;
  const int64_t* shape = nullptr;
  uint32_t rank = 0;
  const bool batched = max_batch_size > 0 &&
                       TakeError(TRITONBACKEND_RequestInputByIndex(request, 0, &input)).ok() &&
                       TakeError(TRITONBACKEND_InputProperties(input, nullptr, nullptr, &shape,
                                                               &rank, nullptr, nullptr))
                           .ok();
  return batched && rank > 0 ? static_cast<uint64_t>(shape[0]) : 1;
}

bool IsViewed(const FunctionRequest& request) {
  return std::any_of(request.inputs.begin(), request.inputs.end(),
                     [](const FunctionInput& input) { return input.view != nullptr; });
}

struct InputBlock {
  const void* data = nullptr;
  uint64_t byte_size = 0;
  cuda::Place place;
};

Result<InputBlock> BlockOf(TRITONBACKEND_Input* input, uint32_t index) {
  InputBlock block;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
  TRIDENT_RETURN_IF_ERROR(TakeError(
      TRITONBACKEND_InputBuffer(input, index, &block.data, &block.byte_size, &type, &id)));
  block.place = PlaceOf(type, id);
  return block;
}

// Whole where it lies on the host in one block; else gathered.
Result<napi_value> GiveInput(FunctionViews* views, TRITONBACKEND_Input* input, uint64_t byte_size,
                             uint32_t blocks, std::shared_ptr<void> keeper, FunctionInput* given,
                             CopyCount* copies) {
  if (blocks == 1) {
    TRIDENT_ASSIGN_OR_RETURN(const InputBlock block, BlockOf(input, 0));
    if (!block.place.on_device()) {
      TRIDENT_ASSIGN_OR_RETURN(napi_value buffer,
                               views->Give(static_cast<const uint8_t*>(block.data), block.byte_size,
                                           std::move(keeper), given));
      if (given->view == nullptr) copies->Add(block.byte_size);
      return buffer;
    }
  }
  uint8_t* to = nullptr;
  TRIDENT_ASSIGN_OR_RETURN(napi_value buffer, views->GiveEmpty(byte_size, &to));
  uint64_t written = 0;
  for (uint32_t i = 0; i < blocks; ++i) {
    TRIDENT_ASSIGN_OR_RETURN(const InputBlock block, BlockOf(input, i));
    if (block.byte_size > byte_size - written) {
      return Internal("the blocks of an input hold more than its ", byte_size, " bytes");
    }
    TRIDENT_RETURN_IF_ERROR(CopyBytes(to + written, {}, block.data, block.place, block.byte_size));
    copies->Add(block.byte_size);
    written += block.byte_size;
  }
  views->Note(to, byte_size, given);
  return buffer;
}

}  // namespace

FunctionExecution::FunctionExecution(std::shared_ptr<FunctionInstance> instance,
                                     std::shared_ptr<FunctionHome> home, FunctionSettings settings)
    : instance_(std::move(instance)),
      home_(std::move(home)),
      settings_(std::move(settings)),
      number_(FunctionRegistry::Get().NextExecution()) {}

uint64_t FunctionExecution::DueNs() const {
  const uint64_t limit_ns = settings_.execution_timeout_ns;
  MutexLock lock(mutex_);
  uint64_t due_ns = 0;
  const bool is_limited = limit_ns > 0 && state_ != State::kEnded &&
                          CheckedAdd(run_ns_ == 0 ? begin_ns_ : run_ns_, limit_ns, &due_ns);
  return is_limited ? due_ns : kNever;
}

Status FunctionExecution::TookTooLong() const {
  return Unavailable("model '", instance_->model().name,
                     "': an execution did not end within execution_timeout_microseconds (",
                     settings_.execution_timeout_ns / kNsPerUs, ")");
}

void FunctionExecution::Own(const std::vector<TRITONBACKEND_Request*>& requests) {
  std::vector<uint64_t> calls;
  {
    MutexLock lock(mutex_);
    requests_.resize(requests.size());
    for (uint32_t i = 0; i < requests.size(); ++i) {
      FunctionRequest& request = requests_[i];
      request.handle = requests[i];
      request.request = std::shared_ptr<TRITONBACKEND_Request>(requests[i], ReleaseRequest);
      request.execution = this;
      request.index = i;
      calls.push_back(ContextOf(requests[i]));
    }
  }
  FunctionRegistry::Get().Begin(shared_from_this(), std::move(calls));
}

// The way to JS -----------------------------------------------------------------------------------

napi_value FunctionExecution::Begin(FunctionViews* views) {
  FunctionRegistry::Get().Run(number_);
  MutexLock lock(mutex_);
  if (state_ != State::kWaiting || abandoned_) return nullptr;
  state_ = State::kRunning;
  views_ = views;
  const napi_env env = views_->env();
  std::vector<napi_value> lists;
  std::vector<Status> read;
  for (FunctionRequest& request : requests_) {
    std::vector<napi_value> parts;
    read.push_back(ReadInputs(&request, &parts));
    lists.push_back(FromList(env, parts));
  }
  napi_value seen = FromList(env, lists);
  napi_create_reference(env, seen, 1, &seen_);
  for (FunctionRequest& request : requests_) {
    if (const Status& status = read[request.index]; !status.ok()) {
      Fail(&request, status.WithPrefix("model '" + instance_->model().name + "': "));
      napi_value null = nullptr;
      napi_get_null(env, &null);
      napi_set_element(env, seen, request.index, null);
    } else {
      (void)TakeError(TRITONBACKEND_TridentRequestSetCancelFn(request.handle, OnCancel, &request));
    }
  }
  views_->Began();
  run_ns_ = NowNs();
  return seen;
}

Status FunctionExecution::ReadInputs(FunctionRequest* request, std::vector<napi_value>* parts) {
  const napi_env env = views_->env();
  uint32_t count = 0;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_RequestInputCount(request->handle, &count)));
  request->inputs.resize(count);
  CopyCount copies;
  for (uint32_t i = 0; i < count; ++i) {
    TRITONBACKEND_Input* input = nullptr;
    const char* name = nullptr;
    TRITONSERVER_DataType datatype;
    const int64_t* shape = nullptr;
    uint32_t rank = 0;
    uint64_t byte_size = 0;
    uint32_t blocks = 0;
    TRIDENT_RETURN_IF_ERROR(
        TakeError(TRITONBACKEND_RequestInputByIndex(request->handle, i, &input)));
    TRIDENT_RETURN_IF_ERROR(TakeError(TRITONBACKEND_InputProperties(input, &name, &datatype, &shape,
                                                                    &rank, &byte_size, &blocks)));
    TRIDENT_ASSIGN_OR_RETURN(napi_value buffer,
                             GiveInput(views_, input, byte_size, blocks, request->request,
                                       &request->inputs[i], &copies));
    parts->insert(parts->end(), {FromString(env, name), FromInt32(env, datatype),
                                 FromShape(env, {shape, shape + rank}), buffer});
  }
  copies.Report(instance_->handle());
  return Status::Ok();
}

// On the thread that cancels. It may run within Begin, and at the latest while the request settles.
void FunctionExecution::OnCancel(TRITONBACKEND_Request*, void* userp) {
  const auto& request = *static_cast<const FunctionRequest*>(userp);
  request.execution->home_->Post(RequestCancelled{request.execution->number_, request.index});
}

// The way back ------------------------------------------------------------------------------------

FunctionRequest* FunctionExecution::Open(uint32_t request) {
  const bool open = state_ == State::kRunning && home_->IsThisThread() &&
                    request < requests_.size() && !requests_[request].answered;
  return open ? &requests_[request] : nullptr;
}

Status FunctionExecution::CheckInputs(const FunctionRequest& request) const {
  const napi_env env = views_->env();
  napi_value seen = nullptr;
  napi_get_reference_value(env, seen_, &seen);
  napi_value parts = Element(env, seen, request.index);
  for (uint32_t i = 0; i < request.inputs.size(); ++i) {
    napi_value buffer = Element(env, parts, kPartsPerInput * i + kBytesPart);
    const FunctionViews::Found found = views_->Look(buffer, request.inputs[i]);
    if (found == FunctionViews::Found::kSame) continue;
    const char* const how =
        found == FunctionViews::Found::kChanged ? "changed" : "transferred the memory of";
    return InvalidArg("the function of model '", instance_->model().name, "' ", how, " its input '",
                      ToString(env, Element(env, parts, kPartsPerInput * i)),
                      "': it may only read it");
  }
  return Status::Ok();
}

double FunctionExecution::Respond(uint32_t request, napi_value outputs, bool final) {
  MutexLock lock(mutex_);
  FunctionRequest* const open = Open(request);
  if (open == nullptr) return kHasEnded;
  StreamSender sender(home_, number_, request);
  Answer(open, outputs, final);
  return open->answered ? kHasEnded : static_cast<double>(sender.wait_ns() / kNsPerMs);
}

void FunctionExecution::Answer(FunctionRequest* request, napi_value outputs, bool final) {
  done_ns_ = NowNs();
  Status status = final ? CheckInputs(*request) : Status::Ok();
  if (status.ok()) {
    status = SendOutputs(views_->env(), instance_->handle(), request->handle, settings_.states,
                         outputs, final ? TRITONSERVER_RESPONSE_COMPLETE_FINAL : 0);
  }
  if (!status.ok()) {
    Fail(request, status);
  } else if (final) {
    Settle(request, /*success=*/true);
  }
}

void FunctionExecution::EndRequest(uint32_t request) {
  MutexLock lock(mutex_);
  FunctionRequest* const open = Open(request);
  if (open == nullptr) return;
  done_ns_ = NowNs();
  if (const Status status = CheckInputs(*open); !status.ok()) return Fail(open, status);
  SendFinal(open->handle);
  Settle(open, /*success=*/true);
}

void FunctionExecution::RespondError(uint32_t request, const Status& error) {
  MutexLock lock(mutex_);
  FunctionRequest* const open = Open(request);
  if (open == nullptr) return;
  done_ns_ = NowNs();
  Fail(open, error);
}

void FunctionExecution::RespondErrorTo(uint64_t context, const Status& error) {
  MutexLock lock(mutex_);
  for (uint32_t i = 0; i < requests_.size(); ++i) {
    FunctionRequest* const open = Open(i);
    if (open != nullptr && ContextOf(open->handle) == context) Fail(open, error);
  }
}

void FunctionExecution::Finish(napi_value results) {
  {
    MutexLock lock(mutex_);
    if (state_ != State::kRunning || !home_->IsThisThread()) return;
    const napi_env env = views_->env();
    for (FunctionRequest& request : requests_) {
      if (request.answered) continue;
      napi_value result = Element(env, results, request.index);
      if (TypeOf(env, Element(env, result, 0)) == napi_number) {
        Fail(&request, Status(static_cast<StatusCode>(ToInt32(env, Element(env, result, 0))),
                              ToString(env, Element(env, result, 1))));
      } else {
        Answer(&request, result, /*final=*/true);
      }
    }
  }
  End();
}

void FunctionExecution::Fail(FunctionRequest* request, const Status& error) {
  SendError(request->handle, error);
  Settle(request, /*success=*/false);
}

void FunctionExecution::FailAll(const Status& error) {
  for (FunctionRequest& request : requests_) {
    if (!request.answered) Fail(&request, error);
  }
}

void FunctionExecution::Settle(FunctionRequest* request, bool success) {
  request->answered = true;
  if (state_ == State::kRunning) {
    (void)TakeError(TRITONBACKEND_TridentRequestSetCancelFn(request->handle, nullptr, nullptr));
  }
  const uint64_t end_ns = NowNs();
  const uint64_t run_ns = run_ns_ == 0 ? end_ns : run_ns_;
  const uint64_t done_ns = done_ns_ == 0 ? end_ns : done_ns_;
  (void)TakeError(TRITONBACKEND_ModelInstanceReportStatistics(
      instance_->handle(), request->handle, success, begin_ns_, run_ns, done_ns, end_ns));
  if (success) batch_size_ += ItemsOf(request->handle, settings_.max_batch_size);
  if (state_ == State::kWaiting || home_->IsThisThread() || !IsViewed(*request)) Release(request);
}

void FunctionExecution::Release(FunctionRequest* request) {
  if (request->request != nullptr && IsViewed(*request)) TakeBackViews(request);
  request->request.reset();
}

void FunctionExecution::TakeBackViews(FunctionRequest* request) {
  napi_value parts = nullptr;
  if (!views_->unreachable()) {
    napi_value seen = nullptr;
    napi_get_reference_value(views_->env(), seen_, &seen);
    parts = Element(views_->env(), seen, request->index);
  }
  for (uint32_t i = 0; i < request->inputs.size(); ++i) {
    FunctionInput& input = request->inputs[i];
    if (parts == nullptr) {
      views_->Forget(&input);
    } else {
      views_->TakeBack(Element(views_->env(), parts, kPartsPerInput * i + kBytesPart), &input);
    }
  }
}

// The end -----------------------------------------------------------------------------------------

void FunctionExecution::End() {
  {
    MutexLock lock(mutex_);
    if (state_ != State::kRunning || !home_->IsThisThread()) return;
    FailAll(Internal("model '", instance_->model().name,
                     "': its function has ended without a final response"));
  }
  LetGo();
}

void FunctionExecution::Abandon(const Status& error) {
  bool waits_for_js = false;
  {
    MutexLock lock(mutex_);
    if (state_ == State::kEnded) return;
    FailAll(error);
    const bool again = std::exchange(abandoned_, true);
    waits_for_js = state_ == State::kRunning && !home_->IsThisThread();
    if (waits_for_js && again) return;
  }
  if (!waits_for_js) return LetGo();
  // A home that is shut has this execution abandoned again, on its thread.
  home_->Post(ExecutionAbandoned{shared_from_this()});
}

void FunctionExecution::LetGo() {
  uint64_t batch_size = 0;
  uint64_t run_ns = 0;
  uint64_t done_ns = 0;
  {
    MutexLock lock(mutex_);
    if (state_ == State::kEnded) return;
    for (FunctionRequest& request : requests_) Release(&request);
    if (seen_ != nullptr) napi_delete_reference(views_->env(), std::exchange(seen_, nullptr));
    if (views_ != nullptr) views_->Ended();
    state_ = State::kEnded;
    batch_size = batch_size_;
    run_ns = run_ns_;
    done_ns = done_ns_;
  }
  const auto self = shared_from_this();
  FunctionRegistry::Get().End(number_);
  if (batch_size > 0) {
    (void)TakeError(TRITONBACKEND_ModelInstanceReportBatchStatistics(
        instance_->handle(), batch_size, begin_ns_, run_ns, done_ns, NowNs()));
  }
  instance_->Free(/*succeeded=*/batch_size > 0);
  (void)TakeError(TRITONBACKEND_TridentModelInstanceEndExecution(instance_->handle()));
}

}  // namespace trident
