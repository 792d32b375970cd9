// The identity backend between the host and devices. Device addresses can't be touched by the host,
// so a right answer is no accident; the driver's counts say how it came about.

#include "devices.h"

namespace trident::contract {
namespace {

constexpr const char* kOnCpu = "instance_group { kind: KIND_CPU }";
constexpr const char* kOnGpu = "instance_group { kind: KIND_GPU gpus: 0 }";

class DeviceEcho : public testing::Test {
 protected:
  DeviceEcho() { violations_ = Calls("violations"); }
  void TearDown() override { EXPECT_EQ(Calls("violations"), violations_); }

  void AddOn(const std::string& group, const std::string& more = "") {
    server_.repository().Add("echo",
                             "backend: \"identity\" max_batch_size: 16 "
                             "input { name: \"INPUT0\" data_type: TYPE_UINT8 dims: -1 } "
                             "output { name: \"OUTPUT0\" data_type: TYPE_UINT8 dims: -1 } "
                             "dynamic_batching { } " +
                                 group + more);
  }
  void LoadOn(const std::string& group, const std::string& more = "") {
    AddOn(group, more);
    ASSERT_TRUE(Succeeded(server_.Load("echo")));
  }
  Request Echo(Memory* from, Memory* to) {
    Request request(server_, "echo");
    const Shape shape = {1, static_cast<int64_t>(from->byte_size())};
    request.InputAt("INPUT0", TRITONSERVER_TYPE_UINT8, shape, from->data(), from->byte_size(),
                    from->where());
    request.OutputAt("OUTPUT0", to->data(), to->byte_size(), to->where());
    return request;
  }

  // All in one batch.
  std::vector<Outcome> RunTogether(std::vector<Request>& requests) {
    Memory blocker_from({}, "x");
    Memory blocker_to({}, 1);
    Occupied occupied(Echo(&blocker_from, &blocker_to));
    for (Request& request : requests) EXPECT_TRUE(Succeeded(request.Send()));
    occupied.Release();
    std::vector<Outcome> outcomes;
    for (Request& request : requests) outcomes.push_back(request.Wait().outcome);
    return outcomes;
  }

  static ServerSettings Small() {
    ServerSettings settings;
    settings.more = [](TRITONSERVER_ServerOptions* options) {
      Must(TRITONSERVER_ServerOptionsSetPinnedMemoryPoolByteSize(options, 16 << 20));
    };
    return settings;
  }

  Server server_{Small()};
  uint64_t violations_ = 0;
};

TEST_F(DeviceEcho, TheFirstBatchAllocatesNothing) {
  LoadOn(kOnGpu);
  const auto allocations = [] { return Calls("cuMemAlloc_v2") + Calls("cuMemHostAlloc"); };
  const uint64_t before = allocations();
  Memory from({}, "some bytes");
  Memory to({}, from.byte_size());
  ASSERT_TRUE(Succeeded(Echo(&from, &to).Infer().outcome));
  EXPECT_EQ(to.bytes(), "some bytes");
  EXPECT_EQ(allocations(), before);
}

class IdentityDevice : public DeviceEcho, public testing::WithParamInterface<const char*> {
 protected:
  void Load(const std::string& more = "") { LoadOn(GetParam(), more); }
};

std::string Title(const testing::TestParamInfo<const char*>& info) {
  return info.param == kOnGpu ? "OnGpu" : "OnCpu";
}
INSTANTIATE_TEST_SUITE_P(Instances, IdentityDevice, testing::Values(kOnCpu, kOnGpu), Title);

// Allocations that happen to be neighbours: no transfer reaches from one into the next.
TEST_P(IdentityDevice, NeighboursOfTwoAllocationsAreTransferredApart) {
  Load();
  constexpr size_t kBytes = 4096;
  for (const bool from_device : {true, false}) {
    const Where places[] = {from_device ? OnDevice(0) : Where(),
                            from_device ? Where() : OnDevice(0)};
    std::vector<std::unique_ptr<Memory>> from;
    std::vector<std::unique_ptr<Memory>> to;
    std::vector<Request> requests;
    for (int i = 0; i < 2; ++i) {
      from.push_back(std::make_unique<Memory>(places[0], std::string(kBytes, 'a' + i)));
      to.push_back(std::make_unique<Memory>(places[1], kBytes));
      requests.push_back(Echo(from[i].get(), to[i].get()));
    }
    for (const Outcome& outcome : RunTogether(requests)) EXPECT_TRUE(Succeeded(outcome));
    for (int i = 0; i < 2; ++i) EXPECT_EQ(to[i]->bytes(), std::string(kBytes, 'a' + i));
  }
}

TEST_P(IdentityDevice, FromDeviceToDeviceNoHostTakesPart) {
  Load();
  std::vector<std::unique_ptr<Memory>> from;
  std::vector<std::unique_ptr<Memory>> to;
  std::vector<Request> requests;
  for (int i = 0; i < 4; ++i) {
    from.push_back(std::make_unique<Memory>(OnDevice(0), std::string(100, 'a' + i)));
    to.push_back(std::make_unique<Memory>(OnDevice(0), from[i]->byte_size()));
    requests.push_back(Echo(from[i].get(), to[i].get()));
  }
  const uint64_t host_copies = HostCopies();
  const uint64_t waits = Calls("cuStreamSynchronize");
  const std::vector<Outcome> outcomes = RunTogether(requests);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(Succeeded(outcomes[i]));
    EXPECT_EQ(to[i]->bytes(), from[i]->bytes());
  }
  EXPECT_EQ(HostCopies(), host_copies);
  EXPECT_EQ(Calls("cuStreamSynchronize"),
            waits + 1);  // the blocker's batch had nothing to wait for
  EXPECT_EQ(server_.Copies("echo"), 0);
  EXPECT_EQ(server_.Batches("echo")[4], 1);
}

TEST_P(IdentityDevice, ABatchMixesAllPlaces) {
  Load();
  const Where places[] = {{}, {TRITONSERVER_MEMORY_CPU_PINNED, 0}, OnDevice(0), OnDevice(1)};
  std::vector<std::unique_ptr<Memory>> from;
  std::vector<std::unique_ptr<Memory>> to;
  std::vector<Request> requests;
  for (const Where& input : places) {
    for (const Where& output : places) {
      if (requests.size() == 15) continue;  // from device 1 to itself: it has been there and back
      const char letter = static_cast<char>('a' + requests.size());
      from.push_back(std::make_unique<Memory>(input, std::string(5000, letter)));
      to.push_back(std::make_unique<Memory>(output, 5000));
      requests.push_back(Echo(from.back().get(), to.back().get()));
    }
  }
  const std::vector<Outcome> outcomes = RunTogether(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_TRUE(Succeeded(outcomes[i])) << i;
    EXPECT_EQ(to[i]->bytes(), from[i]->bytes()) << i;
  }
  EXPECT_EQ(server_.Copies("echo"), 8);  // four from the host to a device, four back
  EXPECT_EQ(server_.CopiedBytes("echo"), 8 * 5000);
}

TEST_P(IdentityDevice, AnInputMayComeInPiecesOfManyPlaces) {
  Load();
  Memory pieces[] = {{OnDevice(0), "one "}, {Where(), "two "}, {OnDevice(1), "three"}};
  for (const Where& output : {Where(), OnDevice(0), OnDevice(1)}) {
    Memory to(output, 13);
    Request request(server_, "echo");
    request.InputAt("INPUT0", TRITONSERVER_TYPE_UINT8, {1, 13}, pieces[0].data(), 4, OnDevice(0))
        .MoreAt(pieces[1].data(), 4)
        .MoreAt(pieces[2].data(), 5, OnDevice(1))
        .OutputAt("OUTPUT0", to.data(), to.byte_size(), output);
    EXPECT_TRUE(Succeeded(request.Infer().outcome));
    EXPECT_EQ(to.bytes(), "one two three");
  }
}

TEST_P(IdentityDevice, EmptyTensorsNeedNoMemory) {
  Load();
  Request request(server_, "echo");
  request.Input("INPUT0", TRITONSERVER_TYPE_UINT8, {1, 0}, "");
  const Answer answer = request.Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("OUTPUT0").shape, Shape({1, 0}));
}

// Sixteen requests of 256 bytes, whose inputs or outputs lie side by side on a device.
class SideBySide {
 public:
  explicit SideBySide(bool to_device) : to_device_(to_device), block_(OnDevice(0), Pattern()) {
    if (to_device) block_ = Memory(OnDevice(0), Pattern().size());
  }

  static std::string Pattern() {
    std::string pattern;
    for (int i = 0; i < 16; ++i) pattern.append(256, static_cast<char>('A' + i));
    return pattern;
  }

  std::vector<Request> Requests(const Server& server) {
    std::vector<Request> requests;
    for (int i = 0; i < 16; ++i) {
      char* const here = static_cast<char*>(block_.data()) + 256 * i;
      char* const there = &host_[256 * i];
      Request request(server, "echo");
      request.InputAt("INPUT0", TRITONSERVER_TYPE_UINT8, {1, 256}, to_device_ ? there : here, 256,
                      to_device_ ? Where() : OnDevice(0));
      request.OutputAt("OUTPUT0", to_device_ ? here : there, 256,
                       to_device_ ? OnDevice(0) : Where());
      requests.push_back(std::move(request));
    }
    return requests;
  }

  std::string result() { return to_device_ ? block_.bytes() : host_; }

 private:
  const bool to_device_;
  Memory block_;
  std::string host_ = to_device_ ? Pattern() : std::string(16 * 256, '?');
};

TEST_P(IdentityDevice, NeighboursAreOneTransferEachWay) {
  Load();
  for (const bool to_device : {true, false}) {
    SideBySide memory(to_device);
    std::vector<Request> requests = memory.Requests(server_);
    const uint64_t before = HostCopies();
    RunTogether(requests);
    EXPECT_EQ(memory.result(), SideBySide::Pattern());
    EXPECT_EQ(HostCopies(), before + 1);
  }
}

TEST_P(IdentityDevice, WithoutPinnedMemoryEachIsATransfer) {
  const std::string off = "_pinned_memory { enable: false } ";
  Load(" optimization { input" + off + "output" + off + "}");
  for (const bool to_device : {true, false}) {
    SideBySide memory(to_device);
    std::vector<Request> requests = memory.Requests(server_);
    const uint64_t before = HostCopies();
    RunTogether(requests);
    EXPECT_EQ(memory.result(), SideBySide::Pattern());
    EXPECT_EQ(HostCopies(), before + 16);
  }
}

TEST_P(IdentityDevice, WherePinnedMemoryIsNotToBeHadEachIsATransfer) {
  const Fault injected("cuMemHostAlloc", 2);
  Load();
  for (const bool to_device : {true, false}) {
    SideBySide memory(to_device);
    std::vector<Request> requests = memory.Requests(server_);
    const uint64_t before = HostCopies();
    RunTogether(requests);
    EXPECT_EQ(memory.result(), SideBySide::Pattern());
    EXPECT_EQ(HostCopies(), before + 16);
  }
}

TEST_P(IdentityDevice, StagingServesBatchesOfAnySize) {
  Load();
  for (const size_t bytes : {1000u, 100'000u, 3'000'000u, 1000u}) {
    std::vector<std::unique_ptr<Memory>> from;
    std::vector<std::unique_ptr<Memory>> to;
    std::vector<Request> requests;
    for (int i = 0; i < 6; ++i) {
      const bool there = i % 2 == 0;
      from.push_back(
          std::make_unique<Memory>(there ? Where() : OnDevice(0), std::string(bytes, 'a' + i)));
      to.push_back(std::make_unique<Memory>(there ? OnDevice(0) : Where(), bytes));
      requests.push_back(Echo(from[i].get(), to[i].get()));
    }
    RunTogether(requests);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(to[i]->bytes(), from[i]->bytes()) << bytes << ' ' << i;
  }
}

struct DriverFault {
  const char* function;
  int result;
  TRITONSERVER_Error_Code code;
};

TEST_P(IdentityDevice, EveryFailingCallIsATypedErrorAndLeavesNothingBehind) {
  const DriverFault faults[] = {
      {"cuCtxPushCurrent_v2", 201, TRITONSERVER_ERROR_INTERNAL},
      {"cuMemcpyHtoDAsync_v2", 1, TRITONSERVER_ERROR_INVALID_ARG},
      {"cuMemcpyDtoHAsync_v2", 1, TRITONSERVER_ERROR_INVALID_ARG},
      {"cuMemcpyDtoDAsync_v2", 2, TRITONSERVER_ERROR_UNAVAILABLE},
      {"cuMemcpyPeerAsync", 999, TRITONSERVER_ERROR_INTERNAL},
      {"cuStreamSynchronize", 999, TRITONSERVER_ERROR_INTERNAL},
  };
  Load();
  Memory host({}, "from host"), first(OnDevice(0), "from zero"), second(OnDevice(1), "from one!");
  Memory to(OnDevice(0), 9), back({}, 9);
  const std::pair<Memory*, Memory*> ways[] = {
      {&host, &to}, {&first, &back}, {&first, &to}, {&second, &to}};
  for (const auto& [from, destination] : ways) {  // everything that is made at first need
    ASSERT_TRUE(Succeeded(Echo(from, destination).Infer().outcome));
  }
  const uint64_t on_devices = Calls("device"), pinned = Calls("host");
  for (const DriverFault& fault : faults) {
    int failed = 0;
    for (const auto& [from, destination] : ways) {
      Outcome outcome;
      {
        const Fault injected(fault.function, fault.result);
        outcome = Echo(from, destination).Infer().outcome;
      }
      if (!outcome.ok()) {
        ++failed;
        EXPECT_TRUE(FailedWith(outcome, fault.code, {"copy", "device"}) ||
                    FailedWith(outcome, fault.code, {"device 0"}))
            << fault.function;
      }
      ASSERT_TRUE(Succeeded(Echo(from, destination).Infer().outcome)) << fault.function;
      EXPECT_EQ(destination->bytes(), from->bytes());
    }
    EXPECT_GT(failed, 0) << fault.function;
  }
  EXPECT_EQ(Calls("device"), on_devices);
  EXPECT_EQ(Calls("host"), pinned);
}

TEST_P(IdentityDevice, AFailedCopyIsItsRequestsAlone) {
  Load();
  std::vector<std::unique_ptr<Memory>> from;
  std::vector<std::unique_ptr<Memory>> to;
  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) {
    from.push_back(std::make_unique<Memory>(OnDevice(0), std::string(10, 'a' + i)));
    to.push_back(std::make_unique<Memory>(OnDevice(0), 10));
    requests.push_back(Echo(from[i].get(), to[i].get()));
  }
  // Of the three calls only the last fails.
  const Fault injected("cuMemcpyDtoDAsync_v2", 1, 2);
  const std::vector<Outcome> outcomes = RunTogether(requests);
  EXPECT_EQ(server_.Batches("echo")[2], 1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Succeeded(outcomes[i]));
    EXPECT_EQ(to[i]->bytes(), from[i]->bytes());
  }
  EXPECT_TRUE(FailedWith(outcomes[2], TRITONSERVER_ERROR_INVALID_ARG));
}

TEST_P(IdentityDevice, AJointTransferThatFailsIsTheWholeBatchs) {
  Load();
  SideBySide memory(/*to_device=*/true);
  std::vector<Request> requests = memory.Requests(server_);
  const Fault injected("cuMemcpyHtoDAsync_v2", 1);
  const std::vector<Outcome> outcomes = RunTogether(requests);
  for (const Outcome& outcome : outcomes) {
    EXPECT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_INVALID_ARG));
  }
}

TEST_F(DeviceEcho, AnInstanceWithoutItsStreamDoesNotLoad) {
  const uint64_t on_devices = Calls("device");
  const uint64_t pinned = Calls("host");
  {
    const Fault injected("cuStreamCreate", 2);
    AddOn(kOnGpu);
    EXPECT_TRUE(FailedWith(server_.Load("echo"), TRITONSERVER_ERROR_UNAVAILABLE, {"stream"}));
  }
  EXPECT_EQ(Calls("device"), on_devices);
  EXPECT_EQ(Calls("host"), pinned);
}

TEST_F(DeviceEcho, WhatAnEnsembleHandsOnStaysOnTheDevice) {
  LoadOn(kOnGpu);
  const std::string step =
      "step { model_name: \"echo\" model_version: -1 input_map { key: \"INPUT0\" value: ";
  server_.repository().Add(
      "twice",
      "platform: \"ensemble\" max_batch_size: 16 "
      "input { name: \"from\" data_type: TYPE_UINT8 dims: -1 } "
      "output { name: \"to\" data_type: TYPE_UINT8 dims: -1 } ensemble_scheduling { " +
          step + "\"from\" } output_map { key: \"OUTPUT0\" value: \"between\" } } " + step +
          "\"between\" } output_map { key: \"OUTPUT0\" value: \"to\" } } }");
  ASSERT_TRUE(Succeeded(server_.Load("twice")));
  const uint64_t before = HostCopies();
  Request request(server_, "twice");
  request.Input("from", TRITONSERVER_TYPE_UINT8, {1, 3}, "abc");
  EXPECT_EQ(request.Infer().output("to").bytes, "abc");
  EXPECT_EQ(HostCopies(), before + 2);
}

TEST_F(DeviceEcho, ALostDeviceIsATypedError) {
  LoadOn(kOnCpu);
  Memory from(OnDevice(kLosableDevice), "abc");
  Memory to(OnDevice(kLosableDevice), 3);
  ASSERT_TRUE(Succeeded(Echo(&from, &to).Infer().outcome));
  {
    const Fault injected("cuStreamSynchronize", 700);
    EXPECT_TRUE(FailedWith(Echo(&from, &to).Infer().outcome, TRITONSERVER_ERROR_UNAVAILABLE,
                           {"device " + std::to_string(kLosableDevice)}));
  }
  EXPECT_TRUE(FailedWith(Echo(&from, &to).Infer().outcome, TRITONSERVER_ERROR_UNAVAILABLE));
  Memory host({}, "abc");
  Memory elsewhere(OnDevice(0), 3);
  EXPECT_TRUE(Succeeded(Echo(&host, &elsewhere).Infer().outcome));
  EXPECT_EQ(elsewhere.bytes(), "abc");
}

}  // namespace
}  // namespace trident::contract
