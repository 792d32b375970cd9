#include "backends/common/batch_io.h"

#include <gtest/gtest.h>

#include <cstring>

#include "backends/common/model_config.h"

namespace trident::backend {
namespace {

using Kind = BatchInput::Kind;
using Shape = std::vector<int64_t>;

struct Made {
  Shape shape;
  std::vector<int64_t> numbers;
};

std::vector<SourceShape> Spans(const std::vector<Shape>& shapes) {
  return {shapes.begin(), shapes.end()};
}

BatchInput Input(Kind kind, TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INT32) {
  return {kind, "source", {"target"}, datatype};
}

Made Make(const BatchInput& input, const std::vector<Shape>& shapes, bool batched = true) {
  Made made;
  std::vector<char> contents{'x'};  // what is there goes
  const Status status = MakeBatchInput(input, batched, Spans(shapes), &made.shape, &contents);
  EXPECT_TRUE(status.ok());
  for (size_t i = 0; i < contents.size() / 4; ++i) {
    if (input.datatype == TRITONSERVER_TYPE_FP32) {
      float number = 0;
      memcpy(&number, contents.data() + i * 4, 4);
      made.numbers.push_back(static_cast<int64_t>(number));
    } else {
      int32_t number = 0;
      memcpy(&number, contents.data() + i * 4, 4);
      made.numbers.push_back(number);
    }
  }
  return made;
}

class EachDatatype : public testing::TestWithParam<TRITONSERVER_DataType> {
 protected:
  Made Make(Kind kind, const std::vector<Shape>& shapes, bool batched = true) {
    return backend::Make(Input(kind, GetParam()), shapes, batched);
  }

  const std::vector<Shape> shapes_ = {{1, 2, 3}, {2, 4, 1}, {1, 0, 9}, {1, 1, 1}};
};

TEST_P(EachDatatype, CountsElementsOfEachRequest) {
  const Made made = Make(Kind::kElementCount, shapes_);
  EXPECT_EQ(made.shape, Shape{4});
  EXPECT_EQ(made.numbers, (std::vector<int64_t>{6, 8, 0, 1}));
}

TEST_P(EachDatatype, AccumulatesThem) {
  const Made made = Make(Kind::kAccumulatedElementCount, shapes_);
  EXPECT_EQ(made.shape, Shape{4});
  EXPECT_EQ(made.numbers, (std::vector<int64_t>{6, 14, 14, 15}));
}

TEST_P(EachDatatype, AccumulatesFromZero) {
  const Made made = Make(Kind::kAccumulatedWithZero, shapes_);
  EXPECT_EQ(made.shape, Shape{5});
  EXPECT_EQ(made.numbers, (std::vector<int64_t>{0, 6, 14, 14, 15}));
}

TEST_P(EachDatatype, IsAsLongAsTheLargest) {
  const Made made = Make(Kind::kMaxElementCountAsShape, shapes_);
  EXPECT_EQ(made.shape, Shape{8});
  EXPECT_EQ(made.numbers, std::vector<int64_t>(8, 0));
  EXPECT_EQ(Make(Kind::kMaxElementCountAsShape, {{1, 0}}).shape, Shape{0});
}

TEST_P(EachDatatype, GivesTheShapeOfEachItem) {
  const Made made = Make(Kind::kItemShape, shapes_);
  EXPECT_EQ(made.shape, (Shape{5, 2}));
  EXPECT_EQ(made.numbers, (std::vector<int64_t>{2, 3, 4, 1, 4, 1, 0, 9, 1, 1}));
  const Made flat = Make(Kind::kItemShapeFlatten, shapes_);
  EXPECT_EQ(flat.shape, Shape{10});
  EXPECT_EQ(flat.numbers, made.numbers);
}

TEST_P(EachDatatype, WithoutBatchingARequestIsOneItem) {
  EXPECT_EQ(Make(Kind::kItemShape, {{2, 3}}, false).shape, (Shape{1, 2}));
  EXPECT_EQ(Make(Kind::kItemShape, {{2, 3}}, false).numbers, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(Make(Kind::kElementCount, {{2, 3}}, false).numbers, std::vector<int64_t>{6});
}

INSTANTIATE_TEST_SUITE_P(All, EachDatatype,
                         testing::Values(TRITONSERVER_TYPE_INT32, TRITONSERVER_TYPE_FP32),
                         [](const auto& info) {
                           return std::string(TRITONSERVER_DataTypeString(info.param));
                         });

TEST(BatchInput, ItemsOfDifferentRankHaveNoCommonTensor) {
  Shape shape;
  std::vector<char> contents;
  const std::vector<Shape> shapes = {{1, 2, 3}, {1, 2}};
  const Status status =
      MakeBatchInput(Input(Kind::kItemShape), true, Spans(shapes), &shape, &contents);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(TRITONSERVER_ErrorCode(status.get()), TRITONSERVER_ERROR_INVALID_ARG);
  EXPECT_NE(strstr(TRITONSERVER_ErrorMessage(status.get()), "'source'"), nullptr);
}

TEST(BatchInput, CountsThatDoNotFitAreErrors) {
  const std::vector<Shape> large = {{1, int64_t{1} << 30}, {1, int64_t{1} << 30}};
  Shape shape;
  std::vector<char> contents;
  EXPECT_TRUE(
      MakeBatchInput(Input(Kind::kElementCount), true, Spans(large), &shape, &contents).ok());
  const Status total =
      MakeBatchInput(Input(Kind::kAccumulatedElementCount), true, Spans(large), &shape, &contents);
  ASSERT_FALSE(total.ok());
  EXPECT_NE(strstr(TRITONSERVER_ErrorMessage(total.get()), "does not fit INT32"), nullptr);
  EXPECT_TRUE(MakeBatchInput(Input(Kind::kAccumulatedElementCount, TRITONSERVER_TYPE_FP32), true,
                             Spans(large), &shape, &contents)
                  .ok());
  const std::vector<Shape> impossible = {{1, int64_t{1} << 40, int64_t{1} << 40}};
  EXPECT_FALSE(
      MakeBatchInput(Input(Kind::kElementCount), true, Spans(impossible), &shape, &contents).ok());
}

TEST(BatchOutput, VariableDimensionsAreThoseOfTheSource) {
  const BatchOutput output{"target", "source"};
  const Shape source = {1, 7, 9};
  Shape shape;
  EXPECT_TRUE(ScatteredShape(output, {-1, -1, 3}, source, &shape).ok());
  EXPECT_EQ(shape, (Shape{1, 7, 3}));
  EXPECT_TRUE(ScatteredShape(output, {-1, 5}, source, &shape).ok());
  EXPECT_EQ(shape, (Shape{1, 5}));
  const Status beyond = ScatteredShape(output, {-1, 2, 2, -1}, source, &shape);
  ASSERT_FALSE(beyond.ok());
  EXPECT_NE(strstr(TRITONSERVER_ErrorMessage(beyond.get()), "'target'"), nullptr);
}

// From configurations
// ------------------------------------------------------------------------------

Json Parsed(const char* text) {
  Json json;
  EXPECT_TRUE(Json::Parse(text, &json).ok());
  return json;
}

TEST(ReadBatchIo, ReadsEveryKind) {
  const struct {
    const char* name;
    Kind kind;
  } kinds[] = {{"BATCH_ELEMENT_COUNT", Kind::kElementCount},
               {"BATCH_ACCUMULATED_ELEMENT_COUNT", Kind::kAccumulatedElementCount},
               {"BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", Kind::kAccumulatedWithZero},
               {"BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", Kind::kMaxElementCountAsShape},
               {"BATCH_ITEM_SHAPE", Kind::kItemShape},
               {"BATCH_ITEM_SHAPE_FLATTEN", Kind::kItemShapeFlatten}};
  for (const auto& [name, kind] : kinds) {
    const std::string text = std::string(R"({"batch_input": [{"kind": ")") + name +
                             R"(", "target_name": ["a", "b"], "data_type": "TYPE_FP32",
                                 "source_input": ["s"]}]})";
    std::vector<BatchInput> inputs;
    ASSERT_TRUE(ReadBatchInputs(Parsed(text.c_str()), &inputs).ok());
    ASSERT_EQ(inputs.size(), 1u);
    EXPECT_EQ(inputs[0].kind, kind);
    EXPECT_EQ(inputs[0].targets, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(inputs[0].source, "s");
    EXPECT_EQ(inputs[0].datatype, TRITONSERVER_TYPE_FP32);
  }
}

TEST(ReadBatchIo, RefusesWhatMakesNoSense) {
  std::vector<BatchInput> inputs;
  std::vector<BatchOutput> outputs;
  for (const char* text : {
           R"({"batch_input": [{"kind": "X", "target_name": ["a"], "data_type": "TYPE_FP32",
               "source_input": ["s"]}]})",
           R"({"batch_input": [{"target_name": ["a"], "data_type": "TYPE_INT64",
               "source_input": ["s"]}]})",
           R"({"batch_input": [{"target_name": ["a"], "data_type": "TYPE_FP32",
               "source_input": ["s", "t"]}]})",
           R"({"batch_input": [{"target_name": [], "data_type": "TYPE_FP32",
               "source_input": ["s"]}]})",
       }) {
    EXPECT_FALSE(ReadBatchInputs(Parsed(text), &inputs).ok()) << text;
  }
  EXPECT_FALSE(ReadBatchOutputs(Parsed(R"({"batch_output": [{"target_name": ["a", "b"],
                                           "source_input": ["s"]}]})"),
                                &outputs)
                   .ok());
  EXPECT_TRUE(ReadBatchOutputs(Parsed(R"({"batch_output": [{"target_name": ["a"],
                                          "source_input": ["s"]}]})"),
                               &outputs)
                  .ok());
  EXPECT_EQ(outputs[0].target, "a");
}

TEST(ReadSequenceConfig, ReadsControlsAndStates) {
  SequenceConfig sequence;
  ASSERT_TRUE(ReadSequenceConfig(Parsed(R"({"sequence_batching": {
      "control_input": [
        {"name": "a", "control": [{"kind": "CONTROL_SEQUENCE_START", "int32_false_true": [0, 1]}]},
        {"name": "b", "control": [{"kind": "CONTROL_SEQUENCE_END", "fp32_false_true": [0, 1]}]},
        {"name": "c", "control": [{"kind": "CONTROL_SEQUENCE_READY",
                                   "bool_false_true": [false, true]}]},
        {"name": "d", "control": [{"kind": "CONTROL_SEQUENCE_CORRID",
                                   "data_type": "TYPE_STRING"}]}],
      "state": [{"input_name": "in", "output_name": "out", "data_type": "TYPE_FP16",
                 "dims": ["2", "-1"]}]}})"),
                                 &sequence)
                  .ok());
  ASSERT_EQ(sequence.controls.size(), 4u);
  EXPECT_EQ(sequence.controls[0].datatype, TRITONSERVER_TYPE_INT32);
  EXPECT_EQ(sequence.controls[1].datatype, TRITONSERVER_TYPE_FP32);
  EXPECT_EQ(sequence.controls[2].datatype, TRITONSERVER_TYPE_BOOL);
  EXPECT_EQ(sequence.controls[3].datatype, TRITONSERVER_TYPE_BYTES);
  EXPECT_EQ(sequence.controls[3].name, "d");
  ASSERT_EQ(sequence.states.size(), 1u);
  EXPECT_EQ(sequence.states[0].input, "in");
  EXPECT_EQ(sequence.states[0].output, "out");
  EXPECT_EQ(sequence.states[0].datatype, TRITONSERVER_TYPE_FP16);
  EXPECT_EQ(sequence.states[0].dims, (Shape{2, -1}));
}

TEST(ModelConfig, TellsWhatClientsDoNotSend) {
  ModelConfig config;
  config.sequence.controls = {{"start", TRITONSERVER_TYPE_INT32}};
  config.sequence.states = {{"in", "out", TRITONSERVER_TYPE_FP32, {1}}};
  config.batch_inputs = {Input(Kind::kElementCount)};
  for (const char* name : {"start", "in", "target"}) EXPECT_TRUE(config.IsSupplied(name)) << name;
  for (const char* name : {"out", "source", ""}) EXPECT_FALSE(config.IsSupplied(name)) << name;
  EXPECT_NE(config.FindStateOutput("out"), nullptr);
  EXPECT_EQ(config.FindStateOutput("in"), nullptr);
  EXPECT_EQ(config.FindBatchOutput("target"), nullptr);
}

}  // namespace
}  // namespace trident::backend
