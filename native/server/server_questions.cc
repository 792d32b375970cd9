// The texts that a server answers with.

#include <utility>

#include "base/clock.h"
#include "config/json_format.h"
#include "metrics/custom_metrics.h"
#include "server/documents.h"
#include "server/server.h"
#include "server/server_metrics.h"

namespace trident {

Result<std::string> Server::Metadata() const {
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  return ServerMetadataJson(options_.server_id);
}

Result<std::string> Server::ModelMetadata(const std::string& name, int64_t version) const {
  TRIDENT_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model, ModelFor(name, version));
  std::vector<int64_t> versions;
  if (version != -1) {
    versions.push_back(version);
  } else {
    for (const auto& ready : repository_.ReadyModels(name)) versions.push_back(ready->version());
  }
  return ModelMetadataJson(*model, versions);
}

Result<std::string> Server::ModelStatistics(const std::string& name, int64_t version) const {
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  std::vector<std::shared_ptr<Model>> models = repository_.ReadyModels(name);
  if (name.empty()) return StatisticsJson(models);  // of all versions, whatever was asked for
  if (models.empty()) return InvalidArg("requested model '", name, "' is not available");
  if (version != -1) {
    std::erase_if(models, [&](const auto& model) { return model->version() != version; });
    if (models.empty()) {
      return InvalidArg("requested model version is not available for model '", name, "'");
    }
  }
  return StatisticsJson(models);
}

Result<std::string> Server::ModelConfigText(const std::string& name, int64_t version) const {
  TRIDENT_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model, ModelFor(name, version));
  return ModelConfigToJson(*model->config());
}

Result<std::string> Server::ModelIndex(bool ready_only) const {
  TRIDENT_RETURN_IF_ERROR(CheckReady());
  TRIDENT_ASSIGN_OR_RETURN(const std::vector<IndexRow> rows, repository_.Index(ready_only));
  return IndexJson(rows);
}

std::string Server::Metrics() {
  MetricsText text;
  if (options_.metrics) {
    const uint64_t now_ns = NowNs();
    WriteModelMetrics(repository_.ModelsInService(), latency_metrics_, now_ns, &text);
    if (const auto counters = cache_ == nullptr ? std::nullopt : cache_->Read()) {
      WriteCacheMetrics(*counters, &text);
    }
    WritePinnedMemoryMetrics(pools_->pinned(), &text);
    if (cpu_ != nullptr) WriteCpuMetrics(cpu_->Read(now_ns), &text);
    if (gpu_ != nullptr) WriteGpuMetrics(gpu_->Read(now_ns), &text);
    WriteDeviceHealth(&text);
  }
  WriteOtherCustomMetrics(&text);
  return std::move(text).Take();
}

}  // namespace trident
