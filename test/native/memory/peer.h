#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/status.h"

namespace trident {

// A key no other test uses.
inline std::string NewKey() {
  static int count = 0;
  return StrCat("/trident_test_", getpid(), "_", ++count);
}

inline bool ObjectExists(const std::string& key) {
  const int descriptor = shm_open(key.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (descriptor >= 0) close(descriptor);
  return descriptor >= 0;
}

// Another process: a fork of this one that runs `work` and ends with its result
// as exit code.
class Peer {
 public:
  template <typename Work>
  explicit Peer(const Work& work) : process_(fork()) {
    if (process_ == 0) _exit(work());
  }
  ~Peer() {
    if (process_ > 0) Wait();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void Kill() const { kill(process_, SIGKILL); }

  // The exit code, or minus the signal that ended it.
  int Wait() {
    int status = 0;
    while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t process_;
};

// Sets the size of an object from another process.
inline int ResizeByPeer(const std::string& key, off_t byte_size) {
  return Peer([&] {
           const int descriptor = shm_open(key.c_str(), O_RDWR | O_CLOEXEC, 0);
           return descriptor >= 0 && ftruncate(descriptor, byte_size) == 0 ? 0 : 1;
         })
      .Wait();
}

// A pipe on which one process waits for the other.
class Signal {
 public:
  Signal() {
    if (pipe2(ends_, O_CLOEXEC) != 0) abort();
  }
  ~Signal() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void Send() const {
    const char byte = 1;
    if (write(ends_[1], &byte, 1) != 1) abort();
  }
  void Receive() const {
    char byte;
    if (read(ends_[0], &byte, 1) != 1) abort();
  }

 private:
  int ends_[2];
};

}  // namespace trident
