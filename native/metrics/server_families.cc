#include "metrics/server_families.h"

#include <algorithm>
#include <array>

namespace trident {
namespace {

constexpr std::array kFamilies = {
    &kRequestSuccess,
    &kRequestFailure,
    &kInferenceCount,
    &kExecutionCount,
    &kPendingRequests,
    &kRequestDuration,
    &kQueueDuration,
    &kComputeInputDuration,
    &kComputeInferDuration,
    &kComputeOutputDuration,
    &kRequestSummary,
    &kQueueSummary,
    &kComputeInputSummary,
    &kComputeInferSummary,
    &kComputeOutputSummary,
    &kFirstResponse,
    &kModelCacheHits,
    &kModelCacheMisses,
    &kModelCacheHitDuration,
    &kModelCacheMissDuration,
    &kModelCacheHitSummary,
    &kModelCacheMissSummary,
    &kModelLoadDuration,
    &kCacheUtilization,
    &kCacheEntries,
    &kCacheLookups,
    &kCacheHits,
    &kCacheMisses,
    &kCacheEvictions,
    &kCacheLookupDuration,
    &kCacheInsertionDuration,
    &kPinnedPoolTotal,
    &kPinnedPoolUsed,
    &kCpuUtilization,
    &kCpuMemoryTotal,
    &kCpuMemoryUsed,
    &kGpuUtilization,
    &kGpuMemoryTotal,
    &kGpuMemoryUsed,
    &kGpuPowerUsage,
    &kGpuPowerLimit,
    &kGpuEnergy,
    &kGpuLost,
};

}  // namespace

const FamilyHead* FindServerFamily(std::string_view name) {
  const auto found = std::find_if(kFamilies.begin(), kFamilies.end(),
                                  [&](const FamilyHead* family) { return family->name == name; });
  return found == kFamilies.end() ? nullptr : *found;
}

}  // namespace trident
