// The rules for the states of sequences; those for controls and strategies are in validate_test.cc.

#include <gtest/gtest.h>

#include <string>

#include "config/text_format.h"
#include "config/validate.h"

namespace trident {
namespace {

constexpr const char* kState = "state { input_name: 'i' output_name: 'o' data_type: TYPE_INT32 ";

Status Check(const std::string& sequence) {
  const auto config = ParseModelConfigText(
      "name: 'm' backend: 'b' max_batch_size: 2 version_policy { all { } } "
      "input { name: 'data' data_type: TYPE_FP32 dims: 1 } "
      "sequence_batching { " +
          sequence + " }",
      "test");
  EXPECT_TRUE(config.ok()) << config.status().message();
  return Validate(*config);
}

std::string State(const std::string& rest) { return kState + rest + " }"; }
std::string Initial(const std::string& rest) {
  return State("dims: [ 2, -1 ] initial_state { data_type: TYPE_INT32 " + rest + " }");
}

void ExpectRefused(const std::string& sequence, const std::string& message) {
  const Status status = Check(sequence);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
  EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("model 'm'"), std::string::npos) << status.message();
}

TEST(ValidateState, LegalOnes) {
  for (const std::string& sequence : {
           State("dims: [ 2, -1 ]"),
           State("dims: [ 2 ] use_same_buffer_for_input_output: true use_growable_memory: true"),
           Initial("dims: [ 2, 5 ] zero_data: true name: 'n'"),
           Initial("dims: [ 2, 5 ] data_file: 'f' name: 'n'"),
       }) {
    const Status status = Check(sequence);
    EXPECT_TRUE(status.ok()) << status.message();
  }
}

TEST(ValidateState, AtMostOneInitialState) {
  ExpectRefused(State("dims: [ 2 ] initial_state { } initial_state { }"),
                "must contain exactly one or zero element. Found '2' elements.");
}

TEST(ValidateState, TheTypeOfTheInitialStateIsThatOfTheState) {
  ExpectRefused(State("dims: [ 2 ] initial_state { data_type: TYPE_FP32 dims: [ 2 ] "
                      "zero_data: true name: 'n' }"),
                "does not match the state data type");
}

TEST(ValidateState, AnInitialStateHasAName) {
  ExpectRefused(Initial("dims: [ 2, 5 ] zero_data: true"), "'name' must be set");
}

TEST(ValidateState, NamesAreGivenOnce) {
  ExpectRefused(State("dims: [ 2 ]") +
                    " state { input_name: 'i' output_name: 'p' data_type: "
                    "TYPE_INT32 dims: [ 1 ] }",
                "state input name 'i' specified more than once");
  ExpectRefused(State("dims: [ 2 ]") +
                    " state { input_name: 'j' output_name: 'o' data_type: "
                    "TYPE_INT32 dims: [ 1 ] }",
                "state output name 'o' specified more than once");
  ExpectRefused("state { input_name: 'i' data_type: TYPE_INT32 dims: [ 1 ] }",
                "must have an 'input_name' and an 'output_name'");
}

TEST(ValidateState, NamesAreNoneOfTheModelsInputsOrControls) {
  ExpectRefused("state { input_name: 'data' output_name: 'o' data_type: TYPE_INT32 dims: [ 1 ] }",
                "'state' names 'data', which is one of the model's inputs");
  ExpectRefused(
      "control_input { name: 'data' control { kind: CONTROL_SEQUENCE_START "
      "int32_false_true: [ 0, 1 ] } }",
      "'control_input' names 'data', which is one of the model's inputs");
  ExpectRefused(
      "control_input { name: 'i' control { kind: CONTROL_SEQUENCE_START "
      "int32_false_true: [ 0, 1 ] } } " +
          State("dims: [ 1 ]"),
      "'i' specified more than once");
}

TEST(ValidateState, TheDimsOfTheInitialStateFitThoseOfTheState) {
  ExpectRefused(Initial("dims: [ 2 ] zero_data: true name: 'n'"),
                "number of dimensions in 'initial_state' doesn't match the size of 'state' "
                "dimensions: 1 != 2");
  ExpectRefused(Initial("dims: [ 2, -1 ] zero_data: true name: 'n'"),
                "contains variable dimensions");
  ExpectRefused(Initial("dims: [ 3, 5 ] zero_data: true name: 'n'"),
                "doesn't match 'state' dim description. 3 != 2");
  ExpectRefused(Initial("dims: [ 2, 0 ] zero_data: true name: 'n'"), "has dimension 0");
}

TEST(ValidateState, AnInitialStateHasData) {
  ExpectRefused(Initial("dims: [ 2, 5 ] name: 'n'"), "must have 'zero_data' or 'data_file' set");
}

TEST(ValidateState, GrowableMemoryNeedsTheSameBuffer) {
  ExpectRefused(State("dims: [ 2 ] use_growable_memory: true"),
                "'use_growable_memory' needs 'use_same_buffer_for_input_output'");
}

TEST(ValidateState, TypeAndDimsAreLegal) {
  ExpectRefused("state { input_name: 'i' output_name: 'o' dims: [ 1 ] }",
                "state 'i': must specify 'data_type'");
  ExpectRefused(State("dims: [ -2 ]"), "has dimension -2");
}

TEST(ValidateState, SequencesAndTheResponseCacheExcludeEachOther) {
  const auto config = ParseModelConfigText(
      "name: 'm' backend: 'b' max_batch_size: 2 version_policy { all { } } "
      "sequence_batching { } response_cache { enable: true }",
      "test");
  const Status status = Validate(*config);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArg);
  EXPECT_NE(status.message().find("'response_cache' does not work with 'sequence_batching'"),
            std::string::npos)
      << status.message();
}

}  // namespace
}  // namespace trident
