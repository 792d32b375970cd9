// TRITONBACKEND_ModelInstanceResponseStatistics.

#include "capi/handles.h"
#include "capi/response_factory.h"
#include "model/model.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace trident {

// The object behind TRITONBACKEND_ModelInstanceResponseStatistics: what a backend will report of
// one response. Only the code of its error is kept, so the error may go before the report.
struct ResponseReport {
  ModelInstance* instance = nullptr;
  ResponseFactory* factory = nullptr;
  ResponseTimes times;
  StatusCode outcome = StatusCode::kOk;
};

}  // namespace trident

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsNew(
    TRITONBACKEND_ModelInstanceResponseStatistics** response_statistics) {
  TRIDENT_REQUIRE(response_statistics);
  return Guard([&] {
    *response_statistics =
        HandleOf<TRITONBACKEND_ModelInstanceResponseStatistics>(new ResponseReport());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsDelete(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics) {
  delete Core(response_statistics);
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics,
    TRITONBACKEND_ModelInstance* model_instance) {
  TRIDENT_REQUIRE(response_statistics);
  Core(response_statistics)->instance = Core(model_instance);
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics,
    TRITONBACKEND_ResponseFactory* response_factory) {
  TRIDENT_REQUIRE(response_statistics);
  Core(response_statistics)->factory = Core(response_factory);
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics, uint64_t response_start) {
  TRIDENT_REQUIRE(response_statistics);
  Core(response_statistics)->times.start = response_start;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics,
    uint64_t compute_output_start) {
  TRIDENT_REQUIRE(response_statistics);
  Core(response_statistics)->times.output_start = compute_output_start;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics, uint64_t response_end) {
  TRIDENT_REQUIRE(response_statistics);
  Core(response_statistics)->times.end = response_end;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceResponseStatisticsSetError(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics, TRITONSERVER_Error* error) {
  TRIDENT_REQUIRE(response_statistics);
  Core(response_statistics)->outcome = error == nullptr ? StatusCode::kOk : Core(error)->code();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportResponseStatistics(
    TRITONBACKEND_ModelInstanceResponseStatistics* response_statistics) {
  TRIDENT_REQUIRE(response_statistics);
  return Guard([&] {
    const ResponseReport& report = *Core(response_statistics);
    if (report.instance == nullptr || report.factory == nullptr) {
      return InvalidArg("response statistics need a model instance and a response factory");
    }
    Model& model = report.instance->model();
    TRIDENT_RETURN_IF_ERROR(model.statistics().RecordResponse(
        report.factory->channel->NextReportedPlace(), report.outcome, report.times));
    if (const BatchHost* const host = model.batch_host()) {
      (*host)({.kind = BackendReport::Kind::kResponse,
               .client_data = report.factory->channel->sink()->client_data(),
               .outcome = report.outcome,
               .response_times = report.times});
    }
    return Status::Ok();
  });
}

}  // extern "C"
