// Which instance may execute, in virtual order: no thread, no clock.

#include "model/rate_rule.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace trident {
namespace {

using Amounts = RateRule::Amounts;

constexpr int kDevice = 0;

Amounts Need(const std::string& resource, uint64_t count, int device = kDevice) {
  return {{device, {{resource, count}}}};
}

size_t Add(RateRule* rule, const Amounts& needs, uint32_t priority = 1) {
  auto instance = rule->Add(needs, priority);
  EXPECT_TRUE(instance.ok()) << instance.status().message();
  return *instance;
}

std::string WhyNot(RateRule* rule, const Amounts& needs) {
  const auto instance = rule->Add(needs, 1);
  EXPECT_FALSE(instance.ok());
  EXPECT_EQ(instance.status().code(), StatusCode::kInvalidArg);
  return instance.status().message();
}

// All of `instances` always have work; who executes, one at a time.
std::vector<size_t> Turns(RateRule* rule, const std::vector<size_t>& instances, int count) {
  for (const size_t instance : instances) rule->Stage(instance);
  std::vector<size_t> order;
  for (int i = 0; i < count; ++i) {
    const auto next = rule->Next();
    EXPECT_TRUE(next.has_value());
    order.push_back(*next);
    EXPECT_EQ(rule->Next(), std::nullopt) << "there is one unit only";
    rule->Release(*next, true);
    rule->Stage(*next);
  }
  for (const size_t instance : instances) rule->Unstage(instance);
  return order;
}

int Count(const std::vector<size_t>& order, size_t instance) {
  return static_cast<int>(std::count(order.begin(), order.end(), instance));
}

TEST(RateRuleTest, ConfigurationsSayWhatAnInstanceNeeds) {
  RateLimiter config;
  config.resources = {{"R1", false, 4}, {"R2", true, 2}};
  EXPECT_EQ(RateRule::NeedsOf(&config, 3),
            (Amounts{{3, {{"R1", 4}}}, {RateRule::kGlobal, {{"R2", 2}}}}));
  EXPECT_EQ(RateRule::NeedsOf(nullptr, 3), Amounts());
}

TEST(RateRuleTest, ThereIsAsMuchAsAnySingleInstanceNeeds) {
  RateRule rule({});
  const size_t small = Add(&rule, Need("R", 2));
  const size_t large = Add(&rule, Need("R", 5));
  const size_t other = Add(&rule, Need("R", 3));
  for (const size_t i : {small, other, large}) rule.Stage(i);
  EXPECT_EQ(rule.Next(), small);
  EXPECT_EQ(rule.Next(), other);  // 2 + 3 of 5
  EXPECT_EQ(rule.Next(), std::nullopt);
  rule.Release(small, true);
  EXPECT_EQ(rule.Next(), std::nullopt);
  rule.Release(other, true);
  EXPECT_EQ(rule.Next(), large);
}

TEST(RateRuleTest, LimitsFollowLoadsAndUnloads) {
  RateRule rule({});
  const size_t a = Add(&rule, Need("R", 1));
  const size_t b = Add(&rule, Need("R", 1));
  const size_t large = Add(&rule, Need("R", 2));
  rule.Stage(a);
  rule.Stage(b);
  EXPECT_EQ(rule.Next(), a);
  EXPECT_EQ(rule.Next(), b);  // two units, because of the large one
  rule.Release(a, true);
  rule.Release(b, true);
  rule.Remove(large);
  rule.Stage(a);
  rule.Stage(b);
  EXPECT_EQ(rule.Next(), a);
  EXPECT_EQ(rule.Next(), std::nullopt) << "one unit is left";
}

TEST(RateRuleTest, ALimitThatSinksBelowWhatIsTakenHoldsTheNextBack) {
  RateRule rule({});
  const size_t large = Add(&rule, Need("R", 4));
  const size_t a = Add(&rule, Need("R", 3));
  const size_t b = Add(&rule, Need("R", 1));
  rule.Stage(a);
  rule.Stage(b);
  EXPECT_EQ(rule.Next(), a);
  EXPECT_EQ(rule.Next(), b);
  rule.Remove(large);  // 4 taken, 3 there
  rule.Release(b, true);
  rule.Stage(b);
  EXPECT_EQ(rule.Next(), std::nullopt);
  rule.Release(a, true);
  EXPECT_EQ(rule.Next(), b);
}

TEST(RateRuleTest, ExplicitAvailabilityReplacesTheMaximum) {
  RateRule rule({{kDevice, {{"R", 6}}}});
  const size_t a = Add(&rule, Need("R", 2));
  const size_t b = Add(&rule, Need("R", 2));
  const size_t c = Add(&rule, Need("R", 2));
  for (const size_t i : {a, b, c}) rule.Stage(i);
  EXPECT_EQ(rule.Next(), a);
  EXPECT_EQ(rule.Next(), b);
  EXPECT_EQ(rule.Next(), c);
}

TEST(RateRuleTest, AResourceOfEveryDeviceIsThereOnEach) {
  RateRule rule({{RateRule::kEveryDevice, {{"R", 1}}}, {1, {{"R", 2}}}});
  const size_t on_zero = Add(&rule, Need("R", 1, 0));
  const size_t on_one = Add(&rule, Need("R", 2, 1));
  rule.Stage(on_zero);
  rule.Stage(on_one);
  EXPECT_EQ(rule.Next(), on_zero);
  EXPECT_EQ(rule.Next(), on_one);
}

TEST(RateRuleTest, AGlobalResourceIsSharedByAllDevices) {
  RateRule rule({{RateRule::kEveryDevice, {{"R", 1}}}});
  const size_t a = Add(&rule, Need("R", 1, RateRule::kGlobal));
  const size_t b = Add(&rule, Need("R", 1, RateRule::kGlobal));
  rule.Stage(a);
  rule.Stage(b);
  EXPECT_EQ(rule.Next(), a);
  EXPECT_EQ(rule.Next(), std::nullopt);
}

TEST(RateRuleTest, TooLittleIsAnErrorThatNamesTheResource) {
  RateRule rule({{kDevice, {{"R", 3}}}});
  const size_t fits = Add(&rule, Need("R", 3));
  EXPECT_EQ(WhyNot(&rule, Need("R", 4)),
            "Resource count for \"R\" is limited to 3 which will prevent scheduling of one or more "
            "model instances, the minimum required count is 4");
  EXPECT_NE(WhyNot(&rule, Need("unheard of", 1)).find("is limited to 0"), std::string::npos);
  rule.Stage(fits);  // and nothing has changed
  EXPECT_EQ(rule.Next(), fits);
}

TEST(RateRuleTest, AResourceIsGlobalForAllOrForNone) {
  RateRule rule({});
  Add(&rule, Need("R", 1));
  EXPECT_EQ(WhyNot(&rule, Need("R", 1, RateRule::kGlobal)),
            "Resource \"R\" is present as both global and device-specific resource in the model "
            "configuration. To change which it is, unload all models that ask for it first.");
}

TEST(RateRuleTest, TurnsGoByExecutionsTimesPriority) {
  RateRule rule({});
  const size_t one = Add(&rule, Need("R", 1), 1);
  const size_t two = Add(&rule, Need("R", 1), 2);
  const size_t four = Add(&rule, Need("R", 1), 4);
  const std::vector<size_t> order = Turns(&rule, {one, two, four}, 700);
  EXPECT_EQ(Count(order, one), 400);
  EXPECT_EQ(Count(order, two), 200);
  EXPECT_EQ(Count(order, four), 100);
}

TEST(RateRuleTest, PriorityZeroIsPriorityOne) {
  RateRule rule({});
  const size_t zero = Add(&rule, Need("R", 1), 0);
  const size_t one = Add(&rule, Need("R", 1), 1);
  const std::vector<size_t> order = Turns(&rule, {zero, one}, 100);
  EXPECT_EQ(Count(order, zero), 50);
}

TEST(RateRuleTest, AcquiringForNothingIsNoTurn) {
  RateRule rule({});
  const size_t a = Add(&rule, Need("R", 1));
  const size_t b = Add(&rule, Need("R", 1));
  rule.Stage(a);
  EXPECT_EQ(rule.Next(), a);
  rule.Release(a, false);
  rule.Stage(a);
  rule.Stage(b);
  EXPECT_EQ(rule.Next(), a) << "both have had no turn, and this one asked first";
}

TEST(RateRuleTest, ABlockedHeadBlocksOthersEvenIfTheyNeedNothing) {
  RateRule rule({});
  const size_t busy = Add(&rule, Need("R", 1));
  const size_t blocked = Add(&rule, Need("R", 1));
  const size_t modest = Add(&rule, {});
  rule.Stage(busy);
  EXPECT_EQ(rule.Next(), busy);
  rule.Stage(blocked);
  rule.Stage(modest);
  EXPECT_EQ(rule.Next(), std::nullopt);
  rule.Unstage(blocked);  // it gave up
  EXPECT_EQ(rule.Next(), modest);
}

// Triton counts from zero, so that one that was idle, or has just been loaded, may keep all others
// from executing for as many turns as they have had: here it joins level with them.
TEST(RateRuleTest, WhoWasIdleDoesNotStarveTheOthers) {
  RateRule rule({});
  const size_t old = Add(&rule, Need("R", 1));
  const size_t idle = Add(&rule, Need("R", 1));
  Turns(&rule, {old}, 10'000);
  EXPECT_EQ(Count(Turns(&rule, {old, idle}, 100), old), 50);
  const size_t fresh = Add(&rule, Need("R", 1));
  EXPECT_EQ(Count(Turns(&rule, {old, idle, fresh}, 99), old), 33);
}

}  // namespace
}  // namespace trident
