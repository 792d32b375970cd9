#include "inference/statistics.h"

#include <gtest/gtest.h>

namespace trident {

void PrintTo(const Duration& duration, std::ostream* out) {
  *out << duration.count << " in " << duration.ns << " ns";
}

namespace {

using Response = StatisticsSnapshot::Response;

testing::AssertionResult Is(const Duration& duration, uint64_t count, uint64_t ns) {
  if (duration.count == count && duration.ns == ns) return testing::AssertionSuccess();
  return testing::AssertionFailure() << testing::PrintToString(duration);
}

// A reading after one report.
Response AfterOne(StatusCode outcome, const ResponseTimes& times) {
  ModelStatistics statistics;
  EXPECT_TRUE(statistics.RecordResponse(0, outcome, times).ok());
  return statistics.Read().responses.at(0);
}

TEST(ResponseStatistics, ASuccessHasBothComputeTimes) {
  const Response row = AfterOne(StatusCode::kOk, {100, 130, 135});
  EXPECT_TRUE(Is(row.compute_infer, 1, 30));
  EXPECT_TRUE(Is(row.compute_output, 1, 5));
  EXPECT_TRUE(Is(row.success, 1, 35));
  EXPECT_TRUE(Is(row.fail, 0, 0));
  EXPECT_TRUE(Is(row.empty, 0, 0));
  EXPECT_TRUE(Is(row.cancel, 0, 0));
}

TEST(ResponseStatistics, OutputsThatTakeNoTimeCount) {
  EXPECT_TRUE(Is(AfterOne(StatusCode::kOk, {100, 100, 100}).compute_output, 1, 0));
}

TEST(ResponseStatistics, ASuccessWithoutOutputsIsEmpty) {
  const Response row = AfterOne(StatusCode::kOk, {100, 0, 135});
  EXPECT_TRUE(Is(row.compute_infer, 1, 35));
  EXPECT_TRUE(Is(row.compute_output, 0, 0));
  EXPECT_TRUE(Is(row.empty, 1, 35));
  EXPECT_TRUE(Is(row.success, 0, 0));
}

TEST(ResponseStatistics, AFailureMayHaveOutputs) {
  const Response early = AfterOne(StatusCode::kInternal, {100, 0, 135});
  EXPECT_TRUE(Is(early.compute_infer, 1, 35));
  EXPECT_TRUE(Is(early.compute_output, 0, 0));
  EXPECT_TRUE(Is(early.fail, 1, 35));
  const Response late = AfterOne(StatusCode::kInternal, {100, 130, 135});
  EXPECT_TRUE(Is(late.compute_infer, 1, 30));
  EXPECT_TRUE(Is(late.compute_output, 1, 5));
  EXPECT_TRUE(Is(late.fail, 1, 35));
  EXPECT_TRUE(Is(AfterOne(StatusCode::kInternal, {100, 135, 135}).compute_output, 0, 0));
}

TEST(ResponseStatistics, ACancelCountsNoComputeTime) {
  const Response row = AfterOne(StatusCode::kCancelled, {100, 130, 135});
  EXPECT_TRUE(Is(row.cancel, 1, 35));
  EXPECT_TRUE(Is(row.compute_infer, 0, 0));
  EXPECT_TRUE(Is(row.compute_output, 0, 0));
  EXPECT_TRUE(Is(row.fail, 0, 0));
}

TEST(ResponseStatistics, EachPlaceAddsUpItsOwn) {
  ModelStatistics statistics;
  for (const uint64_t place : {0, 1, 0, 11}) {
    EXPECT_TRUE(statistics.RecordResponse(place, StatusCode::kOk, {1, 2, 3}).ok());
  }
  const auto rows = statistics.Read().responses;
  EXPECT_EQ(rows.size(), 3u);
  EXPECT_TRUE(Is(rows.at(0).success, 2, 4));
  EXPECT_TRUE(Is(rows.at(1).success, 1, 2));
  EXPECT_TRUE(Is(rows.at(11).success, 1, 2));
}

TEST(ResponseStatistics, TimesOutOfOrderAreRefusedAndCountNothing) {
  ModelStatistics statistics;
  const struct {
    StatusCode outcome;
    ResponseTimes times;
    const char* message;
  } cases[] = {
      {StatusCode::kOk, {5, 4, 6}, "Response start cannot happen after compute output start"},
      {StatusCode::kOk, {5, 7, 6}, "Compute output start cannot happen after response end"},
      {StatusCode::kOk, {5, 0, 4}, "Response start cannot happen after response end"},
      {StatusCode::kInternal, {5, 4, 6}, "Response start cannot happen after compute output start"},
      {StatusCode::kInternal, {5, 7, 6}, "Compute output start cannot happen after response end"},
      {StatusCode::kInternal, {5, 0, 4}, "Response start cannot happen after response end"},
      {StatusCode::kCancelled, {5, 4, 4}, "Response start cannot happen after response end"},
  };
  for (const auto& [outcome, times, message] : cases) {
    const Status status = statistics.RecordResponse(0, outcome, times);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
    EXPECT_EQ(status.message(), message);
  }
  EXPECT_TRUE(statistics.Read().responses.empty());
}

TEST(CacheStatistics, AMissMakesItsRequestLongerByTheInsertion) {
  ModelStatistics statistics;
  statistics.RecordSuccess(1, 100, 100, {110, 120, 130, 140});
  statistics.RecordCacheMiss(3, 7);
  const StatisticsSnapshot read = statistics.Read();
  EXPECT_TRUE(Is(read.cache_miss, 1, 10));
  EXPECT_TRUE(Is(read.success, 1, 47));
}

constexpr uint64_t kUs = 1000;
constexpr ExecutionTimes kTimes = {30 * kUs, 31 * kUs, 35 * kUs, 36 * kUs};

TEST(ModelStatistics, CountsFailuresByReason) {
  ModelStatistics statistics;
  statistics.RecordFailure(FailureReason::kRejected, 1, 3);
  statistics.RecordFailure(FailureReason::kBackend, 1, 3);
  statistics.RecordFailure(FailureReason::kBackend, 1, 3);
  const StatisticsTotals totals = statistics.ReadTotals();
  EXPECT_EQ(totals.fail.count, 3u);
  EXPECT_EQ(totals.fail.ns, 6u);
  const uint64_t expected[kFailureReasons] = {1, 0, 2, 0};
  for (size_t i = 0; i < kFailureReasons; ++i) EXPECT_EQ(totals.failures[i], expected[i]) << i;
}

TEST(ModelStatistics, KeepsSummariesWhenAsked) {
  ModelStatistics without;
  without.RecordSuccess(1, 10 * kUs, 10 * kUs, kTimes);
  EXPECT_EQ(without.summaries(), nullptr);
  EXPECT_EQ(without.ReadTotals().success.count, 1u);

  ModelStatistics statistics;
  statistics.KeepSummaries();
  statistics.RecordSuccess(1, 10 * kUs, 10 * kUs, kTimes);
  statistics.RecordCacheHit(kUs, 2 * kUs, 5 * kUs, 7 * kUs);
  statistics.RecordCacheMiss(3 * kUs, 6 * kUs);
  LatencySummaries& summaries = *statistics.summaries();
  const auto sum = [](LatencySummary& summary) { return summary.Read({}, 0).sum_us; };
  EXPECT_EQ(sum(summaries.request), 26u + 6);
  EXPECT_EQ(sum(summaries.queue), 20u + 1);
  EXPECT_EQ(sum(summaries.compute_input), 1u);
  EXPECT_EQ(sum(summaries.compute_infer), 4u);
  EXPECT_EQ(sum(summaries.compute_output), 1u);
  EXPECT_EQ(sum(summaries.cache_hit), 3u);
  EXPECT_EQ(sum(summaries.cache_miss), 9u);
}

TEST(ModelStatistics, AnEnsemblesSummariesHaveTheTimesOfItsSteps) {
  ModelStatistics statistics;
  statistics.KeepSummaries();
  ComputeTotals totals;
  totals.Add(kTimes);
  totals.Add(kTimes);
  statistics.RecordComposed(1, kUs, 2 * kUs, 100 * kUs, totals);
  EXPECT_EQ(statistics.summaries()->compute_infer.Read({}, 0).sum_us, 8u);
  EXPECT_EQ(statistics.summaries()->request.Read({}, 0).sum_us, 99u);
}

}  // namespace
}  // namespace trident
