#pragma once

#include <string>

#include "echo.h"

// Pieces of configurations with sequence_batching, and what tests of sequences share.
namespace trident::contract {

inline constexpr uint32_t kStart = TRITONSERVER_REQUEST_FLAG_SEQUENCE_START;
inline constexpr uint32_t kEnd = TRITONSERVER_REQUEST_FLAG_SEQUENCE_END;

inline constexpr const char* kStrategies[] = {"direct", "oldest"};
inline std::string StrategyName(const testing::TestParamInfo<const char*>& info) {
  return info.param;
}

// Nothing idles away while a test runs.
inline std::string Batching(const std::string& strategy, const std::string& more) {
  const std::string body = strategy == "oldest" ? "max_candidate_sequences: 4" : "";
  return "sequence_batching { max_sequence_idle_microseconds: 600000000 " + strategy + " { " +
         body + " } " + more + " } ";
}

inline std::string State(const std::string& input, const std::string& output,
                         const std::string& dims, const std::string& more = "") {
  return "state { input_name: \"" + input + "\" output_name: \"" + output +
         "\" data_type: TYPE_FP32 dims: " + dims + " " + more + " } ";
}

// An input or output.
inline std::string TensorConfig(const std::string& key, const std::string& name,
                                const std::string& type, const std::string& dims) {
  return key + " { name: \"" + name + "\" data_type: TYPE_" + type + " dims: " + dims + " } ";
}

}  // namespace trident::contract
