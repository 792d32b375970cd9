// Where the threads of instances run, on whatever machine this is: all that is asked of it is one
// core and one memory node.

#include "model/host_policy.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <thread>

namespace trident {
namespace {

HostPolicy Parse(const HostPolicy::Settings& settings) {
  auto policy = HostPolicy::Parse("p", settings);
  EXPECT_TRUE(policy.ok()) << policy.status().message();
  return std::move(policy).value();
}

std::string WhyNot(const HostPolicy::Settings& settings) {
  const auto policy = HostPolicy::Parse("p", settings);
  EXPECT_FALSE(policy.ok());
  if (policy.ok()) return "";
  EXPECT_EQ(policy.status().code(), StatusCode::kInvalidArg);
  return policy.status().message();
}

std::vector<int> CoresOfThisThread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  std::vector<int> cores;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) cores.push_back(i);
  }
  return cores;
}

std::string Range(int core) { return std::to_string(core) + "-" + std::to_string(core); }

TEST(HostPolicyTest, ReadsTheSettings) {
  EXPECT_TRUE(Parse({}).empty());
  EXPECT_EQ(Parse({{"cpu-cores", "0-2"}}).cores(), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(Parse({{"cpu-cores", "1-1,4-5"}}).cores(), (std::vector<int>{1, 4, 5}));
  EXPECT_EQ(Parse({{"numa-node", "3"}}).node(), 3);
}

TEST(HostPolicyTest, FormatErrorsSayTheFormat) {
  for (const char* text : {"3", "", "a-b", "0-", "-1", "0-1,", "0-1,5", "2-1", "0-1-2", " 0-1"}) {
    EXPECT_NE(WhyNot({{"cpu-cores", text}})
                  .find("host policy 'p': host policy setting 'cpu-cores' format is "
                        "'<lower_cpu_core_id>-<upper_cpu_core_id>'. Got "),
              std::string::npos)
        << text;
  }
  for (const char* text : {"", "x", "-1", "1.5", "99999999999999999999", "1024"}) {
    EXPECT_NE(WhyNot({{"numa-node", text}}).find("'numa-node'"), std::string::npos) << text;
  }
}

TEST(HostPolicyTest, HugeRangesCostNothing) {
  EXPECT_NE(WhyNot({{"cpu-cores", "0-18446744073709551615"}}).find("core"), std::string::npos);
  EXPECT_NE(WhyNot({{"cpu-cores", "0-4000000000"}}).find("4000000000"), std::string::npos);
}

TEST(HostPolicyTest, AThreadRunsWhereItsPolicySays) {
  const int last = CoresOfThisThread().back();
  std::thread([&] {
    EXPECT_TRUE(Parse({{"cpu-cores", Range(last)}}).Apply().ok());
    EXPECT_EQ(CoresOfThisThread(), std::vector<int>{last});
  }).join();
}

TEST(HostPolicyTest, AScopeEndsAsItBegan) {
  const std::vector<int> before = CoresOfThisThread();
  {
    const ScopedHostPolicy scope(Parse({{"cpu-cores", Range(before.front())}}));
    ASSERT_TRUE(scope.status().ok()) << scope.status().message();
    EXPECT_EQ(CoresOfThisThread(), std::vector<int>{before.front()});
  }
  EXPECT_EQ(CoresOfThisThread(), before);
}

TEST(HostPolicyTest, CoresThisMachineLacksAreAnErrorThatNamesThem) {
  const std::vector<int> before = CoresOfThisThread();
  for (const std::string text : {std::string("8000-8000"), Range(before[0]) + ",8000-8001"}) {
    const ScopedHostPolicy scope(Parse({{"cpu-cores", text}}));
    EXPECT_EQ(scope.status().code(), StatusCode::kInvalidArg);
    EXPECT_NE(scope.status().message().find("host policy 'p': setting 'cpu-cores'"),
              std::string::npos)
        << scope.status().message();
    EXPECT_EQ(CoresOfThisThread(), before);
  }
}

TEST(HostPolicyTest, ANodeThisMachineLacksIsAnErrorAndCoresStay) {
  const std::vector<int> before = CoresOfThisThread();
  const ScopedHostPolicy scope(
      Parse({{"cpu-cores", Range(before.front())}, {"numa-node", "1023"}}));
  EXPECT_FALSE(scope.status().ok());
  EXPECT_NE(scope.status().message().find("'numa-node'"), std::string::npos);
  EXPECT_EQ(CoresOfThisThread(), before);
}

TEST(HostPolicyTest, NodeZeroIsThereOrMemoryPoliciesAreNotAllowed) {
  const ScopedHostPolicy scope(Parse({{"numa-node", "0"}}));
  if (!scope.status().ok()) EXPECT_EQ(scope.status().code(), StatusCode::kUnavailable);
}

TEST(HostPolicyTest, PriorityMovesTheThreadAlone) {
  EXPECT_EQ(NiceStepOf(ModelPriority::kDefault), 0);
  EXPECT_LT(NiceStepOf(ModelPriority::kMax), 0);
  EXPECT_GT(NiceStepOf(ModelPriority::kMin), 0);
  const int before = getpriority(PRIO_PROCESS, 0);
  std::thread([&] {
    ApplyNiceStep(NiceStepOf(ModelPriority::kMin));
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), std::min(19, before + 14));
  }).join();
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
}

TEST(HostPolicyTest, APriorityAboveThePrivilegesIsNoError) {
  std::thread([] {
    const int before = getpriority(PRIO_PROCESS, 0);
    ApplyNiceStep(NiceStepOf(ModelPriority::kMax));
    EXPECT_LE(getpriority(PRIO_PROCESS, 0), before);
  }).join();
}

}  // namespace
}  // namespace trident
