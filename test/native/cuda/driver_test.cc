#include "cuda/driver.h"

#include "cuda/child.h"
#include "cuda/fixture.h"

namespace trident::cuda {
namespace {

// What a process sees of the driver: driver, devices and report, a line each.
struct Sight {
  std::string driver;
  std::string devices;
  std::string report;

  explicit Sight(std::vector<std::string> faults, const std::vector<std::string>& settings = {}) {
    faults.insert(faults.begin(), "driver");
    Child child(faults, settings);
    driver = child.Read();
    devices = child.Read();
    report = child.Read();
    EXPECT_EQ(child.Wait(), 0);
  }
};

TEST(CudaDriverTest, IsThere) {
  const Sight sight({});
  EXPECT_EQ(sight.driver, "OK");
  EXPECT_EQ(sight.devices, "OK");
  EXPECT_EQ(sight.report, FAKE_CUDA_LIBRARY " 12040");
}

TEST(CudaDriverTest, NoLibrary) {
  const Sight sight({}, {"TRIDENT_CUDA_LIBRARY=/nowhere/libcuda.so.1"});
  EXPECT_NE(sight.driver.find("Unsupported: there is no CUDA driver library "
                              "'/nowhere/libcuda.so.1': "),
            std::string::npos)
      << sight.driver;
  EXPECT_EQ(sight.devices, sight.driver);
  EXPECT_EQ(sight.report, "/nowhere/libcuda.so.1 0");
}

TEST(CudaDriverTest, AFileThatIsNoLibrary) {
  const Sight sight({}, {"TRIDENT_CUDA_LIBRARY=" __FILE__});
  EXPECT_EQ(sight.driver.find("Unsupported: there is no CUDA driver library"), 0u) << sight.driver;
}

TEST(CudaDriverTest, TheSystemsWhereNoneIsNamed) {
  const Sight sight({}, {"TRIDENT_CUDA_LIBRARY="});
  EXPECT_EQ(sight.report.find("libcuda.so.1 "), 0u) << sight.report;
}

TEST(CudaDriverTest, ALibraryThatLacksFunctions) {
  const Sight sight({}, {"TRIDENT_CUDA_LIBRARY=" OLD_CUDA_LIBRARY});
  EXPECT_EQ(sight.driver.find("Unsupported: the CUDA driver library '" OLD_CUDA_LIBRARY
                              "' is too old: it lacks cuGetErrorName, "),
            0u)
      << sight.driver;
  EXPECT_NE(sight.driver.find(", cuIpcOpenMemHandle_v2, cuIpcCloseMemHandle"), std::string::npos);
  EXPECT_EQ(sight.driver.find("cuInit"), std::string::npos);
}

TEST(CudaDriverTest, CanNotBeInitialised) {
  const Sight sight({StrCat("cuInit=", kSystemDriverMismatch)});
  EXPECT_EQ(sight.driver,
            "Unsupported: the CUDA driver '" FAKE_CUDA_LIBRARY
            "' can't be used: cuInit answered 803, system has unsupported display driver / cuda "
            "driver combination");
  EXPECT_EQ(sight.devices, sight.driver);
}

TEST(CudaDriverTest, HasNoDevice) {
  const Sight sight({}, {"FAKE_CUDA_DEVICES=0"});
  EXPECT_EQ(sight.driver, "Unsupported: the CUDA driver '" FAKE_CUDA_LIBRARY
                          "' can't be used: cuInit answered 100, no CUDA-capable device is "
                          "detected");
}

TEST(CudaDriverTest, ItsTextsCanFailToo) {
  const Sight sight({"cuInit=999", "cuGetErrorString=1", "cuDriverGetVersion=999"});
  EXPECT_EQ(sight.driver, "Unsupported: the CUDA driver '" FAKE_CUDA_LIBRARY
                          "' can't be used: cuInit answered 999");
  EXPECT_EQ(sight.report, FAKE_CUDA_LIBRARY " 0");
}

TEST(CudaDriverTest, ADeviceThatCanNotBeDescribed) {
  for (const char* function : {"cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName",
                               "cuDeviceGetUuid", "cuDeviceTotalMem_v2", "cuDeviceGetAttribute"}) {
    const Sight sight({StrCat(function, "=", kInvalidDevice)});
    EXPECT_EQ(sight.driver, "OK");
    EXPECT_EQ(sight.devices.find("Invalid argument: can't "), 0u) << function << sight.devices;
    EXPECT_NE(sight.devices.find("CUDA_ERROR_INVALID_DEVICE (101)"), std::string::npos);
  }
}

TEST(CudaDriverTest, ResultsHaveACode) {
  const std::pair<CuResult, StatusCode> codes[] = {
      {kSuccess, StatusCode::kOk},
      {kOutOfMemory, StatusCode::kUnavailable},
      {kDeviceUnavailable, StatusCode::kUnavailable},
      {kIllegalAddress, StatusCode::kUnavailable},
      {kInvalidValue, StatusCode::kInvalidArg},
      {kInvalidHandle, StatusCode::kInvalidArg},
      {kNotSupported, StatusCode::kUnsupported},
      {kPeerAccessUnsupported, StatusCode::kUnsupported},
      {kUnknown, StatusCode::kInternal},
      {kInvalidContext, StatusCode::kInternal},
  };
  for (const auto& [result, code] : codes) {
    EXPECT_EQ(ToStatus(result, "do it").code(), code) << result;
  }
  EXPECT_EQ(ToStatus(kOutOfMemory, "do it").message(),
            "can't do it: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory");
  EXPECT_EQ(ToStatus(kLaunchFailed, "do it").message(),
            "can't do it: CUDA_ERROR_LAUNCH_FAILED (719), unspecified launch failure; the device "
            "is lost to this process");
  EXPECT_EQ(ToStatus(123456, "do it").message(), "can't do it: CUDA error (123456)");
}

TEST(CudaDriverTest, ErrorsThatLoseTheDevice) {
  for (const CuResult lost :
       {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911}) {
    EXPECT_TRUE(IsLost(lost)) << lost;
  }
  for (const CuResult passing : {0, 1, 2, 100, 201, 205, 217, 400, 500, 600, 701, 704, 801, 999}) {
    EXPECT_FALSE(IsLost(passing)) << passing;
  }
}

}  // namespace
}  // namespace trident::cuda
