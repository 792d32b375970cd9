#pragma once

#include <node_api.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "triton/core/tritonserver.h"

namespace trident {

struct TraceMoment {
  TRITONSERVER_InferenceTraceActivity activity;
  uint64_t ns;
  std::string context;  // of a custom activity: has its name
};

struct TraceTensor {
  TRITONSERVER_InferenceTraceActivity activity;
  std::string name;
  TRITONSERVER_DataType datatype;
  std::vector<int64_t> shape;
  std::string bytes;
};

struct TraceRecord {
  uint64_t id = 0;
  uint64_t parent_id = 0;
  std::string model;
  int64_t version = 0;
  std::string request_id;
  std::vector<TraceMoment> moments;
  std::vector<TraceTensor> tensors;
};

// What the traces of one server hold in memory, whoever has them. Thread-safe.
struct TraceMemory {
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> finished{0};  // that part of `bytes` which only waits for JS
  std::atomic<uint64_t> dropped{0};   // what there was no room for
};

// The trace of a request and those of what was done on its behalf, in the order they began.
struct TraceTree {
  explicit TraceTree(std::shared_ptr<TraceMemory> shared) : memory(std::move(shared)) {}
  TraceTree(const TraceTree&) = delete;
  TraceTree& operator=(const TraceTree&) = delete;
  ~TraceTree() {
    memory->bytes -= bytes;
    if (finished) memory->finished -= bytes;
  }

  const std::shared_ptr<TraceMemory> memory;
  uint64_t bytes = 0;  // its part of `memory`
  size_t open = 0;     // not released yet
  bool finished = false;
  std::vector<std::unique_ptr<TraceRecord>> records;
};

// JS thread only. [id, parentId, model, version, requestId, moments, tensors] of each record;
// moments are [activity, ns, context, ...], tensors [activity, name, datatype, shape, buffer] each.
napi_value ToJs(napi_env env, const TraceTree& tree);

}  // namespace trident
