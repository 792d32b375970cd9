#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace trident::isolation {

// What to start.
struct Program {
  std::vector<std::string> arguments;    // the first is the path of the executable
  std::vector<std::string> environment;  // "NAME=value"
  int channel = -1;                      // becomes kChannelDescriptor
};

// What this process has for Program::environment. A thread that changes it meanwhile may move it.
std::vector<std::string> CopyEnvironment();

// How a process ended.
struct ProcessEnd {
  enum class Kind { kExited, kSignalled, kUnknown };
  Kind kind = Kind::kUnknown;
  int number = 0;  // the exit code or the signal

  // "was killed by SIGSEGV", "exited with code 3", "ended"
  std::string Description() const;
};

// For a process that ChildProcess has started: it ends when its parent does or has, however that
// comes about. To be called before anything else; Channel::maker() is who the parent is.
void EndWith(pid_t parent);

// A process that this one has started. It leads a session of its own, so what a terminal sends to
// the host doesn't reach it; it inherits its channel, standard output and standard error, and
// nothing else. Processes that it starts and leaves in its group end with it, where this process
// lives to see that. Thread-safe.
class ChildProcess {
 public:
  using EndFn = std::function<void(const ProcessEnd&)>;

  // `on_end` is called once, when the process has ended, on the thread that waits for all of them:
  // it must not wait itself, nor start a process or destroy one. NOT_FOUND when there is no such
  // program, UNAVAILABLE when it can't be started.
  static Result<std::unique_ptr<ChildProcess>> Start(const Program& program, EndFn on_end);

  // Kills the process if it still runs. `on_end` has returned when this does.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Does nothing when the process has ended.
  void Kill();
  // How it ended, once `on_end` has returned; none when that is not so by the deadline.
  std::optional<ProcessEnd> WaitUntil(uint64_t deadline_ns);
  pid_t pid() const;

  struct State;

 private:
  explicit ChildProcess(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

}  // namespace trident::isolation
