#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/status.h"
#include "model/load_once.h"
#include "triton/core/tritonrepoagent.h"

namespace trident {

// The entry points an agent library offers; only `model_action` is never null.
struct AgentEntryPoints {
  decltype(&TRITONREPOAGENT_Initialize) initialize = nullptr;
  decltype(&TRITONREPOAGENT_Finalize) finalize = nullptr;
  decltype(&TRITONREPOAGENT_ModelInitialize) model_initialize = nullptr;
  decltype(&TRITONREPOAGENT_ModelFinalize) model_finalize = nullptr;
  decltype(&TRITONREPOAGENT_ModelAction) model_action = nullptr;
};

// One agent library initialised for one server; the object behind TRITONREPOAGENT_Agent. Finalised
// when the last model that uses it is gone and the server lets go. Its state pointer belongs to the
// plug-in; all else is immutable after construction.
class Agent {
 public:
  // Of a library; fails like its initialisation.
  static Result<std::shared_ptr<Agent>> Load(const std::string& name, const std::string& path,
                                             std::shared_ptr<Logger> logger);
  static Result<std::shared_ptr<Agent>> Initialize(const std::string& name,
                                                   const AgentEntryPoints& entry_points,
                                                   std::shared_ptr<Logger> logger);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  const std::string& name() const { return name_; }
  const AgentEntryPoints& entry_points() const { return entry_points_; }
  const Logger& logger() const { return *logger_; }

  TRITONREPOAGENT_Agent* handle() { return reinterpret_cast<TRITONREPOAGENT_Agent*>(this); }

  void* state = nullptr;

 private:
  Agent(std::string name, const AgentEntryPoints& entry_points, std::shared_ptr<Logger> logger)
      : name_(std::move(name)), entry_points_(entry_points), logger_(std::move(logger)) {}

  const std::string name_;
  const AgentEntryPoints entry_points_;
  const std::shared_ptr<Logger> logger_;
  bool initialized_ = false;
};

// The agents of one server. Thread-safe.
class AgentManager {
 public:
  AgentManager(std::string directory, std::shared_ptr<Logger> logger)
      : directory_(std::move(directory)), logger_(std::move(logger)) {}

  // <directory>/<name>/libtritonrepoagent_<name>.so. INVALID_ARG when there is no such file,
  // NOT_FOUND when it is no agent.
  Result<std::shared_ptr<Agent>> Get(const std::string& name);

 private:
  const std::string directory_;
  const std::shared_ptr<Logger> logger_;
  LoadOnce<Agent> loaded_;
};

}  // namespace trident
