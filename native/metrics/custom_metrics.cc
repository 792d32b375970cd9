#include "metrics/custom_metrics.h"

#include <map>

#include "base/mutex.h"
#include "metrics/server_families.h"

namespace trident {

struct Metric::Shared {
  std::map<std::string, std::unique_ptr<Shared>>::iterator place;  // in its family
  size_t holds = 0;
  std::atomic<double> value{0};
  std::unique_ptr<Histogram> histogram;  // in place of the value
};

struct MetricFamily::Shared {
  const std::string name;
  const std::string description;
  const MetricKind kind;
  size_t holds = 0;
  std::map<std::string, std::unique_ptr<Metric::Shared>> metrics;  // by the text of their labels

  void Write(Samples which, MetricsText* text) const;
};

struct MetricFamily::Registry {
  Mutex mutex;
  std::map<std::string, std::unique_ptr<Shared>, std::less<>> families GUARDED_BY(mutex);
};

// Never destroyed: backends let go of their metrics when the process ends.
MetricFamily::Registry& MetricFamily::TheRegistry() {
  static Registry* const registry = new Registry();
  return *registry;
}

namespace {

std::string_view TypeName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

// Families ----------------------------------------------------------------------------------------

Result<std::unique_ptr<MetricFamily>> MetricFamily::New(MetricKind kind, const std::string& name,
                                                        const std::string& description) {
  TRIDENT_RETURN_IF_ERROR(CheckFamilyName(name));
  const FamilyHead* const own = FindServerFamily(name);
  std::unique_ptr<MetricFamily> family(new MetricFamily());
  Registry& registry = TheRegistry();
  MutexLock lock(registry.mutex);
  const auto known = registry.families.find(name);
  const bool conflict = own != nullptr
                            ? own->type != TypeName(kind)
                            : known != registry.families.end() && known->second->kind != kind;
  if (conflict) {
    return InvalidArg("there is a metric family '", name, "' of another kind than ",
                      MetricKindName(kind));
  }
  if (known != registry.families.end()) {
    family->shared_ = known->second.get();
  } else {
    // Complete before others know of it: nothing half made stays when memory runs out.
    std::unique_ptr<Shared> shared(new Shared{name, description, kind});
    family->shared_ = registry.families.emplace(name, std::move(shared)).first->second.get();
  }
  ++family->shared_->holds;
  return family;
}

MetricFamily::~MetricFamily() {
  if (shared_ == nullptr) return;  // it never became one
  Registry& registry = TheRegistry();
  MutexLock lock(registry.mutex);
  if (--shared_->holds == 0) registry.families.erase(shared_->name);
}

MetricKind MetricFamily::kind() const { return shared_->kind; }

Status MetricFamily::CheckUnused() const {
  MutexLock lock(TheRegistry().mutex);
  if (metrics_ == 0) return Status::Ok();
  return Internal(
      "Must call MetricDelete on all dependent metrics before calling "
      "MetricFamilyDelete: family '",
      shared_->name, "' has ", metrics_);
}

// Metrics -----------------------------------------------------------------------------------------

Result<std::unique_ptr<Metric>> Metric::New(MetricFamily* family, const MetricLabels& labels,
                                            const MetricArgs* args) {
  const MetricKind kind = family->kind();
  TRIDENT_RETURN_IF_ERROR(CheckLabels(kind, labels));
  if (kind == MetricKind::kHistogram) {
    if (args == nullptr) return InvalidArg("Bucket boundaries not found in Metric args.");
    if (!args->buckets) return InvalidArg("Metric args not set to histogram kind.");
    TRIDENT_RETURN_IF_ERROR(Histogram::CheckBounds(*args->buckets));
  } else if (args != nullptr) {
    return InvalidArg("only histograms have Metric args, not a ", MetricKindName(kind));
  }
  std::unique_ptr<Metric> metric(new Metric(family));
  std::string text = LabelText(labels);
  MutexLock lock(MetricFamily::TheRegistry().mutex);
  auto& metrics = family->shared_->metrics;
  auto place = metrics.find(text);
  if (place == metrics.end()) {
    auto shared = std::make_unique<Shared>();
    if (kind == MetricKind::kHistogram) {
      shared->histogram = std::make_unique<Histogram>(*args->buckets);
    }
    place = metrics.emplace(std::move(text), std::move(shared)).first;
    place->second->place = place;
  }
  metric->shared_ = place->second.get();
  ++metric->shared_->holds;
  ++family->metrics_;
  return metric;
}

Metric::~Metric() {
  if (shared_ == nullptr) return;  // it never became one
  MutexLock lock(MetricFamily::TheRegistry().mutex);
  --family_->metrics_;
  if (--shared_->holds == 0) family_->shared_->metrics.erase(shared_->place);
}

Status Metric::DoesNotSupport(const char* what) const {
  return Unsupported(MetricKindName(kind_), " does not support ", what);
}

Result<double> Metric::Value() const {
  if (kind_ == MetricKind::kHistogram) return DoesNotSupport("Value");
  return shared_->value.load(std::memory_order_relaxed);
}

Status Metric::Increment(double by) {
  if (kind_ == MetricKind::kHistogram) return DoesNotSupport("Increment");
  if (kind_ == MetricKind::kCounter && !(by >= 0)) {
    return InvalidArg(MetricKindName(kind_),
                      " can only be incremented monotonically by non-negative values, got ", by);
  }
  shared_->value.fetch_add(by, std::memory_order_relaxed);
  return Status::Ok();
}

Status Metric::Set(double value) {
  if (kind_ != MetricKind::kGauge) return DoesNotSupport("Set");
  shared_->value.store(value, std::memory_order_relaxed);
  return Status::Ok();
}

Status Metric::Observe(double value) {
  if (kind_ != MetricKind::kHistogram) return DoesNotSupport("Observe");
  shared_->histogram->Observe(value);
  return Status::Ok();
}

// Text --------------------------------------------------------------------------------------------

void MetricFamily::Shared::Write(Samples which, MetricsText* text) const {
  for (const auto& [labels, metric] : metrics) {
    if (which == Samples::kLabelled && labels.empty()) continue;
    if (metric->histogram != nullptr) {
      text->Sample(*metric->histogram, labels);
    } else {
      text->Sample(name, labels, metric->value.load(std::memory_order_relaxed));
    }
  }
}

void WriteCustomMetrics(std::string_view family, Samples which, MetricsText* text) {
  MetricFamily::Registry& registry = MetricFamily::TheRegistry();
  MutexLock lock(registry.mutex);
  const auto found = registry.families.find(family);
  if (found != registry.families.end()) found->second->Write(which, text);
}

void WriteOtherCustomMetrics(MetricsText* text) {
  MetricFamily::Registry& registry = MetricFamily::TheRegistry();
  MutexLock lock(registry.mutex);
  for (const auto& [name, family] : registry.families) {
    if (text->HasBegun(name)) continue;
    text->Begin({name, TypeName(family->kind), family->description});
    family->Write(Samples::kAll, text);
  }
}

}  // namespace trident
