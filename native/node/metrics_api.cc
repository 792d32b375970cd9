// The text of a server's metrics, and metrics of JavaScript's own.

#include "node/bridge.h"
#include "node/napi_util.h"
#include "node/server_handle.h"
#include "node/triton_util.h"

namespace trident {
namespace {

Status Deleted() { return Unavailable("the metric was deleted, or its server is closed"); }

Result<TaskAnswer> ReadMetrics(TRITONSERVER_Server* server) {
  TRITONSERVER_Metrics* metrics = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_ServerMetrics(server, &metrics)));
  const std::shared_ptr<TRITONSERVER_Metrics> owner(metrics, [](TRITONSERVER_Metrics* read) {
    (void)TakeError(TRITONSERVER_MetricsDelete(read));
  });
  const char* base = nullptr;
  size_t byte_size = 0;
  TRIDENT_RETURN_IF_ERROR(TakeError(
      TRITONSERVER_MetricsFormatted(metrics, TRITONSERVER_METRIC_PROMETHEUS, &base, &byte_size)));
  return TaskAnswer{owner, {base, byte_size}};
}

// metrics(task, server): answers with the text
napi_value Metrics(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  ServerHandle* handle = call.bridge().server_table.Find(call.Int32(1));
  TRITONSERVER_Server* server = handle != nullptr ? handle->server.load() : nullptr;
  if (server == nullptr) return call.Throw(Unavailable("the server is closed"));
  return call.ThrowIfError(
      call.bridge().AskTask(call.Int32(0), [server] { return ReadMetrics(server); }));
}

// metricFamilyNew(kind, name, description): the family's number; kind is a TRITONSERVER_MetricKind
napi_value MetricFamilyNew(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  auto handle = std::make_unique<MetricFamilyHandle>();
  const Status status = TakeError(TRITONSERVER_MetricFamilyNew(
      &handle->family, static_cast<TRITONSERVER_MetricKind>(call.Int32(0)), call.String(1).c_str(),
      call.String(2).c_str()));
  if (!status.ok()) return call.Throw(status);
  return FromInt32(env, call.bridge().metric_family_table.Add(std::move(handle)));
}

// metricFamilyDelete(family): after its metrics
napi_value MetricFamilyDelete(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  call.bridge().metric_family_table.Remove(call.Int32(0));
  return nullptr;
}

using ArgsPtr = std::unique_ptr<TRITONSERVER_MetricArgs, void (*)(TRITONSERVER_MetricArgs*)>;

// Of a histogram with these buckets.
Result<ArgsPtr> MakeArgs(const std::vector<double>& buckets) {
  TRITONSERVER_MetricArgs* args = nullptr;
  TRIDENT_RETURN_IF_ERROR(TakeError(TRITONSERVER_MetricArgsNew(&args)));
  ArgsPtr owned(args, [](TRITONSERVER_MetricArgs* made) {
    (void)TakeError(TRITONSERVER_MetricArgsDelete(made));
  });
  TRIDENT_RETURN_IF_ERROR(
      TakeError(TRITONSERVER_MetricArgsSetHistogram(args, buckets.data(), buckets.size())));
  return owned;
}

// metricNew(family, [[label, value], ...], buckets): the metric's number; buckets may be null
napi_value MetricNew(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  MetricFamilyHandle* family = call.bridge().metric_family_table.Find(call.Int32(0));
  if (family == nullptr) return call.Throw(Deleted());
  std::vector<std::unique_ptr<TRITONSERVER_Parameter, ParameterDeleter>> owned;
  std::vector<const TRITONSERVER_Parameter*> labels;
  for (size_t i = 0; i < ArrayLength(env, call.value(1)); ++i) {
    napi_value item = Element(env, call.value(1), i);
    owned.emplace_back(TRITONSERVER_ParameterNew(ToString(env, Element(env, item, 0)).c_str(),
                                                 TRITONSERVER_PARAMETER_STRING,
                                                 ToString(env, Element(env, item, 1)).c_str()));
    labels.push_back(owned.back().get());
  }
  ArgsPtr args(nullptr, nullptr);
  if (TypeOf(env, call.value(2)) == napi_object) {
    std::vector<double> buckets;
    for (size_t i = 0; i < ArrayLength(env, call.value(2)); ++i) {
      buckets.push_back(ToNumber(env, Element(env, call.value(2), i)));
    }
    Result<ArgsPtr> made = MakeArgs(buckets);
    if (!made.ok()) return call.Throw(made.status());
    args = std::move(made).value();
  }
  auto handle = std::make_unique<MetricHandle>();
  const Status status = TakeError(TRITONSERVER_MetricNewWithArgs(
      &handle->metric, family->family, labels.data(), labels.size(), args.get()));
  if (!status.ok()) return call.Throw(status);
  return FromInt32(env, call.bridge().metric_table.Add(std::move(handle)));
}

// metricDelete(metric)
napi_value MetricDelete(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  call.bridge().metric_table.Remove(call.Int32(0));
  return nullptr;
}

// metricIncrement(metric, number) and the like
template <TRITONSERVER_Error* (*kChange)(TRITONSERVER_Metric*, double)>
napi_value MetricChange(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  MetricHandle* handle = call.bridge().metric_table.Find(call.Int32(0));
  if (handle == nullptr) return call.Throw(Deleted());
  return call.ThrowIfError(TakeError(kChange(handle->metric, call.Number(1))));
}

// metricValue(metric): number
napi_value MetricValue(napi_env env, napi_callback_info info) {
  const JsCall call(env, info);
  MetricHandle* handle = call.bridge().metric_table.Find(call.Int32(0));
  if (handle == nullptr) return call.Throw(Deleted());
  double value = 0;
  const Status status = TakeError(TRITONSERVER_MetricValue(handle->metric, &value));
  return status.ok() ? FromNumber(env, value) : call.Throw(status);
}

}  // namespace

const std::vector<Method>& MetricsMethods() {
  static const auto* methods = new std::vector<Method>{
      {"metrics", Metrics},
      {"metricFamilyNew", MetricFamilyNew},
      {"metricFamilyDelete", MetricFamilyDelete},
      {"metricNew", MetricNew},
      {"metricDelete", MetricDelete},
      {"metricIncrement", MetricChange<TRITONSERVER_MetricIncrement>},
      {"metricSet", MetricChange<TRITONSERVER_MetricSet>},
      {"metricObserve", MetricChange<TRITONSERVER_MetricObserve>},
      {"metricValue", MetricValue},
  };
  return *methods;
}

}  // namespace trident
