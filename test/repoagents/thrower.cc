// A repository agent that lets C++ exceptions out of its C functions. Its parameter "in" says
// where: "ModelInitialize", "ModelFinalize" or the name of an action; "nameless" says where one
// comes out that is not a std::exception.

#include <stdexcept>
#include <string>

#include "triton/core/tritonrepoagent.h"

namespace {

void ThrowIn(const std::string& where, TRITONREPOAGENT_Agent* agent,
             TRITONREPOAGENT_AgentModel* model) {
  uint32_t count = 0;
  TRITONREPOAGENT_ModelParameterCount(agent, model, &count);
  for (uint32_t i = 0; i < count; ++i) {
    const char *name = nullptr, *value = nullptr;
    TRITONREPOAGENT_ModelParameter(agent, model, i, &name, &value);
    if (value != where) continue;
    if (name == std::string("nameless")) throw 7;
    if (name == std::string("in")) throw std::runtime_error("thrower: " + where);
  }
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
