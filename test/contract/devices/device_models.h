#pragma once

#include <functional>
#include <string>
#include <utility>

#include "witness.h"

// Witnesses with instances on devices, and what the server tells of them.
namespace trident::contract {

inline ServerSettings With(std::function<void(TRITONSERVER_ServerOptions*)> more) {
  ServerSettings settings;
  settings.more = std::move(more);
  return settings;
}

inline std::string OnGpus(const std::string& gpus, const std::string& more = "", int count = 1) {
  return "instance_group { kind: KIND_GPU count: " + std::to_string(count) + " gpus: [" + gpus +
         "] " + more + " }";
}

inline std::string MetricsOf(const Server& server) {
  TRITONSERVER_Metrics* metrics = nullptr;
  Must(TRITONSERVER_ServerMetrics(server.handle(), &metrics));
  const char* text = nullptr;
  size_t size = 0;
  Must(TRITONSERVER_MetricsFormatted(metrics, TRITONSERVER_METRIC_PROMETHEUS, &text, &size));
  const std::string all(text, size);
  Must(TRITONSERVER_MetricsDelete(metrics));
  return all;
}

}  // namespace trident::contract
