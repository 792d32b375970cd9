#include "node/tracer.h"

#include <algorithm>
#include <new>

#include "node/completion_queue.h"
#include "node/triton_util.h"
#include "trident/extension.h"

namespace trident {
namespace {

// While as much waits for JS no trace begins.
constexpr uint64_t kMostFinishedBytes = 32u << 20;
// What one tree may keep, so that a stream without an end leaves room to others, and what all may.
constexpr uint64_t kMostBytesOfTree = 64u << 20;
constexpr uint64_t kMostBytes = 256u << 20;

}  // namespace

// A trace's number and its parent's.
struct Tracer::Names {
  explicit Names(TRITONSERVER_InferenceTrace* trace) {
    (void)TakeError(TRITONSERVER_InferenceTraceId(trace, &id));
    (void)TakeError(TRITONSERVER_InferenceTraceParentId(trace, &parent));
  }
  uint64_t id = 0;
  uint64_t parent = 0;
};

// Sampling ----------------------------------------------------------------------------------------

void Tracer::SetRule(const std::string& model, const TraceRule& rule) {
  sources_.try_emplace(rule.destination, Source{this, rule.destination});
  rules_[model] = rule;
}

int64_t Tracer::CountLeft(const std::string& model) const {
  const auto found = rules_.find(model);
  return found != rules_.end() ? found->second.count : -1;
}

bool Tracer::on() const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [](const auto& entry) { return entry.second.on(); });
}

TraceRule& Tracer::RuleFor(const std::string& model) {
  const auto found = rules_.find(model);
  return found != rules_.end() ? found->second : rules_[""];
}

TRITONSERVER_InferenceTrace* Tracer::Sample(const std::string& model) {
  TraceRule& rule = RuleFor(model);
  if (!rule.on() || ++rule.seen % rule.rate != 0) return nullptr;
  if (memory_->finished.load() >= kMostFinishedBytes) {
    ++memory_->dropped;
    return nullptr;
  }
  TRITONSERVER_InferenceTrace* trace = nullptr;
  const auto level = static_cast<TRITONSERVER_InferenceTraceLevel>(rule.level);
  const Status made = TakeError(
      TRITONSERVER_InferenceTraceTensorNew(&trace, level, /*parent_id=*/0, OnActivity, OnTensor,
                                           OnRelease, &sources_.at(rule.destination)));
  if (!made.ok()) return nullptr;  // no reason to fail the request
  if (rule.count > 0) --rule.count;
  return trace;
}

void Tracer::TakeBack(TRITONSERVER_InferenceRequest* request, TRITONSERVER_InferenceTrace* trace,
                      const std::string& model) {
  (void)TakeError(TRITONSERVER_TridentInferenceRequestSetTrace(request, nullptr));
  Finish(trace, RuleFor(model).destination, model);
}

// Collecting --------------------------------------------------------------------------------------

// Does what a callback has to do: the core that calls it is on the other side of a C interface.
template <typename Work>
void Tracer::Collect(const Work& work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    ++memory_->dropped;
  }
}

// A trace is heard of first when something is told of it. One whose parent is over has a tree of
// its own.
Tracer::OpenTrace& Tracer::Open(const Names& names) {
  if (const auto found = open_.find(names.id); found != open_.end()) return found->second;
  const auto parent = open_.find(names.parent);
  OpenTrace opened;
  opened.tree = parent != open_.end() ? parent->second.tree : std::make_shared<TraceTree>(memory_);
  auto record = std::make_unique<TraceRecord>();
  record->id = names.id;
  record->parent_id = names.parent;
  opened.record = record.get();
  opened.tree->records.push_back(std::move(record));
  TraceTree& tree = *opened.tree;
  OpenTrace& open = open_[names.id] = std::move(opened);
  ++tree.open;
  tree.bytes += sizeof(TraceRecord);
  memory_->bytes += sizeof(TraceRecord);
  return open;
}

bool Tracer::HasRoom(TraceTree* tree, uint64_t bytes) {
  if (tree->bytes + bytes > kMostBytesOfTree || memory_->bytes.load() + bytes > kMostBytes) {
    ++memory_->dropped;
    return false;
  }
  memory_->bytes += bytes;
  tree->bytes += bytes;
  return true;
}

void Tracer::OnActivity(TRITONSERVER_InferenceTrace* trace,
                        TRITONSERVER_InferenceTraceActivity activity, uint64_t timestamp_ns,
                        void* source) {
  Tracer* const self = static_cast<Source*>(source)->tracer;
  const Names names(trace);
  self->Collect([&] {
    TraceMoment moment{activity, timestamp_ns, {}};
    if (activity == TRITONSERVER_TRACE_CUSTOM_ACTIVITY) {
      const char* context = nullptr;
      (void)TakeError(TRITONSERVER_InferenceTraceContext(trace, &context));
      if (context != nullptr) moment.context = context;
    }
    MutexLock lock(self->mutex_);
    OpenTrace& open = self->Open(names);
    if (!self->HasRoom(open.tree.get(), sizeof(moment) + moment.context.size())) return;
    open.record->moments.push_back(std::move(moment));
  });
}

void Tracer::OnTensor(TRITONSERVER_InferenceTrace* trace,
                      TRITONSERVER_InferenceTraceActivity activity, const char* name,
                      TRITONSERVER_DataType datatype, const void* base, size_t byte_size,
                      const int64_t* shape, uint64_t dim_count,
                      TRITONSERVER_MemoryType /*memory_type: the core tells of host memory only*/,
                      int64_t /*memory_type_id*/, void* source) {
  Tracer* const self = static_cast<Source*>(source)->tracer;
  const Names names(trace);
  self->Collect([&] {
    TraceRecord* record = nullptr;  // until the release, which is yet to come
    {
      MutexLock lock(self->mutex_);
      OpenTrace& open = self->Open(names);
      if (!self->HasRoom(open.tree.get(), sizeof(TraceTensor) + byte_size)) return;
      record = open.record;
    }
    // Without the lock: what is large takes its time.
    TraceTensor tensor{activity,
                       name,
                       datatype,
                       {shape, shape + dim_count},
                       {static_cast<const char*>(base), byte_size}};
    MutexLock lock(self->mutex_);
    record->tensors.push_back(std::move(tensor));
  });
}

void Tracer::OnRelease(TRITONSERVER_InferenceTrace* trace, void* source) {
  const auto* const from = static_cast<Source*>(source);
  from->tracer->Finish(trace, from->destination, "");
}

// `model` is for a trace that no model has seen.
void Tracer::Finish(TRITONSERVER_InferenceTrace* trace, int32_t destination,
                    const std::string& model) {
  const Names names(trace);
  std::shared_ptr<TraceTree> finished;
  Collect([&] {
    const char* name = nullptr;
    const char* request_id = nullptr;
    int64_t version = 0;
    (void)TakeError(TRITONSERVER_InferenceTraceModelName(trace, &name));
    (void)TakeError(TRITONSERVER_InferenceTraceModelVersion(trace, &version));
    (void)TakeError(TRITONSERVER_InferenceTraceRequestId(trace, &request_id));
    MutexLock lock(mutex_);
    const OpenTrace closed = Open(names);
    open_.erase(names.id);
    if (--closed.tree->open == 0) finished = closed.tree;
    closed.record->model = name != nullptr && *name != '\0' ? name : model;
    closed.record->version = version;
    if (request_id != nullptr) closed.record->request_id = request_id;
  });
  (void)TakeError(TRITONSERVER_InferenceTraceDelete(trace));
  if (finished == nullptr) return;
  finished->finished = true;
  memory_->finished += finished->bytes;
  Collect([&] { queue_->Push(FinishedTraces{server_, destination, std::move(finished)}); });
}

}  // namespace trident
