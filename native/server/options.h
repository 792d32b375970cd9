#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "inference/batch_host.h"
#include "model/backend.h"
#include "repository/model_event.h"
#include "server/device_watch.h"
#include "server/plugin_directory.h"

namespace trident {

// Values equal tritonserver_modelcontrolmode_enum.
enum class ModelControlMode : int { kNone = 0, kPoll = 1, kExplicit = 2 };

// Values equal tritonserver_ratelimitmode_enum.
enum class RateLimitMode : int { kOff = 0, kExecutionCount = 1 };

// What a server is started with; the defaults are those of Triton's C API. Plain data, copied by
// the server. *Externally synchronised by whoever owns the value.*
struct ServerOptions {
  using Setting = std::pair<std::string, std::string>;

  std::string server_id = "triton";

  // Models
  std::set<std::string> repository_paths;
  ModelControlMode control_mode = ModelControlMode::kPoll;
  std::set<std::string> startup_models;  // explicit mode only; "*": all
  std::string model_config_name;         // configs/<name>.pbtxt goes before config.pbtxt
  bool strict_model_config = true;       // false: backends complete configurations
  bool strict_readiness = true;
  bool model_namespacing = false;
  bool exit_on_error = true;
  unsigned load_thread_count = 4;
  unsigned load_retry_count = 0;
  uint64_t exit_timeout_ms = 30'000;
  uint64_t poll_settle_ms = 250;  // how long files must be at rest before a poll loads them
  ModelEventListener model_event_listener;
  DeviceEventListener device_event_listener;

  // Plug-ins
  std::string backend_directory = PluginDirectory("backends");
  std::optional<std::string> cache_directory;  // not set: PluginDirectory, for all but "local"
  std::string repo_agent_directory = PluginDirectory("repoagents");
  ProvidedBackends backends;  // those of the program
  // By backend name, in the order given; "" holds the settings of every backend.
  std::map<std::string, std::vector<Setting>> backend_configs;
  std::map<std::string, std::string> cache_configs;  // JSON by cache name; a server takes one

  // The inline lane: requests whose like are known to execute within this time may run on the
  // thread that submits them. 0: never.
  uint64_t inline_budget_ns = 0;
  // How long a thread that has run out of work looks for some before it sleeps; costs a core
  // meanwhile.
  uint64_t spin_us = 0;

  // Instances: by host policy name, "numa-node" and "cpu-cores".
  std::map<std::string, std::map<std::string, std::string>> host_policies;
  RateLimitMode rate_limit_mode = RateLimitMode::kOff;
  // Units by device and resource name; device -1: a resource of every device.
  std::map<int, std::map<std::string, uint64_t>> rate_limit_resources;

  // Memory and devices
  uint64_t pinned_pool_bytes = uint64_t{256} << 20;
  std::map<int, uint64_t> cuda_pool_bytes;             // by device; else kDefaultCudaPoolBytes
  std::map<int, uint64_t> cuda_virtual_address_bytes;  // by device; else kDefaultCudaAddressBytes
  double min_compute_capability = 7.5;
  bool peer_access = true;
  std::map<int, double> gpu_load_limits;  // fraction of the device's memory
  unsigned buffer_manager_thread_count = 0;

  // Empty: the server schedules requests itself.
  BatchHost batch_host;

  // Observation
  LogSettings log;
  bool metrics = true;
  bool gpu_metrics = true;
  bool cpu_metrics = true;
  uint64_t metrics_interval_ms = 2000;
  std::map<std::string, std::vector<Setting>> metrics_configs;  // "": settings of all metrics

  static constexpr uint64_t kDefaultCudaPoolBytes = uint64_t{64} << 20;
  static constexpr uint64_t kDefaultCudaAddressBytes = uint64_t{1} << 30;
};

}  // namespace trident
