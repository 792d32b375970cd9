#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "node/trace_records.h"
#include "triton/core/tritonserver.h"

namespace trident {

class CompletionQueue;

// Which requests are traced, and how.
struct TraceRule {
  uint32_t level = TRITONSERVER_TRACE_LEVEL_DISABLED;  // TRITONSERVER_InferenceTraceLevel, or'ed
  uint32_t rate = 1;                                   // each so many-th request
  int64_t count = -1;                                  // as many are left; -1: no limit
  int32_t destination = 0;  // the facade's name for where what is traced goes
  uint64_t seen = 0;

  bool on() const { return level != TRITONSERVER_TRACE_LEVEL_DISABLED && count != 0; }
};

/* Traces requests of one server and collects what is told of them. A tree of traces goes to the
 * completion queue when the last of them is released; so it lives until its server is deleted.
 *
 * Sampling, on the JS thread, is apart from collecting, on any: they share nothing but `memory_`.
 */
class Tracer {
 public:
  Tracer(CompletionQueue* queue, int32_t server) : queue_(queue), server_(server) {}

  // JS thread only. For requests to `model`; "" is those to all models without a rule of their own.
  void SetRule(const std::string& model, const TraceRule& rule);
  void RemoveRule(const std::string& model) { rules_.erase(model); }
  // How many more requests are traced under a rule; -1: no limit, or no such rule.
  int64_t CountLeft(const std::string& model) const;
  bool on() const;

  // JS thread only. A trace for the next request to `model`; null when it is not to have one.
  TRITONSERVER_InferenceTrace* Sample(const std::string& model);
  // JS thread only. Takes a trace back from a request to `model` that was refused.
  void TakeBack(TRITONSERVER_InferenceRequest* request, TRITONSERVER_InferenceTrace* trace,
                const std::string& model);

  // Traces that did not begin, and activities that were not kept, for want of room.
  uint64_t dropped() const { return memory_->dropped.load(); }

 private:
  // What the core gives back with whatever it tells.
  struct Source {
    Tracer* tracer;
    int32_t destination;
  };
  struct OpenTrace {
    std::shared_ptr<TraceTree> tree;
    TraceRecord* record = nullptr;
  };
  struct Names;

  static void OnActivity(TRITONSERVER_InferenceTrace* trace,
                         TRITONSERVER_InferenceTraceActivity activity, uint64_t timestamp_ns,
                         void* source);
  static void OnTensor(TRITONSERVER_InferenceTrace* trace,
                       TRITONSERVER_InferenceTraceActivity activity, const char* name,
                       TRITONSERVER_DataType datatype, const void* base, size_t byte_size,
                       const int64_t* shape, uint64_t dim_count,
                       TRITONSERVER_MemoryType memory_type, int64_t memory_type_id, void* source);
  static void OnRelease(TRITONSERVER_InferenceTrace* trace, void* source);

  TraceRule& RuleFor(const std::string& model);
  OpenTrace& Open(const Names& names) REQUIRES(mutex_);
  bool HasRoom(TraceTree* tree, uint64_t bytes);
  template <typename Work>
  void Collect(const Work& work);
  void Finish(TRITONSERVER_InferenceTrace* trace, int32_t destination, const std::string& model);

  CompletionQueue* const queue_;
  const int32_t server_;
  const std::shared_ptr<TraceMemory> memory_ = std::make_shared<TraceMemory>();
  std::unordered_map<std::string, TraceRule> rules_;  // JS thread only
  std::map<int32_t, Source> sources_;  // JS thread only, but for each Source; by destination

  Mutex mutex_;
  std::unordered_map<uint64_t, OpenTrace> open_ GUARDED_BY(mutex_);  // by id
};

}  // namespace trident
