// What the ONNX Runtime backend accepts as a model, what it completes, and what it says otherwise.

#include <unistd.h>

#include <filesystem>
#include <random>

#include "digits.h"

namespace trident::contract {
namespace {

class OnnxLoad : public testing::Test {
 protected:
  Outcome LoadDigits(const std::string& config) {
    server_.repository().AddOnnx("digits", "digits", config);
    return server_.Load("digits");
  }

  Server server_;
  const Digits digits_;
};

// Auto-completion ---------------------------------------------------------------------------------

TEST_F(OnnxLoad, AModelNeedsNoConfiguration) {
  ASSERT_TRUE(Succeeded(LoadDigits("")));
  const Document config = server_.Config("digits");
  EXPECT_EQ(config.Text("/backend"), "onnxruntime");
  EXPECT_EQ(config.Number("/max_batch_size"), 4);
  EXPECT_TRUE(config.Has("/dynamic_batching"));
  EXPECT_EQ(config.Text("/input/0/name"), "image");
  EXPECT_EQ(config.Text("/input/0/data_type"), "TYPE_FP32");
  EXPECT_EQ(config.Size("/input/0/dims"), 3u);
  EXPECT_EQ(config.Number("/input/0/dims/2"), 8);
  EXPECT_EQ(config.Text("/output/0/name"), "logits");
  EXPECT_EQ(config.Number("/output/0/dims/0"), 10);
  const Answer answer = digits_.Ask(server_, 0, 4).Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_LT(digits_.WorstError(answer.output("logits").bytes, 0, 4), 1e-4);
}

TEST_F(OnnxLoad, WhatIsGivenStaysAndTheRestIsCompleted) {
  server_.repository().AddOnnx("add_sub", "add_sub",
                               "max_batch_size: 16 output { name: \"difference\" }");
  ASSERT_TRUE(Succeeded(server_.Load("add_sub")));
  const Document config = server_.Config("add_sub");
  EXPECT_EQ(config.Number("/max_batch_size"), 16);
  EXPECT_EQ(config.Size("/input"), 2u);
  EXPECT_EQ(config.Size("/output"), 1u);
  EXPECT_EQ(config.Text("/output/0/data_type"), "TYPE_FP32");
  EXPECT_EQ(config.Number("/output/0/dims/0"), 16);
}

TEST_F(OnnxLoad, DimsOfFullRankMeanNoBatching) {
  ASSERT_TRUE(Succeeded(
      LoadDigits("input { name: \"image\" data_type: TYPE_FP32 dims: [ -1, 1, 8, 8 ] }")));
  const Document config = server_.Config("digits");
  EXPECT_EQ(config.Number("/max_batch_size"), 0);
  EXPECT_EQ(config.Size("/output/0/dims"), 2u);
  EXPECT_TRUE(Succeeded(digits_.Ask(server_, 0, 11).Infer().outcome));
}

TEST_F(OnnxLoad, TheDefaultBatchSizeIsASetting) {
  Server server({.onnxruntime = {{"default-max-batch-size", "7"}}});
  server.repository().AddOnnx("digits", "digits");
  ASSERT_TRUE(Succeeded(server.Load("digits")));
  EXPECT_EQ(server.Config("digits").Number("/max_batch_size"), 7);
}

TEST_F(OnnxLoad, StrictModeCompletesNothing) {
  Server strict({.strict_config = true});
  strict.repository().AddOnnx("none", "digits");
  EXPECT_TRUE(
      FailedWith(strict.Load("none"), TRITONSERVER_ERROR_NOT_FOUND, {"'none'", "config.pbtxt"}));
  strict.repository().AddOnnx("partial", "digits", "backend: \"onnxruntime\" max_batch_size: 4");
  EXPECT_TRUE(FailedWith(strict.Load("partial"), TRITONSERVER_ERROR_INVALID_ARG, {"'partial'"}));
  strict.repository().AddOnnx("whole", "digits", kDigitsConfig);
  EXPECT_TRUE(Succeeded(strict.Load("whole")));
}

// Configurations that do not fit the file
// -----------------------------------------------------------

TEST_F(OnnxLoad, MismatchesNameWhatTheFileHasAndWhatTheConfigurationSays) {
  const std::string image = "input { name: \"image\" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] } ";
  const std::string logits = "output { name: \"logits\" data_type: TYPE_FP32 dims: [ 10 ] } ";
  const std::string batched = "max_batch_size: 4 ";
  const struct {
    std::string what;
    std::string config;
    std::initializer_list<std::string> texts;
  } cases[] = {
      {"output name",
       batched + image + "output { name: \"logitz\" data_type: TYPE_FP32 dims: [ 10 ] }",
       {"'logitz'", "'logits'"}},
      {"input name",
       batched + "input { name: \"img\" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] }" + logits,
       {"'img'", "'image'"}},
      {"input type",
       batched + "input { name: \"image\" data_type: TYPE_INT32 dims: [ 1, 8, 8 ] }" + logits,
       {"'image'", "TYPE_FP32", "TYPE_INT32"}},
      {"output type",
       batched + image + "output { name: \"logits\" data_type: TYPE_FP16 dims: [ 10 ] }",
       {"'logits'", "TYPE_FP32", "TYPE_FP16"}},
      {"a dimension",
       batched + "input { name: \"image\" data_type: TYPE_FP32 dims: [ 1, 8, 9 ] }" + logits,
       {"'image'", "[-1,1,8,8]", "[1,8,9]"}},
      {"a dimension left open that the file fixes",
       batched + "input { name: \"image\" data_type: TYPE_FP32 dims: [ 1, 8, -1 ] }" + logits,
       {"'image'", "[-1,1,8,8]", "[1,8,-1]"}},
      {"the rank",
       batched + "input { name: \"image\" data_type: TYPE_FP32 dims: [ 64 ] }" + logits,
       {"'image'", "[-1,1,8,8]", "[64]"}},
      {"no batch dimension", image + logits, {"'image'", "[-1,1,8,8]", "[1,8,8]"}},
  };
  for (const auto& [what, config, texts] : cases) {
    EXPECT_TRUE(FailedWith(LoadDigits(config), TRITONSERVER_ERROR_INVALID_ARG, texts)) << what;
    EXPECT_EQ(server_.State("digits"), "UNAVAILABLE");
  }
}

TEST_F(OnnxLoad, EveryInputOfTheFileMustBeConfigured) {
  server_.repository().AddOnnx("add_sub", "add_sub",
                               "max_batch_size: 4 "
                               "input { name: \"a\" data_type: TYPE_FP32 dims: 16 } "
                               "output { name: \"sum\" data_type: TYPE_FP32 dims: 16 }");
  EXPECT_TRUE(FailedWith(server_.Load("add_sub"), TRITONSERVER_ERROR_INVALID_ARG, {"'b'"}));
}

TEST_F(OnnxLoad, AFileWithoutABatchDimensionCannotBatch) {
  server_.repository().AddOnnx("nonzero", "nonzero", "max_batch_size: 4");
  EXPECT_TRUE(FailedWith(server_.Load("nonzero"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"'max_batch_size' is 4", "expected 0"}));
}

TEST_F(OnnxLoad, ParametersMustBeReadable) {
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"intra_op_thread_count", "many"},
           {"inter_op_thread_count", "-1"},
           {"execution_mode", "2"},
           {"enable_mem_arena", "2"},
           {"enable_mem_pattern", "yes"},
       }) {
    EXPECT_TRUE(FailedWith(
        LoadDigits("parameters { key: \"" + key + "\" value { string_value: \"" + value + "\" } }"),
        TRITONSERVER_ERROR_INVALID_ARG, {key, value}));
  }
}

// Files -------------------------------------------------------------------------------------------

TEST_F(OnnxLoad, AMissingFileIsNotFound) {
  server_.repository().Add("digits", kDigitsConfig);
  EXPECT_TRUE(
      FailedWith(server_.Load("digits"), TRITONSERVER_ERROR_NOT_FOUND, {"'digits'", "model.onnx"}));
}

TEST_F(OnnxLoad, TheFileNameStaysInsideTheVersion) {
  for (const std::string name : {"../model.onnx", "/etc/hostname", "..", "sub/model.onnx"}) {
    const std::string config =
        std::string(kDigitsConfig) + "default_model_filename: \"" + name + "\"";
    EXPECT_TRUE(FailedWith(LoadDigits(config), TRITONSERVER_ERROR_INVALID_ARG,
                           {"default_model_filename", name}));
  }
}

TEST_F(OnnxLoad, TheModelMayBeADirectory) {
  server_.repository().Add("deep", "");
  server_.repository().Write("deep/1/model.onnx/model.onnx", OnnxFile("external_inside"));
  server_.repository().Write("deep/1/model.onnx/weights.bin", BytesOf<float>({1, 2, 3, 4}));
  ASSERT_TRUE(Succeeded(server_.Load("deep")));
  const Answer answer =
      Request(server_, "deep")
          .Input("input", TRITONSERVER_TYPE_FP32, {1, 4}, BytesOf<float>({10, 10, 10, 10}))
          .Infer();
  ASSERT_TRUE(Succeeded(answer.outcome));
  EXPECT_EQ(answer.output("output").bytes, BytesOf<float>({11, 12, 13, 14}));
}

TEST_F(OnnxLoad, TruncatedFilesAreTypedErrors) {
  const std::string whole = OnnxFile("digits");
  for (const size_t size : {size_t{0}, size_t{1}, size_t{10}, whole.size() / 2, whole.size() - 1}) {
    server_.repository().Write("cut/1/model.onnx", whole.substr(0, size));
    EXPECT_TRUE(FailedWith(server_.Load("cut"), TRITONSERVER_ERROR_INVALID_ARG, {"'cut'"}))
        << size << " of " << whole.size() << " bytes";
    EXPECT_EQ(server_.State("cut"), "UNAVAILABLE");
  }
}

unsigned Seed() {
  const char* given = getenv("TRIDENT_TEST_SEED");
  return given != nullptr ? static_cast<unsigned>(atoll(given)) : std::random_device{}();
}

// A damaged file is refused with a reason, or is a model like any other: it answers.
TEST_F(OnnxLoad, FlippedBitsAreAnErrorOrAModel) {
  const unsigned seed = Seed();
  printf("TRIDENT_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const std::string whole = OnnxFile("digits");
  int loaded = 0;
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    // Every other time the graph's beginning: further on there are mostly weights.
    const size_t range = round % 2 == 0 ? whole.size() : 256;
    std::string damaged = whole;
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips) {
      damaged[random() % range] ^= static_cast<char>(1u << random() % 8);
    }
    server_.repository().Write("damaged/1/model.onnx", damaged);
    const Outcome outcome = server_.Load("damaged");
    if (!outcome.ok()) {
      ++refused;
      EXPECT_NE(outcome.code, TRITONSERVER_ERROR_UNKNOWN);
      EXPECT_NE(outcome.message.find("'damaged'"), std::string::npos) << outcome;
      continue;
    }
    ++loaded;
    Request request(server_, "damaged");
    const Document config = server_.Config("damaged");
    request.Input(config.Text("/input/0/name"), TRITONSERVER_TYPE_FP32, {1, 1, 8, 8},
                  std::string(kImageBytes, '\1'));
    const Answer answer = request.Infer();  // with an answer or an error
    EXPECT_NE(answer.outcome.code, TRITONSERVER_ERROR_UNKNOWN);
  }
  printf("%d refused, %d loaded\n", refused, loaded);
  EXPECT_GT(refused, 0);
  EXPECT_GT(loaded, 0);
}

// Weights in other files
// ----------------------------------------------------------------------------

class ExternalData : public OnnxLoad {
 protected:
  Outcome LoadWithWeights(const std::string& file) {
    Repository& repository = server_.repository();
    repository.AddOnnx("model", file);
    for (const std::string path : {"weights.bin", "model/weights.bin", "model/1/weights.bin"}) {
      repository.Write(path, BytesOf<float>({1, 2, 3, 4}));
    }
    return server_.Load("model");
  }
};

TEST_F(ExternalData, BesideTheModelIsFine) {
  EXPECT_TRUE(Succeeded(LoadWithWeights("external_inside")));
}

TEST_F(ExternalData, OutsideOfTheModelsDirectoryIsRefused) {
  for (const std::string file : {"external_outside", "external_absolute", "external_memory"}) {
    const Outcome outcome = LoadWithWeights(file);
    ASSERT_FALSE(outcome.ok()) << file;
    EXPECT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_INVALID_ARG, {"'model'"})) << file;
  }
}

TEST_F(ExternalData, ALinkLeadingOutsideIsRefused) {
  Repository& repository = server_.repository();
  repository.AddOnnx("model", "external_inside");
  repository.Write("weights.bin", BytesOf<float>({1, 2, 3, 4}));
  ASSERT_EQ(symlink("../../weights.bin", repository.Path("model/1/weights.bin").c_str()), 0);
  EXPECT_TRUE(FailedWith(server_.Load("model"), TRITONSERVER_ERROR_INVALID_ARG, {"'model'"}));
}

// The library -------------------------------------------------------------------------------------

TEST(OnnxRuntimeLibrary, AnUnusableOneFailsTheLoadAndSaysWhy) {
  const struct {
    std::string library;
    TRITONSERVER_Error_Code code;
    std::string text;
  } cases[] = {
      {"libonnxruntime.so.1", TRITONSERVER_ERROR_INVALID_ARG, "must be absolute"},
      {"/nowhere/libonnxruntime.so.1", TRITONSERVER_ERROR_NOT_FOUND, "onnxruntime-node"},
      {environment.backends + "/identity/libtriton_identity.so", TRITONSERVER_ERROR_UNSUPPORTED,
       "OrtGetApiBase"},
  };
  for (const auto& [library, code, text] : cases) {
    Server server({.onnxruntime = {{"library", library}}});
    server.repository().AddOnnx("digits", "digits", kDigitsConfig);
    EXPECT_TRUE(FailedWith(server.Load("digits"), code, {text}));
  }
}

}  // namespace
}  // namespace trident::contract
