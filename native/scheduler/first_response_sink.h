#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "inference/sink.h"
#include "metrics/histogram.h"

namespace trident {

// Notes how long a request waited for its first response, in milliseconds. As thread-safe as the
// client's sink.
class FirstResponseSink : public ForwardingSink {
 public:
  FirstResponseSink(std::shared_ptr<ResponseSink> client, std::shared_ptr<Histogram> histogram,
                    uint64_t start_ns)
      : ForwardingSink(std::move(client)), histogram_(std::move(histogram)), start_ns_(start_ns) {}

  void Deliver(ResponsePtr response, uint32_t flags) override {
    if (response != nullptr && !responded_.exchange(true, std::memory_order_relaxed)) {
      histogram_->Observe(static_cast<double>(NowNs() - start_ns_) / 1e6);
    }
    client().Deliver(std::move(response), flags);
  }

 private:
  const std::shared_ptr<Histogram> histogram_;
  const uint64_t start_ns_;
  std::atomic<bool> responded_{false};
};

}  // namespace trident
