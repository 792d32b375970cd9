#include "scheduler/sequence_controls.h"

#include <gtest/gtest.h>

#include "scheduler/sequence_fixture.h"

namespace trident {
namespace {

SequenceControlInput Int32Control(SequenceControlKind kind, const std::string& name) {
  SequenceControl control{.kind = kind, .int32_false_true = {-7, 9}};
  return {.name = name, .control = {control}};
}

SequenceControlInput Correlation(DataType type) {
  return {.name = "CORRID", .control = {{.kind = SequenceControlKind::kCorrid, .data_type = type}}};
}

class Controls : public SequenceFixture, public ::testing::TestWithParam<Strategy> {
 protected:
  void Make(const ModelSequenceBatching& batching) {
    policy.controls =
        std::make_shared<const SequenceControls>(batching, target->signature().batching());
    policy.slots = 4;
    SequenceFixture::Make(GetParam());
  }
  void MakeWithAll() {
    ModelSequenceBatching batching;
    batching.control_input = {Int32Control(SequenceControlKind::kStart, "START"),
                              Int32Control(SequenceControlKind::kEnd, "END"),
                              Int32Control(SequenceControlKind::kReady, "READY"),
                              Correlation(DataType::kUint64)};
    Make(batching);
  }
  // START, END, READY of the only request that is due, as truth values.
  std::vector<bool> TakeOne() {
    Batch batch = Take();
    EXPECT_EQ(batch.size(), 1u);
    const std::vector<bool> truth = Truth(*batch[0]);
    End(std::move(batch));
    return truth;
  }
  static std::vector<bool> Truth(InferenceRequest& request) {
    std::vector<bool> truth;
    for (const char* name : {"START", "END", "READY"}) {
      const auto value = Read<int32_t>(request, name);
      EXPECT_TRUE(value == 9 || value == -7) << "the configured values";
      truth.push_back(value == 9);
    }
    return truth;
  }
};

TEST_P(Controls, StartEndAndReadyTellThePlaceInTheSequence) {
  MakeWithAll();
  using Truth = std::vector<bool>;
  Send(1, kSequenceStart);
  EXPECT_EQ(TakeOne(), (Truth{true, false, true}));
  Send(1, 0);
  EXPECT_EQ(TakeOne(), (Truth{false, false, true}));
  Send(1, kSequenceEnd);
  EXPECT_EQ(TakeOne(), (Truth{false, true, true}));
  Send(1, kBoth);
  EXPECT_EQ(TakeOne(), (Truth{true, true, true}));
}

TEST_P(Controls, TheCorrelationIdTravelsWithEveryRequest) {
  MakeWithAll();
  Send(0x1122334455667788, kSequenceStart);
  Batch batch = Take();
  EXPECT_EQ(Read<uint64_t>(*batch[0], "CORRID"), 0x1122334455667788u);
  EXPECT_EQ((*batch[0]->FindBackendInput("CORRID"))->shape(), (Shape{1, 1}));
  EXPECT_EQ(batch[0]->backend_input_count(), 5u);
  End(std::move(batch));
}

TEST_P(Controls, EveryTypeOfValue) {
  ModelSequenceBatching batching;
  batching.control_input = {
      {.name = "F",
       .control = {{.kind = SequenceControlKind::kStart, .fp32_false_true = {0.25F, 0.75F}}}},
      {.name = "B",
       .control = {{.kind = SequenceControlKind::kEnd, .bool_false_true = {true, false}}}},
      Int32Control(SequenceControlKind::kReady, "I")};
  Make(batching);
  Send(1, kBoth);
  Batch batch = Take();
  EXPECT_EQ(Read<float>(*batch[0], "F"), 0.75F);
  EXPECT_EQ(Read<bool>(*batch[0], "B"), false) << "configured the other way round";
  EXPECT_EQ(Read<int32_t>(*batch[0], "I"), 9);
  EXPECT_EQ((*batch[0]->FindBackendInput("F"))->datatype(), DataType::kFp32);
  EXPECT_EQ((*batch[0]->FindBackendInput("B"))->datatype(), DataType::kBool);
  End(std::move(batch));
}

TEST_P(Controls, ASmallerCorrelationTypeGetsTheLowBits) {
  for (const DataType type : {DataType::kUint32, DataType::kInt32, DataType::kInt64}) {
    ModelSequenceBatching batching;
    batching.control_input = {Correlation(type)};
    Make(batching);
    Send(0x1122334455667788, kBoth);
    Batch batch = Take();
    const InputTensor& tensor = **batch[0]->FindBackendInput("CORRID");
    EXPECT_EQ(tensor.datatype(), type);
    if (type == DataType::kInt64) {
      EXPECT_EQ(Read<int64_t>(*batch[0], "CORRID"), 0x1122334455667788);
    } else {
      EXPECT_EQ(Read<uint32_t>(*batch[0], "CORRID"), 0x55667788u);
    }
    End(std::move(batch));
  }
}

TEST_P(Controls, AStringCorrelationIdIsOneElementOfBytes) {
  ModelSequenceBatching batching;
  batching.control_input = {Correlation(DataType::kBytes)};
  Make(batching);
  ASSERT_TRUE(TrySend(Id("talk"), kBoth).ok());
  Batch batch = Take();
  const InputTensor& tensor = **batch[0]->FindBackendInput("CORRID");
  EXPECT_EQ(tensor.datatype(), DataType::kBytes);
  EXPECT_EQ(std::string(static_cast<const char*>(tensor.buffers()[0].data), tensor.byte_size()),
            std::string("\4\0\0\0talk", 8));
  End(std::move(batch));
}

TEST_P(Controls, AnIdOfTheWrongKindIsRefused) {
  MakeWithAll();
  const Status status = TrySend(Id("text"), kSequenceStart);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
  EXPECT_NE(status.message().find("sequence batching control 'CORRID' data-type is 'BYTES', but "
                                  "model 'fake' expects 'UINT64'"),
            std::string::npos)
      << status.message();
  ModelSequenceBatching batching;
  batching.control_input = {Correlation(DataType::kBytes)};
  Make(batching);
  const Status number = TrySend(Id(5), kSequenceStart);
  EXPECT_EQ(number.code(), StatusCode::kInvalidArg);
  EXPECT_NE(number.message().find("is 'UINT64', but model 'fake' expects 'BYTES'"),
            std::string::npos)
      << number.message();
}

TEST_P(Controls, WithoutBatchingControlsHaveShapeOne) {
  target = std::make_shared<FakeTarget>(Shape{1}, 0);
  MakeWithAll();
  Send(1, kBoth, 0, {1});
  Batch batch = Take();
  for (const char* name : {"START", "END", "READY", "CORRID"}) {
    EXPECT_EQ((*batch[0]->FindBackendInput(name))->shape(), Shape{1}) << name;
  }
  End(std::move(batch));
}

TEST_P(Controls, RequestsShareTheirControlTensors) {
  MakeWithAll();
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(*batch[0]->FindBackendInput("START"), *batch[1]->FindBackendInput("START"));
  End(std::move(batch));
}

INSTANTIATE_WITH_BOTH_STRATEGIES(Controls);

class NullControls : public Controls {};
INSTANTIATE_TEST_SUITE_P(OnlyDirect, NullControls, ::testing::Values(Strategy::kDirect),
                         [](const auto&) { return "Direct"; });

TEST_P(NullControls, ANullRequestIsNotReadyAndHasNoId) {
  MakeWithAll();
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  End(Take());
  Send(2, kSequenceEnd);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  ASSERT_TRUE(batch[0]->is_null);
  EXPECT_EQ(Truth(*batch[0]), (std::vector<bool>{false, false, false}));
  EXPECT_EQ(Read<uint64_t>(*batch[0], "CORRID"), 0u);
  EXPECT_EQ(Truth(*batch[1]), (std::vector<bool>{false, true, true}));
  End(std::move(batch));
}

}  // namespace
}  // namespace trident
