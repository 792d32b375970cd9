#include "backends/isolation/restarts.h"

#include <array>
#include <map>

#include "backends/common/status.h"
#include "base/mutex.h"
#include "triton/core/tritonserver.h"

namespace trident::isolated {
namespace {

using backend::Status;
using Labels = std::array<std::string, 3>;

// The metrics of this process, which go on counting whichever server's models end.
class Restarts {
 public:
  // Never destroyed, as models may end after main.
  static Restarts& Get() {
    static Restarts& restarts = *new Restarts();
    return restarts;
  }

  Status Count(const Labels& labels) {
    MutexLock lock(mutex_);
    if (family_ == nullptr) {
      BACKEND_RETURN_IF_ERROR(TRITONSERVER_MetricFamilyNew(
          &family_, TRITONSERVER_METRIC_KIND_COUNTER, "trident_isolated_restarts_total",
          "Number of times the process of an isolated instance has ended and was started again"));
    }
    TRITONSERVER_Metric*& metric = metrics_[labels];
    if (metric == nullptr) BACKEND_RETURN_IF_ERROR(Make(labels, &metric));
    return TRITONSERVER_MetricIncrement(metric, 1);
  }

 private:
  Status Make(const Labels& labels, TRITONSERVER_Metric** metric) REQUIRES(mutex_) {
    constexpr const char* kNames[] = {"model", "version", "reason"};
    const TRITONSERVER_Parameter* parameters[3] = {};
    for (size_t i = 0; i < labels.size(); ++i) {
      parameters[i] =
          TRITONSERVER_ParameterNew(kNames[i], TRITONSERVER_PARAMETER_STRING, labels[i].c_str());
    }
    Status status(TRITONSERVER_MetricNew(metric, family_, parameters, labels.size()));
    for (const TRITONSERVER_Parameter* parameter : parameters) {
      TRITONSERVER_ParameterDelete(const_cast<TRITONSERVER_Parameter*>(parameter));
    }
    return status;
  }

  Mutex mutex_;
  TRITONSERVER_MetricFamily* family_ GUARDED_BY(mutex_) = nullptr;
  std::map<Labels, TRITONSERVER_Metric*> metrics_ GUARDED_BY(mutex_);
};

}  // namespace

// Metrics are never a reason to fail.
void CountRestart(const std::string& model, uint64_t version, const std::string& reason) {
  const Status ignored = Restarts::Get().Count({model, std::to_string(version), reason});
}

}  // namespace trident::isolated
