#pragma once

#include <string_view>

namespace trident {

// Backends that a platform name or a file name in the version directory stands for, in the order in
// which Triton looks for them. An empty platform: the backend has none of its own.
struct KnownBackend {
  std::string_view backend;
  std::string_view platform;
  std::string_view file;
};

inline constexpr KnownBackend kKnownBackends[] = {
    {"tensorflow", "tensorflow_savedmodel", "model.savedmodel"},
    {"tensorflow", "tensorflow_graphdef", "model.graphdef"},
    {"tensorrt", "tensorrt_plan", "model.plan"},
    {"onnxruntime", "onnxruntime_onnx", "model.onnx"},
    {"openvino", "", "model.xml"},
    {"pytorch", "pytorch_libtorch", "model.pt"},
    {"pytorch", "torch_aoti", "model.pt2"},
    {"python", "", "model.py"},
};

// Functions of the host program.
inline constexpr std::string_view kJavaScriptBackend = "javascript";
inline constexpr std::string_view kEnsemblePlatform = "ensemble";
inline constexpr std::string_view kTensorRtPlatform = "tensorrt_plan";

}  // namespace trident
