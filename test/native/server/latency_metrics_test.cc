#include "server/latency_metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace trident {
namespace {

struct Outcome {
  LatencyMetrics metrics;
  int warnings = 0;
};

Outcome Read(std::vector<ServerOptions::Setting> settings, bool metrics = true) {
  Outcome outcome;
  LogSettings log;
  log.sink = [&](const LogRecord&) { ++outcome.warnings; };
  ServerOptions options;
  options.metrics = metrics;
  options.metrics_configs[""] = std::move(settings);
  options.metrics_configs["other"] = {{"counter_latencies", "false"}};
  outcome.metrics = ReadLatencyMetrics(options, Logger(log));
  return outcome;
}

TEST(LatencyMetrics, AreCountersUnlessSaidOtherwise) {
  const Outcome outcome = Read({});
  EXPECT_TRUE(outcome.metrics.counters);
  EXPECT_FALSE(outcome.metrics.summaries || outcome.metrics.histograms);
  EXPECT_EQ(outcome.metrics.quantiles, (std::vector<double>{0.5, 0.9, 0.95, 0.99, 0.999}));
}

TEST(LatencyMetrics, AreWhatTheSettingsSay) {
  const Outcome outcome = Read({{"counter_latencies", "false"},
                                {"summary_latencies", "true"},
                                {"histogram_latencies", "true"},
                                {"summary_quantiles", "0.25:0.05, 1:0,0.250:0"}});
  EXPECT_FALSE(outcome.metrics.counters);
  EXPECT_TRUE(outcome.metrics.summaries && outcome.metrics.histograms);
  EXPECT_EQ(outcome.metrics.quantiles, (std::vector<double>{0.25, 1}));
  EXPECT_EQ(outcome.warnings, 0);
}

TEST(LatencyMetrics, WhatIsNotUnderstoodChangesNothing) {
  for (const char* quantiles : {"", "0.5", "0.5:x", "x:0.1", "1.5:0.1", "-1:0.1", "0.5:0.1,,"}) {
    const Outcome outcome = Read({{"summary_quantiles", quantiles}});
    EXPECT_EQ(outcome.warnings, 1) << quantiles;
    EXPECT_EQ(outcome.metrics.quantiles, LatencyMetrics().quantiles) << quantiles;
  }
  EXPECT_EQ(Read({{"summary_latencies", "yes"}, {"colour", "red"}}).warnings, 2);
}

TEST(LatencyMetrics, NothingIsKeptThatNobodyWillRead) {
  const Outcome outcome =
      Read({{"summary_latencies", "true"}, {"histogram_latencies", "true"}}, /*metrics=*/false);
  EXPECT_FALSE(outcome.metrics.summaries || outcome.metrics.histograms);
}

}  // namespace
}  // namespace trident
