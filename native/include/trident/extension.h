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

/* As `count` calls of TRITONSERVER_ServerInferAsync without a trace, but requests of one model
 * reach its queue together, so they batch with no delay. `errors[i]` becomes null when request i
 * was accepted (the server owns it until its release callback); otherwise the caller keeps the
 * request and owns the error. */
TRIDENT_EXTENSION_API void TRITONSERVER_TridentServerInferAsyncMany(
    struct TRITONSERVER_Server* server, struct TRITONSERVER_InferenceRequest** requests,
    uint32_t count, struct TRITONSERVER_Error** errors);

/* As TRITONSERVER_ServerInferAsync without a trace, but when the model has an idle instance and
 * nothing waits in its queue, the calling thread executes the request itself: all callbacks have
 * run on this thread before the call returns and `*ran_inline` is true. Otherwise the request is
 * queued as usual and `*ran_inline` is false. On error the caller keeps the request. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerInferInline(
    struct TRITONSERVER_Server* server, struct TRITONSERVER_InferenceRequest* request,
    bool* ran_inline);

/* As TRITONSERVER_ServerUnloadModel (or ...AndDependents), but returns only when every request of
 * the model has ended and its instances are gone. UNAVAILABLE when that takes longer than
 * `timeout_ms`; the unload then goes on in the background. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONSERVER_TridentServerUnloadModelAndWait(
    struct TRITONSERVER_Server* server, const char* model_name, bool unload_dependents,
    uint64_t timeout_ms);

/* For backends: adds to the model version's copy statistics ("copy_stats" in the statistics JSON).
 * A copy is one memcpy of tensor contents between a request or response buffer and memory of the
 * backend; an input read in place and an output written to its destination count nothing. */
TRIDENT_EXTENSION_API struct TRITONSERVER_Error* TRITONBACKEND_TridentModelInstanceReportCopies(
    struct TRITONBACKEND_ModelInstance* instance, uint64_t count, uint64_t byte_size);

#ifdef __cplusplus
}
#endif

#endif
