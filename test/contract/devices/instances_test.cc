// Instances on devices: which there are, and that their backend finds its device current.

#include <pthread.h>
#include <unistd.h>

#include "cuda/memory.h"
#include "device_models.h"
#include "devices.h"
#include "trident/extension.h"

namespace trident::contract {
namespace {

ServerSettings NeedingCompute(double capability) {
  return With([=](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetMinSupportedComputeCapability(options, capability));
  });
}

// What a witness has written behind `key`, line by line.
std::vector<std::string> ValuesOf(Server* server, const std::string& model, const std::string& word,
                                  const std::string& key) {
  std::vector<std::string> values;
  for (const std::string& line : Witnessed(server, model, word)) {
    values.push_back(ValueOf(line, key));
  }
  return values;
}
using Values = std::vector<std::string>;

cuda::Device& TestDevice(int id) {
  auto device = cuda::Device::Find(id);
  if (!device.ok()) throw std::runtime_error(device.status().message());
  return **device;
}
// The context of the calling thread.
cuda::CuContext Current() {
  cuda::CuContext context = nullptr;
  EXPECT_EQ(TestDevice(0).api().cuCtxGetCurrent(&context), cuda::kSuccess);
  return context;
}

TEST(DeviceInstances, AreOnePerCountAndGpuAndShareNames) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(
      &server, "model",
      OnGpus("0, 1", "", 2) + OnGpus("1",
                                     "name: \"other\" host_policy: \"mine\" "
                                     "secondary_devices { kind: KIND_NVDLA device_id: 3 }"))));
  const std::vector<std::string> lines = Witnessed(&server, "model", "instance");
  ASSERT_EQ(lines.size(), 5u);
  const char* const expected[] = {
      "instance model_0_0 kind=GPU device=0 passive=0 policy={\"gpu_0\":{}} ",
      "instance model_0_0 kind=GPU device=1 passive=0 policy={\"gpu_1\":{}} ",
      "instance model_0_1 kind=GPU device=0 passive=0 policy={\"gpu_0\":{}} ",
      "instance model_0_1 kind=GPU device=1 passive=0 policy={\"gpu_1\":{}} ",
      "instance other_0 kind=GPU device=1 passive=0 policy={\"mine\":{}} "};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(lines[i].starts_with(expected[i])) << lines[i];
  EXPECT_EQ(ValueOf(lines[4], "secondary"), "KIND_NVDLA:3");
}

TEST(DeviceInstances, HaveTheirDeviceCurrentFromBeginToEnd) {
  Server server;
  server.repository().Write(
      "model/golden/a.json",
      R"({"inputs": {"input": {"datatype": "FP32", "shape": [1, 2], "data": [1, 2]}},)"
      R"( "outputs": {"output": {"datatype": "FP32", "shape": [1, 2], "data": [1, 2]}}})");
  ASSERT_TRUE(Succeeded(
      LoadWitness(&server, "model",
                  OnGpus("1") + "model_warmup { name: \"w\" batch_size: 1 inputs { key: \"input\" "
                                "value { data_type: TYPE_FP32 dims: 2 zero_data: true } } }")));
  EXPECT_EQ(ValuesOf(&server, "model", "execute", "current"), (Values{"1", "1"}))
      << "the warm-up and the golden sample";
  EXPECT_EQ(ValuesOf(&server, "model", "execute", "thread"),
            Values(2, ValuesOf(&server, "model", "instance", "thread")[0]));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  EXPECT_EQ(ValuesOf(&server, "model", "execute", "current"), (Values{"1", "1", "1"}));
  ASSERT_TRUE(Succeeded(server.UnloadAndWait("model")));
  EXPECT_EQ(ValuesOf(&server, "model", "instance", "current"), Values{"1"});
  EXPECT_EQ(ValuesOf(&server, "model", "end", "current"), Values{"1"});
  EXPECT_EQ(Current(), nullptr) << "loads and unloads leave the caller's thread as it was";
}

TEST(DeviceInstances, LeaveThreadsThatTheyBorrowAsTheyWere) {
  Server server;
  const cuda::ScopedDevice mine(&TestDevice(1));
  const cuda::CuContext before = Current();
  ASSERT_TRUE(Succeeded(
      LoadWitness(&server, "model",
                  OnGpus("0", "passive: true") + "instance_group { kind: KIND_CPU count: 1 }")));
  EXPECT_EQ(Current(), before) << "the plug-in was initialised on this thread";
  EXPECT_EQ(ValuesOf(&server, "model", "instance", "current"), (Values{"0", "1"}));
}

TEST(DeviceInstances, LiveOnOneThreadOfTheirOwnEach) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(
      &server, "model",
      OnGpus("0, 1") + "model_warmup { name: \"w\" batch_size: 1 inputs { key: \"input\" "
                       "value { data_type: TYPE_FP32 dims: 2 zero_data: true } } }")));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  ASSERT_TRUE(Succeeded(server.UnloadAndWait("model")));
  const Values began = ValuesOf(&server, "model", "instance", "thread");
  const Values executed = ValuesOf(&server, "model", "execute", "thread");
  Values ended = ValuesOf(&server, "model", "end", "thread");
  ASSERT_EQ(began.size(), 2u);
  EXPECT_NE(began[0], began[1]);
  EXPECT_EQ(std::count(began.begin(), began.end(), std::to_string(gettid())), 0);
  ASSERT_EQ(executed.size(), 3u);
  EXPECT_EQ((Values{executed[0], executed[1]}), began) << "the warm-up";
  EXPECT_EQ(std::count(began.begin(), began.end(), executed[2]), 1) << "the request";
  EXPECT_TRUE(std::is_permutation(ended.begin(), ended.end(), began.begin(), began.end()));
}

// While it lives no thread can be started: each would need more memory for its stack than there
// are addresses.
class NoThreads {
 public:
  NoThreads() {
    EXPECT_EQ(pthread_getattr_default_np(&before_), 0);
    pthread_attr_t huge = before_;
    EXPECT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 62), 0);
    EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
  }
  ~NoThreads() { EXPECT_EQ(pthread_setattr_default_np(&before_), 0); }

 private:
  pthread_attr_t before_;
};

TEST(DeviceInstances, DoNotLoadWithoutTheirThread) {
  Server server;
  server.repository().Add("model", WitnessConfig(&server, "model", OnGpus("0")));
  // A load that fails has its device looked at, for which the fake driver needs a thread of its
  // own: not for the first time then.
  Must(TRITONSERVER_TridentServerCheckDevices(server.handle()));
  {
    const NoThreads none;
    EXPECT_TRUE(FailedWith(server.Load("model"), TRITONSERVER_ERROR_UNAVAILABLE,
                           {"instance 'model_0_0'", "can't start its thread"}));
  }
  EXPECT_TRUE(Succeeded(server.Load("model")));
}

TEST(DeviceInstances, HaveThreadsOfTheirOwn) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("1"))));
  Request request = WitnessRequest(server, "model");
  bool ran_inline = true;
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_FALSE(ran_inline);
  EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_EQ(ValuesOf(&server, "model", "execute", "current"), Values{"1"});
}

TEST(DeviceInstances, OnTheHostEnterNoDevice) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model")));
  const uint64_t entered = Calls("cuCtxPushCurrent_v2");
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  EXPECT_EQ(Calls("cuCtxPushCurrent_v2"), entered);
  EXPECT_EQ(ValuesOf(&server, "model", "execute", "current"), Values{"none"});
}

// Exits with 0 when the driver is left alone until there is a model that may be on a device.
[[noreturn]] void LoadOnHostThenAnywhere() {
  const std::string config =
      "backend: \"identity\" max_batch_size: 1 "
      "input { name: \"INPUT0\" data_type: TYPE_FP32 dims: 1 } "
      "output { name: \"OUTPUT0\" data_type: TYPE_FP32 dims: 1 } ";
  Server server;
  server.repository().Add("host", config + "instance_group { kind: KIND_AUTO }");
  server.repository().Add("gpu", config + "instance_group { kind: KIND_GPU }");
  int step = 1;
  const auto expect = [&](bool holds) {
    if (!holds) _exit(step);
    ++step;
  };
  expect(server.Load("host").ok());
  expect(Calls("cuInit") == 0);
  expect(server.Load("gpu").ok());
  expect(Calls("cuInit") > 0);
  _exit(0);
}

TEST(DeviceInstancesDeathTest, AreLookedForWhenAModelMayUseThem) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(LoadOnHostThenAnywhere(), testing::ExitedWithCode(0), "");
}

TEST(DeviceInstances, OfKindAutoAreOnAllUsableDevices) {
  Server server(NeedingCompute(8.5));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", "instance_group { count: 1 }")));
  EXPECT_EQ(ValuesOf(&server, "model", "instance", "device"), (Values{"0", "1"}));
  EXPECT_EQ(server.Config("model").Text("/instance_group/0/kind"), "KIND_GPU");
  // A wish that can't be met as a whole leaves them on the host.
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "wish", "instance_group { count: 1 gpus: [1, 2] }")));
  EXPECT_EQ(ValuesOf(&server, "wish", "instance", "kind"), Values{"CPU"});
}

TEST(DeviceInstances, NeedTheMinimumComputeCapability) {
  Server server(NeedingCompute(8.5));
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "old", OnGpus("2")), TRITONSERVER_ERROR_INVALID_ARG,
                         {"'old_0'", "GPU 2; usable GPUs are: 0, 1"}));
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "none", OnGpus("7")), TRITONSERVER_ERROR_INVALID_ARG,
                         {"GPU 7"}));
  Server lenient(NeedingCompute(8.0));
  EXPECT_TRUE(Succeeded(LoadWitness(&lenient, "old", OnGpus("2"))));
  Server strict(NeedingCompute(9.5));
  EXPECT_TRUE(FailedWith(LoadWitness(&strict, "model", OnGpus("0")), TRITONSERVER_ERROR_INVALID_ARG,
                         {"no GPUs are available", "9.5", "2 has 8"}));
  ASSERT_TRUE(Succeeded(LoadWitness(&strict, "model", "instance_group { count: 1 }")));
  EXPECT_EQ(ValuesOf(&strict, "model", "instance", "kind"), Values{"CPU"});
}

TEST(DeviceInstances, ComeAndGoWhileTheModelServes) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model")));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("0, 1"))));
  EXPECT_EQ(ValuesOf(&server, "model", "instance", "device"), (Values{"0", "0", "1"}));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("1"))));
  EXPECT_EQ(Witnessed(&server, "model", "instance").size(), 3u) << "that on device 1 stays";
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  EXPECT_EQ(ValuesOf(&server, "model", "execute", "current"), Values{"1"});
}

TEST(DeviceInstances, AnswerWithTheErrorWhenTheirDeviceCanNotBeEntered) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("0"))));
  {
    const Fault push("cuCtxPushCurrent_v2", cuda::kOutOfMemory);
    EXPECT_TRUE(FailedWith(WitnessRequest(server, "model").Infer().outcome,
                           TRITONSERVER_ERROR_UNAVAILABLE, {"device 0"}));
    EXPECT_TRUE(FailedWith(LoadWitness(&server, "next", OnGpus("0")),
                           TRITONSERVER_ERROR_UNAVAILABLE, {"instance 'next_0_0'", "device 0"}));
  }
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  EXPECT_TRUE(Succeeded(server.Load("next")));
}

TEST(DeviceInstances, MayUseEachOthersMemoryUnlessTheServerForbidsIt) {
  const uint64_t enabled = Calls("cuCtxEnablePeerAccess");
  Server apart(With([](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetEnablePeerAccess(options, false));
  }));
  ASSERT_TRUE(Succeeded(LoadWitness(&apart, "model", OnGpus("0, 1"))));
  EXPECT_EQ(Calls("cuCtxEnablePeerAccess"), enabled);
  Server together;
  ASSERT_TRUE(Succeeded(LoadWitness(&together, "model", OnGpus("0, 1"))));
  EXPECT_EQ(Calls("cuCtxEnablePeerAccess"), enabled + 2) << "both ways";
}

// Executions on one device ----------------------------------------------------------------------

ServerSettings DeviceBlocking() {
  return With([](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetBackendConfig(options, "witness", "device-blocking", "yes"));
  });
}

// Long enough for an instance that is free to answer.
void LetTimePass(Server* server) {
  for (int i = 0; i < 5; ++i) {
    const std::string model = "other" + std::to_string(i);
    ASSERT_TRUE(Succeeded(LoadWitness(server, model)));
    ASSERT_TRUE(Succeeded(WitnessRequest(*server, model).Infer().outcome));
  }
}

TEST(DeviceTurns, AreTakenWhereTheBackendSaysThatItBlocksTheDevice) {
  Server server(DeviceBlocking());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("0", "", 2))));
  Occupied busy(WitnessRequest(server, "model"));
  bool ran_inline = true;
  Request waiting = WitnessRequest(server, "model");
  ASSERT_TRUE(Succeeded(waiting.SendInline(&ran_inline)));
  EXPECT_FALSE(ran_inline) << "callers don't wait for a turn";
  LetTimePass(&server);
  EXPECT_FALSE(waiting.answered());
  EXPECT_EQ(Witnessed(&server, "model", "execute").size(), 1u);
  busy.Release();
  EXPECT_TRUE(Succeeded(waiting.Wait().outcome));
}

TEST(DeviceTurns, AreOfOneDeviceEach) {
  Server server(DeviceBlocking());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("0, 1"))));
  const Occupied one(WitnessRequest(server, "model"));
  const Occupied other(WitnessRequest(server, "model"));
}

TEST(DeviceTurns, AreNotTakenOtherwise) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("0", "", 2))));
  const Occupied one(WitnessRequest(server, "model"));
  const Occupied other(WitnessRequest(server, "model"));
}

TEST(DeviceResources, AreLimitedPerDevice) {
  Server server(With([](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetRateLimiterMode(options, TRITONSERVER_RATE_LIMIT_EXEC_COUNT));
    Must(TRITONSERVER_ServerOptionsAddRateLimiterResource(options, "R", 1, 0));
    Must(TRITONSERVER_ServerOptionsAddRateLimiterResource(options, "R", 2, 1));
  }));
  const auto needing = [](const std::string& gpu, int count) {
    return OnGpus(
        gpu, "rate_limiter { resources { name: \"R\" count: " + std::to_string(count) + " } }");
  };
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "greedy", needing("0", 2)),
                         TRITONSERVER_ERROR_INVALID_ARG, {"\"R\" is limited to 1"}));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", needing("0", 1))));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", needing("0", 1))));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "c", needing("1", 2))));
  Occupied busy(WitnessRequest(server, "a"));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "c").Infer().outcome));
  Request waiting = WitnessRequest(server, "b");
  ASSERT_TRUE(Succeeded(waiting.Send()));
  EXPECT_TRUE(Witnessed(&server, "b", "execute").empty());
  busy.Release();
  EXPECT_TRUE(Succeeded(waiting.Wait().outcome));
}

// Limits and metrics ----------------------------------------------------------------------------

TEST(DeviceLoadLimits, RefuseInstancesWhereTooMuchMemoryIsInUse) {
  Server server(With([](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetModelLoadDeviceLimit(
        options, TRITONSERVER_INSTANCEGROUPKIND_GPU, 0, 0.05));
  }));
  auto taken = cuda::DeviceMemory::Allocate(&TestDevice(0), TestDevice(0).memory_bytes() / 10);
  ASSERT_TRUE(taken.ok());
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "model", OnGpus("0")), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"can not create model 'model_0_0': memory limit set for GPU 0 has "
                          "exceeded, model loading is rejected."}));
  EXPECT_EQ(Witnessed(&server, "model", "end").size(), 1u) << "what was created is finalised";
  EXPECT_TRUE(Succeeded(LoadWitness(&server, "there", OnGpus("1"))));
  EXPECT_TRUE(Succeeded(LoadWitness(&server, "host")));
  taken.value() = nullptr;
  EXPECT_TRUE(Succeeded(server.Load("model")));
}

TEST(DeviceMetrics, NameTheGpuOfModelsThatAreOnOne) {
  Server server;
  const auto has = [&](const std::string& labels) {
    return MetricsOf(server).find("nv_inference_count{" + labels + "}") != std::string::npos;
  };
  const auto on = [](int id) {
    return "gpu_uuid=\"" + TestDevice(id).uuid() + "\",model=\"model\",version=\"1\"";
  };
  const std::string on_none = "model=\"model\",version=\"1\"";
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("0", "", 2))));
  EXPECT_TRUE(has(on(0)));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("1"))));
  EXPECT_TRUE(has(on(1)));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", OnGpus("0, 1"))));
  EXPECT_TRUE(has(on_none));
  ASSERT_TRUE(
      Succeeded(LoadWitness(&server, "model", OnGpus("0") + " instance_group { kind: KIND_CPU }")));
  EXPECT_TRUE(has(on_none));
}

}  // namespace
}  // namespace trident::contract
