#include "isolation/exec.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "isolation/channel.h"

namespace trident::isolation {
namespace {

// As the C library wants lists of strings.
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// What the process keeps of this one, and what it has of its own.
class Inheritance {
 public:
  explicit Inheritance(int channel) {
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_init(&files_);
    posix_spawn_file_actions_adddup2(&files_, channel, kChannelDescriptor);
    posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files_, kChannelDescriptor + 1);
  }
  ~Inheritance() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }
  Inheritance(const Inheritance&) = delete;
  Inheritance& operator=(const Inheritance&) = delete;

  const posix_spawnattr_t* attributes() const { return &attributes_; }
  const posix_spawn_file_actions_t* files() const { return &files_; }

 private:
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t files_;
};

}  // namespace

std::vector<std::string> CopyEnvironment() {
  std::vector<std::string> copy;
  for (char** variable = environ; *variable != nullptr; ++variable) copy.emplace_back(*variable);
  return copy;
}

Result<pid_t> Spawn(const Program& program) {
  const std::vector<char*> arguments = Pointers(program.arguments);
  const std::vector<char*> environment = Pointers(program.environment);
  const Inheritance inheritance(program.channel);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, arguments[0], inheritance.files(), inheritance.attributes(),
                                arguments.data(), environment.data());
  if (error == 0) return pid;
  return Error(error == ENOENT ? StatusCode::kNotFound : StatusCode::kUnavailable, "can't start '",
               program.arguments[0], "': ", std::strerror(error));
}

void EndWith(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // One that ended before that sends no signal.
  if (getppid() != parent) _exit(1);
}

}  // namespace trident::isolation
