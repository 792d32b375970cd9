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

/* Loads a model that lies in no repository, or loads it anew: `config_json`, in the form of
 * Triton's load parameter "config", is all there is of it. It has version 1 and no files, and its
 * directory is "": it is for backends that need none. Works in every model control mode. What
 * served under this name stays in service until the new model is ready, and if that fails; the next
 * load, or an unload, ends the failure that the index then shows. A model that has failed when it
 * was first loaded keeps its name until then, too.
 *
 * In all else the model is as others are: in the index, for events, as a step of ensembles, which
 * it may be itself. Repositories leave it alone: it is not loaded from there as long as it is
 * provided, by a poll or by name (INVALID_ARG), and unloaded by request only, for which
 * TRITONSERVER_ServerUnloadModel and the like work in every model control mode.
 *
 * ALREADY_EXISTS when a repository has a model of this name, or one from there is loaded;
 * INVALID_ARG for a configuration that is not valid, names files or has another name in it. With
 * model namespaces the model is in none. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerLoadProvidedModel(
    struct TRITONSERVER_Server* server, const char* model_name, const char* config_json);

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

/* What a config.pbtxt says, as the JSON of TRITONSERVER_ServerModelConfig before the server
 * completes and checks it: for tools that read configurations of models which they do not load. A
 * mistake is INVALID_ARG "<file_name>:<line>:<column>: ...". */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentReadModelConfig(
    const char* text, size_t byte_size, const char* file_name,
    struct TRITONSERVER_Message** model_config);

typedef enum tritonserver_tridentreportkind_enum {
  TRITONSERVER_TRIDENT_REPORT_REQUEST = 0,
  TRITONSERVER_TRIDENT_REPORT_BATCH = 1,
  TRITONSERVER_TRIDENT_REPORT_RESPONSE = 2,
  TRITONSERVER_TRIDENT_REPORT_COPIES = 3
} TRITONSERVER_TridentReportKind;

/* What a backend has told the statistics of its model, as it has told it; or, of the requests of an
 * execution that failed as a whole, what it would have. Later versions of Trident may append
 * members. */
typedef struct TRITONSERVER_TridentReport {
  TRITONSERVER_TridentReportKind kind;
  /* REQUEST and RESPONSE: what the response callback of the request gets */
  void* response_userp;
  bool success;
  bool cancelled;     /* RESPONSE: it failed as it was cancelled */
  uint64_t count;     /* BATCH: its items; COPIES: how many */
  uint64_t byte_size; /* COPIES */
  /* REQUEST and BATCH: execution begins, inputs are there, outputs are computed, execution ends;
   * RESPONSE: it begins, its outputs begin (0: none), it ends */
  uint64_t times_ns[4];
} TRITONSERVER_TridentReport;

typedef void (*TRITONSERVER_TridentReportFn_t)(const TRITONSERVER_TridentReport* report,
                                               void* userp);

/* For hosts that have batched already: the server's models execute what
 * TRITONSERVER_TridentServerExecuteBatch gives them, and nothing else. They neither warm up nor
 * check samples, as that is for who makes the batches, nor do requests reach them otherwise.
 * `report_fn` is called for what their backends report, on whichever thread they do: of a request
 * before its release, perhaps after its responses; the report is good during the call only. Null:
 * the server schedules requests itself, which is the default. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsSetBatchHost(
    struct TRITONSERVER_ServerOptions* options, TRITONSERVER_TridentReportFn_t report_fn,
    void* userp);

/* Loads a version of a model whose files and configuration the host knows already, of a server with
 * a batch host only, which needs no repository: the files are in `directory`, with a directory of
 * this version in it, or there are none (""). Repository agents that the configuration names are
 * not asked: they have been. In all else as TRITONSERVER_TridentServerLoadProvidedModel. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerLoadHostedModel(
    struct TRITONSERVER_Server* server, const char* model_name, int64_t version,
    const char* directory, const char* config_json);

/* Executes these requests, all of one version of a model, as one batch on the model's first
 * instance, past its scheduler, its cache and its limits; of a server with a batch host only.
 * Inputs have the form in which backends see them: reshaped, with the batch's controls and states
 * among them, which the model does not list. A request without a response callback fills a place:
 * its backend is asked for no outputs. Returns when the execution has ended: when the backend has
 * returned from it or, if it is deferred, ended it. Requests may be answered and released later. On
 * error none of them is executed, and all stay the caller's. Batches of one model that are given at
 * once are executed one after the other. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerExecuteBatch(
    struct TRITONSERVER_Server* server, struct TRITONSERVER_InferenceRequest** requests,
    uint32_t count);

/* What a backend has made of the states of a request that was executed so, from its release until
 * it is executed again or deleted: only those it has written, on the host. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error*
TRITONSERVER_TridentInferenceRequestWrittenStateCount(struct TRITONSERVER_InferenceRequest* request,
                                                      uint32_t* count);
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestWrittenState(
    struct TRITONSERVER_InferenceRequest* request, uint32_t index, const char** name,
    TRITONSERVER_DataType* datatype, const int64_t** shape, uint64_t* dims_count, const void** base,
    size_t* byte_size);

/* A backend that is part of the program rather than a library. Its entry points are what a library
 * exports under the names in TRITONBACKEND_; null: it has none. */
typedef struct TRITONSERVER_TridentBackend {
  const char* name; /* what models have in `backend` */
  struct TRITONSERVER_Error* (*initialize)(struct TRITONBACKEND_Backend* backend);
  struct TRITONSERVER_Error* (*finalize)(struct TRITONBACKEND_Backend* backend);
  struct TRITONSERVER_Error* (*get_backend_attribute)(
      struct TRITONBACKEND_Backend* backend, struct TRITONBACKEND_BackendAttribute* attributes);
  struct TRITONSERVER_Error* (*model_initialize)(struct TRITONBACKEND_Model* model);
  struct TRITONSERVER_Error* (*model_finalize)(struct TRITONBACKEND_Model* model);
  struct TRITONSERVER_Error* (*model_instance_initialize)(
      struct TRITONBACKEND_ModelInstance* instance);
  struct TRITONSERVER_Error* (*model_instance_finalize)(
      struct TRITONBACKEND_ModelInstance* instance);
  struct TRITONSERVER_Error* (*model_instance_ready)(struct TRITONBACKEND_ModelInstance* instance);
  /* Never null. */
  struct TRITONSERVER_Error* (*model_instance_execute)(struct TRITONBACKEND_ModelInstance* instance,
                                                       struct TRITONBACKEND_Request** requests,
                                                       uint32_t request_count);
  /* model_instance_execute takes next to no time, as it only hands the requests over: whoever
   * submits with a budget that is not 0 may call it, however long executions are known to take. */
  bool never_blocks;
  /* What TRITONBACKEND_BackendState gives, from before `initialize` on. */
  void* state;
} TRITONSERVER_TridentBackend;

/* Has the server's models of this name executed by `backend`, which is copied; a library is not
 * looked for. Models with `isolation: "process"` are executed elsewhere: they load only where the
 * backend setting `isolation-host` names a program that has such a backend, too. ALREADY_EXISTS
 * when these options have a backend of that name. Its directory (TRITONBACKEND_BackendArtifacts) is
 * empty. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerOptionsAddBackend(
    struct TRITONSERVER_ServerOptions* options, const TRITONSERVER_TridentBackend* backend);

/* For backends, in TRITONBACKEND_ModelInstanceExecute and on its thread: this execution ends with
 * TRITONBACKEND_TridentModelInstanceEndExecution rather than with the return of that function.
 * Until then the instance is busy, no other execution of it begins, it is not finalized, and the
 * array of requests stays valid; the threads of the server do other work. A backend that executes
 * once per device at a time (TRITONBACKEND_EXECUTION_DEVICE_BLOCKING) has the device until that
 * function returns. When the function returns an error all the same, the execution is over:
 * requests that it has not released on that thread are answered with the error. INVALID_ARG
 * elsewhere and the second time. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONBACKEND_TridentModelInstanceDeferExecution(
    struct TRITONBACKEND_ModelInstance* instance);

/* Once for each execution that was deferred, on any thread, perhaps before
 * TRITONBACKEND_ModelInstanceExecute has returned: the instance is free then. Its requests may have
 * been released before, or are later. The instance may be gone when this returns. INVALID_ARG when
 * there is nothing to end. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONBACKEND_TridentModelInstanceEndExecution(
    struct TRITONBACKEND_ModelInstance* instance);

typedef void (*TRITONBACKEND_TridentCancelFn_t)(struct TRITONBACKEND_Request* request, void* userp);

/* For backends, of a request that they execute: `cancel_fn` is called when it is cancelled, once,
 * on the thread that cancels it, or in this call when it is cancelled already. It takes the place
 * of the function set before; null: none. When this returns, and when a release of the request
 * does, the former function is not being called any more, unless by the calling thread further
 * out: so nothing may be locked meanwhile that the function locks. In the function the request may
 * be answered and released. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONBACKEND_TridentRequestSetCancelFn(
    struct TRITONBACKEND_Request* request, TRITONBACKEND_TridentCancelFn_t cancel_fn, void* userp);

/* A number that says nothing to the server: the requests of an ensemble's steps have that of the
 * ensemble's, and backends may read it. 0 at first; kept from submission to submission. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentInferenceRequestSetContext(
    struct TRITONSERVER_InferenceRequest* request, uint64_t context);
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONBACKEND_TridentRequestContext(
    struct TRITONBACKEND_Request* request, uint64_t* context);

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
