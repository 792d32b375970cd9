#pragma once

#include "metrics/text.h"

// The families that every server has, by Triton's names: per model, then of the response cache and
// of the machine.

namespace trident {

inline constexpr FamilyHead kRequestSuccess = {"nv_inference_request_success", "counter",
                                               "Requests that succeeded, of any batch size"};
inline constexpr FamilyHead kRequestFailure = {"nv_inference_request_failure", "counter",
                                               "Requests that failed, of any batch size"};
inline constexpr FamilyHead kInferenceCount = {
    "nv_inference_count", "counter", "Batch items inferred; those answered by the cache are not"};
inline constexpr FamilyHead kExecutionCount = {
    "nv_inference_exec_count", "counter",
    "Executions of the model; answers of the cache are not among them"};
inline constexpr FamilyHead kPendingRequests = {"nv_inference_pending_request_count", "gauge",
                                                "Requests that wait for their execution"};
inline constexpr FamilyHead kRequestDuration = {
    "nv_inference_request_duration_us", "counter",
    "Microseconds from request to answer, summed up, cached answers included"};
inline constexpr FamilyHead kQueueDuration = {
    "nv_inference_queue_duration_us", "counter",
    "Microseconds of waiting, summed up, cached answers included"};
inline constexpr FamilyHead kComputeInputDuration = {
    "nv_inference_compute_input_duration_us", "counter",
    "Microseconds spent on inputs, summed up over requests that were executed"};
inline constexpr FamilyHead kComputeInferDuration = {
    "nv_inference_compute_infer_duration_us", "counter",
    "Microseconds of inference, summed up over requests that were executed"};
inline constexpr FamilyHead kComputeOutputDuration = {
    "nv_inference_compute_output_duration_us", "counter",
    "Microseconds spent on outputs, summed up over requests that were executed"};
inline constexpr FamilyHead kRequestSummary = {"nv_inference_request_summary_us", "summary",
                                               "Microseconds from request to answer"};
inline constexpr FamilyHead kQueueSummary = {"nv_inference_queue_summary_us", "summary",
                                             "Microseconds of waiting, cached answers included"};
inline constexpr FamilyHead kComputeInputSummary = {"nv_inference_compute_input_summary_us",
                                                    "summary", "Microseconds spent on inputs"};
inline constexpr FamilyHead kComputeInferSummary = {"nv_inference_compute_infer_summary_us",
                                                    "summary", "Microseconds of inference"};
inline constexpr FamilyHead kComputeOutputSummary = {"nv_inference_compute_output_summary_us",
                                                     "summary", "Microseconds spent on outputs"};
inline constexpr FamilyHead kFirstResponse = {"nv_inference_first_response_histogram_ms",
                                              "histogram",
                                              "Milliseconds from request to first response"};
inline constexpr FamilyHead kModelCacheHits = {"nv_cache_num_hits_per_model", "counter",
                                               "Requests of the model that the cache answered"};
inline constexpr FamilyHead kModelCacheMisses = {
    "nv_cache_num_misses_per_model", "counter",
    "Requests of the model that the cache did not know"};
inline constexpr FamilyHead kModelCacheHitDuration = {
    "nv_cache_hit_duration_per_model", "counter",
    "Microseconds of look-ups that found an answer, summed up"};
inline constexpr FamilyHead kModelCacheMissDuration = {
    "nv_cache_miss_duration_per_model", "counter",
    "Microseconds of look-ups that found nothing, and of the insertions after them, summed up"};
inline constexpr FamilyHead kModelCacheHitSummary = {
    "nv_cache_hit_summary_per_model", "summary", "Microseconds of look-ups that found an answer"};
inline constexpr FamilyHead kModelCacheMissSummary = {
    "nv_cache_miss_summary_per_model", "summary",
    "Microseconds of look-ups that found nothing, with the insertions after them"};
inline constexpr FamilyHead kModelLoadDuration = {"nv_model_load_duration_secs", "gauge",
                                                  "Seconds that the load of the model took"};

inline constexpr FamilyHead kCacheUtilization = {"nv_cache_util", "gauge",
                                                 "Part of the cache in use, from 0 to 1"};
inline constexpr FamilyHead kCacheEntries = {"nv_cache_num_entries", "gauge",
                                             "Responses in the cache"};
inline constexpr FamilyHead kCacheLookups = {"nv_cache_num_lookups", "gauge",
                                             "Look-ups in the cache"};
inline constexpr FamilyHead kCacheHits = {"nv_cache_num_hits", "gauge",
                                          "Look-ups that found a response"};
inline constexpr FamilyHead kCacheMisses = {"nv_cache_num_misses", "gauge",
                                            "Look-ups that found nothing"};
inline constexpr FamilyHead kCacheEvictions = {"nv_cache_num_evictions", "gauge",
                                               "Responses that made room for others"};
inline constexpr FamilyHead kCacheLookupDuration = {"nv_cache_lookup_duration", "gauge",
                                                    "Microseconds of look-ups, summed up"};
inline constexpr FamilyHead kCacheInsertionDuration = {"nv_cache_insertion_duration", "gauge",
                                                       "Microseconds of insertions, summed up"};

inline constexpr FamilyHead kPinnedPoolTotal = {"nv_pinned_memory_pool_total_bytes", "gauge",
                                                "Size of the pool of pinned memory, in bytes"};
inline constexpr FamilyHead kPinnedPoolUsed = {"nv_pinned_memory_pool_used_bytes", "gauge",
                                               "What of that pool is in use, in bytes"};
inline constexpr FamilyHead kCpuUtilization = {
    "nv_cpu_utilization", "gauge", "Part of the time that the processors were busy, from 0 to 1"};
inline constexpr FamilyHead kCpuMemoryTotal = {"nv_cpu_memory_total_bytes", "gauge",
                                               "Memory of the machine, in bytes"};
inline constexpr FamilyHead kCpuMemoryUsed = {"nv_cpu_memory_used_bytes", "gauge",
                                              "What of that is in use, in bytes"};
inline constexpr FamilyHead kGpuUtilization = {
    "nv_gpu_utilization", "gauge", "Part of the time that the GPU was busy, from 0 to 1"};
inline constexpr FamilyHead kGpuMemoryTotal = {"nv_gpu_memory_total_bytes", "gauge",
                                               "Memory of the GPU, in bytes"};
inline constexpr FamilyHead kGpuMemoryUsed = {"nv_gpu_memory_used_bytes", "gauge",
                                              "What of that is in use, in bytes"};
inline constexpr FamilyHead kGpuPowerUsage = {"nv_gpu_power_usage", "gauge",
                                              "What the GPU takes, in watts"};
inline constexpr FamilyHead kGpuPowerLimit = {"nv_gpu_power_limit", "gauge",
                                              "What it may take at most, in watts"};
inline constexpr FamilyHead kGpuEnergy = {
    "nv_energy_consumption", "counter",
    "What the GPU has taken since it was first asked, in joules"};

inline constexpr FamilyHead kGpuLost = {
    "trident_gpu_lost", "gauge", "1 when an error has made the GPU unusable for this process"};

// Null for a name that no server uses.
const FamilyHead* FindServerFamily(std::string_view name);

}  // namespace trident
