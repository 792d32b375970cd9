#include "repository/poll_plan.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

const ModelIdentity kA{"", "a"}, kB{"", "b"};
constexpr uint64_t kSettle = 250;

PollPlan Decide(const std::map<ModelIdentity, ModelOnDisk>& on_disk,
                const std::map<ModelIdentity, ModelKnown>& known, uint64_t now = 1000) {
  return DecidePoll(on_disk, known, now, kSettle);
}

TEST(DecidePoll, LoadsWhatIsNewOnceItIsAtRest) {
  EXPECT_EQ(Decide({{kA, {7, 750}}}, {}).load, ModelSet{kA});
  const PollPlan early = Decide({{kA, {7, 751}}, {kB, {7, 900}}}, {});
  EXPECT_TRUE(early.load.empty());
  EXPECT_EQ(early.wait, (ModelSet{kA, kB}));
  EXPECT_EQ(early.look_again_ns, 1150u) << "when the last of them is at rest";
}

TEST(DecidePoll, LeavesAloneWhatWasTriedAsItIs) {
  const PollPlan plan = Decide({{kA, {7, 0}}}, {{kA, {true, 7}}});
  EXPECT_TRUE(plan.load.empty() && plan.wait.empty() && plan.unload.empty());
}

TEST(DecidePoll, ReloadsWhatHasChanged) {
  EXPECT_EQ(Decide({{kA, {8, 0}}}, {{kA, {true, 7}}}).load, ModelSet{kA});
  EXPECT_EQ(Decide({{kA, {8, 990}}}, {{kA, {true, 7}}}).wait, ModelSet{kA});
}

TEST(DecidePoll, UnloadsWhatIsGone) {
  EXPECT_EQ(Decide({}, {{kA, {true, 7}}}).unload, ModelSet{kA});
  EXPECT_TRUE(Decide({}, {{kA, {false, std::nullopt}}}).unload.empty());
}

TEST(DecidePoll, LoadsAgainWhatCameBack) {
  EXPECT_EQ(Decide({{kA, {7, 0}}}, {{kA, {false, std::nullopt}}}).load, ModelSet{kA});
}

// 3.12.11
TEST(DecidePoll, UnloadsWhatIsInTwoRepositories) {
  const PollPlan plan = Decide({{kA, {0, 0, 2}}, {kB, {0, 0, 2}}}, {{kA, {true, 7}}});
  EXPECT_EQ(plan.unload, ModelSet{kA});
  EXPECT_TRUE(plan.load.empty() && plan.wait.empty());
}

TEST(DecidePoll, TakesATimeAheadOfTheClockForNow) {
  EXPECT_EQ(Decide({{kA, {7, 2000}}}, {}).look_again_ns, 1250u);
}

}  // namespace
}  // namespace trident
