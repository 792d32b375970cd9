/* What Trident offers beyond Triton's C ABI. Plain C; exported by libtritonserver.so under the
 * same prefixes. A program or plug-in that must also run on Triton's own library declares these
 * weak (define TRIDENT_EXTENSION_WEAK before including) and checks for null before calling. */
#ifndef TRIDENT_EXTENSION_H_
#define TRIDENT_EXTENSION_H_

#include <stdbool.h>
#include <stdint.h>

#include "triton/core/tritonbackend.h"
#include "triton/core/tritonserver.h"

#ifdef TRIDENT_EXTENSION_WEAK
#define TRIDENT_EXTENSION_API __attribute__((weak))
#else
#define TRIDENT_EXTENSION_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* As `count` calls of TRITONSERVER_ServerInferAsync, but requests of one model
 * reach its queue together, so they batch with no delay. With a budget those of one model may
 * execute together on the calling thread, as TRITONSERVER_TridentServerInferInline says of one; of
 * several models it is the last, when the others have been queued. 0 is never. `errors[i]` becomes
 * null when request i was accepted (the server owns it until its release callback); otherwise the
 * caller keeps the request and owns the error. */
TRIDENT_EXTENSION_API void TRITONSERVER_TridentServerInferAsyncMany(
    struct TRITONSERVER_Server* server, struct TRITONSERVER_InferenceRequest** requests,
    uint32_t count, uint64_t budget_ns, struct TRITONSERVER_Error** errors);

/* As TRITONSERVER_ServerInferAsync, but when the model has an idle instance,
 * nothing waits in its queue, and executions of this batch size are known to take at most
 * `budget_ns` (measured; about one in a hundred may take longer), the calling thread executes the
 * request itself and `*ran_inline` is true: the callbacks run on this thread before the call
 * returns, unless the backend answers from a thread of its own. Otherwise the request is queued as
 * usual and `*ran_inline` is false. A budget of UINT64_MAX is for callers who wait anyway: however
 * long it takes. On error the caller keeps the request. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerInferInline(
    struct TRITONSERVER_Server* server, struct TRITONSERVER_InferenceRequest* request,
    uint64_t budget_ns, bool* ran_inline);

/* Has TRITONSERVER_ServerInferAsync do what TRITONSERVER_TridentServerInferInline does with this
 * budget: for programs that hold no lock their callbacks take. The default, 0, is never. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetInlineBudgetNs(
    struct TRITONSERVER_ServerOptions* options, uint64_t budget_ns);

/* A thread that has executed a batch and finds no other looks for one this long, in microseconds,
 * before it sleeps: a request that comes meanwhile is spared the wake of a thread. It keeps a core
 * busy for that. The default, 0, is not at all. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error*
TRITONSERVER_TridentServerOptionsSetSpinMicroseconds(struct TRITONSERVER_ServerOptions* options,
                                                     uint64_t spin_us);

/* How long after its submission the answer to a request is of use, in microseconds; 0, the default,
 * is the model's `dynamic_batching.deadline.slo_microseconds`. A request that can't be answered by
 * then ends with UNAVAILABLE as soon as that is known. Where the model has no
 * `dynamic_batching.deadline` the deadline has no effect; the steps of an ensemble are due when the
 * ensemble's request is. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error*
TRITONSERVER_TridentInferenceRequestSetDeadlineMicroseconds(
    struct TRITONSERVER_InferenceRequest* request, uint64_t deadline_us);

/* Has the next submission of the request, by whichever function, traced as if `trace` had been
 * given to TRITONSERVER_ServerInferAsync; null: not traced. When a submission is refused, `trace`
 * is its caller's still, and the request goes on naming it. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestSetTrace(
    struct TRITONSERVER_InferenceRequest* request, struct TRITONSERVER_InferenceTrace* trace);

/* As TRITONSERVER_ServerUnloadModel (or ...AndDependents), but returns only when every request of
 * the model has ended and its instances are gone. UNAVAILABLE when that takes longer than
 * `timeout_ms`; the unload then goes on in the background. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerUnloadModelAndWait(
    struct TRITONSERVER_Server* server, const char* model_name, bool unload_dependents,
    uint64_t timeout_ms);

/* As TRITONSERVER_ServerOptionsSetExitTimeout and TRITONSERVER_ServerSetExitTimeout, in
 * milliseconds: the later call counts. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetExitTimeoutMs(
    struct TRITONSERVER_ServerOptions* options, uint64_t timeout_ms);
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerSetExitTimeoutMs(
    struct TRITONSERVER_Server* server, uint64_t timeout_ms);

/* Loads under way end with UNAVAILABLE at their next step, and none begins any more: what
 * TRITONSERVER_ServerStop does first, for a host that waits for its requests before it stops. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerEndLoads(
    struct TRITONSERVER_Server* server);

/* Model control mode POLL: a model that is new or has changed is loaded when its files have not
 * changed for this long, and are the same after the load; until then what is in service stays.
 * TRITONSERVER_ServerPollModelRepository waits for it once; what is still being written after that
 * is left to the next poll. The default is 250. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error*
TRITONSERVER_TridentServerOptionsSetPollSettleTimeMs(struct TRITONSERVER_ServerOptions* options,
                                                     uint64_t settle_ms);

/* What TRITONSERVER_ServerOptionsSetLogInfo, ...LogWarn, ...LogError, ...LogVerbose and
 * ...LogFormat say, of a server that runs: from the next record on. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerSetLogSettings(
    struct TRITONSERVER_Server* server, bool info, bool warn, bool error, int verbose_level,
    TRITONSERVER_LogFormat format);

typedef enum tritonserver_tridentmodelstate_enum {
  TRITONSERVER_TRIDENT_MODEL_LOADING = 0,
  TRITONSERVER_TRIDENT_MODEL_READY = 1,
  /* A load has failed. When the version's former load stays in service, READY follows. */
  TRITONSERVER_TRIDENT_MODEL_UNAVAILABLE = 2,
  /* No new requests; those under way go on. */
  TRITONSERVER_TRIDENT_MODEL_UNLOADING = 3,
  TRITONSERVER_TRIDENT_MODEL_UNLOADED = 4
} TRITONSERVER_TridentModelState;

/* What happened to one version of a model. Later versions of Trident may append members. */
typedef struct TRITONSERVER_TridentModelEvent {
  const char* model; /* "namespace::name" where models have namespaces */
  int64_t version;   /* -1: the model as a whole, which could not be read */
  TRITONSERVER_TridentModelState state;
  const char* reason; /* never null; empty when there is nothing to say */
  /* When one operation loads several models (server start, a poll, an ensemble with its steps): how
   * many of them are done, well or not, and how many there are. 0 of 0 for unloads. */
  uint32_t completed;
  uint32_t total;
} TRITONSERVER_TridentModelEvent;

typedef void (*TRITONSERVER_TridentModelEventFn_t)(const TRITONSERVER_TridentModelEvent* event,
                                                   void* userp);

/* Has `event_fn` called for every change of a model's state, in order, one call at a time, from
 * before TRITONSERVER_ServerNew returns until TRITONSERVER_ServerDelete has. It runs on the threads
 * that load and unload models: it may ask the server anything, but must not load, unload, poll or
 * stop, which would wait for itself, and should not take long. The event is good during the call
 * only. Null: nobody is told. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetModelEventFn(
    struct TRITONSERVER_ServerOptions* options, TRITONSERVER_TridentModelEventFn_t event_fn,
    void* userp);

/* A device is lost: an error has made it unusable for this process, as CUDA has it for good, and
 * only another process can use it again. Its instances leave service: models with others go on with
 * those, models without answer UNAVAILABLE. Later versions of Trident may append members. */
typedef struct TRITONSERVER_TridentDeviceEvent {
  int32_t device_id;
  const char* reason; /* the driver's words */
} TRITONSERVER_TridentDeviceEvent;

typedef void (*TRITONSERVER_TridentDeviceEventFn_t)(const TRITONSERVER_TridentDeviceEvent* event,
                                                    void* userp);

/* Has `event_fn` called for every device that is lost from now on, once, one call at a time, until
 * TRITONSERVER_ServerDelete has returned. It runs on a thread that found one, as a rule before the
 * client hears of the error that led to it: it may ask the server anything, but must not load,
 * unload, stop or delete, and should not take long. The event is good during the call only. Null:
 * nobody is told. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetDeviceEventFn(
    struct TRITONSERVER_ServerOptions* options, TRITONSERVER_TridentDeviceEventFn_t event_fn,
    void* userp);

/* For programs that use devices themselves: to be called when a call of the CUDA driver, or of a
 * library over it, has failed. Devices that are lost are known to be when this returns; a failed
 * execution the server looks into without being asked. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerCheckDevices(
    struct TRITONSERVER_Server* server);

/* For backends: adds to the model version's copy statistics ("copy_stats" in the statistics JSON).
 * A copy is one of tensor contents with memory of the host at an end: a memcpy between a request or
 * response buffer and memory of the backend, or a transfer between the host and a device, be it
 * staged or not. Copies between device memories count nothing, nor do an input read in place and an
 * output written to its destination. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONBACKEND_TridentModelInstanceReportCopies(
    struct TRITONBACKEND_ModelInstance* instance, uint64_t count, uint64_t byte_size);

#ifdef __cplusplus
}
#endif

#endif
