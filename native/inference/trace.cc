#include "inference/trace.h"

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/status.h"

namespace trident {
namespace {

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};  // 0 is nobody's: it means "no parent"
  return next.fetch_add(1, std::memory_order_relaxed);
}

// `text`, a JSON object or nothing, with one more member at its end; any other text as it is.
std::string WithMember(std::string text, const std::string& key, const std::string& value) {
  using Json = nlohmann::json;
  static constexpr char kSpace[] = " \t\r\n";
  if (text.empty()) text = "{}";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos || text[begin] != '{' || !Json::accept(text)) return text;
  const size_t end = text.rfind('}');
  const bool first = text.find_first_not_of(kSpace, begin + 1) == end;
  const std::string member = Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.insert(end, StrCat(first ? "" : ",", "\"", key, "\":", member));
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

// A custom activity while this thread reports it, and the context meanwhile.
class InferenceTrace::CustomReport {
 public:
  CustomReport(const InferenceTrace* trace, std::string context)
      : trace_(trace), context_(std::move(context)), outer_(innermost_) {
    innermost_ = this;
  }
  ~CustomReport() { innermost_ = outer_; }
  CustomReport(const CustomReport&) = delete;
  CustomReport& operator=(const CustomReport&) = delete;

  // Null where this thread reports none to `trace`.
  static const char* ContextOf(const InferenceTrace* trace) {
    const CustomReport* report = innermost_;
    while (report != nullptr && report->trace_ != trace) report = report->outer_;
    return report == nullptr ? nullptr : report->context_.c_str();
  }

 private:
  static inline thread_local const CustomReport* innermost_ = nullptr;
  const InferenceTrace* const trace_;
  const std::string context_;
  const CustomReport* const outer_;
};

void InferenceTrace::ReportCustom(uint64_t ns, const std::string& name) {
  if ((level_ & kTraceTimestamps) == 0) return;
  const CustomReport report(this, WithMember(context(), std::to_string(ns), name));
  Report(TraceActivity::kCustom, ns);
}

// Context -----------------------------------------------------------------------------------------

void InferenceTrace::SetContext(std::string context) {
  MutexLock lock(mutex_);
  contexts_.push_back(std::move(context));
}

const char* InferenceTrace::context() const {
  if (const char* const reported = CustomReport::ContextOf(this)) return reported;
  MutexLock lock(mutex_);
  return contexts_.back().c_str();
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
