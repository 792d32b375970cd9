// Sequence controls that are inputs of a model file, with the onnxruntime backend.

#include "sequences.h"

namespace trident::contract {
namespace {

std::string Control(const std::string& name, const std::string& kind, const std::string& values) {
  return "control_input { name: \"" + name + "\" control { kind: CONTROL_SEQUENCE_" + kind + " " +
         values + " } } ";
}

class Controls : public testing::TestWithParam<const char*> {
 protected:
  void LoadWith(const std::string& id_type) {
    std::string type = id_type == "STRING" ? "string" : id_type == "INT32" ? "int32" : "uint64";
    server_.repository().AddOnnx(
        "controls", "controls_" + type,
        "backend: \"onnxruntime\" max_batch_size: 4 " +
            TensorConfig("input", "input", "FP32", "1") +
            TensorConfig("output", "output", "FP32", "1") +
            TensorConfig("output", "start_out", "INT32", "1") +
            TensorConfig("output", "ready_out", "FP32", "1") +
            TensorConfig("output", "end_out", "BOOL", "1") +
            TensorConfig("output", "id_out", id_type, "1") +
            Batching(GetParam(), Control("start", "START", "int32_false_true: [ -5, 5 ]") +
                                     Control("ready", "READY", "fp32_false_true: [ 0.25, 0.75 ]") +
                                     Control("end", "END", "bool_false_true: [ false, true ]") +
                                     Control("id", "CORRID", "data_type: TYPE_" + id_type)));
    ASSERT_TRUE(Succeeded(server_.Load("controls")));
  }

  template <typename Id>
  Request Step(const Id& id, uint32_t flags) {
    Request request(server_, "controls");
    request.Input("input", TRITONSERVER_TYPE_FP32, {1, 1}, BytesOf(std::vector<float>{1}));
    request.Sequence(id, flags);
    return request;
  }

  template <typename Id>
  void ExpectControls(const Id& id, uint32_t flags, const std::string& id_bytes) {
    const Answer answer = Step(id, flags).Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    const bool start = (flags & kStart) != 0;
    EXPECT_EQ(answer.output("start_out").bytes, BytesOf(std::vector<int32_t>{start ? 5 : -5}));
    EXPECT_EQ(answer.output("ready_out").bytes, BytesOf(std::vector<float>{0.75f}));
    EXPECT_EQ(answer.output("end_out").bytes, std::string(1, (flags & kEnd) != 0 ? '\1' : '\0'));
    EXPECT_EQ(answer.output("id_out").bytes, id_bytes);
    EXPECT_EQ(answer.output("id_out").shape, (Shape{1, 1}));
  }

  Server server_;
};

// Statement: START, END and READY by the place of the request, in the configured type and values.
TEST_P(Controls, TellTheModelWhereARequestStands) {
  LoadWith("UINT64");
  const uint64_t id = 0xfedcba9876543210u;
  const std::string bytes = BytesOf(std::vector<uint64_t>{id});
  ExpectControls(id, kStart, bytes);
  ExpectControls(id, 0, bytes);
  ExpectControls(id, kEnd, bytes);
  ExpectControls(id, kStart | kEnd, bytes);
}

// Statement: a narrower CORRID has the low bits.
TEST_P(Controls, ANarrowerIdHasTheLowBits) {
  LoadWith("INT32");
  ExpectControls(uint64_t{0x100000007}, kStart | kEnd, BytesOf(std::vector<int32_t>{7}));
}

TEST_P(Controls, IdsMayBeTexts) {
  LoadWith("STRING");
  ExpectControls(std::string("a sequence"), kStart, Strings({"a sequence"}));
  ExpectControls(std::string("another"), kStart | kEnd, Strings({"another"}));
  ExpectControls(std::string("a sequence"), kEnd, Strings({"a sequence"}));
}

// Statement: the id's kind must be the control's.
TEST_P(Controls, AnIdOfTheOtherKindIsRefused) {
  LoadWith("STRING");
  EXPECT_TRUE(FailedWith(Step(uint64_t{5}, kStart).Infer().outcome, TRITONSERVER_ERROR_INVALID_ARG,
                         {"'id'", "BYTES"}));
  LoadWith("UINT64");
  EXPECT_TRUE(FailedWith(Step(std::string("x"), kStart).Infer().outcome,
                         TRITONSERVER_ERROR_INVALID_ARG, {"'id'", "UINT64"}));
}

INSTANTIATE_TEST_SUITE_P(All, Controls, testing::ValuesIn(kStrategies), StrategyName);

}  // namespace
}  // namespace trident::contract
