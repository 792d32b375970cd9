#include "model/metric_labels.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

std::vector<double> Bounds(const ModelConfig& config, int* warnings) {
  LogSettings log;
  log.sink = [&](const LogRecord&) { ++*warnings; };
  return FirstResponseBounds(config, Logger(log));
}

TEST(MetricLabels, AreInTheOrderOfTheirNames) {
  ModelConfig config;
  EXPECT_EQ(MetricLabelsOf(config, {"", "m"}, 3, "").head, "model=\"m\",");
  EXPECT_EQ(MetricLabelsOf(config, {"", "m"}, 3, "").tail, "version=\"3\"");
  config.metric_tags = {{"site", "a\"b"}, {"Zone", "1"}};
  EXPECT_EQ(MetricLabelsOf(config, {"/r", "m"}, 3, "").head,
            "_Zone=\"1\",_site=\"a\\\"b\",model=\"m\",namespace=\"/r\",");
  EXPECT_EQ(MetricLabelsOf(config, {"/r", "m"}, 3, "GPU-1").head,
            "_Zone=\"1\",_site=\"a\\\"b\",gpu_uuid=\"GPU-1\",model=\"m\",namespace=\"/r\",");
}

TEST(MetricLabels, TheConfigurationChoosesBuckets) {
  int warnings = 0;
  ModelConfig config;
  EXPECT_EQ(Bounds(config, &warnings), (std::vector<double>{100, 500, 2000, 5000}));
  auto& controls = config.model_metrics.emplace().metric_control;
  controls.emplace_back().metric_identifier = {"nv_inference_first_response_histogram_ms"};
  controls.back().histogram_options = {{1, 2}};
  EXPECT_EQ(Bounds(config, &warnings), (std::vector<double>{1, 2}));
  EXPECT_EQ(warnings, 0);
  controls[0].metric_identifier->family = "other";
  EXPECT_EQ(Bounds(config, &warnings), (std::vector<double>{100, 500, 2000, 5000}));
  EXPECT_EQ(warnings, 1);
}

}  // namespace
}  // namespace trident
