// The part of trident/extension.h for hosts that batch themselves.

#include <vector>

#include "base/scratch.h"
#include "capi/handles.h"
#include "capi/request_access.h"
#include "inference/sequence_state.h"
#include "server/server.h"
#include "trident/extension.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

TRITONSERVER_TridentReport PlainReport(const BackendReport& report) {
  TRITONSERVER_TridentReport plain = {};
  plain.kind = static_cast<TRITONSERVER_TridentReportKind>(report.kind);
  plain.response_userp = report.client_data;
  plain.success = report.outcome == StatusCode::kOk;
  plain.cancelled = report.outcome == StatusCode::kCancelled;
  plain.count = report.count;
  plain.byte_size = report.byte_size;
  if (report.kind == BackendReport::Kind::kResponse) {
    plain.times_ns[0] = report.response_times.start;
    plain.times_ns[1] = report.response_times.output_start;
    plain.times_ns[2] = report.response_times.end;
  } else {
    plain.times_ns[0] = report.times.exec_start;
    plain.times_ns[1] = report.times.compute_start;
    plain.times_ns[2] = report.times.compute_end;
    plain.times_ns[3] = report.times.exec_end;
  }
  return plain;
}

std::vector<StateTensor*> WrittenStates(const InferenceRequest& request) {
  std::vector<StateTensor*> written;
  if (request.states == nullptr) return written;
  for (const auto& state : request.states->all()) {
    if (state->written() != nullptr) written.push_back(state.get());
  }
  return written;
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetBatchHost(
    TRITONSERVER_ServerOptions* options, TRITONSERVER_TridentReportFn_t report_fn, void* userp) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    Core(options)->batch_host = nullptr;
    if (report_fn == nullptr) return Status::Ok();
    Core(options)->batch_host = [report_fn, userp](const BackendReport& report) {
      const TRITONSERVER_TridentReport plain = PlainReport(report);
      report_fn(&plain, userp);
    };
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerLoadHostedModel(TRITONSERVER_Server* server,
                                                              const char* model_name,
                                                              int64_t version,
                                                              const char* directory,
                                                              const char* config_json) {
  TRIDENT_REQUIRE(server, model_name, directory, config_json);
  return Guard([&] {
    return Core(server)->LoadHostedModel(
        model_name, {.config = config_json, .directory = directory, .version = version});
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentServerExecuteBatch(TRITONSERVER_Server* server,
                                                           TRITONSERVER_InferenceRequest** requests,
                                                           uint32_t count) {
  TRIDENT_REQUIRE(server, requests);
  return Guard([&] {
    Scratch<InferenceRequest*> given(count);
    for (uint32_t i = 0; i < count; ++i) {
      if (requests[i] == nullptr) return InvalidArg("request ", i, " of the batch is null");
      given[i] = Core(requests[i]);
    }
    return Core(server)->ExecuteBatch(*given);
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestWrittenStateCount(
    TRITONSERVER_InferenceRequest* request, uint32_t* count) {
  TRIDENT_REQUIRE(request, count);
  return ChangeRequest(__func__, request, [&](InferenceRequest* idle) {
    *count = static_cast<uint32_t>(WrittenStates(*idle).size());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestWrittenState(
    TRITONSERVER_InferenceRequest* request, uint32_t index, const char** name,
    TRITONSERVER_DataType* datatype, const int64_t** shape, uint64_t* dims_count, const void** base,
    size_t* byte_size) {
  TRIDENT_REQUIRE(request, name, datatype, shape, dims_count, base, byte_size);
  return ChangeRequest(__func__, request, [&](InferenceRequest* idle) {
    const std::vector<StateTensor*> written = WrittenStates(*idle);
    if (index >= written.size()) {
      return InvalidArg(idle->LogPrefix(), "out of bounds index ", index, ": ", written.size(),
                        " states were written");
    }
    const InputTensor& value = *written[index]->written();
    *name = written[index]->spec().output_name.c_str();
    *datatype = static_cast<TRITONSERVER_DataType>(value.datatype());
    *shape = value.shape().data();
    *dims_count = value.shape().size();
    *base = value.buffers().empty() ? nullptr : value.buffers().front().data;
    *byte_size = value.byte_size();
    return Status::Ok();
  });
}

}  // extern "C"
