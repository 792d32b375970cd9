// The contract of the backends, through libtritonserver.so and its public headers only.
//
//   trident_backend_test --onnxruntime=<libonnxruntime.so.1> --models=<directory>
//                        --sources=<test/models> --digits=<directory>
//                        [--backends=<directory>] [--lane=offloaded|spin|inline] [--isolated]
//                        [GoogleTest flags]
//
// The backends, ours and those of tests, are looked for beside libtritonserver.so, the library of
// ONNX Runtime also in TRIDENT_ONNXRUNTIME_LIBRARY. TRIDENT_TEST_SEED repeats the random tests of
// an earlier run.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "environment.h"
#include "support/hang_guard.h"
#include "triton/core/tritonserver.h"

namespace trident::contract {

Environment environment;

namespace {

namespace fs = std::filesystem;

std::string BesideTheCore() {
  Dl_info core;
  if (dladdr(reinterpret_cast<void*>(&TRITONSERVER_ApiVersion), &core) == 0) return "";
  return (fs::absolute(core.dli_fname).parent_path() / "test_backends").string();
}

bool ReadLane(const std::string& name) {
  const std::map<std::string, Lane> lanes = {
      {"offloaded", Lane::kOffloaded}, {"spin", Lane::kSpin}, {"inline", Lane::kInline}};
  const auto lane = lanes.find(name);
  if (lane != lanes.end()) environment.lane = lane->second;
  return lane != lanes.end();
}

bool ReadArguments(int argc, char** argv) {
  const std::map<std::string, std::string*> flags = {{"--backends", &environment.backends},
                                                     {"--onnxruntime", &environment.onnxruntime},
                                                     {"--models", &environment.models},
                                                     {"--sources", &environment.sources},
                                                     {"--digits", &environment.digits}};
  environment.backends = BesideTheCore();
  if (const char* library = getenv("TRIDENT_ONNXRUNTIME_LIBRARY")) {
    environment.onnxruntime = library;
  }
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    environment.isolated = environment.isolated || argument == "--isolated";
    if (argument == "--isolated") continue;
    const size_t equals = argument.find('=');
    if (argument.starts_with("--lane=") && ReadLane(argument.substr(equals + 1))) continue;
    const auto flag = flags.find(argument.substr(0, equals));
    if (flag == flags.end() || equals == std::string::npos) {
      fprintf(stderr, "unknown argument '%s'\n", argv[i]);
      return false;
    }
    *flag->second = argument.substr(equals + 1);
  }
  for (const auto& [flag, value] : flags) {
    if (fs::exists(*value)) continue;
    fprintf(stderr, "%s: there is no '%s'\n", flag.c_str(), value->c_str());
    return false;
  }
  return true;
}

}  // namespace
}  // namespace trident::contract

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // ctest and editors list the tests without arguments.
  if (!GTEST_FLAG_GET(list_tests) && !trident::contract::ReadArguments(argc, argv)) return 2;
  testing::UnitTest::GetInstance()->listeners().Append(new trident::HangGuard);
  return RUN_ALL_TESTS();
}
