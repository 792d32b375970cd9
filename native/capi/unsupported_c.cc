// The functions of the C API whose features the server does not have. They are exported all the
// same, because a plug-in that only names one of them would otherwise fail to load.

#include "triton/core/tritonrepoagent.h"
#include "triton/core/tritonserver.h"

// Defines `function`, with parameters of the types that follow, to fail with UNSUPPORTED.
#define UNSUPPORTED(feature, function, ...)                                \
  TRITONSERVER_Error* function(__VA_ARGS__) {                              \
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNSUPPORTED,           \
                                 #function ": " feature " not supported"); \
  }

extern "C" {

// Repository agents.
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelRepositoryLocation, TRITONREPOAGENT_Agent*,
            TRITONREPOAGENT_AgentModel*, TRITONREPOAGENT_ArtifactType*, const char**)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelRepositoryLocationAcquire,
            TRITONREPOAGENT_Agent*, TRITONREPOAGENT_AgentModel*, TRITONREPOAGENT_ArtifactType,
            const char**)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelRepositoryLocationRelease,
            TRITONREPOAGENT_Agent*, TRITONREPOAGENT_AgentModel*, const char*)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelRepositoryUpdate, TRITONREPOAGENT_Agent*,
            TRITONREPOAGENT_AgentModel*, TRITONREPOAGENT_ArtifactType, const char*)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelParameterCount, TRITONREPOAGENT_Agent*,
            TRITONREPOAGENT_AgentModel*, uint32_t*)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelParameter, TRITONREPOAGENT_Agent*,
            TRITONREPOAGENT_AgentModel*, uint32_t, const char**, const char**)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelConfig, TRITONREPOAGENT_Agent*,
            TRITONREPOAGENT_AgentModel*, uint32_t, TRITONSERVER_Message**)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelState, TRITONREPOAGENT_AgentModel*, void**)
UNSUPPORTED("repository agents", TRITONREPOAGENT_ModelSetState, TRITONREPOAGENT_AgentModel*, void*)
UNSUPPORTED("repository agents", TRITONREPOAGENT_State, TRITONREPOAGENT_Agent*, void**)
UNSUPPORTED("repository agents", TRITONREPOAGENT_SetState, TRITONREPOAGENT_Agent*, void*)

}  // extern "C"
