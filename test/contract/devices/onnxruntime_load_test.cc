// The ONNX Runtime backend on GPUs: its settings, what it says of what is missing, and faults.

#include <thread>

#include "onnxruntime.h"

namespace trident::contract {
namespace {

namespace fs = std::filesystem;

using OnnxDeviceLoad = OnnxDevice;

std::string Accelerator(const std::string& name, const std::string& key = "",
                        const std::string& value = "") {
  const std::string parameter =
      key.empty() ? "" : "parameters { key: \"" + key + "\" value: \"" + value + "\" } ";
  return "optimization { execution_accelerators { gpu_execution_accelerator { name: \"" + name +
         "\" " + parameter + "} } } ";
}

std::string Parameter(const std::string& key, const std::string& value) {
  return "parameters { key: \"" + key + "\" value { string_value: \"" + value + "\" } } ";
}

TEST_F(OnnxDeviceLoad, InstancesHaveTheirDeviceStreamAndMemory) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0) + OnGpu(1, 2))));
  EXPECT_STREQ(FakeOnnxRuntimeOption("has_user_compute_stream"), "1");
  EXPECT_STREQ(FakeOnnxRuntimeOption("enable_cuda_graph"), "0");
  const Document statistics = server().Statistics("digits");
  EXPECT_EQ(statistics.Text("/model_stats/0/memory_usage/0/type"), "GPU");
}

TEST_F(OnnxDeviceLoad, KindAutoIsAGpuWhereOnnxRuntimeHasTheProvider) {
  ASSERT_TRUE(Succeeded(LoadDigits("instance_group { kind: KIND_AUTO gpus: 0 } ")));
  EXPECT_EQ(server().Config("digits").Text("/instance_group/0/kind"), "KIND_GPU");
  Server plain(WithCudaProvider(environment.onnxruntime));
  plain.repository().AddOnnx("digits", "digits",
                             DigitsConfigOn("instance_group { kind: KIND_AUTO gpus: 0 } "));
  ASSERT_TRUE(Succeeded(plain.Load("digits")));
  EXPECT_EQ(plain.Config("digits").Text("/instance_group/0/kind"), "KIND_CPU");
}

// The files alone say little: those of CUDA that they need may be missing.
TEST_F(OnnxDeviceLoad, KindAutoIsTheCpuWhereTheProviderDoesNotLoad) {
  FakeOnnxRuntimeFail("UpdateCUDAProviderOptions", "libcudnn.so.9: no such file");
  Server half(WithCudaProvider());
  half.repository().AddOnnx("digits", "digits",
                            DigitsConfigOn("instance_group { kind: KIND_AUTO gpus: 0 } "));
  const Outcome loaded = half.Load("digits");
  FakeOnnxRuntimeFail("UpdateCUDAProviderOptions", nullptr);
  ASSERT_TRUE(Succeeded(loaded));
  EXPECT_EQ(half.Config("digits").Text("/instance_group/0/kind"), "KIND_CPU");
}

TEST_F(OnnxDeviceLoad, OptionsReachTheProvider) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0), Parameter("cudnn_conv_algo_search", "1") +
                                                 Parameter("gpu_mem_limit", "1000000") +
                                                 Parameter("arena_extend_strategy", "1") +
                                                 Parameter("do_copy_in_default_stream", "1") +
                                                 Accelerator("cuda", "prefer_nhwc", "1"))));
  EXPECT_STREQ(FakeOnnxRuntimeOption("cudnn_conv_algo_search"), "HEURISTIC");
  EXPECT_STREQ(FakeOnnxRuntimeOption("gpu_mem_limit"), "1000000");
  EXPECT_STREQ(FakeOnnxRuntimeOption("arena_extend_strategy"), "kSameAsRequested");
  EXPECT_STREQ(FakeOnnxRuntimeOption("do_copy_in_default_stream"), "1");
  EXPECT_STREQ(FakeOnnxRuntimeOption("prefer_nhwc"), "1");
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0), Accelerator("cuda", "enable_cuda_graph", "1"))));
  EXPECT_STREQ(FakeOnnxRuntimeOption("enable_cuda_graph"), "1");
  EXPECT_STREQ(FakeOnnxRuntimeOption("device_id"), "0");
}

TEST_F(OnnxDeviceLoad, ArenasToShrinkAreNamedOneByOne) {
  const auto shrink = [this](const std::string& arenas) {
    return LoadDigits(OnGpu(1), "optimization { cuda { graphs: true } } " +
                                    Parameter("memory.enable_memory_arena_shrinkage", arenas));
  };
  EXPECT_TRUE(Succeeded(shrink("cpu:0;gpu:0")));  // of none that graphs need
  for (const char* arenas : {"gpu:1", "cpu:0;gpu:1", "1"}) {
    EXPECT_TRUE(FailedWith(shrink(arenas), TRITONSERVER_ERROR_INVALID_ARG, {"CUDA graphs"}));
  }
  for (const char* arenas : {"cpu:1", "gpu:", "gpu:0,cpu:0", "tpu:0"}) {
    EXPECT_TRUE(FailedWith(shrink(arenas), TRITONSERVER_ERROR_INVALID_ARG,
                           {"'memory.enable_memory_arena_shrinkage'", arenas}));
  }
}

TEST_F(OnnxDeviceLoad, OptionsThatCanNotBeAreRefused) {
  const auto invalid = TRITONSERVER_ERROR_INVALID_ARG;
  EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0), Parameter("cudnn_conv_algo_search", "3")), invalid,
                         {"'cudnn_conv_algo_search'", "0 to 2"}));
  EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0), Parameter("arena_extend_strategy", "more")), invalid,
                         {"'arena_extend_strategy'"}));
  EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0), Accelerator("auto")), invalid, {"'auto'", "'cuda'"}));
  EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0), Accelerator("tensorrt")),
                         TRITONSERVER_ERROR_UNSUPPORTED, {"'tensorrt'"}));
  for (const char* reserved : {"device_id", "user_compute_stream", "gpu_external_alloc"}) {
    EXPECT_TRUE(
        FailedWith(LoadDigits(OnGpu(0), Accelerator("cuda", reserved, "1")), invalid, {reserved}));
  }
  EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0), Accelerator("cuda", "turbo", "1")), invalid,
                         {"'digits'", "turbo"}));
  EXPECT_TRUE(
      FailedWith(LoadDigits(OnGpu(0), "optimization { cuda { graphs: true } } " +
                                          Parameter("memory.enable_memory_arena_shrinkage", "1")),
                 invalid, {"CUDA graphs", "'memory.enable_memory_arena_shrinkage'"}));
  EXPECT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
}

// The devices of the fake driver are of compute capability 9.0.
TEST_F(OnnxDeviceLoad, AFileMayBeForDevicesOfACapability) {
  const std::string files =
      "cc_model_filenames { key: \"8.0\" value: \"none.onnx\" } "
      "cc_model_filenames { key: \"9.0\" value: \"hopper.onnx\" } ";
  EXPECT_TRUE(
      FailedWith(LoadDigits(OnGpu(0), files), TRITONSERVER_ERROR_NOT_FOUND, {"hopper.onnx"}));
  server().repository().Write("digits/1/hopper.onnx", OnnxFile("digits"));
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0), files)));
  EXPECT_TRUE(Succeeded(Run(0)));
  server().repository().Write("digits/1/hopper.onnx", OnnxFile("identity_fp32"));
  for (const char* graphs : {"", "optimization { cuda { graphs: true } } "}) {
    EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0), files + graphs), TRITONSERVER_ERROR_INVALID_ARG,
                           {"'image'", "not in the model file"}));
  }
}

// The library of onnxruntime-node has none of the provider's files beside it unless asked for.
TEST_F(OnnxDeviceLoad, AMissingProviderIsToldByTheFile) {
  const fs::path real = environment.onnxruntime;
  if (fs::exists(real.parent_path() / "libonnxruntime_providers_shared.so")) {
    GTEST_SKIP() << "ONNX Runtime's provider is installed";
  }
  Server plain(WithCudaProvider(real));
  plain.repository().AddOnnx("digits", "digits", DigitsConfigOn(OnGpu(0)));
  EXPECT_TRUE(FailedWith(
      plain.Load("digits"), TRITONSERVER_ERROR_NOT_FOUND,
      {"'digits'", "GPU 0", (real.parent_path() / "libonnxruntime_providers_shared.so").string(),
       "'library'"}));
  plain.repository().AddOnnx("digits", "digits",
                             DigitsConfigOn("instance_group { kind: KIND_CPU } "));
  EXPECT_TRUE(Succeeded(plain.Load("digits")));
}

TEST_F(OnnxDeviceLoad, EachOfTheProvidersFilesIsLookedFor) {
  const Repository folder;
  const fs::path library = folder.Path("libonnxruntime.so");
  fs::copy_file(FAKE_ONNXRUNTIME, library);
  fs::copy_file(fs::path(FAKE_ONNXRUNTIME).parent_path() / "libonnxruntime_providers_shared.so",
                library.parent_path() / "libonnxruntime_providers_shared.so");
  Server half(WithCudaProvider(library));
  half.repository().AddOnnx("digits", "digits", DigitsConfigOn(OnGpu(0)));
  EXPECT_TRUE(FailedWith(half.Load("digits"), TRITONSERVER_ERROR_NOT_FOUND,
                         {(library.parent_path() / "libonnxruntime_providers_cuda.so").string()}));
}

// Faults -----------------------------------------------------------------------------------------

TEST_F(OnnxDeviceLoad, AProviderThatDoesNotLoadSaysWhy) {
  for (const char* function : {"UpdateCUDAProviderOptions",
                               "SessionOptionsAppendExecutionProvider_CUDA_V2", "CreateSession"}) {
    FakeOnnxRuntimeFail(function, "libcublas.so.13: no such file");
    EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0)), TRITONSERVER_ERROR_INTERNAL,
                           {"'digits'", "GPU 0", "libcublas.so.13"}));
    FakeOnnxRuntimeFail(function, nullptr);
  }
  EXPECT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
}

TEST_F(OnnxDeviceLoad, AFailedRunFailsItsBatchOnly) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
  for (const char* function : {"BindInput", "RunWithBinding"}) {
    FakeOnnxRuntimeFail(function, "no kernel image");
    EXPECT_TRUE(
        FailedWith(Run(0), TRITONSERVER_ERROR_INTERNAL, {"the run failed", "no kernel image"}));
    FakeOnnxRuntimeFail(function, nullptr);
  }
  EXPECT_TRUE(Succeeded(Run(0)));
}

// Not the caller's fault, though the shapes of the model vary: it may be short of memory.
TEST_F(OnnxDeviceLoad, AFailedRunOfAnyShapesIsInternal) {
  ASSERT_TRUE(Succeeded(Load("nonzero",
                             "backend: \"onnxruntime\" "
                             "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
                             "output { name: \"output\" data_type: TYPE_INT64 dims: [ 1, -1 ] } " +
                                 OnGpu(0))));
  Request request(server(), "nonzero");
  request.Input("input", TRITONSERVER_TYPE_FP32, {2}, BytesOf<float>({0, 1}));
  FakeOnnxRuntimeFail("RunWithBinding", "CUDA failure 2: out of memory");
  const Answer answer = request.Infer();
  FakeOnnxRuntimeFail("RunWithBinding", nullptr);
  EXPECT_TRUE(FailedWith(answer.outcome, TRITONSERVER_ERROR_INTERNAL, {"out of memory"}));
}

// Each failing once; what the batch needs of the driver it finds again.
TEST_F(OnnxDeviceLoad, AFailedCallOfTheDriverFailsItsBatchOnly) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
  const auto from_host = [this] {
    Memory images({}, Images(3, 1));
    Memory logits({}, kLogitBytes);
    const Answer answer = Ask(&images, &logits).Infer();
    if (answer.ok()) {
      EXPECT_LT(digits_.WorstError(logits.bytes(), 3, 1), 1e-4);
    }
    return answer.outcome;
  };
  for (const char* function :
       {"cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuStreamSynchronize"}) {
    const Fault fault(function, cuda::kInvalidValue);
    const Outcome outcome = from_host();
    EXPECT_FALSE(outcome.ok()) << function;
  }
  EXPECT_TRUE(Succeeded(from_host()));
}

TEST_F(OnnxDeviceLoad, MemoryThatADeviceDoesNotHaveIsToldAtTheLoad) {
  {
    const Fault fault("cuStreamCreate", cuda::kOutOfMemory);
    EXPECT_TRUE(FailedWith(LoadDigits(OnGpu(0)), TRITONSERVER_ERROR_UNAVAILABLE, {"device 0"}));
  }
  EXPECT_TRUE(Succeeded(LoadDigits(OnGpu(0))));
}

TEST_F(OnnxDeviceLoad, ARunOnADeviceThatIsLostIsUnavailable) {
  ASSERT_TRUE(Succeeded(LoadDigits(OnGpu(kLostByOnnxRuntime))));
  EXPECT_TRUE(Succeeded(Run(kLostByOnnxRuntime)));
  Memory images(OnDevice(kLostByOnnxRuntime), Images(0, 1));
  Memory logits({}, kLogitBytes);
  Request waiting = Ask(&images, &logits);
  Request request = Ask(&images, &logits);
  FakeCudaRow* hold = FakeCudaFind("hold");
  __atomic_store_n(&hold->result, 1, __ATOMIC_SEQ_CST);
  const uint64_t runs = FakeOnnxRuntimeCountRuns().all;
  ASSERT_TRUE(Succeeded(waiting.Send()));
  while (FakeOnnxRuntimeCountRuns().all == runs) std::this_thread::yield();
  FakeCudaRow* lose = FakeCudaFind("lose");
  __atomic_store_n(&lose->bytes, 1u << kLostByOnnxRuntime, __ATOMIC_SEQ_CST);
  __atomic_store_n(&lose->result, cuda::kIllegalAddress, __ATOMIC_SEQ_CST);
  EXPECT_TRUE(FailedWith(waiting.Wait().outcome, TRITONSERVER_ERROR_UNAVAILABLE));
  __atomic_store_n(&hold->result, 0, __ATOMIC_SEQ_CST);
  EXPECT_TRUE(FailedWith(request.Infer().outcome, TRITONSERVER_ERROR_UNAVAILABLE));
}

}  // namespace
}  // namespace trident::contract
