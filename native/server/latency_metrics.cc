#include "server/latency_metrics.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/status.h"

namespace trident {
namespace {

std::optional<double> ParseNumber(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0.5:0.05,0.9:0.01": quantiles, and the errors of their ranks that would do; summaries here have
// an error of their own. Nothing when one of them can't be read.
std::optional<std::vector<double>> ParseQuantiles(std::string_view text) {
  std::vector<double> quantiles;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const size_t colon = pair.find(':');
    if (colon == std::string_view::npos || !ParseNumber(pair.substr(colon + 1))) {
      return std::nullopt;
    }
    const std::optional<double> quantile = ParseNumber(pair.substr(0, colon));
    if (!quantile || !(*quantile >= 0 && *quantile <= 1)) return std::nullopt;
    if (std::find(quantiles.begin(), quantiles.end(), *quantile) == quantiles.end()) {
      quantiles.push_back(*quantile);
    }
  }
  if (quantiles.empty()) return std::nullopt;
  return quantiles;
}

bool ReadFlag(const std::string& value, bool* flag) {
  if (value != "true" && value != "false") return false;
  *flag = value == "true";
  return true;
}

bool Apply(const std::string& setting, const std::string& value, LatencyMetrics* metrics) {
  if (setting == "counter_latencies") return ReadFlag(value, &metrics->counters);
  if (setting == "summary_latencies") return ReadFlag(value, &metrics->summaries);
  if (setting == "histogram_latencies") return ReadFlag(value, &metrics->histograms);
  if (setting != "summary_quantiles") return false;
  const auto quantiles = ParseQuantiles(value);
  if (quantiles) metrics->quantiles = *quantiles;
  return quantiles.has_value();
}

}  // namespace

LatencyMetrics ReadLatencyMetrics(const ServerOptions& options, const Logger& logger) {
  LatencyMetrics metrics;
  // As in Triton, settings under another name than that of all metrics are nobody's.
  const auto settings = options.metrics_configs.find("");
  if (settings == options.metrics_configs.end()) return metrics;
  for (const auto& [setting, value] : settings->second) {
    if (Apply(setting, value, &metrics)) continue;
    TRIDENT_LOG(logger, LogLevel::kWarn, "the metrics configuration '", setting, "' = '", value,
                "' is not understood and changes nothing");
  }
  if (!options.metrics) metrics.summaries = metrics.histograms = false;
  return metrics;
}

}  // namespace trident
