#include "node/server_settings.h"

#include <array>
#include <string>

#include "node/napi_util.h"
#include "node/triton_util.h"

namespace trident {
namespace {

// One option, as the facade spells it: a kind and up to three values, each read in every way.
struct Setting {
  std::array<std::string, 3> text;
  std::array<double, 3> numbers = {};
  bool flag = false;

  const char* at(size_t i) const { return text[i].c_str(); }
  unsigned count() const { return static_cast<unsigned>(numbers[0]); }
  uint64_t size() const { return static_cast<uint64_t>(numbers[0]); }
};

using Options = TRITONSERVER_ServerOptions;
using ApplyFn = TRITONSERVER_Error* (*)(const Setting&, ServerHandle*, Options*);

TRITONSERVER_ModelControlMode ControlMode(const std::string& name) {
  if (name == "explicit") return TRITONSERVER_MODEL_CONTROL_EXPLICIT;
  return name == "poll" ? TRITONSERVER_MODEL_CONTROL_POLL : TRITONSERVER_MODEL_CONTROL_NONE;
}

template <TRITONSERVER_Error* (*kSet)(Options*, const char*)>
TRITONSERVER_Error* Text(const Setting& setting, ServerHandle*, Options* options) {
  return kSet(options, setting.at(0));
}

template <TRITONSERVER_Error* (*kSet)(Options*, bool)>
TRITONSERVER_Error* Flag(const Setting& setting, ServerHandle*, Options* options) {
  return kSet(options, setting.flag);
}

template <TRITONSERVER_Error* (*kSet)(Options*, unsigned)>
TRITONSERVER_Error* Count(const Setting& setting, ServerHandle*, Options* options) {
  return kSet(options, setting.count());
}

template <TRITONSERVER_Error* (*kSet)(Options*, uint64_t)>
TRITONSERVER_Error* Size(const Setting& setting, ServerHandle*, Options* options) {
  return kSet(options, setting.size());
}

struct Kind {
  const char* name;
  ApplyFn apply;
};

constexpr Kind kKinds[] = {
    {"id", Text<TRITONSERVER_ServerOptionsSetServerId>},
    {"repository", Text<TRITONSERVER_ServerOptionsSetModelRepositoryPath>},
    {"privateRepository",
     [](const Setting& setting, ServerHandle* handle, Options* options) {
       handle->private_repository = setting.text[0];
       return TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, setting.at(0));
     }},
    {"control",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetModelControlMode(options, ControlMode(setting.text[0]));
     }},
    {"startup", Text<TRITONSERVER_ServerOptionsSetStartupModel>},
    {"configName", Text<TRITONSERVER_ServerOptionsSetModelConfigName>},
    {"namespacing", Flag<TRITONSERVER_ServerOptionsSetModelNamespacing>},
    {"strictConfig", Flag<TRITONSERVER_ServerOptionsSetStrictModelConfig>},
    {"strictReadiness", Flag<TRITONSERVER_ServerOptionsSetStrictReadiness>},
    {"exitOnError", Flag<TRITONSERVER_ServerOptionsSetExitOnError>},
    {"exitTimeoutMs", Size<TRITONSERVER_TridentServerOptionsSetExitTimeoutMs>},
    {"pollSettleMs", Size<TRITONSERVER_TridentServerOptionsSetPollSettleTimeMs>},
    {"loadThreads", Count<TRITONSERVER_ServerOptionsSetModelLoadThreadCount>},
    {"loadRetries", Count<TRITONSERVER_ServerOptionsSetModelLoadRetryCount>},
    {"backendDirectory", Text<TRITONSERVER_ServerOptionsSetBackendDirectory>},
    {"backendConfig",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetBackendConfig(options, setting.at(0), setting.at(1),
                                                         setting.at(2));
     }},
    {"repositoryAgentDirectory", Text<TRITONSERVER_ServerOptionsSetRepoAgentDirectory>},
    {"cacheDirectory", Text<TRITONSERVER_ServerOptionsSetCacheDirectory>},
    {"cache",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetCacheConfig(options, setting.at(0), setting.at(1));
     }},
    {"metrics", Flag<TRITONSERVER_ServerOptionsSetMetrics>},
    {"cpuMetrics", Flag<TRITONSERVER_ServerOptionsSetCpuMetrics>},
    {"gpuMetrics", Flag<TRITONSERVER_ServerOptionsSetGpuMetrics>},
    {"metricsIntervalMs", Size<TRITONSERVER_ServerOptionsSetMetricsInterval>},
    {"metricsConfig",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetMetricsConfig(options, "", setting.at(0), setting.at(1));
     }},
    {"hostPolicy",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetHostPolicy(options, setting.at(0), setting.at(1),
                                                      setting.at(2));
     }},
    {"limitRate",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetRateLimiterMode(
           options,
           setting.flag ? TRITONSERVER_RATE_LIMIT_EXEC_COUNT : TRITONSERVER_RATE_LIMIT_OFF);
     }},
    {"rateResource",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsAddRateLimiterResource(
           options, setting.at(0), static_cast<size_t>(setting.numbers[1]),
           static_cast<int>(setting.numbers[2]));
     }},
    {"pinnedPoolBytes", Size<TRITONSERVER_ServerOptionsSetPinnedMemoryPoolByteSize>},
    {"minComputeCapability",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetMinSupportedComputeCapability(options,
                                                                         setting.numbers[0]);
     }},
    {"peerAccess", Flag<TRITONSERVER_ServerOptionsSetEnablePeerAccess>},
    {"cudaPoolBytes",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetCudaMemoryPoolByteSize(
           options, static_cast<int>(setting.count()), static_cast<uint64_t>(setting.numbers[1]));
     }},
    {"gpuLoadLimit",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit(
           options, TRITONSERVER_INSTANCEGROUPKIND_GPU, static_cast<int>(setting.count()),
           setting.numbers[1]);
     }},
    {"logError", Flag<TRITONSERVER_ServerOptionsSetLogError>},
    {"logWarn", Flag<TRITONSERVER_ServerOptionsSetLogWarn>},
    {"logInfo", Flag<TRITONSERVER_ServerOptionsSetLogInfo>},
    {"logVerbose",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetLogVerbose(options, static_cast<int>(setting.count()));
     }},
    {"logIso8601",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_ServerOptionsSetLogFormat(options, LogFormat(setting.flag));
     }},
    {"logFile", Text<TRITONSERVER_ServerOptionsSetLogFile>},
    {"logCallback",
     [](const Setting&, ServerHandle* handle, Options* options) {
       return TRITONSERVER_ServerOptionsSetLogCallback(options, ServerHandle::OnLog, handle);
     }},
    {"spinUs",
     [](const Setting& setting, ServerHandle*, Options* options) {
       return TRITONSERVER_TridentServerOptionsSetSpinMicroseconds(options, setting.size());
     }},
    {"inlineBudgetNs",
     [](const Setting& setting, ServerHandle* handle, Options*) -> TRITONSERVER_Error* {
       handle->inline_budget_ns = setting.size();
       return nullptr;
     }},
};

Status Apply(const std::string& kind, const Setting& setting, ServerHandle* handle,
             Options* options) {
  for (const Kind& known : kKinds) {
    if (kind == known.name) return TakeError(known.apply(setting, handle, options));
  }
  return Internal("unknown server option '", kind, "'");
}

}  // namespace

Status ApplySettings(napi_env env, napi_value list, ServerHandle* handle, Options* options) {
  for (size_t i = 0; i < ArrayLength(env, list); ++i) {
    napi_value item = Element(env, list, i);
    Setting setting;
    for (size_t k = 0; k < setting.text.size(); ++k) {
      setting.text[k] = ToString(env, Element(env, item, k + 1));
      setting.numbers[k] = ToNumber(env, Element(env, item, k + 1));
    }
    setting.flag = ToBool(env, Element(env, item, 1));
    TRIDENT_RETURN_IF_ERROR(Apply(ToString(env, Element(env, item, 0)), setting, handle, options));
  }
  return Status::Ok();
}

}  // namespace trident
