#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "metrics/histogram.h"
#include "metrics/names.h"
#include "metrics/text.h"

// Metrics that backends and applications add. As in Triton they belong to the process, because the
// calls that make them name no server: every server's text has them.

namespace trident {

// kLabelled: without the one that has no labels, because a server has one of its own.
enum class Samples { kAll, kLabelled };

// What becomes one of the metrics of a family beyond its labels. *Externally synchronised by
// whoever owns the value.*
struct MetricArgs {
  std::optional<std::vector<double>> buckets;  // set: for a histogram
};

// A hold on a family: holds of one name share it, with the kind and the description of the first.
// It is gone with its last hold. Thread-safe.
class MetricFamily {
 public:
  // INVALID_ARG when there is one of this name and another kind.
  static Result<std::unique_ptr<MetricFamily>> New(MetricKind kind, const std::string& name,
                                                   const std::string& description);
  // No metric made through it is left: see CheckUnused.
  ~MetricFamily();
  MetricFamily(const MetricFamily&) = delete;
  MetricFamily& operator=(const MetricFamily&) = delete;

  MetricKind kind() const;
  // INTERNAL while metrics made through it are left.
  Status CheckUnused() const;

 private:
  friend class Metric;
  struct Shared;
  struct Registry;
  static Registry& TheRegistry();
  friend void WriteCustomMetrics(std::string_view family, Samples which, MetricsText* text);
  friend void WriteOtherCustomMetrics(MetricsText* text);

  MetricFamily() = default;

  Shared* shared_ = nullptr;
  size_t metrics_ = 0;  // guarded by the registry's mutex
};

// A hold on a metric: holds of one family with the same labels share it. Gone with its last hold.
// Thread-safe; its value is changed and read without a lock.
class Metric {
 public:
  // `args` are for histograms, which need them. The bounds of a shared one are those of the first.
  static Result<std::unique_ptr<Metric>> New(MetricFamily* family, const MetricLabels& labels,
                                             const MetricArgs* args);
  ~Metric();
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

  MetricKind kind() const { return kind_; }
  // UNSUPPORTED for what a kind does not do. A counter does not go down: INVALID_ARG.
  Result<double> Value() const;
  Status Increment(double by);
  Status Set(double value);
  Status Observe(double value);

 private:
  friend class MetricFamily;
  struct Shared;
  explicit Metric(MetricFamily* family) : family_(family), kind_(family->kind()) {}
  Status DoesNotSupport(const char* what) const;

  MetricFamily* const family_;
  Shared* shared_ = nullptr;
  const MetricKind kind_;
};

// The samples of the custom family of this name, into the family that `text` has begun.
void WriteCustomMetrics(std::string_view family, Samples which, MetricsText* text);
// All families but those that `text` has begun before.
void WriteOtherCustomMetrics(MetricsText* text);

}  // namespace trident
