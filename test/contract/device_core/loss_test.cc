// Devices that an error makes unusable for the process: what they served ends with it, at once, and
// nothing else does.

#include <algorithm>
#include <functional>

#include "device_core.h"

namespace trident::contract {
namespace {

// The driver's, as the enumerator of that name.
constexpr int kIllegalAddress = 700;

// What a server's host hears of devices, as "<id>: <reason>".
class DevicesHeard {
 public:
  void ListenIn(TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_TridentServerOptionsSetDeviceEventFn(options, &OnEvent, this));
  }
  // Once, in the call that tells of a device.
  void Then(std::function<void()> step) { then_ = std::move(step); }
  std::vector<std::string> Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  static void OnEvent(const TRITONSERVER_TridentDeviceEvent* event, void* userp) {
    auto* const self = static_cast<DevicesHeard*>(userp);
    {
      const std::lock_guard<std::mutex> lock(self->mutex_);
      self->lines_.push_back(std::to_string(event->device_id) + ": " + event->reason);
    }
    if (const auto then = std::exchange(self->then_, nullptr)) then();
  }

  std::function<void()> then_;
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

class DeviceLoss : public DeviceModels {
 protected:
  DeviceLoss() : DeviceLoss(std::make_unique<DevicesHeard>()) {}

  // The next call for it finds out.
  void Break(int device) {
    FakeCudaRow* const row = FakeCudaFind("lose");
    __atomic_fetch_or(&row->bytes, uint64_t{1} << device, __ATOMIC_SEQ_CST);
    __atomic_store_n(&row->result, kIllegalAddress, __ATOMIC_SEQ_CST);
  }
  void Lose(int device) {
    Break(device);
    Must(TRITONSERVER_TridentServerCheckDevices(server_.handle()));
  }
  testing::AssertionResult OutOfService(const Outcome& outcome, const std::string& model,
                                        int device) {
    return FailedWith(outcome, TRITONSERVER_ERROR_UNAVAILABLE,
                      {"model '" + model + "'", "device " + std::to_string(device),
                       "CUDA_ERROR_ILLEGAL_ADDRESS (700)"});
  }
  Outcome Infer(const std::string& model) {
    return EchoRequest(server_, model, {1, 2}).Infer().outcome;
  }
  std::string LostMetric(int device) {
    TRITONSERVER_Metrics* metrics = nullptr;
    const char* base = nullptr;
    size_t byte_size = 0;
    Must(TRITONSERVER_ServerMetrics(server_.handle(), &metrics));
    Must(TRITONSERVER_MetricsFormatted(metrics, TRITONSERVER_METRIC_PROMETHEUS, &base, &byte_size));
    const std::string text(base, byte_size);
    Must(TRITONSERVER_MetricsDelete(metrics));
    const std::string head =
        "trident_gpu_lost{gpu_uuid=\"" + (*cuda::Device::Find(device))->uuid() + "\"} ";
    const size_t at = text.find(head);
    return at == std::string::npos ? "none" : text.substr(at + head.size(), 1);
  }

  const std::unique_ptr<DevicesHeard> heard_;

 private:
  explicit DeviceLoss(std::unique_ptr<DevicesHeard> heard)
      : DeviceModels(Listening(heard.get())), heard_(std::move(heard)) {}
  static ServerSettings Listening(DevicesHeard* heard) {
    ServerSettings settings;
    settings.more = [heard](TRITONSERVER_ServerOptions* options) { heard->ListenIn(options); };
    return settings;
  }
};

TEST_F(DeviceLoss, TakesItsModelsOutOfServiceAndTellsEverybody) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device})));
  Load("other", DeviceConfig(On({0})));
  Load("cpu", DeviceConfig(kOnCpu));
  ASSERT_TRUE(Works("model"));
  EXPECT_EQ(LostMetric(device), "0");
  Memory from(OnDevice(device), BytesOf(std::vector<float>{1, 2}));
  Memory to(OnDevice(device), from.byte_size());
  Break(device);
  EXPECT_TRUE(FailedWith(Echo("model", &from, &to).Infer().outcome, TRITONSERVER_ERROR_INTERNAL,
                         {"ILLEGAL_ADDRESS"}));

  EXPECT_TRUE(OutOfService(Infer("model"), "model", device));
  EXPECT_FALSE(server_.Ready("model"));
  EXPECT_FALSE(IsReady(server_));
  EXPECT_EQ(server_.State("model"), "UNAVAILABLE");
  EXPECT_NE(server_.Reason("model").find("ILLEGAL_ADDRESS"), std::string::npos);
  EXPECT_EQ(LostMetric(device), "1");
  EXPECT_EQ(LostMetric(0), "0");
  const std::vector<std::string> heard = heard_->Take();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_TRUE(heard[0].starts_with(std::to_string(device) + ": ")) << heard[0];
  EXPECT_NE(heard[0].find("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), std::string::npos) << heard[0];

  server_.repository().Add("late", DeviceConfig(On({device})));
  EXPECT_TRUE(OutOfService(server_.Load("late"), "late", device));
  for (const char* model : {"other", "cpu"}) {
    EXPECT_TRUE(Works(model));
    EXPECT_TRUE(server_.Ready(model));
    EXPECT_EQ(server_.State(model), "READY");
  }
  // Once unloaded it keeps the server from nothing.
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("model")));
  EXPECT_TRUE(heard_->Take().empty());
}

// Wherever the driver says it first.
class DeviceFault : public DeviceLoss, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Functions, DeviceFault,
                         testing::Values("cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2",
                                         "cuMemcpyDtoDAsync_v2", "cuStreamCreate",
                                         "cuStreamSynchronize"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(DeviceFault, ThatIsStickyLosesTheDevice) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device})));
  const std::string bytes = BytesOf(std::vector<float>{1, 2});
  Memory host_from({}, bytes), host_to({}, bytes.size());
  Memory from(OnDevice(device), bytes), to(OnDevice(device), bytes.size());
  {
    const Fault fault(GetParam(), kIllegalAddress);
    std::vector<Answer> answers;
    answers.push_back(Echo("model", &host_from, &to).Infer());
    answers.push_back(Echo("model", &from, &host_to).Infer());
    answers.push_back(Echo("model", &from, &to).Infer());
    EXPECT_TRUE(std::any_of(answers.begin(), answers.end(), [](const Answer& answer) {
      return answer.outcome.code == TRITONSERVER_ERROR_INTERNAL;
    }));
  }
  EXPECT_TRUE(OutOfService(Infer("model"), "model", device));
  EXPECT_EQ(heard_->Take().size(), 1u);
}

TEST_F(DeviceLoss, IsLookedForAfterFailuresOnly) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device})));
  const uint64_t probes = Calls("cuStreamQuery");
  ASSERT_TRUE(Works("model"));
  EXPECT_EQ(Calls("cuStreamQuery"), probes);
  EXPECT_TRUE(
      FailedWith(EchoRequest(server_, "model", {1}).Set("fail", "no reason").Infer().outcome,
                 TRITONSERVER_ERROR_INTERNAL, {"no reason"}));
  EXPECT_GT(Calls("cuStreamQuery"), probes);
  EXPECT_TRUE(Works("model"));
  EXPECT_TRUE(server_.Ready("model"));
  EXPECT_TRUE(heard_->Take().empty());
}

TEST_F(DeviceLoss, IsNotWhatEveryErrorOfTheDriverMeans) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device})));
  constexpr int kOutOfMemory = 2;
  for (const char* function : {"cuCtxPushCurrent_v2", "cuStreamQuery", "cuStreamCreate"}) {
    const Fault fault(function, kOutOfMemory);
    EXPECT_FALSE(EchoRequest(server_, "model", {1}).Set("fail", "so").Infer().ok());
  }
  EXPECT_TRUE(Works("model"));
  EXPECT_TRUE(heard_->Take().empty());
}

TEST_F(DeviceLoss, IsFoundByAnExecutionThatFailsAsAWhole) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device})));
  ASSERT_TRUE(Works("model"));
  Break(device);
  EXPECT_TRUE(FailedWith(EchoRequest(server_, "model", {1}).Set("throw", "all").Infer().outcome,
                         TRITONSERVER_ERROR_INTERNAL, {"all"}));
  EXPECT_TRUE(OutOfService(Infer("model"), "model", device));
}

TEST_F(DeviceLoss, LeavesTheInstancesOnOtherDevices) {
  const int first = NewDevice();
  const int second = NewDevice();
  Load("model", DeviceConfig(On({first, second})));
  ASSERT_TRUE(Works("model"));
  Lose(first);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Works("model"));
  EXPECT_TRUE(server_.Ready("model"));
  EXPECT_EQ(server_.State("model"), "READY");
  Lose(second);
  EXPECT_TRUE(OutOfService(Infer("model"), "model", second));
  EXPECT_FALSE(server_.Ready("model"));
  EXPECT_EQ(heard_->Take().size(), 2u);
}

TEST_F(DeviceLoss, AnswersWhatWaits) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device}), "dynamic_batching { } "));
  Occupied occupied = Occupy(server_, "model");
  std::vector<Request> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(EchoRequest(server_, "model", {1, 2}));
    ASSERT_TRUE(Succeeded(waiting.back().Send()));
  }
  Lose(device);
  EXPECT_TRUE(OutOfService(Infer("model"), "model", device));  // at once, not behind them
  occupied.Release();
  for (Request& request : waiting) {
    EXPECT_TRUE(OutOfService(request.Wait().outcome, "model", device));
  }
}

TEST_F(DeviceLoss, HandsWhatWaitsToTheOthers) {
  const int first = NewDevice();
  const int second = NewDevice();
  Load("model", DeviceConfig(On({first, second})));
  Occupied one = Occupy(server_, "model");
  Occupied other = Occupy(server_, "model");
  Request waiting = EchoRequest(server_, "model", {1, 2});
  ASSERT_TRUE(Succeeded(waiting.Send()));
  Lose(first);
  one.Release();
  other.Release();
  EXPECT_TRUE(Succeeded(waiting.Wait().outcome));
}

TEST_F(DeviceLoss, EndsRequestsToEnsembles) {
  const int device = NewDevice();
  server_.repository().Add("first", DeviceConfig(kOnCpu));
  server_.repository().Add("second", DeviceConfig(On({device})));
  Load("chain", Chain({"first", "second"}));
  ASSERT_TRUE(Works("chain"));
  Lose(device);
  EXPECT_TRUE(FailedWith(Infer("chain"), TRITONSERVER_ERROR_UNAVAILABLE,
                         {"in ensemble 'chain'", "model 'second'", "ILLEGAL_ADDRESS"}));
  EXPECT_TRUE(Works("first"));
}

class DeviceLossOfSequences : public DeviceLoss, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Strategies, DeviceLossOfSequences, testing::ValuesIn(kStrategies),
                         StrategyName);

TEST_P(DeviceLossOfSequences, EndsThoseThatLiveThere) {
  const int first = NewDevice();
  const int second = NewDevice();
  Load("model", "backend: \"device\" max_batch_size: 8 " +
                    TensorConfig("input", "input", "FP32", "4") +
                    TensorConfig("output", "output", "FP32", "4") + On({first, second}) +
                    Batching(GetParam(), State("last_in", "last_out", "4")));
  const auto send = [&](uint64_t id, uint32_t flags = 0) {
    return EchoRequest(server_, "model", std::vector<float>(4, 1)).Sequence(id, flags).Infer();
  };
  std::map<int64_t, uint64_t> on_device;  // a sequence of each
  for (uint64_t id = 1; id < 3; ++id) {
    ASSERT_TRUE(Succeeded(send(id, kStart).outcome));
    const Answer next = send(id);
    ASSERT_TRUE(Succeeded(next.outcome));
    on_device[next.parameters.at("state_at")] = id;
  }
  ASSERT_EQ(on_device.size(), 2u);
  Lose(first);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(OutOfService(send(on_device[first]).outcome, "model", first));
    EXPECT_TRUE(Succeeded(send(on_device[second]).outcome));
  }
  EXPECT_TRUE(Succeeded(send(on_device[first], kStart).outcome));
  const Answer again = send(on_device[first], kEnd);
  ASSERT_TRUE(Succeeded(again.outcome));
  EXPECT_EQ(again.parameters.at("state_at"), second);
}

TEST_F(DeviceLoss, IsOverForAModelThatGetsOtherInstances) {
  const int device = NewDevice();
  const auto update = [&](const std::string& group) {
    server_.repository().Add("model", DeviceConfig(group));
    return server_.Load("model");
  };
  ASSERT_TRUE(Succeeded(update(On({device}))));
  Lose(device);
  EXPECT_TRUE(OutOfService(Infer("model"), "model", device));
  ASSERT_TRUE(Succeeded(update(On({device}) + kOnCpu)));
  EXPECT_TRUE(Works("model"));
  EXPECT_TRUE(server_.Ready("model"));
  EXPECT_TRUE(FailedWith(update(On({device})), TRITONSERVER_ERROR_UNAVAILABLE, {"lost"}));
  EXPECT_TRUE(Works("model"));
  ASSERT_TRUE(Succeeded(update(kOnCpu)));
  EXPECT_TRUE(Works("model"));
}

TEST_F(DeviceLoss, FindsNothingOfAModelThatIsUnloaded) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device})));
  const Request kept = EchoRequest(server_, "model", {1, 2});  // and so the model
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("model")));
  Load("other", DeviceConfig(On({device})));
  Lose(device);
  EXPECT_TRUE(OutOfService(Infer("other"), "other", device));
}

TEST_F(DeviceLoss, MayBeFoundByWhoHearsOfAnother) {
  const int first = NewDevice();
  const int second = NewDevice();
  Load("model", DeviceConfig(On({first, second})));
  heard_->Then([&] { Lose(second); });
  Lose(first);
  EXPECT_EQ(heard_->Take().size(), 2u);
}

TEST_F(DeviceLoss, IsFoundWhereTheCoreCopies) {
  const int device = NewDevice();
  Load("model", DeviceConfig(On({device})));
  Load("strings", DeviceConfig(kOnCpu, "", "STRING"));
  ASSERT_TRUE(Works("model"));
  const std::string text = Strings({"one"});
  Memory from(OnDevice(device), text);
  Break(device);
  Request request(server_, "strings");
  request.InputAt("input", TRITONSERVER_TYPE_BYTES, {1, 1}, from.data(), text.size(), from.where());
  EXPECT_FALSE(request.Infer().ok());
  EXPECT_TRUE(OutOfService(Infer("model"), "model", device));
}

TEST_F(DeviceLoss, KeepsNoModelThatMayBeAnywhereFromLoading) {
  Lose(NewDevice());
  Load("model", DeviceConfig("instance_group { kind: KIND_GPU count: 1 } "));
  EXPECT_TRUE(Works("model"));
}

TEST_F(DeviceLoss, ReachesEveryServerOfTheProcess) {
  const int device = NewDevice();
  Server second;
  second.repository().Add("model", DeviceConfig(On({device})));
  ASSERT_TRUE(Succeeded(second.Load("model")));
  Lose(device);  // says the first
  EXPECT_TRUE(OutOfService(EchoRequest(second, "model", {1}).Infer().outcome, "model", device));
}

}  // namespace
}  // namespace trident::contract
