// What a process says of a request becomes what the server hears of it.

#include "backends/isolation/instance.h"
#include "backends/isolation/log.h"
#include "backends/isolation/tensors.h"
#include "trident/extension.h"

namespace trident::isolated {

using backend::Status;

namespace {

bool IsCancelled(TRITONBACKEND_ResponseFactory* factory) {
  bool cancelled = false;
  const Status asked(TRITONBACKEND_ResponseFactoryIsCancelled(factory, &cancelled));
  return asked.ok() && cancelled;
}

}  // namespace

Instance::Open Instance::Find(Key key) {
  MutexLock lock(mutex_);
  const auto found = open_.find(key);
  return found == open_.end() ? Open() : found->second;
}

void Instance::Forget(Key key, bool request, bool factory) {
  MutexLock lock(mutex_);
  const auto found = open_.find(key);
  if (found == open_.end()) return;
  if (request) found->second.request = nullptr;
  if (factory) found->second.factory = nullptr;
  if (found->second.request != nullptr || found->second.factory != nullptr) return;
  if (found->second.lane != nullptr) found->second.lane->Close();
  open_.erase(found);
}

void Instance::Mark(Key key, bool Open::*what) {
  MutexLock lock(mutex_);
  const auto found = open_.find(key);
  if (found != open_.end()) found->second.*what = true;
}

void Instance::Answer(const isolation::ToParent& message, Child* child) {
  if (const auto* response = std::get_if<isolation::Response>(&message)) Answer(*response, child);
  if (const auto* released = std::get_if<isolation::Released>(&message)) Answer(*released, child);
  if (const auto* report = std::get_if<isolation::Report>(&message)) Answer(*report);
}

Status Instance::Respond(const isolation::Response& message, isolation::Channel* channel,
                         const Open& open) {
  const uint32_t flags = message.last ? TRITONSERVER_RESPONSE_COMPLETE_FINAL : 0;
  if (message.empty) return TRITONBACKEND_ResponseFactorySendFlags(open.factory, flags);
  TRITONBACKEND_Response* response = nullptr;
  BACKEND_RETURN_IF_ERROR(TRITONBACKEND_ResponseNewFromFactory(&response, open.factory));
  Status status = FillResponse(message, channel, open.copies.get(), response);
  if (Status copied = open.copies->Synchronize(); status.ok()) status = std::move(copied);
  open.copies->TakeCount().Report(handle_);
  if (!status.ok()) Mark({message.execution, message.request}, &Open::failed);
  return TRITONBACKEND_ResponseSend(response, flags, status.get());
}

void Instance::Answer(const isolation::Response& message, Child* child) {
  const Key key{message.execution, message.request};
  const Open open = Find(key);
  if (open.factory != nullptr) {
    // The client has said that it wants no more, but the end; the backend hears it here and now.
    if (!message.last && IsCancelled(open.factory)) {
      (void)child->Send(isolation::Cancel{key.first, key.second});
    } else {
      LogIfError("cannot send a response", Respond(message, &child->channel(), open));
    }
  }
  for (const isolation::Tensor& output : message.outputs) {
    if (output.data.byte_size > 0) child->channel().GiveBack(output.data);
  }
  if (open.factory == nullptr || !message.last) return;
  Forget(key, false, true);
  LogIfError("cannot end a response", TRITONBACKEND_ResponseFactoryDelete(open.factory));
}

void Instance::Answer(const isolation::Released& message, Child* child) {
  const Key key{message.execution, message.request};
  const Open open = Find(key);
  // A request that fails leaves its sequence as it was.
  if (open.request != nullptr && !open.failed) {
    LogIfError("the states of a request are lost",
               WriteStates(message.states, &child->channel(), open.copies.get(), open.request));
    open.copies->TakeCount().Report(handle_);
  }
  for (const isolation::Tensor& state : message.states) {
    if (state.data.byte_size > 0) child->channel().GiveBack(state.data);
  }
  if (open.request == nullptr) return;
  const bool again = (message.flags & TRITONSERVER_REQUEST_RELEASE_RESCHEDULE) != 0;
  Forget(key, true, again);
  if (again && open.factory != nullptr) {
    LogIfError("cannot run a request again", TRITONBACKEND_ResponseFactoryDelete(open.factory));
  }
  LogIfError("cannot release a request", TRITONBACKEND_RequestRelease(open.request, message.flags));
}

void Instance::Answer(const isolation::Report& message) {
  if (message.times_ns.size() != 4) return;
  const std::vector<uint64_t>& times = message.times_ns;
  const Open open = Find({message.execution, message.request});
  Status status;
  switch (static_cast<TRITONSERVER_TridentReportKind>(message.kind)) {
    case TRITONSERVER_TRIDENT_REPORT_REQUEST:
      if (open.request == nullptr) return;
      Mark({message.execution, message.request}, &Open::reported);
      status = TRITONBACKEND_ModelInstanceReportStatistics(handle_, open.request, message.success,
                                                           times[0], times[1], times[2], times[3]);
      break;
    case TRITONSERVER_TRIDENT_REPORT_BATCH:
      status = TRITONBACKEND_ModelInstanceReportBatchStatistics(handle_, message.count, times[0],
                                                                times[1], times[2], times[3]);
      break;
    case TRITONSERVER_TRIDENT_REPORT_RESPONSE:
      if (open.factory == nullptr) return;
      // Of responses that are for nobody any more.
      if (!message.cancelled && IsCancelled(open.factory)) return;
      return ReportResponse(message, open.factory);
    case TRITONSERVER_TRIDENT_REPORT_COPIES:
      status =
          TRITONBACKEND_TridentModelInstanceReportCopies(handle_, message.count, message.byte_size);
      break;
  }
  LogIfError("cannot report statistics", status);
}

void Instance::ReportResponse(const isolation::Report& message,
                              TRITONBACKEND_ResponseFactory* factory) {
  TRITONBACKEND_ModelInstanceResponseStatistics* report = nullptr;
  Status status(TRITONBACKEND_ModelInstanceResponseStatisticsNew(&report));
  if (!status.ok()) return LogIfError("cannot report statistics", status);
  Status failure;
  if (!message.success) {
    failure =
        Status(message.cancelled ? TRITONSERVER_ERROR_CANCELLED : TRITONSERVER_ERROR_INTERNAL, "");
  }
  status = TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(report, handle_);
  status = TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(report, factory);
  status =
      TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(report, message.times_ns[0]);
  status = TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(report,
                                                                              message.times_ns[1]);
  status = TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(report, message.times_ns[2]);
  status = TRITONBACKEND_ModelInstanceResponseStatisticsSetError(report, failure.get());
  status = TRITONBACKEND_ModelInstanceReportResponseStatistics(report);
  LogIfError("cannot report statistics", status);
  status = TRITONBACKEND_ModelInstanceResponseStatisticsDelete(report);
}

void Instance::Fail(const Open& open, const Status& why) {
  if (open.request != nullptr && !open.reported) {
    LogIfError("cannot report statistics", TRITONBACKEND_ModelInstanceReportStatistics(
                                               handle_, open.request, false, 0, 0, 0, 0));
  }
  if (open.factory != nullptr) {
    TRITONBACKEND_Response* response = nullptr;
    LogIfError("cannot answer a request",
               TRITONBACKEND_ResponseNewFromFactory(&response, open.factory));
    LogIfError(
        "cannot answer a request",
        TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, why.get()));
    LogIfError("cannot end a response", TRITONBACKEND_ResponseFactoryDelete(open.factory));
  }
  if (open.request != nullptr) {
    LogIfError("cannot release a request",
               TRITONBACKEND_RequestRelease(open.request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }
}

}  // namespace trident::isolated
