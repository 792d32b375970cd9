// TRITONBACKEND_ModelInstance.

#include "base/clock.h"
#include "capi/memory_usage.h"
#include "config/enums.h"
#include "inference/request.h"
#include "model/model.h"
#include "trident/extension.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

Status OutOfBounds(uint32_t index, size_t count, const char* what) {
  return InvalidArg("out of bounds index ", index, ": instance is configured with ", count, " ",
                    what);
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceName(TRITONBACKEND_ModelInstance* instance,
                                                    const char** name) {
  TRIDENT_REQUIRE(instance, name);
  *name = Core(instance)->description().name.c_str();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceKind(TRITONBACKEND_ModelInstance* instance,
                                                    TRITONSERVER_InstanceGroupKind* kind) {
  TRIDENT_REQUIRE(instance, kind);
  *kind = Core(instance)->description().kind;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceDeviceId(TRITONBACKEND_ModelInstance* instance,
                                                        int32_t* device_id) {
  TRIDENT_REQUIRE(instance, device_id);
  *device_id = Core(instance)->description().device_id;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceHostPolicy(TRITONBACKEND_ModelInstance* instance,
                                                          TRITONSERVER_Message** host_policy) {
  TRIDENT_REQUIRE(instance, host_policy);
  *host_policy = HandleOf<TRITONSERVER_Message>(&Core(instance)->description().host_policy_json);
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceIsPassive(TRITONBACKEND_ModelInstance* instance,
                                                         bool* is_passive) {
  TRIDENT_REQUIRE(instance, is_passive);
  *is_passive = Core(instance)->description().passive;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceProfileCount(TRITONBACKEND_ModelInstance* instance,
                                                            uint32_t* count) {
  TRIDENT_REQUIRE(instance, count);
  *count = static_cast<uint32_t>(Core(instance)->description().profiles.size());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceProfileName(TRITONBACKEND_ModelInstance* instance,
                                                           uint32_t index,
                                                           const char** profile_name) {
  TRIDENT_REQUIRE(instance, profile_name);
  *profile_name = nullptr;
  return Guard([&] {
    const std::vector<std::string>& profiles = Core(instance)->description().profiles;
    if (index >= profiles.size()) return OutOfBounds(index, profiles.size(), "profiles");
    *profile_name = profiles[index].c_str();
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceSecondaryDeviceCount(
    TRITONBACKEND_ModelInstance* instance, uint32_t* count) {
  TRIDENT_REQUIRE(instance, count);
  *count = static_cast<uint32_t>(Core(instance)->description().secondary_devices.size());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceSecondaryDeviceProperties(
    TRITONBACKEND_ModelInstance* instance, uint32_t index, const char** kind, int64_t* id) {
  TRIDENT_REQUIRE(instance, kind, id);
  return Guard([&] {
    const std::vector<SecondaryDevice>& devices = Core(instance)->description().secondary_devices;
    if (index >= devices.size()) return OutOfBounds(index, devices.size(), "secondary devices");
    *kind = EnumName(devices[index].kind).data();  // a literal, so it ends in a null character
    *id = devices[index].device_id;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceModel(TRITONBACKEND_ModelInstance* instance,
                                                     TRITONBACKEND_Model** model) {
  TRIDENT_REQUIRE(instance, model);
  *model = HandleOf<TRITONBACKEND_Model>(&Core(instance)->model());
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceState(TRITONBACKEND_ModelInstance* instance,
                                                     void** state) {
  TRIDENT_REQUIRE(instance, state);
  *state = Core(instance)->state;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceSetState(TRITONBACKEND_ModelInstance* instance,
                                                        void* state) {
  TRIDENT_REQUIRE(instance);
  Core(instance)->state = state;
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportMemoryUsage(
    TRITONBACKEND_ModelInstance* instance, TRITONSERVER_BufferAttributes** usage,
    uint32_t usage_size) {
  TRIDENT_REQUIRE(instance);
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(auto rows, ReadMemoryUsage(usage, usage_size));
    Core(instance)->model().ReportMemoryUsage(instance, std::move(rows));
    return Status::Ok();
  });
}

// Statistics --------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportStatistics(
    TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request, bool success,
    uint64_t exec_start_ns, uint64_t compute_start_ns, uint64_t compute_end_ns,
    uint64_t exec_end_ns) {
  TRIDENT_REQUIRE(instance, request);
  if (Core(request)->is_null) return nullptr;
  Model& model = Core(instance)->model();
  ModelStatistics& statistics = model.statistics();
  const uint64_t start_ns = Core(request)->start_ns();
  const ExecutionTimes times{exec_start_ns, compute_start_ns, compute_end_ns, exec_end_ns};
  if (const BatchHost* const host = model.batch_host()) {
    (*host)({.kind = BackendReport::Kind::kRequest,
             .client_data = Core(request)->sink->client_data(),
             .outcome = success ? StatusCode::kOk : StatusCode::kInternal,
             .times = times});
  }
  if (InferenceTrace* const trace = Core(request)->trace()) trace->ReportCompute(times);
  if (success) {
    // Requests are queued as they are submitted.
    statistics.RecordSuccess(Core(request)->batch_size(), start_ns, start_ns, times);
    if (const auto& totals = Core(request)->compute_totals) totals->Add(times);
  } else {
    statistics.RecordFailure(FailureReason::kBackend, start_ns, NowNs());
  }
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceReportBatchStatistics(
    TRITONBACKEND_ModelInstance* instance, uint64_t batch_size, uint64_t exec_start_ns,
    uint64_t compute_start_ns, uint64_t compute_end_ns, uint64_t exec_end_ns) {
  TRIDENT_REQUIRE(instance);
  return Guard([&] {
    Model& model = Core(instance)->model();
    const ExecutionTimes times{exec_start_ns, compute_start_ns, compute_end_ns, exec_end_ns};
    if (const BatchHost* const host = model.batch_host()) {
      (*host)({.kind = BackendReport::Kind::kBatch, .count = batch_size, .times = times});
    }
    model.statistics().RecordBatch(batch_size, times);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONBACKEND_TridentModelInstanceDeferExecution(
    TRITONBACKEND_ModelInstance* instance) {
  TRIDENT_REQUIRE(instance);
  return Guard([&] { return Core(instance)->DeferExecution(); });
}

TRITONSERVER_Error* TRITONBACKEND_TridentModelInstanceEndExecution(
    TRITONBACKEND_ModelInstance* instance) {
  TRIDENT_REQUIRE(instance);
  return Guard([&] { return Core(instance)->EndExecution(); });
}

}  // extern "C"
