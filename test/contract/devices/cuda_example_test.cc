// The backend of examples/cuda, its real kernel run by the fake driver.

#include <dlfcn.h>

#include <cmath>

#include "devices.h"

namespace trident::contract {
namespace {

constexpr int kHeight = 5;
constexpr int kWidth = 7;
constexpr int kPixels = kHeight * kWidth;
constexpr size_t kImageBytes = 3 * kPixels;
constexpr size_t kPlaneBytes = kImageBytes * sizeof(float);

std::string Image(int seed) {
  std::string image(kImageBytes, '\0');
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<char>(37 * i + 11 * seed);
  return image;
}

// What the kernel is to make of it.
std::vector<float> Planes(const std::string& image) {
  const float mean[] = {0.485f, 0.456f, 0.406f};
  const float deviation[] = {0.229f, 0.224f, 0.225f};
  std::vector<float> planes(image.size());
  for (int colour = 0; colour < 3; ++colour) {
    for (int pixel = 0; pixel < kPixels; ++pixel) {
      const auto byte = static_cast<unsigned char>(image[3 * pixel + colour]);
      planes[colour * kPixels + pixel] = (byte / 255.0f - mean[colour]) / deviation[colour];
    }
  }
  return planes;
}

testing::AssertionResult Shows(const std::string& bytes, const std::string& image) {
  const std::vector<float> expected = Planes(image);
  if (bytes.size() != expected.size() * sizeof(float)) {
    return testing::AssertionFailure() << bytes.size() << " bytes";
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    float found = 0;
    memcpy(&found, &bytes[i * sizeof(float)], sizeof(found));
    if (std::abs(found - expected[i]) < 1e-5f) continue;
    return testing::AssertionFailure() << found << " instead of " << expected[i] << " at " << i;
  }
  return testing::AssertionSuccess();
}

class CudaExample : public testing::Test {
 protected:
  // The core and the tests have contexts of their own, from the first use on to the end of the
  // process.
  static void SetUpTestSuite() {
    Server server;
    const Memory of_the_tests[] = {{OnDevice(0), 1}, {OnDevice(1), 1}};
    server.repository().Add("first",
                            "backend: \"identity\" max_batch_size: 1 "
                            "input { name: \"i\" data_type: TYPE_UINT8 dims: 1 } "
                            "output { name: \"o\" data_type: TYPE_UINT8 dims: 1 } "
                            "instance_group { kind: KIND_GPU gpus: [ 0, 1 ] }");
    ASSERT_TRUE(Succeeded(server.Load("first")));
  }

  CudaExample() {
    // What is loaded, the backend finds by its name.
    for (const char* library : {FAKE_LIBCUDA, FAKE_NVRTC}) {
      if (dlopen(library, RTLD_NOW) == nullptr) throw std::runtime_error(dlerror());
    }
    Write(ReadFile(kSource));
  }
  void TearDown() override {
    EXPECT_TRUE(Succeeded(server_.Delete()));
    EXPECT_EQ(Calls("violations"), violations_);
    EXPECT_EQ(Calls("modules"), 0u);
    EXPECT_EQ(Calls("contexts"), contexts_);
    EXPECT_EQ(Calls("device"), on_devices_);
  }

  void Write(const std::string& kernel, const std::string& kind = "KIND_GPU") {
    std::string config = ReadFile(EXAMPLE_MODEL "/config.pbtxt");
    config.replace(config.find("KIND_GPU"), strlen("KIND_GPU"),
                   kind == "KIND_GPU" ? "KIND_GPU gpus: 0" : kind);
    server_.repository().Add("normalise", config);
    server_.repository().Write("normalise/1/kernel.cu", kernel);
  }

  Request Normalise(Memory* image, Memory* planes) {
    Request request(server_, "normalise");
    request.InputAt("image", TRITONSERVER_TYPE_UINT8, {1, kHeight, kWidth, 3}, image->data(),
                    image->byte_size(), image->where());
    request.OutputAt("planes", planes->data(), planes->byte_size(), planes->where());
    return request;
  }

  static constexpr const char* kSource = EXAMPLE_MODEL "/1/kernel.cu";
  const uint64_t contexts_ = Calls("contexts");
  const uint64_t violations_ = Calls("violations");
  const uint64_t on_devices_ = Calls("device");
  Server server_;
};

TEST_F(CudaExample, ComputesOnTheDeviceWithoutTheHost) {
  ASSERT_TRUE(Succeeded(server_.Load("normalise")));
  const uint64_t copies = HostCopies();
  const uint64_t launches = Calls("cuLaunchKernel");
  std::vector<std::unique_ptr<Memory>> images;
  std::vector<std::unique_ptr<Memory>> planes;
  std::vector<Request> requests;
  for (int i = 0; i < 5; ++i) {
    images.push_back(std::make_unique<Memory>(OnDevice(0), Image(i)));
    planes.push_back(std::make_unique<Memory>(OnDevice(0), kPlaneBytes));
    requests.push_back(Normalise(images[i].get(), planes[i].get()));
  }
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (int i = 0; i < 5; ++i) {
    const Answer& answer = requests[i].Wait();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("planes").shape, Shape({1, 3, kHeight, kWidth}));
    EXPECT_TRUE(Shows(planes[i]->bytes(), Image(i)));
  }
  EXPECT_EQ(HostCopies(), copies);
  EXPECT_EQ(Calls("cuLaunchKernel"), launches + 5);
}

TEST_F(CudaExample, CopiesWhatLiesOnTheHost) {
  ASSERT_TRUE(Succeeded(server_.Load("normalise")));
  for (const Where& from : {Where(), OnDevice(0)}) {
    for (const Where& to : {Where(), OnDevice(0)}) {
      Memory image(from, Image(1));
      Memory planes(to, kPlaneBytes);
      EXPECT_TRUE(Succeeded(Normalise(&image, &planes).Infer().outcome));
      EXPECT_TRUE(Shows(planes.bytes(), Image(1)));
    }
  }
}

TEST_F(CudaExample, GathersAnImageInPieces) {
  ASSERT_TRUE(Succeeded(server_.Load("normalise")));
  const std::string image = Image(3);
  Memory head(OnDevice(0), image.substr(0, 50));
  Memory tail({}, image.substr(50));
  Memory planes({}, kPlaneBytes);
  Request request(server_, "normalise");
  request.InputAt("image", TRITONSERVER_TYPE_UINT8, {1, kHeight, kWidth, 3}, head.data(), 50,
                  head.where());
  request.MoreAt(tail.data(), tail.byte_size());
  request.OutputAt("planes", planes.data(), planes.byte_size());
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
  EXPECT_TRUE(Shows(planes.bytes(), image));
}

TEST_F(CudaExample, ARequestOfManyImagesIsOneLaunch) {
  ASSERT_TRUE(Succeeded(server_.Load("normalise")));
  Memory images({}, Image(1) + Image(2));
  Memory planes({}, 2 * kPlaneBytes);
  Request request(server_, "normalise");
  request.InputAt("image", TRITONSERVER_TYPE_UINT8, {2, kHeight, kWidth, 3}, images.data(),
                  images.byte_size());
  request.OutputAt("planes", planes.data(), planes.byte_size());
  const uint64_t launches = Calls("cuLaunchKernel");
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
  EXPECT_EQ(Calls("cuLaunchKernel"), launches + 1);
  EXPECT_TRUE(Shows(planes.bytes().substr(0, kPlaneBytes), Image(1)));
  EXPECT_TRUE(Shows(planes.bytes().substr(kPlaneBytes), Image(2)));
}

TEST_F(CudaExample, AnotherDevicesMemoryIsRefusedForThatRequestAlone) {
  ASSERT_TRUE(Succeeded(server_.Load("normalise")));
  Memory there(OnDevice(1), Image(1));
  Memory here(OnDevice(0), Image(2));
  Memory first({}, kPlaneBytes);
  Memory second({}, kPlaneBytes);
  std::vector<Request> requests;
  requests.push_back(Normalise(&there, &first));
  requests.push_back(Normalise(&here, &second));
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  EXPECT_TRUE(FailedWith(requests[0].Wait().outcome, TRITONSERVER_ERROR_UNSUPPORTED, {"device"}));
  EXPECT_TRUE(Succeeded(requests[1].Wait().outcome));
  EXPECT_TRUE(Shows(second.bytes(), Image(2)));
}

TEST_F(CudaExample, ABadModelDoesNotLoad) {
  Write(ReadFile(kSource), "KIND_CPU");
  EXPECT_TRUE(FailedWith(server_.Load("normalise"), TRITONSERVER_ERROR_UNSUPPORTED, {"KIND_GPU"}));
  Write("extern \"C\" __global__ void normalise() { nonsense(); }");
  EXPECT_TRUE(
      FailedWith(server_.Load("normalise"), TRITONSERVER_ERROR_INVALID_ARG, {"NVRTC", "nonsense"}));
  Write("extern \"C\" __global__ void another() {}");
  EXPECT_TRUE(FailedWith(server_.Load("normalise"), TRITONSERVER_ERROR_INTERNAL,
                         {"find a kernel called normalise"}));
  ASSERT_EQ(remove(server_.repository().Path("normalise/1/kernel.cu").c_str()), 0);
  EXPECT_TRUE(FailedWith(server_.Load("normalise"), TRITONSERVER_ERROR_NOT_FOUND, {"1/kernel.cu"}));
}

TEST_F(CudaExample, EveryFailingCallOfALoadIsItsError) {
  for (const std::string function :
       {"cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuDeviceGetAttribute",
        "cuModuleLoadData", "cuModuleGetFunction", "cuStreamCreate"}) {
    const Fault injected(function, 999);
    EXPECT_TRUE(FailedWith(server_.Load("normalise"), TRITONSERVER_ERROR_INTERNAL)) << function;
  }
  const Fault injected("cuModuleLoadData", 2);
  EXPECT_TRUE(
      FailedWith(server_.Load("normalise"), TRITONSERVER_ERROR_UNAVAILABLE, {"load the kernel"}));
}

TEST_F(CudaExample, EveryFailingCallOfAnExecutionIsAnAnswer) {
  ASSERT_TRUE(Succeeded(server_.Load("normalise")));
  Memory image({}, Image(1));
  Memory planes({}, kPlaneBytes);
  for (const std::string function :
       {"cuMemAlloc_v2", "cuMemcpyHtoDAsync_v2", "cuLaunchKernel", "cuMemcpyDtoHAsync_v2",
        "cuStreamSynchronize", "cuCtxPushCurrent_v2"}) {
    const Fault injected(function, 999);
    EXPECT_TRUE(FailedWith(Normalise(&image, &planes).Infer().outcome, TRITONSERVER_ERROR_INTERNAL))
        << function;
  }
  EXPECT_TRUE(Succeeded(Normalise(&image, &planes).Infer().outcome));
  EXPECT_TRUE(Shows(planes.bytes(), Image(1)));
}

}  // namespace
}  // namespace trident::contract
