#include "backends/common/request_batch.h"

#include <exception>

#include "backends/common/clock.h"

namespace trident::backend {
namespace {

// For failures that nobody is left to be told of.
void LogIfError(const char* what, Status status) {
  if (status.ok()) return;
  const std::string message = StrCat(what, ": ", TRITONSERVER_ErrorMessage(status.get()));
  Status logged(
      TRITONSERVER_LogMessage(TRITONSERVER_LOG_ERROR, __FILE__, __LINE__, message.c_str()));
}

}  // namespace

Status RequestBatch::Begin(TRITONBACKEND_Request** requests, uint32_t count) {
  try {
    items_.resize(count);
  } catch (const std::exception& error) {
    return Internal("cannot execute a batch of ", count, " requests: ", error.what());
  }
  failed_count_ = 0;
  for (uint32_t i = 0; i < count; ++i) {
    Item& item = items_[i];
    item.request = requests[i];
    item.response = nullptr;
    item.status = Status();
    Status created(TRITONBACKEND_ResponseNew(&item.response, item.request));
    if (!created.ok()) Fail(i, std::move(created));
  }
  return Status();
}

void RequestBatch::Fail(size_t i, Status status) {
  if (failed(i) || status.ok()) return;
  items_[i].status = std::move(status);
  ++failed_count_;
}

void RequestBatch::FailAll(const Status& status) {
  if (status.ok()) return;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (!failed(i)) Fail(i, status.Clone());
  }
}

void RequestBatch::Finish(TRITONBACKEND_ModelInstance* instance, const ExecutionTimes& times,
                          uint64_t batch_items) {
  const uint64_t exec_end_ns = NowNs();
  for (const Item& item : items_) {
    LogIfError("cannot report statistics",
               TRITONBACKEND_ModelInstanceReportStatistics(
                   instance, item.request, item.status.ok(), times.exec_start_ns,
                   times.compute_start_ns, times.compute_end_ns, exec_end_ns));
  }
  if (!all_failed()) {
    LogIfError("cannot report batch statistics",
               TRITONBACKEND_ModelInstanceReportBatchStatistics(
                   instance, batch_items, times.exec_start_ns, times.compute_start_ns,
                   times.compute_end_ns, exec_end_ns));
  }
  for (const Item& item : items_) {
    if (item.response == nullptr) continue;
    LogIfError("cannot send a response",
               TRITONBACKEND_ResponseSend(item.response, TRITONSERVER_RESPONSE_COMPLETE_FINAL,
                                          item.status.get()));
  }
  // In a loop of their own: a request ends with its release, and those of a batch should end close
  // together, so that a client who is woken by the first finds the others done as well.
  for (Item& item : items_) {
    LogIfError("cannot release a request",
               TRITONBACKEND_RequestRelease(item.request, TRITONSERVER_REQUEST_RELEASE_ALL));
    item.status = Status();
  }
  items_.clear();
}

}  // namespace trident::backend
