// A repository agent that lets C++ exceptions out of its C functions. Its parameter "in" says
// where: "ModelInitialize", "ModelFinalize" or the name of an action; with the parameter "nameless"
// it is not a std::exception.

#include <stdexcept>
#include <string>

#include "triton/core/tritonrepoagent.h"

namespace {

void ThrowIn(const std::string& where, TRITONREPOAGENT_Agent* agent,
             TRITONREPOAGENT_AgentModel* model) {
  uint32_t count = 0;
  TRITONREPOAGENT_ModelParameterCount(agent, model, &count);
  bool nameless = false, here = false;
  for (uint32_t i = 0; i < count; ++i) {
    const char *name = nullptr, *value = nullptr;
    TRITONREPOAGENT_ModelParameter(agent, model, i, &name, &value);
    nameless = nameless || name == std::string("nameless");
    here = here || (name == std::string("in") && value == where);
  }
  if (here && nameless) throw 7;
  if (here) throw std::runtime_error("thrower: " + where);
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONREPOAGENT_ModelInitialize(TRITONREPOAGENT_Agent* agent,
                                                    TRITONREPOAGENT_AgentModel* model) {
  ThrowIn("ModelInitialize", agent, model);
  return nullptr;
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelFinalize(TRITONREPOAGENT_Agent* agent,
                                                  TRITONREPOAGENT_AgentModel* model) {
  ThrowIn("ModelFinalize", agent, model);
  return nullptr;
}

TRITONSERVER_Error* TRITONREPOAGENT_ModelAction(TRITONREPOAGENT_Agent* agent,
                                                TRITONREPOAGENT_AgentModel* model,
                                                TRITONREPOAGENT_ActionType action_type) {
  ThrowIn(TRITONREPOAGENT_ActionTypeString(action_type), agent, model);
  return nullptr;
}

}  // extern "C"
