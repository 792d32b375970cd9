#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "inference/statistics.h"

namespace trident {

// What a backend tells the statistics of its model.
struct BackendReport {
  enum class Kind { kRequest, kBatch, kResponse, kCopies };
  Kind kind = Kind::kRequest;
  void* client_data = nullptr;           // kRequest, kResponse: of the sink its responses go to
  StatusCode outcome = StatusCode::kOk;  // kRequest, kResponse
  uint64_t count = 0;                    // kBatch: its items; kCopies
  uint64_t byte_size = 0;                // kCopies
  ExecutionTimes times;                  // kRequest, kBatch
  ResponseTimes response_times;          // kResponse
};

// A program that has batched already and has a server execute its batches, past scheduler, cache
// and limits, hears what backends report meanwhile, on their threads.
using BatchHost = std::function<void(const BackendReport&)>;

}  // namespace trident
