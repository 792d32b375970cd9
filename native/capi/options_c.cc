// TRITONSERVER_ServerOptions; those of logs and metrics are in options_log_c.cc.

#include <algorithm>

#include "capi/handles.h"
#include "server/options.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

// Defines `function` to store its argument of type `type` in `member`.
#define SET_VALUE(function, type, member)                                         \
  TRITONSERVER_Error* function(TRITONSERVER_ServerOptions* options, type value) { \
    TRIDENT_REQUIRE(options);                                                     \
    Core(options)->member = value;                                                \
    return nullptr;                                                               \
  }
#define SET_TEXT(function, member)                                                       \
  TRITONSERVER_Error* function(TRITONSERVER_ServerOptions* options, const char* value) { \
    TRIDENT_REQUIRE(options, value);                                                     \
    return Guard([&] {                                                                   \
      Core(options)->member = value;                                                     \
      return Status::Ok();                                                               \
    });                                                                                  \
  }
#define ADD_TEXT(function, member)                                                       \
  TRITONSERVER_Error* function(TRITONSERVER_ServerOptions* options, const char* value) { \
    TRIDENT_REQUIRE(options, value);                                                     \
    return Guard([&] {                                                                   \
      Core(options)->member.insert(value);                                               \
      return Status::Ok();                                                               \
    });                                                                                  \
  }

extern "C" {

TRITONSERVER_Error* TRITONSERVER_ServerOptionsNew(TRITONSERVER_ServerOptions** options) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    *options = HandleOf<TRITONSERVER_ServerOptions>(new ServerOptions());
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsDelete(TRITONSERVER_ServerOptions* options) {
  delete Core(options);
  return nullptr;
}

// Models ------------------------------------------------------------------------------------------

SET_TEXT(TRITONSERVER_ServerOptionsSetServerId, server_id)
ADD_TEXT(TRITONSERVER_ServerOptionsSetModelRepositoryPath, repository_paths)
ADD_TEXT(TRITONSERVER_ServerOptionsSetStartupModel, startup_models)
SET_TEXT(TRITONSERVER_ServerOptionsSetModelConfigName, model_config_name)
SET_VALUE(TRITONSERVER_ServerOptionsSetStrictModelConfig, bool, strict_model_config)
SET_VALUE(TRITONSERVER_ServerOptionsSetStrictReadiness, bool, strict_readiness)
SET_VALUE(TRITONSERVER_ServerOptionsSetModelNamespacing, bool, model_namespacing)
SET_VALUE(TRITONSERVER_ServerOptionsSetExitOnError, bool, exit_on_error)
SET_VALUE(TRITONSERVER_ServerOptionsSetModelLoadThreadCount, unsigned int, load_thread_count)
SET_VALUE(TRITONSERVER_ServerOptionsSetModelLoadRetryCount, unsigned int, load_retry_count)

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetExitTimeout(TRITONSERVER_ServerOptions* options,
                                                             unsigned int timeout) {
  TRIDENT_REQUIRE(options);
  Core(options)->exit_timeout_ms = uint64_t{timeout} * 1000;
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetModelControlMode(
    TRITONSERVER_ServerOptions* options, TRITONSERVER_ModelControlMode mode) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    const auto core_mode = ReadEnum<ModelControlMode>(mode);
    if (core_mode < ModelControlMode::kNone || core_mode > ModelControlMode::kExplicit) {
      return InvalidArg("unknown control mode '", ReadEnum<int>(mode), "'");
    }
    Core(options)->control_mode = core_mode;
    return Status::Ok();
  });
}

// Plug-ins ----------------------------------------------------------------------------------------

SET_TEXT(TRITONSERVER_ServerOptionsSetBackendDirectory, backend_directory)
SET_TEXT(TRITONSERVER_ServerOptionsSetRepoAgentDirectory, repo_agent_directory)
SET_TEXT(TRITONSERVER_ServerOptionsSetCacheDirectory, cache_directory)

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetBackendConfig(TRITONSERVER_ServerOptions* options,
                                                               const char* backend_name,
                                                               const char* setting,
                                                               const char* value) {
  TRIDENT_REQUIRE(options, backend_name, setting, value);
  return Guard([&] {
    Core(options)->backend_configs[backend_name].emplace_back(setting, value);
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetCacheConfig(TRITONSERVER_ServerOptions* options,
                                                             const char* cache_name,
                                                             const char* config_json) {
  TRIDENT_REQUIRE(options, cache_name, config_json);
  return Guard([&] {
    Core(options)->cache_configs[cache_name] = config_json;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetResponseCacheByteSize(
    TRITONSERVER_ServerOptions* options, uint64_t size) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    if (size > 0) Core(options)->cache_configs["local"] = StrCat("{\"size\": ", size, "}");
    return Status::Ok();
  });
}

// Instances ---------------------------------------------------------------------------------------

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetHostPolicy(TRITONSERVER_ServerOptions* options,
                                                            const char* policy_name,
                                                            const char* setting,
                                                            const char* value) {
  TRIDENT_REQUIRE(options, policy_name, setting, value);
  return Guard([&] {
    const std::string key(setting);
    if (key != "numa-node" && key != "cpu-cores") {
      return Unsupported("host policy setting '", key,
                         "' is not supported; there are 'numa-node' and 'cpu-cores'");
    }
    Core(options)->host_policies[policy_name][key] = value;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetRateLimiterMode(
    TRITONSERVER_ServerOptions* options, TRITONSERVER_RateLimitMode mode) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    const auto core_mode = ReadEnum<RateLimitMode>(mode);
    if (core_mode < RateLimitMode::kOff || core_mode > RateLimitMode::kExecutionCount) {
      return InvalidArg("unknown rate limit mode '", ReadEnum<int>(mode), "'");
    }
    Core(options)->rate_limit_mode = core_mode;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsAddRateLimiterResource(
    TRITONSERVER_ServerOptions* options, const char* resource_name, size_t resource_count,
    int device) {
  TRIDENT_REQUIRE(options, resource_name);
  return Guard([&] {
    auto& resources = Core(options)->rate_limit_resources[device];
    const auto [entry, added] = resources.emplace(resource_name, resource_count);
    // Triton's rule for a resource that is given twice.
    if (!added) entry->second = std::min<uint64_t>(entry->second, resource_count);
    return Status::Ok();
  });
}

// Memory and devices ------------------------------------------------------------------------------

SET_VALUE(TRITONSERVER_ServerOptionsSetPinnedMemoryPoolByteSize, uint64_t, pinned_pool_bytes)
SET_VALUE(TRITONSERVER_ServerOptionsSetMinSupportedComputeCapability, double,
          min_compute_capability)
SET_VALUE(TRITONSERVER_ServerOptionsSetEnablePeerAccess, bool, peer_access)
SET_VALUE(TRITONSERVER_ServerOptionsSetBufferManagerThreadCount, unsigned int,
          buffer_manager_thread_count)

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetCudaMemoryPoolByteSize(
    TRITONSERVER_ServerOptions* options, int gpu_device, uint64_t size) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    Core(options)->cuda_pool_bytes[gpu_device] = size;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetCudaVirtualAddressSize(
    TRITONSERVER_ServerOptions* options, int gpu_device, size_t cuda_virtual_address_size) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    Core(options)->cuda_virtual_address_bytes[gpu_device] = cuda_virtual_address_size;
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit(
    TRITONSERVER_ServerOptions* options, TRITONSERVER_InstanceGroupKind kind, int device_id,
    double fraction) {
  TRIDENT_REQUIRE(options);
  return Guard([&] {
    if (device_id < 0) return InvalidArg("expects device ID >= 0, got ", device_id);
    if (!(fraction >= 0.0 && fraction <= 1.0)) {
      return InvalidArg("expects limit fraction to be in range [0.0, 1.0], got ", fraction);
    }
    if (ReadEnum<int>(kind) != TRITONSERVER_INSTANCEGROUPKIND_GPU) {
      return InvalidArg("a load limit is for KIND_GPU, got KIND_",
                        TRITONSERVER_InstanceGroupKindString(kind));
    }
    Core(options)->gpu_load_limits[device_id] = fraction;
    return Status::Ok();
  });
}

}  // extern "C"
