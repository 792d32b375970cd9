// TRITONSERVER_Metrics, and custom metrics: TRITONSERVER_MetricFamily, _MetricArgs and _Metric.

#include "capi/handles.h"
#include "inference/parameter.h"
#include "metrics/custom_metrics.h"
#include "server/server.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

namespace {

Result<MetricLabels> ReadLabels(const TRITONSERVER_Parameter** labels, uint64_t count) {
  if (labels == nullptr && count > 0) {
    return InvalidArg("labels are not provided while label count is non-zero");
  }
  MetricLabels read;
  for (uint64_t i = 0; i < count; ++i) {
    if (labels[i] == nullptr) return InvalidArg("number ", i, " of the labels is null");
    const Parameter& label = *Core(labels[i]);
    if (label.type != ParameterType::kString) {
      return InvalidArg("label '", label.name, "' must be a parameter of type STRING, not ",
                        ParameterTypeName(label.type));
    }
    read[label.name] = label.string_value;
  }
  return read;
}

}  // namespace

extern "C" {

// Text --------------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_ServerMetrics(TRITONSERVER_Server* server,
                                               TRITONSERVER_Metrics** metrics) {
  TRIDENT_REQUIRE(server, metrics);
  return Guard([&] {
    *metrics = HandleOf<TRITONSERVER_Metrics>(new std::string(Core(server)->Metrics()));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_MetricsDelete(TRITONSERVER_Metrics* metrics) {
  delete Core(metrics);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_MetricsFormatted(TRITONSERVER_Metrics* metrics,
                                                  TRITONSERVER_MetricFormat format,
                                                  const char** base, size_t* byte_size) {
  TRIDENT_REQUIRE(metrics, base, byte_size);
  return Guard([&] {
    const int number = ReadEnum<int>(format);
    if (number != TRITONSERVER_METRIC_PROMETHEUS) {
      return InvalidArg("unknown metrics format '", number, "'");
    }
    *base = Core(metrics)->data();
    *byte_size = Core(metrics)->size();
    return Status::Ok();
  });
}

// Families ----------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_MetricFamilyNew(TRITONSERVER_MetricFamily** family,
                                                 TRITONSERVER_MetricKind kind, const char* name,
                                                 const char* description) {
  TRIDENT_REQUIRE(family, name, description);
  return Guard([&]() -> Status {
    const auto core_kind = ReadEnum<MetricKind>(kind);
    if (core_kind < MetricKind::kCounter || core_kind > MetricKind::kHistogram) {
      return InvalidArg("unknown metric kind '", ReadEnum<int>(kind), "'");
    }
    TRIDENT_ASSIGN_OR_RETURN(auto made, MetricFamily::New(core_kind, name, description));
    *family = HandleOf<TRITONSERVER_MetricFamily>(made.release());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_MetricFamilyDelete(TRITONSERVER_MetricFamily* family) {
  if (family == nullptr) return nullptr;
  return Guard([&] {
    TRIDENT_RETURN_IF_ERROR(Core(family)->CheckUnused());
    delete Core(family);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_GetMetricFamilyKind(TRITONSERVER_MetricFamily* family,
                                                     TRITONSERVER_MetricKind* kind) {
  TRIDENT_REQUIRE(family, kind);
  *kind = static_cast<TRITONSERVER_MetricKind>(Core(family)->kind());
  return nullptr;
}

// Arguments ---------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_MetricArgsNew(TRITONSERVER_MetricArgs** args) {
  TRIDENT_REQUIRE(args);
  return Guard([&] {
    *args = HandleOf<TRITONSERVER_MetricArgs>(new MetricArgs());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_MetricArgsDelete(TRITONSERVER_MetricArgs* args) {
  delete Core(args);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_MetricArgsSetHistogram(TRITONSERVER_MetricArgs* args,
                                                        const double* buckets,
                                                        uint64_t buckets_count) {
  TRIDENT_REQUIRE(args);
  return Guard([&] {
    if (buckets == nullptr && buckets_count > 0) {
      return InvalidArg("buckets are not provided while buckets count is non-zero");
    }
    Core(args)->buckets.emplace(buckets, buckets + buckets_count);
    return Status::Ok();
  });
}

// Metrics -----------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_MetricNew(TRITONSERVER_Metric** metric,
                                           TRITONSERVER_MetricFamily* family,
                                           const TRITONSERVER_Parameter** labels,
                                           uint64_t label_count) {
  TRIDENT_REQUIRE(metric, family);
  return TRITONSERVER_MetricNewWithArgs(metric, family, labels, label_count, nullptr);
}

TRITONSERVER_Error* TRITONSERVER_MetricNewWithArgs(TRITONSERVER_Metric** metric,
                                                   TRITONSERVER_MetricFamily* family,
                                                   const TRITONSERVER_Parameter** labels,
                                                   uint64_t label_count,
                                                   const TRITONSERVER_MetricArgs* args) {
  TRIDENT_REQUIRE(metric, family);
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(const MetricLabels read, ReadLabels(labels, label_count));
    TRIDENT_ASSIGN_OR_RETURN(auto made, Metric::New(Core(family), read, Core(args)));
    *metric = HandleOf<TRITONSERVER_Metric>(made.release());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_MetricDelete(TRITONSERVER_Metric* metric) {
  delete Core(metric);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_MetricValue(TRITONSERVER_Metric* metric, double* value) {
  TRIDENT_REQUIRE(metric, value);
  return Guard([&]() -> Status {
    TRIDENT_ASSIGN_OR_RETURN(*value, Core(metric)->Value());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_MetricIncrement(TRITONSERVER_Metric* metric, double value) {
  TRIDENT_REQUIRE(metric);
  return Guard([&] { return Core(metric)->Increment(value); });
}

TRITONSERVER_Error* TRITONSERVER_MetricSet(TRITONSERVER_Metric* metric, double value) {
  TRIDENT_REQUIRE(metric);
  return Guard([&] { return Core(metric)->Set(value); });
}

TRITONSERVER_Error* TRITONSERVER_MetricObserve(TRITONSERVER_Metric* metric, double value) {
  TRIDENT_REQUIRE(metric);
  return Guard([&] { return Core(metric)->Observe(value); });
}

TRITONSERVER_Error* TRITONSERVER_GetMetricKind(TRITONSERVER_Metric* metric,
                                               TRITONSERVER_MetricKind* kind) {
  TRIDENT_REQUIRE(metric, kind);
  *kind = static_cast<TRITONSERVER_MetricKind>(Core(metric)->kind());
  return nullptr;
}

}  // extern "C"
