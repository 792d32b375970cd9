// What instance groups, host policies and priorities do to the instances of a model.

#include <sched.h>
#include <sys/resource.h>

#include <filesystem>
#include <memory>

#include "witness.h"

namespace trident::contract {
namespace {

ServerSettings WithHostPolicy(const std::string& policy, const std::string& setting,
                              const std::string& value) {
  ServerSettings settings;
  settings.more = [=](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetHostPolicy(options, policy.c_str(), setting.c_str(),
                                                 value.c_str()));
  };
  return settings;
}

int LastCoreOfThisThread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  int last = -1;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) last = i;
  }
  return last;
}

std::string Only(int core) { return std::to_string(core) + "-" + std::to_string(core); }

TEST(Instances, HaveTheNamesKindsAndPoliciesOfTheirGroups) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model",
                                    "instance_group { kind: KIND_CPU count: 2 } "
                                    "instance_group { name: \"other\" kind: KIND_MODEL count: 1 "
                                    "host_policy: \"mine\" }")));
  const std::vector<std::string> lines = Witnessed(&server, "model", "instance");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(
      lines[0].rfind("instance model_0_0 kind=CPU device=0 passive=0 policy={\"cpu\":{}} ", 0), 0u)
      << lines[0];
  EXPECT_EQ(lines[1].rfind("instance model_0_1 kind=CPU ", 0), 0u) << lines[1];
  EXPECT_EQ(
      lines[2].rfind("instance other_0 kind=MODEL device=0 passive=0 policy={\"mine\":{}} ", 0), 0u)
      << lines[2];
}

TEST(Instances, SecondaryDevicesAreExposedByIndex) {
  Server server;
  ASSERT_TRUE(Succeeded(
      LoadWitness(&server, "model",
                  "instance_group { kind: KIND_CPU count: 1 secondary_devices [ { kind: KIND_NVDLA "
                  "device_id: 3 }, { device_id: 5 } ] }")));
  const std::string line = Witnessed(&server, "model", "instance").at(0);
  EXPECT_EQ(ValueOf(line, "secondary"), "KIND_NVDLA:3,KIND_NVDLA:5");
  EXPECT_EQ(ValueOf(line, "profiles"), "");
}

// 2.10: profiles are TensorRT's, and only a model that says so may have them.
TEST(Instances, ProfilesOfOtherPlatformsAreRefused) {
  Server server;
  const Outcome outcome =
      LoadWitness(&server, "model", "instance_group { kind: KIND_CPU count: 1 profile: \"1\" }");
  EXPECT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_INVALID_ARG, {"model_0", "profile"}));
}

TEST(Instances, PassiveOnesAreCreatedAndNeverScheduled) {
  Server server;
  ASSERT_TRUE(Succeeded(
      LoadWitness(&server, "model",
                  "instance_group { name: \"passive\" kind: KIND_CPU count: 1 passive: true } "
                  "instance_group { name: \"active\" kind: KIND_CPU count: 1 }")));
  const std::vector<std::string> instances = Witnessed(&server, "model", "instance");
  ASSERT_EQ(instances.size(), 2u);
  EXPECT_EQ(ValueOf(instances[0], "passive"), "1");
  EXPECT_EQ(ValueOf(instances[1], "passive"), "0");
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  }
  for (const std::string& line : Witnessed(&server, "model", "execute")) {
    EXPECT_EQ(line.rfind("execute active_0 ", 0), 0u) << line;
  }
}

TEST(Instances, GroupsForDevicesThatAreNotThereAreRefusedByName) {
  Server server;
  const Outcome outcome =
      LoadWitness(&server, "model", "instance_group { name: \"fast\" kind: KIND_GPU count: 1 }");
  EXPECT_FALSE(outcome.ok());
  EXPECT_NE(outcome.message.find("'fast'"), std::string::npos) << outcome;
  EXPECT_NE(outcome.message.find("KIND_GPU"), std::string::npos) << outcome;
}

TEST(Instances, RunAndInitializeOnTheCoresOfTheirHostPolicy) {
  const int core = LastCoreOfThisThread();
  Server server(WithHostPolicy("cpu", "cpu-cores", Only(core)));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model")));
  bool ran_inline = true;
  Request request = WitnessRequest(server, "model");
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_FALSE(ran_inline) << "the caller's thread is not on those cores";
  const std::string instance = Witnessed(&server, "model", "instance").at(0);
  EXPECT_EQ(ValueOf(instance, "cores"), std::to_string(core));
  EXPECT_EQ(ValueOf(instance, "policy"), "{\"cpu\":{\"cpu-cores\":\"" + Only(core) + "\"}}");
  EXPECT_EQ(ValueOf(Witnessed(&server, "model", "execute").at(0), "cores"), std::to_string(core));
}

TEST(Instances, OfOtherPoliciesRunAnywhere) {
  Server server(WithHostPolicy("other", "cpu-cores", Only(LastCoreOfThisThread())));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model")));
  bool ran_inline = false;
  Request request = WitnessRequest(server, "model");
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_TRUE(ran_inline);
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
}

TEST(Instances, WrongHostPoliciesFailTheLoadAndSayWhy) {
  const auto load = [](const std::string& setting, const std::string& value) {
    Server server(WithHostPolicy("cpu", setting, value));
    return LoadWitness(&server, "model");
  };
  EXPECT_TRUE(FailedWith(load("cpu-cores", "3"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"instance 'model_0_0'", "host policy 'cpu'",
                          "host policy setting 'cpu-cores' format is "
                          "'<lower_cpu_core_id>-<upper_cpu_core_id>'. Got 3"}));
  EXPECT_TRUE(
      FailedWith(load("cpu-cores", "8000-8000"), TRITONSERVER_ERROR_INVALID_ARG, {"'cpu-cores'"}));
  EXPECT_TRUE(
      FailedWith(load("numa-node", "one"), TRITONSERVER_ERROR_INVALID_ARG, {"'numa-node'", "one"}));
  EXPECT_FALSE(load("numa-node", "1000").ok());
}

TEST(Instances, UnknownHostPolicySettingsAreRefused) {
  EXPECT_THROW(Server(WithHostPolicy("cpu", "colour", "blue")), std::runtime_error);
}

TEST(Instances, OfModelsWithTheLowestPriorityYieldToOthers) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", "optimization { priority: PRIORITY_MIN }")));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  const int mine = getpriority(PRIO_PROCESS, 0);
  const std::string nice = ValueOf(Witnessed(&server, "model", "execute").at(0), "nice");
  EXPECT_EQ(nice, std::to_string(std::min(19, mine + 14)));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), mine);
}

TEST(Instances, OfModelsWithTheHighestPriorityWorkWithOrWithoutThePrivilege) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", "optimization { priority: PRIORITY_MAX }")));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  const std::string nice = ValueOf(Witnessed(&server, "model", "execute").at(0), "nice");
  EXPECT_LE(std::stoi(nice), getpriority(PRIO_PROCESS, 0));
}

// Those that execute, whatever the backend does there, don't keep others from it.
TEST(Instances, ThatAreBlockedHoldUpNoOtherModel) {
  Server server;
  std::vector<std::unique_ptr<Occupied>> blocked;
  for (int i = 0; i < 6; ++i) {
    const std::string model = "blocked" + std::to_string(i);
    ASSERT_TRUE(Succeeded(LoadWitness(&server, model)));
    blocked.push_back(std::make_unique<Occupied>(WitnessRequest(server, model)));
  }
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "free")));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "free").Infer().outcome));
}

TEST(Instances, OfOneModelAllExecuteAtOnce) {
  constexpr int kCount = 9;
  Server server;
  ASSERT_TRUE(Succeeded(
      LoadWitness(&server, "model",
                  "instance_group { kind: KIND_CPU count: " + std::to_string(kCount) + " }")));
  std::vector<std::unique_ptr<Occupied>> busy;  // each made once its request executes
  for (int i = 0; i < kCount; ++i) {
    busy.push_back(std::make_unique<Occupied>(WitnessRequest(server, "model")));
  }
}

size_t ThreadCount() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++count;
  }
  return count;
}

TEST(Instances, OfManyModelsShareAboutAsManyThreadsAsThereAreCores) {
  constexpr int kModels = 300;
  Server server;
  for (int i = 0; i < kModels; ++i) {
    ASSERT_TRUE(Succeeded(LoadWitness(&server, "model" + std::to_string(i))));
  }
  const size_t before = ThreadCount();
  cpu_set_t cores;
  ASSERT_EQ(sched_getaffinity(0, sizeof(cores), &cores), 0);
  for (int i = 0; i < kModels; ++i) {
    Request request = WitnessRequest(server, "model" + std::to_string(i));
    ASSERT_TRUE(Succeeded(request.Send()));
    ASSERT_TRUE(Succeeded(request.Wait().outcome));
  }
  // One may be the timer's, one replaces a thread that seemed to be blocked.
  EXPECT_LE(ThreadCount(), before + static_cast<size_t>(CPU_COUNT(&cores)) + 2);
}

}  // namespace
}  // namespace trident::contract
