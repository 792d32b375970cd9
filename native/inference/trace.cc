#include "inference/trace.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace trident {
namespace {

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};  // 0 is nobody's: it means "no parent"
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

InferenceTrace::InferenceTrace(uint32_t level, uint64_t parent_id,
                               std::shared_ptr<TraceListener> listener)
    : level_(level), id_(NextId()), parent_id_(parent_id), listener_(std::move(listener)) {}

std::unique_ptr<InferenceTrace> InferenceTrace::SpawnChild() const {
  return std::make_unique<InferenceTrace>(level_, id_, listener_);
}

void InferenceTrace::Describe(const ModelSignature& model, const std::string& request_id) {
  model_name_ = model.name;
  model_version_ = model.version;
  request_id_ = request_id;
}

// Reports -----------------------------------------------------------------------------------------

void InferenceTrace::Report(TraceActivity activity, uint64_t ns) {
  if ((level_ & kTraceTimestamps) != 0) listener_->OnActivity(this, activity, ns);
}

void InferenceTrace::ReportNow(TraceActivity activity) { Report(activity, NowNs()); }

void InferenceTrace::ReportCompute(const ExecutionTimes& times) {
  const std::pair<TraceActivity, uint64_t> moments[] = {
      {TraceActivity::kComputeStart, times.exec_start},
      {TraceActivity::kComputeInputEnd, times.compute_start},
      {TraceActivity::kComputeOutputStart, times.compute_end},
      {TraceActivity::kComputeEnd, times.exec_end}};
  for (const auto& [activity, ns] : moments) {
    if (ns != 0) Report(activity, ns);
  }
}

void InferenceTrace::ReportTensor(TraceActivity activity, const TracedTensor& tensor) {
  if (wants_tensors()) listener_->OnTensor(this, activity, tensor);
}

void InferenceTrace::ReportCustom(uint64_t ns, const std::string& name) {
  if ((level_ & kTraceTimestamps) == 0) return;
  const std::pair<uint64_t, std::string> entry(ns, name);
  {
    MutexLock lock(mutex_);
    being_reported_.push_back(entry);
    ComposeContext();
  }
  Report(TraceActivity::kCustom, ns);
  MutexLock lock(mutex_);
  being_reported_.erase(std::find(being_reported_.begin(), being_reported_.end(), entry));
  ComposeContext();
}

// Context -----------------------------------------------------------------------------------------

void InferenceTrace::SetContext(std::string context) {
  MutexLock lock(mutex_);
  clients_context_ = &contexts_.emplace_back(std::move(context));
  ComposeContext();
}

const char* InferenceTrace::context() const {
  MutexLock lock(mutex_);
  return context_->c_str();
}

void InferenceTrace::ComposeContext() {
  using Json = nlohmann::ordered_json;
  context_ = clients_context_;
  if (being_reported_.empty()) return;
  Json object = clients_context_->empty()
                    ? Json::object()
                    : Json::parse(*clients_context_, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return;
  for (const auto& [ns, name] : being_reported_) object[std::to_string(ns)] = name;
  context_ = &contexts_.emplace_back(object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// Holders -----------------------------------------------------------------------------------------

void InferenceTrace::LetGo() {
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::shared_ptr<TraceListener> listener = listener_;  // it may delete this trace
  listener->OnRelease(this);
}

void TraceHold::Forget() {
  if (trace_ == nullptr) return;
  trace_->holders_.fetch_sub(1, std::memory_order_relaxed);
  trace_ = nullptr;
}

}  // namespace trident
