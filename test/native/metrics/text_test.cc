#include "metrics/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "metrics/names.h"

namespace trident {
namespace {

constexpr FamilyHead kThings = {"things", "counter", "How many \\ things\nthere are"};

TEST(MetricsText, BeginsAFamilyWithWhatItIs) {
  MetricsText text;
  text.Begin(kThings);
  text.Sample("things", "", uint64_t{3});
  text.Sample("things", "a=\"1\"", uint64_t{4});
  text.Line({"things{a=\"1\",", "b=\"2\"", "}"}, 0.5);
  EXPECT_EQ(std::move(text).Take(),
            "# HELP things How many \\\\ things\\nthere are\n# TYPE things counter\n"
            "things 3\nthings{a=\"1\"} 4\nthings{a=\"1\",b=\"2\"} 0.5\n");
}

TEST(MetricsText, AFamilyWithoutSamplesLeavesNoTrace) {
  MetricsText text;
  text.Begin(kThings);
  EXPECT_TRUE(text.HasBegun("things"));
  EXPECT_FALSE(text.HasBegun("thing"));
  EXPECT_EQ(std::move(text).Take(), "");
}

TEST(MetricsText, WritesHistogramsByBucketAndInfinity) {
  Histogram histogram({0.1, 2, std::numeric_limits<double>::infinity()});
  for (const double value : {0.1, 0.2, 2.0, 3.0}) histogram.Observe(value);
  MetricsText text;
  text.Begin({"h", "histogram", "x"});
  text.Sample(histogram, "a=\"1\"");
  text.Sample(Histogram({}), "");
  EXPECT_EQ(std::move(text).Take(),
            "# HELP h x\n# TYPE h histogram\n"
            "h_bucket{a=\"1\",le=\"0.1\"} 1\nh_bucket{a=\"1\",le=\"2\"} 3\n"
            "h_bucket{a=\"1\",le=\"+Inf\"} 4\nh_sum{a=\"1\"} 5.3\nh_count{a=\"1\"} 4\n"
            "h_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\n");
}

TEST(Histogram, WhatIsNoNumberIsBeyondAllBounds) {
  Histogram histogram({1, 2});
  histogram.Observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(histogram.Read().up_to, (std::vector<uint64_t>{0, 0}));
  EXPECT_EQ(histogram.Read().count, 1u);
}

TEST(MetricsText, NumbersReadBackAsTheyWere) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(NumberText(0.1), "0.1");
  EXPECT_EQ(NumberText(1e300), "1e+300");
  EXPECT_EQ(NumberText(-2), "-2");
  EXPECT_EQ(NumberText(infinity), "+Inf");
  EXPECT_EQ(NumberText(-infinity), "-Inf");
  EXPECT_EQ(NumberText(std::nan("")), "NaN");
}

TEST(Histogram, BoundsAscend) {
  EXPECT_TRUE(Histogram::CheckBounds({}).ok());
  EXPECT_TRUE(Histogram::CheckBounds({-1, 0, 7}).ok());
  for (const std::vector<double>& wrong :
       {std::vector<double>{1, 1}, {2, 1}, {std::nan("")}, {1, std::nan("")}}) {
    EXPECT_EQ(Histogram::CheckBounds(wrong).code(), StatusCode::kInvalidArg);
  }
}

TEST(MetricNames, AreWhatPrometheusTakes) {
  for (const char* name : {"a", "_a", "a:b", ":", "A9_"}) EXPECT_TRUE(IsFamilyName(name)) << name;
  for (const char* name : {"", "9", "a-b", "a b", "__a", "ä"}) {
    EXPECT_FALSE(IsFamilyName(name)) << name;
    EXPECT_FALSE(IsLabelName(name)) << name;
  }
  EXPECT_FALSE(IsLabelName("a:b"));
  EXPECT_TRUE(IsLabelName("_a9"));
}

TEST(MetricNames, LabelsAreInOrderAndEscaped) {
  EXPECT_EQ(LabelText({{"b", "x\"y\\z\n"}, {"a", "ä"}}), "a=\"ä\",b=\"x\\\"y\\\\z\\n\"");
  EXPECT_EQ(LabelText({}), "");
  EXPECT_EQ(CheckLabels(MetricKind::kGauge, {{"a-b", ""}}).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(CheckLabels(MetricKind::kHistogram, {{"le", ""}}).code(), StatusCode::kInvalidArg);
  EXPECT_TRUE(CheckLabels(MetricKind::kGauge, {{"le", ""}}).ok());
}

}  // namespace
}  // namespace trident
