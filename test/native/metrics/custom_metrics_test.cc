#include "metrics/custom_metrics.h"

#include <gtest/gtest.h>

#include <thread>

#include "metrics/server_families.h"

namespace trident {
namespace {

std::string Text() {
  MetricsText text;
  WriteOtherCustomMetrics(&text);
  return std::move(text).Take();
}

std::unique_ptr<MetricFamily> Family(MetricKind kind, const std::string& name,
                                     const std::string& description = "d") {
  auto family = MetricFamily::New(kind, name, description);
  EXPECT_TRUE(family.ok()) << family.status().message();
  return std::move(family).value();
}

std::unique_ptr<Metric> Of(const std::unique_ptr<MetricFamily>& family,
                           const MetricLabels& labels = {}, const MetricArgs* args = nullptr) {
  auto metric = Metric::New(family.get(), labels, args);
  EXPECT_TRUE(metric.ok()) << metric.status().message();
  return std::move(metric).value();
}

TEST(CustomMetrics, AFamilyIsToldWithItsFirstMetric) {
  const auto family = Family(MetricKind::kCounter, "told");
  EXPECT_EQ(Text(), "");
  auto metric = Of(family, {{"a", "1"}});
  EXPECT_EQ(Text(), "# HELP told d\n# TYPE told counter\ntold{a=\"1\"} 0\n");
  metric = nullptr;
  EXPECT_EQ(Text(), "");
}

TEST(CustomMetrics, HoldsOfOneNameShareAFamilyAndItsFirstDescription) {
  auto first = Family(MetricKind::kGauge, "shared", "first");
  const auto second = Family(MetricKind::kGauge, "shared", "second");
  EXPECT_EQ(MetricFamily::New(MetricKind::kCounter, "shared", "x").status().code(),
            StatusCode::kInvalidArg);
  const auto metric = Of(second);
  EXPECT_TRUE(first->CheckUnused().ok());
  first = nullptr;
  EXPECT_EQ(Text(), "# HELP shared first\n# TYPE shared gauge\nshared 0\n");
}

TEST(CustomMetrics, ANameIsFreeAgainAfterItsLastHold) {
  Family(MetricKind::kGauge, "again");
  EXPECT_EQ(Family(MetricKind::kCounter, "again")->kind(), MetricKind::kCounter);
}

TEST(CustomMetrics, HoldsOfTheSameLabelsShareAMetric) {
  const auto family = Family(MetricKind::kCounter, "same");
  auto one = Of(family, {{"a", "1"}, {"b", "2"}});
  const auto other = Of(family, {{"b", "2"}, {"a", "1"}});
  EXPECT_TRUE(one->Increment(2.5).ok());
  EXPECT_EQ(*other->Value(), 2.5);
  EXPECT_EQ(family->CheckUnused().code(), StatusCode::kInternal);
  one = nullptr;
  EXPECT_EQ(*other->Value(), 2.5);
}

TEST(CustomMetrics, KindsDoWhatTheyDo) {
  const auto counters = Family(MetricKind::kCounter, "counters");
  const auto counter = Of(counters);
  EXPECT_EQ(counter->Increment(-1).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(counter->Set(1).code(), StatusCode::kUnsupported);
  EXPECT_EQ(counter->Observe(1).code(), StatusCode::kUnsupported);
  const auto gauges = Family(MetricKind::kGauge, "gauges");
  const auto gauge = Of(gauges);
  EXPECT_TRUE(gauge->Set(5).ok());
  EXPECT_TRUE(gauge->Increment(-7).ok());
  EXPECT_EQ(*gauge->Value(), -2);
  EXPECT_EQ(gauge->Observe(1).code(), StatusCode::kUnsupported);
  const auto histograms = Family(MetricKind::kHistogram, "histograms");
  const MetricArgs args = {std::vector<double>{1}};
  const auto histogram = Of(histograms, {}, &args);
  EXPECT_TRUE(histogram->Observe(1).ok());
  EXPECT_EQ(histogram->Value().status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(histogram->Increment(1).code(), StatusCode::kUnsupported);
  EXPECT_EQ(histogram->Set(1).code(), StatusCode::kUnsupported);
}

TEST(CustomMetrics, HistogramsAndOnlyTheyHaveArguments) {
  const auto histograms = Family(MetricKind::kHistogram, "with_args");
  const MetricArgs unset, unordered = {std::vector<double>{2, 1}};
  const auto code = [](MetricFamily* family, const MetricArgs* args) {
    return Metric::New(family, {}, args).status().code();
  };
  for (const MetricArgs* args : {static_cast<const MetricArgs*>(nullptr), &unset, &unordered}) {
    EXPECT_EQ(code(histograms.get(), args), StatusCode::kInvalidArg);
  }
  const auto gauges = Family(MetricKind::kGauge, "without_args");
  EXPECT_EQ(code(gauges.get(), &unset), StatusCode::kInvalidArg);
  EXPECT_EQ(Text(), "");
}

TEST(CustomMetrics, MayJoinAServersFamilyOfTheSameKind) {
  EXPECT_EQ(MetricFamily::New(MetricKind::kGauge, "nv_inference_count", "x").status().code(),
            StatusCode::kInvalidArg);
  const auto family = Family(MetricKind::kCounter, "nv_inference_count");
  const auto metric = Of(family, {{"from", "me"}});
  MetricsText text;
  text.Begin(kInferenceCount);
  WriteCustomMetrics(kInferenceCount.name, Samples::kAll, &text);
  WriteOtherCustomMetrics(&text);
  const std::string written = std::move(text).Take();
  EXPECT_TRUE(written.ends_with("nv_inference_count{from=\"me\"} 0\n")) << written;
  EXPECT_EQ(written.find("x\n"), std::string::npos) << written;
}

TEST(CustomMetrics, OneWithoutLabelsGivesWayToTheServersOwn) {
  const auto family = Family(MetricKind::kGauge, "nv_cpu_utilization");
  const auto bare = Of(family);
  const auto labelled = Of(family, {{"from", "me"}});
  MetricsText text;
  text.Begin(kCpuUtilization);
  WriteCustomMetrics(kCpuUtilization.name, Samples::kLabelled, &text);
  const std::string written = std::move(text).Take();
  EXPECT_TRUE(written.ends_with("gauge\nnv_cpu_utilization{from=\"me\"} 0\n")) << written;
}

TEST(CustomMetrics, ManyThreadsCountTogether) {
  const auto family = Family(MetricKind::kCounter, "together");
  const auto kept = Of(family);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) EXPECT_TRUE(Of(family)->Increment(1).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*kept->Value(), 4000);
}

}  // namespace
}  // namespace trident
