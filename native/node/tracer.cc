#include "node/tracer.h"

#include <algorithm>

#include "node/completion_queue.h"
#include "node/triton_util.h"
#include "trident/extension.h"

namespace trident {
namespace {

// Beyond the first no trace begins, so that those under way find room, and beyond the second
// nothing is collected, until JS fetches what there is.
constexpr uint64_t kMostBytesToBegin = 32u << 20;
constexpr uint64_t kMostBytes = 64u << 20;

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
  if (memory_->bytes.load() >= kMostBytesToBegin) {
    ++memory_->dropped;
    return nullptr;
  }
  TRITONSERVER_InferenceTrace* trace = nullptr;
  const auto level = static_cast<TRITONSERVER_InferenceTraceLevel>(rule.level);
  const Status made = TakeError(TRITONSERVER_InferenceTraceTensorNew(
      &trace, level, /*parent_id=*/0, OnActivity, OnTensor, OnRelease, this));
  if (!made.ok()) return nullptr;  // no reason to fail the request
  if (rule.count > 0) --rule.count;
  return trace;
}

void Tracer::TakeBack(TRITONSERVER_InferenceRequest* request, TRITONSERVER_InferenceTrace* trace,
                      const std::string& model) {
  (void)TakeError(TRITONSERVER_TridentInferenceRequestSetTrace(request, nullptr));
  Finish(trace, model);
}

// Collecting --------------------------------------------------------------------------------------

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
  ++opened.tree->open;
  opened.tree->records.push_back(std::move(record));
  return open_[names.id] = std::move(opened);
}

bool Tracer::HasRoom(TraceTree* tree, uint64_t bytes) {
  if (memory_->bytes.load() + bytes > kMostBytes) {
    ++memory_->dropped;
    return false;
  }
  memory_->bytes += bytes;
  tree->bytes += bytes;
  return true;
}

void Tracer::OnActivity(TRITONSERVER_InferenceTrace* trace,
                        TRITONSERVER_InferenceTraceActivity activity, uint64_t timestamp_ns,
                        void* tracer) {
  auto* const self = static_cast<Tracer*>(tracer);
  const Names names(trace);
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
}

void Tracer::OnTensor(TRITONSERVER_InferenceTrace* trace,
                      TRITONSERVER_InferenceTraceActivity activity, const char* name,
                      TRITONSERVER_DataType datatype, const void* base, size_t byte_size,
                      const int64_t* shape, uint64_t dim_count, TRITONSERVER_MemoryType memory_type,
                      int64_t /*memory_type_id*/, void* tracer) {
  if (memory_type == TRITONSERVER_MEMORY_GPU) return;  // can't be read from here
  auto* const self = static_cast<Tracer*>(tracer);
  const Names names(trace);
  MutexLock lock(self->mutex_);
  OpenTrace& open = self->Open(names);
  if (!self->HasRoom(open.tree.get(), sizeof(TraceTensor) + byte_size)) return;
  open.record->tensors.push_back({activity,
                                  name,
                                  datatype,
                                  {shape, shape + dim_count},
                                  {static_cast<const char*>(base), byte_size}});
}

void Tracer::OnRelease(TRITONSERVER_InferenceTrace* trace, void* tracer) {
  static_cast<Tracer*>(tracer)->Finish(trace, "");
}

// `model` is for a trace that no model has seen.
void Tracer::Finish(TRITONSERVER_InferenceTrace* trace, const std::string& model) {
  const Names names(trace);
  const char* name = nullptr;
  const char* request_id = nullptr;
  int64_t version = 0;
  (void)TakeError(TRITONSERVER_InferenceTraceModelName(trace, &name));
  (void)TakeError(TRITONSERVER_InferenceTraceModelVersion(trace, &version));
  (void)TakeError(TRITONSERVER_InferenceTraceRequestId(trace, &request_id));
  std::shared_ptr<TraceTree> finished;
  {
    MutexLock lock(mutex_);
    const OpenTrace& open = Open(names);
    open.record->model = name != nullptr && *name != '\0' ? name : model;
    open.record->version = version;
    if (request_id != nullptr) open.record->request_id = request_id;
    if (--open.tree->open == 0) finished = open.tree;
    open_.erase(names.id);
  }
  (void)TakeError(TRITONSERVER_InferenceTraceDelete(trace));
  if (finished != nullptr) queue_->Push(FinishedTraces{server_, std::move(finished)});
}

}  // namespace trident
