#include "server/documents.h"

#include <nlohmann/json.hpp>

#include "base/version.h"

namespace trident {
namespace {

using Json = nlohmann::ordered_json;

// Names come from directories and need not be UTF-8; dump() would throw on them.
std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json DurationJson(const Duration& duration) {
  return {{"count", duration.count}, {"ns", duration.ns}};
}

Json TensorJson(const TensorSpec& spec, bool batching) {
  Json shape = Json::array();
  if (batching) shape.push_back(-1);
  for (const int64_t dim : spec.dims) shape.push_back(dim);
  return {{"name", spec.name}, {"datatype", DataTypeName(spec.datatype)}, {"shape", shape}};
}

Json InferenceStatistics(const StatisticsSnapshot& statistics) {
  return {{"success", DurationJson(statistics.success)},
          {"fail", DurationJson(statistics.fail)},
          {"queue", DurationJson(statistics.queue)},
          {"compute_input", DurationJson(statistics.compute_input)},
          {"compute_infer", DurationJson(statistics.compute_infer)},
          {"compute_output", DurationJson(statistics.compute_output)},
          {"cache_hit", DurationJson(statistics.cache_hit)},
          {"cache_miss", DurationJson(statistics.cache_miss)}};
}

Json ResponseStatistics(const StatisticsSnapshot& statistics) {
  Json out = Json::object();
  for (const auto& [place, response] : statistics.responses) {
    out[std::to_string(place)] = {{"compute_infer", DurationJson(response.compute_infer)},
                                  {"compute_output", DurationJson(response.compute_output)},
                                  {"success", DurationJson(response.success)},
                                  {"fail", DurationJson(response.fail)},
                                  {"empty_response", DurationJson(response.empty)},
                                  {"cancel", DurationJson(response.cancel)}};
  }
  return out;
}

Json BatchStatistics(const StatisticsSnapshot& statistics) {
  Json out = Json::array();
  for (const StatisticsSnapshot::Batch& batch : statistics.batches) {
    out.push_back({{"batch_size", batch.batch_size},
                   {"compute_input", DurationJson(batch.compute_input)},
                   {"compute_infer", DurationJson(batch.compute_infer)},
                   {"compute_output", DurationJson(batch.compute_output)}});
  }
  return out;
}

Json MemoryUsageJson(const Model& model) {
  Json out = Json::array();
  for (const BufferAttributes& row : model.MemoryUsage()) {
    out.push_back({{"type", MemoryTypeName(row.memory_type)},
                   {"id", row.memory_type_id},
                   {"byte_size", row.byte_size}});
  }
  return out;
}

}  // namespace

std::string ServerMetadataJson(const std::string& server_id) {
  return Text(
      {{"name", server_id},
       {"version", TRIDENT_VERSION},
       {"extensions",
        {"classification", "sequence", "model_repository", "model_repository(unload_dependents)",
         "schedule_policy", "model_configuration", "system_shared_memory", "cuda_shared_memory",
         "binary_tensor_data", "parameters", "statistics", "trace", "logging"}}});
}

std::string ModelMetadataJson(const Model& model, const std::vector<int64_t>& versions) {
  const ModelSignature& signature = model.signature();
  Json version_names = Json::array();
  for (const int64_t version : versions) version_names.push_back(std::to_string(version));
  Json inputs = Json::array();
  for (const TensorSpec& spec : signature.inputs) {
    inputs.push_back(TensorJson(spec, signature.batching()));
  }
  Json outputs = Json::array();
  for (const TensorSpec& spec : signature.outputs) {
    outputs.push_back(TensorJson(spec, signature.batching()));
  }
  const std::shared_ptr<const ModelConfig> complete = model.config();
  const ModelConfig& config = *complete;
  return Text({{"name", signature.name},
               {"versions", version_names},
               {"platform", config.platform.empty() ? config.backend : config.platform},
               {"inputs", inputs},
               {"outputs", outputs}});
}

std::string StatisticsJson(const std::vector<std::shared_ptr<Model>>& models) {
  Json rows = Json::array();
  for (const auto& model : models) {
    const StatisticsSnapshot statistics = model->statistics().Read();
    rows.push_back(
        {{"name", model->identity().Text()},
         {"version", std::to_string(model->version())},
         {"last_inference", statistics.last_inference_ms},
         {"inference_count", statistics.inference_count},
         {"execution_count", statistics.execution_count},
         {"inference_stats", InferenceStatistics(statistics)},
         {"response_stats", ResponseStatistics(statistics)},
         {"batch_stats", BatchStatistics(statistics)},
         {"memory_usage", MemoryUsageJson(*model)},
         {"copy_stats", {{"count", statistics.copy_count}, {"byte_size", statistics.copy_bytes}}}});
  }
  return Text({{"model_stats", rows}});
}

std::string IndexJson(const std::vector<IndexRow>& rows) {
  Json out = Json::array();
  for (const IndexRow& row : rows) {
    Json item = {{"name", row.model.Text()}};
    if (!row.name_only) {
      if (row.version >= 0) item["version"] = std::to_string(row.version);
      item["state"] = ModelStateName(row.state);
      if (!row.reason.empty()) item["reason"] = row.reason;
    }
    out.push_back(item);
  }
  return Text(out);
}

}  // namespace trident
