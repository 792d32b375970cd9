// Not a repository agent: it lacks the one function that is required.

#include "triton/core/tritonrepoagent.h"

TRITONSERVER_Error* TRITONREPOAGENT_Initialize(TRITONREPOAGENT_Agent* agent) {
  (void)agent;
  return NULL;
}
