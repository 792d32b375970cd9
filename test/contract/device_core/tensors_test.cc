// Tensors on devices on their way through the core. The host can't touch a device's addresses, so a
// right answer is no accident; the driver's counts say how it came about.

#include "device_core.h"

namespace trident::contract {
namespace {

const std::string kNumbers = BytesOf(std::vector<float>{1, 2, 3, 4});

class DeviceTensors : public DeviceModels {};

TEST_F(DeviceTensors, GoFromTheClientsMemoryToTheModelAndBack) {
  Load("model", DeviceConfig(On({0})));
  Memory from(OnDevice(0), kNumbers);
  Memory to(OnDevice(0), kNumbers.size());
  const uint64_t host_copies = HostCopies();
  const Answer answer = Echo("model", &from, &to).Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(to.bytes(), kNumbers);
  EXPECT_EQ(answer.parameters.at("input_at"), 0);
  EXPECT_EQ(answer.parameters.at("output_at"), 0);
  EXPECT_EQ(HostCopies(), host_copies);
}

TEST_F(DeviceTensors, OfNoSuchDeviceOrNoMemoryAreRefused) {
  Load("model", DeviceConfig(On({0})));
  Memory from(OnDevice(0), kNumbers);
  TRITONSERVER_InferenceRequest* request = nullptr;
  Must(TRITONSERVER_InferenceRequestNew(&request, server_.handle(), "model", -1));
  const int64_t shape[] = {1, 4};
  Must(TRITONSERVER_InferenceRequestAddInput(request, "input", TRITONSERVER_TYPE_FP32, shape, 2));
  const auto append = [&](const void* data, int64_t device) {
    return Outcome::Of(TRITONSERVER_InferenceRequestAppendInputData(
        request, "input", data, kNumbers.size(), TRITONSERVER_MEMORY_GPU, device));
  };
  EXPECT_TRUE(FailedWith(append(from.data(), kDevices), TRITONSERVER_ERROR_INVALID_ARG,
                         {"input 'input'", "there is no device"}));
  EXPECT_TRUE(FailedWith(append(from.data(), -1), TRITONSERVER_ERROR_INVALID_ARG, {"device -1"}));
  EXPECT_TRUE(FailedWith(append(nullptr, 0), TRITONSERVER_ERROR_INVALID_ARG, {"is null"}));
  Must(TRITONSERVER_InferenceRequestDelete(request));

  Memory to({TRITONSERVER_MEMORY_CPU, 0}, kNumbers.size());
  Request lost(server_, "model");
  lost.InputAt("input", TRITONSERVER_TYPE_FP32, {1, 4}, from.data(), from.byte_size(),
               from.where());
  lost.OutputAt("output", to.data(), to.byte_size(), OnDevice(kDevices));
  EXPECT_TRUE(FailedWith(lost.Infer().outcome, TRITONSERVER_ERROR_INVALID_ARG,
                         {"output 'output'", "there is no device"}));
}

TEST_F(DeviceTensors, StringsAreCheckedThereToo) {
  Load("strings", DeviceConfig(On({0}), "", "STRING"));
  const auto send = [&](const std::string& bytes) {
    Memory from(OnDevice(0), bytes);
    Request request(server_, "strings");
    request.InputAt("input", TRITONSERVER_TYPE_BYTES, {1, 2}, from.data(), from.byte_size(),
                    from.where());
    return request.Infer();
  };
  const std::string good = Strings({"one", "two"});
  const Answer answer = send(good);
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").bytes, good);
  EXPECT_TRUE(FailedWith(send(good.substr(0, good.size() - 1)).outcome,
                         TRITONSERVER_ERROR_INVALID_ARG, {"string element 1 claims 3 bytes"}));
  const Fault fault("cuMemcpyDtoHAsync_v2", 1);
  EXPECT_TRUE(FailedWith(send(good).outcome, TRITONSERVER_ERROR_INVALID_ARG,
                         {"can't read input 'input'", "CUDA_ERROR_INVALID_VALUE"}));
}

TEST_F(DeviceTensors, BetweenTheStepsOfAnEnsembleStayThere) {
  server_.repository().Add("first", DeviceConfig(On({0})));
  server_.repository().Add("second", DeviceConfig(On({0})));
  Load("chain", Chain({"first", "second"}));
  Memory from(OnDevice(0), kNumbers);
  Memory to(OnDevice(0), kNumbers.size());
  const uint64_t host_copies = HostCopies();
  ASSERT_TRUE(Succeeded(Echo("chain", &from, &to).Infer().outcome));
  EXPECT_EQ(to.bytes(), kNumbers);
  EXPECT_EQ(HostCopies(), host_copies);
}

TEST_F(DeviceTensors, GoFromDeviceToDeviceBetweenSteps) {
  server_.repository().Add("first", DeviceConfig(On({0})));
  server_.repository().Add("second", DeviceConfig(On({1})));
  Load("chain", Chain({"first", "second"}));
  Memory from(OnDevice(0), kNumbers);
  Memory to(OnDevice(1), kNumbers.size());
  const uint64_t host_copies = HostCopies();
  const uint64_t peer_copies = Calls("cuMemcpyPeerAsync");
  ASSERT_TRUE(Succeeded(Echo("chain", &from, &to).Infer().outcome));
  EXPECT_EQ(to.bytes(), kNumbers);
  EXPECT_EQ(HostCopies(), host_copies);
  EXPECT_EQ(Calls("cuMemcpyPeerAsync"), peer_copies + 1);
}

TEST_F(DeviceTensors, OfAnEnsembleThatPassesItsInputOnAreCopiedOnTheDevice) {
  server_.repository().Add("first", DeviceConfig(On({0})));
  Load("both", EnsembleConfig({"input"}, {"input", "output"},
                              Step("first", {{"input", "input"}}, {{"output", "output"}})));
  Memory from(OnDevice(0), kNumbers);
  Memory to(OnDevice(0), kNumbers.size());
  Memory passed_on(OnDevice(0), kNumbers.size());
  Request request = Echo("both", &from, &to);
  request.OutputAt("input", passed_on.data(), passed_on.byte_size(), passed_on.where());
  const uint64_t host_copies = HostCopies();
  ASSERT_TRUE(Succeeded(request.Infer().outcome));
  EXPECT_EQ(to.bytes(), kNumbers);
  EXPECT_EQ(passed_on.bytes(), kNumbers);
  EXPECT_EQ(HostCopies(), host_copies);
  const char* const counted = "/model_stats/0/copy_stats/count";
  EXPECT_EQ(server_.Statistics("both").Number(counted), 0);
  // From the host to the host.
  ASSERT_TRUE(Works("both"));
  EXPECT_EQ(server_.Statistics("both").Number(counted), 1);
}

TEST_F(DeviceTensors, ThatClientsTakeOnTheHostAreCopied) {
  server_.repository().Add("first", DeviceConfig(On({0})));
  server_.repository().Add("second", DeviceConfig(kOnCpu));
  Load("chain", Chain({"first", "second"}));
  EXPECT_TRUE(Works("chain"));
}

ServerSettings WithoutPools() {
  ServerSettings settings;
  settings.more = [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetCudaMemoryPoolByteSize(options, 0, 0));
  };
  return settings;
}

class NoDevicePool : public DeviceModels {
 protected:
  NoDevicePool() : DeviceModels(WithoutPools()) {}
};

TEST_F(NoDevicePool, TensorsBetweenStepsAreOnTheHost) {
  server_.repository().Add("first", DeviceConfig(On({0})));
  server_.repository().Add("second", DeviceConfig(On({0})));
  Load("chain", Chain({"first", "second"}));
  Memory from(OnDevice(0), kNumbers);
  Memory to(OnDevice(0), kNumbers.size());
  const uint64_t host_copies = HostCopies();
  ASSERT_TRUE(Succeeded(Echo("chain", &from, &to).Infer().outcome));
  EXPECT_EQ(to.bytes(), kNumbers);
  EXPECT_EQ(HostCopies(), host_copies + 2);
}

class DeviceStates : public DeviceModels, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Strategies, DeviceStates, testing::ValuesIn(kStrategies), StrategyName);

TEST_P(DeviceStates, OfASequenceStayOnTheDeviceOfItsInstance) {
  Load("model", "backend: \"device\" max_batch_size: 8 " +
                    TensorConfig("input", "input", "FP32", "4") +
                    TensorConfig("output", "output", "FP32", "4") + On({0}) +
                    Batching(GetParam(), State("last_in", "last_out", "4")));
  const auto send = [&](float number, uint32_t flags) {
    return EchoRequest(server_, "model", std::vector<float>(4, number)).Sequence(7, flags).Infer();
  };
  const Answer first = send(1, kStart);
  ASSERT_TRUE(Succeeded(first.outcome));
  EXPECT_EQ(first.parameters.at("state_at"), -1);  // as it begins
  EXPECT_EQ(first.output("output").bytes, BytesOf(std::vector<float>(4, 0)));
  for (float number = 2; number < 5; ++number) {
    const Answer next = send(number, number == 4 ? kEnd : 0);
    ASSERT_TRUE(Succeeded(next.outcome));
    EXPECT_EQ(next.parameters.at("state_at"), 0);
    EXPECT_EQ(next.output("output").bytes, BytesOf(std::vector<float>(4, number - 1)));
  }
}

// What a trace is told of tensors.
struct TensorsTold {
  TRITONSERVER_InferenceTrace* NewTrace() {
    TRITONSERVER_InferenceTrace* trace = nullptr;
    Must(TRITONSERVER_InferenceTraceTensorNew(&trace, TRITONSERVER_TRACE_LEVEL_TENSORS, 0,
                                              OnActivity, OnTensor, OnRelease, this));
    return trace;
  }
  static void OnActivity(TRITONSERVER_InferenceTrace*, TRITONSERVER_InferenceTraceActivity,
                         uint64_t, void*) {}
  static void OnTensor(TRITONSERVER_InferenceTrace*, TRITONSERVER_InferenceTraceActivity,
                       const char* name, TRITONSERVER_DataType, const void* base, size_t byte_size,
                       const int64_t*, uint64_t, TRITONSERVER_MemoryType type, int64_t,
                       void* userp) {
    EXPECT_EQ(type, TRITONSERVER_MEMORY_CPU);
    static_cast<TensorsTold*>(userp)->told.emplace_back(
        name, std::string(static_cast<const char*>(base), byte_size));
  }
  static void OnRelease(TRITONSERVER_InferenceTrace* trace, void* userp) {
    Must(TRITONSERVER_InferenceTraceDelete(trace));
    static_cast<TensorsTold*>(userp)->released.Set();
  }

  std::vector<std::pair<std::string, std::string>> told;
  Event released;
};

TEST_F(DeviceTensors, AreCopiedForTraces) {
  Load("model", DeviceConfig(On({0})));
  Memory from(OnDevice(0), kNumbers);
  Memory to(OnDevice(0), kNumbers.size());
  TensorsTold traced;
  ASSERT_TRUE(Succeeded(Echo("model", &from, &to).Trace(traced.NewTrace()).Infer().outcome));
  traced.released.Wait();
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"input", kNumbers}, {"input", kNumbers}, {"output", kNumbers}};
  EXPECT_EQ(traced.told, expected);
}

TEST_F(DeviceTensors, ThatCanNotBeCopiedForTracesAreLeftOut) {
  Load("model", DeviceConfig(On({0})));
  Memory from(OnDevice(0), kNumbers);
  Memory to(OnDevice(0), kNumbers.size());
  TensorsTold traced;
  const Fault fault("cuMemcpyDtoHAsync_v2", 1);
  ASSERT_TRUE(Succeeded(Echo("model", &from, &to).Trace(traced.NewTrace()).Infer().outcome));
  traced.released.Wait();
  EXPECT_TRUE(traced.told.empty());
}

ServerSettings Caching() {
  ServerSettings settings;
  settings.more = [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetCacheConfig(options, "local", "{\"size\": 1048576}"));
  };
  return settings;
}

class CachedDeviceModel : public DeviceModels {
 protected:
  CachedDeviceModel() : DeviceModels(Caching()) {}
  int64_t Hits() {
    return server_.Statistics("model").Number("/model_stats/0/inference_stats/cache_hit/count");
  }
};

TEST_F(CachedDeviceModel, RemembersWhatTheHostCanReadAndAnswersOnADevice) {
  Load("model", DeviceConfig(On({0}), "response_cache { enable: true } "));
  Memory on_host({}, kNumbers);
  Memory on_device(OnDevice(0), kNumbers);
  Memory answer_on_host({}, kNumbers.size());
  Memory answer_on_device(OnDevice(0), kNumbers.size());
  const auto send = [&](Memory* from, Memory* to) {
    EXPECT_TRUE(Succeeded(Echo("model", from, to).Infer().outcome));
    EXPECT_EQ(to->bytes(), kNumbers);
  };
  for (int i = 0; i < 2; ++i) {
    send(&on_device, &answer_on_host);
    send(&on_host, &answer_on_device);
  }
  EXPECT_EQ(Hits(), 0);
  send(&on_host, &answer_on_host);
  memset(FakeCudaHostAlias(reinterpret_cast<uint64_t>(answer_on_device.data())), 0,
         kNumbers.size());
  send(&on_host, &answer_on_device);
  EXPECT_EQ(Hits(), 1);
}

}  // namespace
}  // namespace trident::contract
