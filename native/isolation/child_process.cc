#include "isolation/child_process.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "isolation/exec.h"

namespace trident::isolation {

struct ChildProcess::State {
  State(pid_t pid, EndFn on_end) : pid(pid), on_end(std::move(on_end)) {}

  const pid_t pid;
  const EndFn on_end;
  Mutex mutex;
  CondVar changed;
  // Until it has been waited for, the number is its own and may be killed.
  bool waited_for GUARDED_BY(mutex) = false;
  ProcessEnd end;  // the keeper's until `told`
  bool told GUARDED_BY(mutex) = false;

  void TellWaiters() EXCLUDES(mutex) {
    MutexLock lock(mutex);
    told = true;
    changed.NotifyAll();
  }
};

namespace {

using State = ChildProcess::State;

// The thread that starts processes, as they die with the thread that started them, and waits for
// each of them by its number, as other ends are the host's own to wait for. It runs while there
// are any.
class Keeper {
 public:
  static Keeper& Get() {
    // Never destroyed: the thread may outlive main.
    static Keeper* const keeper = new Keeper();
    return *keeper;
  }

  Result<std::shared_ptr<State>> Start(const Program& program, ChildProcess::EndFn on_end) {
    Order order{program, std::move(on_end), std::nullopt};
    MutexLock lock(mutex_);
    if (!running_) TRIDENT_RETURN_IF_ERROR(StartThread());
    orders_.push_back(&order);
    eventfd_write(wake_, 1);
    while (!order.result) done_.Wait(mutex_);
    return std::move(*order.result);
  }

 private:
  struct Order {
    const Program& program;
    ChildProcess::EndFn on_end;
    std::optional<Result<std::shared_ptr<State>>> result;
  };
  struct Child {
    std::shared_ptr<State> state;
    int pidfd;  // -1 where the kernel has none
  };

  Status StartThread() REQUIRES(mutex_) {
    wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_ < 0) return Unavailable("can't start processes: ", std::strerror(errno));
    try {
      std::thread([this] { Run(); }).detach();
    } catch (const std::system_error& error) {
      close(wake_);
      return Unavailable("can't start a thread for processes: ", error.what());
    }
    running_ = true;
    return Status::Ok();
  }

  void Run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::vector<Child> children;
    std::vector<Child> ended;
    while (true) {
      const bool goes_on = TakeOrders(children);
      // Only now, so that who has seen the last end finds nothing of this thread left open.
      for (const Child& child : std::exchange(ended, {})) child.state->TellWaiters();
      if (!goes_on) return;

      const std::vector<pollfd> events = WaitForEvents(children);
      // Whether a child without a descriptor has ended is asked each time.
      std::vector<Child> running;
      for (size_t i = 0; i < children.size(); ++i) {
        const bool may_have_ended = events[i + 1].revents != 0 || children[i].pidfd < 0;
        (may_have_ended && EndOf(children[i]) ? ended : running).push_back(children[i]);
      }
      children = std::move(running);
    }
  }

  // False when there is nothing left to do, and the thread ends.
  bool TakeOrders(std::vector<Child>& children) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    for (Order* const order : std::exchange(orders_, {})) {
      const Result<pid_t> pid = Spawn(order->program);
      if (pid.ok()) {
        auto state = std::make_shared<State>(*pid, std::move(order->on_end));
        const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, *pid, 0));
        children.push_back({state, pidfd});
        order->result = std::move(state);
      } else {
        order->result = pid.status();
      }
    }
    done_.NotifyAll();
    if (!children.empty()) return true;
    running_ = false;
    close(wake_);
    return false;
  }

  // The first is the wake's, the others the children's, in their order.
  std::vector<pollfd> WaitForEvents(const std::vector<Child>& children) {
    std::vector<pollfd> events{{wake_, POLLIN, 0}};
    bool must_ask = false;
    for (const Child& child : children) {
      events.push_back({child.pidfd, POLLIN, 0});
      must_ask = must_ask || child.pidfd < 0;
    }
    constexpr int kAskEveryMs = 10;
    poll(events.data(), events.size(), must_ask ? kAskEveryMs : -1);
    eventfd_t count = 0;
    if (events[0].revents != 0) eventfd_read(wake_, &count);
    return events;
  }

  // False when the child still runs.
  static bool EndOf(const Child& child) {
    State& state = *child.state;
    ProcessEnd& end = state.end;
    siginfo_t info{};
    const auto id = static_cast<id_t>(state.pid);
    // It stays a zombie for now: its number, which is its group's, is not given away.
    const bool ours = waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
    if (ours && info.si_pid == 0) return false;
    {
      MutexLock lock(state.mutex);
      if (ours) {
        end.kind =
            info.si_code == CLD_EXITED ? ProcessEnd::Kind::kExited : ProcessEnd::Kind::kSignalled;
        end.number = info.si_status;
        kill(-state.pid, SIGKILL);
        waitid(P_PID, id, &info, WEXITED);
      }
      state.waited_for = true;
    }
    if (child.pidfd >= 0) close(child.pidfd);
    state.on_end(end);
    return true;
  }

  Mutex mutex_;
  CondVar done_;
  bool running_ GUARDED_BY(mutex_) = false;
  std::vector<Order*> orders_ GUARDED_BY(mutex_);
  int wake_ = -1;  // while the thread runs
};

}  // namespace

std::string ProcessEnd::Description() const {
  switch (kind) {
    case Kind::kExited:
      return StrCat("exited with code ", number);
    case Kind::kSignalled: {
      const char* const name = sigabbrev_np(number);
      return name == nullptr ? StrCat("was killed by signal ", number)
                             : StrCat("was killed by SIG", name);
    }
    case Kind::kUnknown:
      break;
  }
  return "ended";
}

ChildProcess::ChildProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(const Program& program, EndFn on_end) {
  TRIDENT_ASSIGN_OR_RETURN(auto state, Keeper::Get().Start(program, std::move(on_end)));
  return std::unique_ptr<ChildProcess>(new ChildProcess(std::move(state)));
}

ChildProcess::~ChildProcess() {
  Kill();
  (void)WaitUntil(kNever);
}

void ChildProcess::Kill() {
  MutexLock lock(state_->mutex);
  if (!state_->waited_for) kill(-state_->pid, SIGKILL);
}

std::optional<ProcessEnd> ChildProcess::WaitUntil(uint64_t deadline_ns) {
  MutexLock lock(state_->mutex);
  while (!state_->told && state_->changed.WaitUntil(state_->mutex, deadline_ns)) {
  }
  if (!state_->told) return std::nullopt;
  return state_->end;
}

pid_t ChildProcess::pid() const { return state_->pid; }

}  // namespace trident::isolation
