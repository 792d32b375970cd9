// The "accumulate" backend: adds up the inputs of a sequence in a state that the scheduler holds,
// and can have a request run several times.
//
//   backend: "accumulate"
//   input  "input"   TYPE_INT32, any dims
//   output "output"  TYPE_INT32, the same dims: the sum of the sequence so far
//   sequence_batching {
//     state { input_name: "sum_in" output_name: "sum_out" data_type: TYPE_INT32 dims as "input" }
//     state { input_name: "round_in" output_name: "round_out" data_type: TYPE_INT32 dims: 1 }
//     iterative_sequence: true                              // both of these for "rounds" only
//   }
//
// Request parameters:
//   rounds  (int)     the request is released to be scheduled again until it has run that often,
//   the
//                     sum growing each time; only the last run answers it. Decoupled models answer
//                     every run. A cancel ends it at its next run, with CANCELLED.
//   fail    (string)  the run ends with INTERNAL and this text, and leaves the states alone
//
// Every response has the parameter "round" (int): 1 for the first run of a request with rounds.

#include <vector>

#include "backends/common/attached.h"
#include "backends/common/clock.h"
#include "backends/common/model_config.h"
#include "backends/common/version.h"
#include "common/request_view.h"

namespace trident::test {
namespace {

Status WriteState(TRITONBACKEND_Request* request, const char* name, const Tensor& tensor) {
  TRITONBACKEND_State* state = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_StateNew(&state, request, name, tensor.datatype,
                                                 tensor.shape.data(),
                                                 static_cast<uint32_t>(tensor.shape.size())));
  void* buffer = nullptr;
  TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
  int64_t memory_type_id = 0;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_StateBuffer(state, &buffer, tensor.bytes.size(),
                                                    &memory_type, &memory_type_id));
  tensor.bytes.copy(static_cast<char*>(buffer), tensor.bytes.size());
  return TRITONBACKEND_StateUpdate(state);
}

// Adds numbers of `more` to those of `sum`.
Status AddTo(Tensor* sum, const Tensor& more) {
  if (sum->bytes.size() != more.bytes.size() || sum->datatype != TRITONSERVER_TYPE_INT32) {
    return backend::InvalidArg("accumulate: the input has ", more.bytes.size(), " bytes, the sum ",
                               sum->bytes.size());
  }
  auto* numbers = reinterpret_cast<int32_t*>(sum->bytes.data());
  for (size_t i = 0; i < more.Count<int32_t>(); ++i) numbers[i] += more.At<int32_t>(i);
  return Status();
}

// One run of one request.
class Run {
 public:
  explicit Run(TRITONBACKEND_Request* request) : request_(request) {}

  // Computes and writes the states.
  Status Execute() {
    bool cancelled = false;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_RequestIsCancelled(request_, &cancelled));
    if (cancelled) return Status(TRITONSERVER_ERROR_CANCELLED, "accumulate: cancelled");
    std::string fail;
    BACKEND_RETURN_IF_ERROR(ReadParameter(request_, "fail", &fail));
    if (!fail.empty()) return backend::Internal(fail);
    BACKEND_RETURN_IF_ERROR(ReadParameter(request_, "rounds", &rounds_));
    Tensor input;
    BACKEND_RETURN_IF_ERROR(ReadInput(request_, "input", &input));
    BACKEND_RETURN_IF_ERROR(ReadInput(request_, "sum_in", &sum_));
    BACKEND_RETURN_IF_ERROR(AddTo(&sum_, input));
    if (HasInput(request_, "round_in")) BACKEND_RETURN_IF_ERROR(CountRound());
    return WriteState(request_, "sum_out", sum_);
  }

  bool last() const { return round_ >= rounds_; }

  Status Fill(TRITONBACKEND_Response* response) const {
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseSetIntParameter(response, "round", round_));
    std::vector<std::string> wanted;
    BACKEND_RETURN_IF_ERROR(ReadWantedOutputs(request_, &wanted));
    for (const std::string& name : wanted) {
      BACKEND_RETURN_IF_ERROR(WriteOutput(response, name.c_str(), sum_));
    }
    return Status();
  }

 private:
  Status CountRound() {
    Tensor round;
    BACKEND_RETURN_IF_ERROR(ReadInput(request_, "round_in", &round));
    auto* number = reinterpret_cast<int32_t*>(round.bytes.data());
    round_ = ++*number;
    return WriteState(request_, "round_out", round);
  }

  TRITONBACKEND_Request* const request_;
  Tensor sum_;
  int64_t rounds_ = 1;
  int64_t round_ = 1;
};

// Instance thread only.
class Instance {
 public:
  Instance(TRITONBACKEND_ModelInstance* handle, bool decoupled)
      : handle_(handle), decoupled_(decoupled) {}

  Status Execute(TRITONBACKEND_Request** requests, uint32_t count) {
    // Statistics go first: who has the answer also sees it counted.
    const uint64_t start = backend::NowNs();
    Must(TRITONBACKEND_ModelInstanceReportBatchStatistics(handle_, count, start, start, start,
                                                          start));
    for (uint32_t i = 0; i < count; ++i) ExecuteOne(requests[i], start);
    return Status();
  }

 private:
  void ExecuteOne(TRITONBACKEND_Request* request, uint64_t start) {
    Run run(request);
    const Status ran = run.Execute();
    if (!ran.ok()) return Refuse(handle_, request, ran);
    if (run.last() || decoupled_) {
      TRITONBACKEND_Response* response = nullptr;
      Must(TRITONBACKEND_ResponseNew(&response, request));
      const Status filled = run.Fill(response);
      const uint64_t now = backend::NowNs();
      if (run.last()) {
        Must(TRITONBACKEND_ModelInstanceReportStatistics(handle_, request, filled.ok(), start,
                                                         start, now, now));
      }
      Must(TRITONBACKEND_ResponseSend(
          response, run.last() ? TRITONSERVER_RESPONSE_COMPLETE_FINAL : 0, filled.get()));
    }
    Must(TRITONBACKEND_RequestRelease(request, run.last()
                                                   ? TRITONSERVER_REQUEST_RELEASE_ALL
                                                   : TRITONSERVER_REQUEST_RELEASE_RESCHEDULE));
  }

  TRITONBACKEND_ModelInstance* const handle_;
  const bool decoupled_;
};

bool IsDecoupled(const backend::ModelConfig& config) {
  const backend::Json* policy = config.json.Find("model_transaction_policy");
  const backend::Json* decoupled = policy == nullptr ? nullptr : policy->Find("decoupled");
  bool value = false;
  return decoupled != nullptr && decoupled->AsBool(&value) && value;
}

}  // namespace
}  // namespace trident::test

using trident::backend::Guard;
using trident::backend::Status;
using trident::test::Instance;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return Guard([] { return trident::backend::CheckApiVersion("accumulate"); });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    TRITONBACKEND_Model* model = nullptr;
    trident::backend::ModelConfig config;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(handle, &model));
    BACKEND_RETURN_IF_ERROR(trident::backend::ReadModelConfig(model, &config));
    return trident::backend::Attach(
        handle, std::make_unique<Instance>(handle, trident::test::IsDecoupled(config)));
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  return trident::backend::DeleteAttached<Instance>(handle);
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t count) {
  return trident::backend::ExecuteAttached<Instance>(handle, requests, count);
}

}  // extern "C"
