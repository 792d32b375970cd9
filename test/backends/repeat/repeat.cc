// The "repeat" backend: a decoupled model that answers each request with any number of responses,
// from a thread of its own, after the request may be gone.
//
//   backend: "repeat"  model_transaction_policy { decoupled: true }      (required)
//   input  "input"   any datatype and shape
//   input  "count"   TYPE_INT32, dims [1]: how many responses; negative: until cancelled
//   output "output"  a copy of "input"
//   output "index"   TYPE_INT32, dims [1]: 0 for the first response, and so on
//
// max_batch_size may be 0 or more; of a batch, the first item's count holds for all items, and
// "index" has one element per item. A request may name one output or both.
//
// Before each response the backend asks whether the request was cancelled; if so it ends it with a
// CANCELLED error response that carries the FINAL flag. Otherwise FINAL comes alone, with a null
// response, after the last one. Request parameters change that:
//
//   delay_ms   (int)     waits that long before each response; a cancel ends the wait
//   fail_at    (int)     the response of that index is an INTERNAL error instead; more follow
//   final      (string)  "with": FINAL travels with the last response, not alone (count > 0)
//                        "never": none is sent, so the server has to end the request
//   release    (string)  "late": the request is released after FINAL, not before the first response
//   stop_at    (int)     instead of the response of that index, waits for a cancel
//
// Every response has the parameter "left" (int): how many follow, -1 for no end. Each is reported
// to the response statistics before it is sent, a FINAL flag alone as an empty one.

#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <thread>

#include "backends/common/attached.h"
#include "backends/common/clock.h"
#include "backends/common/model_config.h"
#include "backends/common/version.h"
#include "common/request_view.h"

namespace trident::test {
namespace {

using std::chrono::milliseconds;

// One request on its way to its responses. Owned by the thread that sends them.
class Job {
 public:
  explicit Job(TRITONBACKEND_ModelInstance* instance) : instance_(instance) {}
  Status Read(TRITONBACKEND_Request* request, bool batched);
  // Takes the request over.
  void Start(TRITONBACKEND_Request* request);
  void Run();

 private:
  bool Cancelled() const;
  // False: cancelled meanwhile.
  bool WaitFor(int64_t index) const;
  void Send(int64_t index, uint32_t flags) const;
  Status Fill(TRITONBACKEND_Response* response, int64_t index) const;
  void SendCancelled() const;
  void Report(uint64_t start, uint64_t output_start, TRITONSERVER_Error* error) const;

  TRITONBACKEND_ModelInstance* const instance_;
  TRITONBACKEND_ResponseFactory* factory_ = nullptr;
  TRITONBACKEND_Request* kept_request_ = nullptr;
  Tensor input_;
  Tensor index_;
  int64_t count_ = 0;
  std::vector<std::string> wanted_;
  int64_t delay_ms_ = 0;
  int64_t fail_at_ = -1;
  int64_t stop_at_ = -1;
  std::string final_;
  std::string release_;
};

Status Job::Read(TRITONBACKEND_Request* request, bool batched) {
  Tensor count;
  BACKEND_RETURN_IF_ERROR(ReadInput(request, "input", &input_));
  BACKEND_RETURN_IF_ERROR(ReadInput(request, "count", &count));
  if (count.datatype != TRITONSERVER_TYPE_INT32 || count.bytes.size() < sizeof(int32_t)) {
    return backend::InvalidArg("repeat: input 'count' must be INT32 and have an element");
  }
  count_ = count.At<int32_t>();
  index_ = count;
  index_.shape = {1};
  if (batched) index_.shape.insert(index_.shape.begin(), input_.shape[0]);
  BACKEND_RETURN_IF_ERROR(ReadWantedOutputs(request, &wanted_));
  BACKEND_RETURN_IF_ERROR(ReadParameter(request, "delay_ms", &delay_ms_));
  BACKEND_RETURN_IF_ERROR(ReadParameter(request, "fail_at", &fail_at_));
  BACKEND_RETURN_IF_ERROR(ReadParameter(request, "stop_at", &stop_at_));
  BACKEND_RETURN_IF_ERROR(ReadParameter(request, "final", &final_));
  return ReadParameter(request, "release", &release_);
}

void Job::Start(TRITONBACKEND_Request* request) {
  Must(TRITONBACKEND_ResponseFactoryNew(&factory_, request));
  if (release_ == "late") {
    kept_request_ = request;
  } else {
    Must(TRITONBACKEND_RequestRelease(request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }
}

void Job::Run() {
  const bool flag_apart = final_ != "with" || count_ == 0;
  bool cancelled = false;
  for (int64_t i = 0; count_ < 0 || i < count_; ++i) {
    cancelled = !WaitFor(i);
    if (cancelled) break;
    const bool last = i + 1 == count_;
    Send(i, last && !flag_apart ? TRITONSERVER_RESPONSE_COMPLETE_FINAL : 0);
  }
  if (cancelled) {
    SendCancelled();
  } else if (flag_apart && final_ != "never") {
    Report(backend::NowNs(), 0, nullptr);
    Must(TRITONBACKEND_ResponseFactorySendFlags(factory_, TRITONSERVER_RESPONSE_COMPLETE_FINAL));
  }
  Must(TRITONBACKEND_ResponseFactoryDelete(factory_));
  if (kept_request_ == nullptr) return;
  Must(TRITONBACKEND_RequestRelease(kept_request_, TRITONSERVER_REQUEST_RELEASE_ALL));
}

bool Job::Cancelled() const {
  bool cancelled = false;
  Must(TRITONBACKEND_ResponseFactoryIsCancelled(factory_, &cancelled));
  return cancelled;
}

bool Job::WaitFor(int64_t index) const {
  const auto until = std::chrono::steady_clock::now() + milliseconds(delay_ms_);
  while (!Cancelled()) {
    if (index != stop_at_ && std::chrono::steady_clock::now() >= until) return true;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return false;
}

void Job::Send(int64_t index, uint32_t flags) const {
  TRITONBACKEND_Response* response = nullptr;
  const uint64_t start = backend::NowNs();
  Must(TRITONBACKEND_ResponseNewFromFactory(&response, factory_));
  const uint64_t output_start = backend::NowNs();
  const Status filled = index == fail_at_
                            ? backend::Internal("repeat: response ", index, " is to fail")
                            : Fill(response, index);
  Report(start, output_start, filled.get());
  Must(TRITONBACKEND_ResponseSend(response, flags, filled.get()));
}

Status Job::Fill(TRITONBACKEND_Response* response, int64_t index) const {
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseSetIntParameter(
      response, "left", count_ < 0 ? -1 : count_ - index - 1));
  for (const std::string& name : wanted_) {
    if (name == "output") {
      BACKEND_RETURN_IF_ERROR(WriteOutput(response, "output", input_));
      continue;
    }
    Tensor tensor = index_;
    const auto number = static_cast<int32_t>(index);
    tensor.bytes.clear();
    for (int64_t i = 0; i < tensor.shape[0]; ++i) {
      tensor.bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
    }
    BACKEND_RETURN_IF_ERROR(WriteOutput(response, name.c_str(), tensor));
  }
  return Status();
}

void Job::SendCancelled() const {
  TRITONBACKEND_Response* response = nullptr;
  Must(TRITONBACKEND_ResponseNewFromFactory(&response, factory_));
  const Status cancelled(TRITONSERVER_ERROR_CANCELLED, "repeat: the request was cancelled");
  Report(backend::NowNs(), 0, cancelled.get());
  Must(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, cancelled.get()));
}

void Job::Report(uint64_t start, uint64_t output_start, TRITONSERVER_Error* error) const {
  TRITONBACKEND_ModelInstanceResponseStatistics* report = nullptr;
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsNew(&report));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(report, instance_));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(report, factory_));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(report, start));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(report, output_start));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(report, backend::NowNs()));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsSetError(report, error));
  Must(TRITONBACKEND_ModelInstanceReportResponseStatistics(report));
  Must(TRITONBACKEND_ModelInstanceResponseStatisticsDelete(report));
}

// Owns the threads of its requests, of which none is left when the server finalises it: a factory
// keeps the model. Instance thread only.
class Instance {
 public:
  Instance(TRITONBACKEND_ModelInstance* handle, bool batched)
      : handle_(handle), batched_(batched) {}
  ~Instance() {
    for (Worker& worker : workers_) worker.thread.join();
  }

  Status Execute(TRITONBACKEND_Request** requests, uint32_t count) {
    JoinFinished();
    // Statistics go first: who has the answer also sees it counted.
    const uint64_t start = backend::NowNs();
    Must(TRITONBACKEND_ModelInstanceReportBatchStatistics(handle_, count, start, start, start,
                                                          start));
    for (uint32_t i = 0; i < count; ++i) Accept(requests[i], start);
    return Status();
  }

 private:
  struct Worker {
    std::thread thread;
    std::atomic<bool> finished{false};
  };

  void Accept(TRITONBACKEND_Request* request, uint64_t start) {
    auto job = std::make_unique<Job>(handle_);
    const Status read = job->Read(request, batched_);
    if (!read.ok()) return Refuse(handle_, request, read);
    const uint64_t now = backend::NowNs();
    Must(TRITONBACKEND_ModelInstanceReportStatistics(handle_, request, true, start, start, now,
                                                     now));
    job->Start(request);
    Worker& worker = workers_.emplace_back();
    worker.thread = std::thread([&worker, job = std::move(job)] {
      job->Run();
      worker.finished = true;
    });
  }

  void JoinFinished() {
    workers_.remove_if([](Worker& worker) {
      if (!worker.finished) return false;
      worker.thread.join();
      return true;
    });
  }

  TRITONBACKEND_ModelInstance* const handle_;
  const bool batched_;
  std::list<Worker> workers_;
};

Status CheckConfig(const backend::ModelConfig& config) {
  const backend::Json* policy = config.json.Find("model_transaction_policy");
  const backend::Json* decoupled = policy == nullptr ? nullptr : policy->Find("decoupled");
  bool is_decoupled = false;
  if (decoupled != nullptr && decoupled->AsBool(&is_decoupled) && is_decoupled) return Status();
  return backend::InvalidArg("repeat: model '", config.name, "' must be decoupled");
}

}  // namespace
}  // namespace trident::test

using trident::backend::Guard;
using trident::backend::Status;
using trident::test::Instance;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return Guard([] { return trident::backend::CheckApiVersion("repeat"); });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  return Guard([handle]() -> Status {
    TRITONBACKEND_Model* model = nullptr;
    trident::backend::ModelConfig config;
    BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(handle, &model));
    BACKEND_RETURN_IF_ERROR(trident::backend::ReadModelConfig(model, &config));
    BACKEND_RETURN_IF_ERROR(trident::test::CheckConfig(config));
    return trident::backend::Attach(handle, std::make_unique<Instance>(handle, config.batched()));
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
