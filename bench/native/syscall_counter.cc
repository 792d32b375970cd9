#include "syscall_counter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "arguments.h"

// trident_syscall(number, a, b, c, d, e, f): the one place whose calls the filter lets through; it
// ends at trident_syscall_end. Returns what the kernel returns.
#if defined(__x86_64__)
#define TRIDENT_ARCH AUDIT_ARCH_X86_64
asm(R"(
.text
trident_syscall:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
trident_syscall_end:
  ret
)");
#elif defined(__aarch64__)
#define TRIDENT_ARCH AUDIT_ARCH_AARCH64
asm(R"(
.text
trident_syscall:
  mov x8, x0
  mov x0, x1
  mov x1, x2
  mov x2, x3
  mov x3, x4
  mov x4, x5
  mov x5, x6
  svc #0
trident_syscall_end:
  ret
)");
#else
#error "system calls are counted on x86-64 and arm64"
#endif
extern "C" {
long trident_syscall(long number, long a, long b, long c, long d, long e, long f);
extern const char trident_syscall_end[];
}

namespace trident::bench {
namespace {

struct AtomicCounts {
  std::atomic<uint64_t> calls{0}, futex_waits{0}, futex_wakes{0}, woken{0};
};

AtomicCounts of_all;
// Initial-exec: a signal handler must not allocate the thread's storage.
thread_local SyscallCounts of_thread [[gnu::tls_model("initial-exec")]];

bool IsFutex(long number, long operation, std::initializer_list<int> operations) {
  if (number != SYS_futex) return false;
  for (const int one : operations) {
    if ((operation & FUTEX_CMD_MASK) == one) return true;
  }
  return false;
}

long CountAndCall(long number, long a, long b, long c, long d, long e, long f) {
  const bool wait = IsFutex(number, b, {FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI});
  const bool wake = IsFutex(number, b,
                            {FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP, FUTEX_REQUEUE,
                             FUTEX_CMP_REQUEUE, FUTEX_UNLOCK_PI});
  ++of_thread.calls;
  ++of_all.calls;
  of_thread.futex_waits += wait;
  of_all.futex_waits += wait;
  of_thread.futex_wakes += wake;
  of_all.futex_wakes += wake;
  const long result = trident_syscall(number, a, b, c, d, e, f);
  of_thread.woken += wake && result > 0;
  of_all.woken += wake && result > 0;
  return result;
}

void OnSyscall(int, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  auto& r = machine.gregs;
  r[REG_RAX] = CountAndCall(info->si_syscall, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10],
                            r[REG_R8], r[REG_R9]);
#else
  auto* const r = machine.regs;
  r[0] = CountAndCall(info->si_syscall, r[0], r[1], r[2], r[3], r[4], r[5]);
#endif
  errno = saved_errno;
}

// Not counted: the return from the handler, and what starts a thread, which the C library does with
// all signals blocked: the process would not survive that.
constexpr int kLetThrough[] = {SYS_rt_sigreturn, SYS_rt_sigprocmask,  SYS_clone,
                               SYS_clone3,       SYS_set_robust_list, SYS_rseq};

std::vector<sock_filter> Filter() {
  constexpr sock_filter kAllow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  // The instruction pointer, in halves: the filter's words have 32 bits.
  constexpr uint32_t kPointer = offsetof(seccomp_data, instruction_pointer);
  const auto own = reinterpret_cast<uint64_t>(trident_syscall_end);
  const auto own_low = static_cast<uint32_t>(own);
  const auto own_high = static_cast<uint32_t>(own >> 32);
  std::vector<sock_filter> code = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRIDENT_ARCH, 1, 0),
      kAllow,
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (const int number : kLetThrough) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
    code.push_back(kAllow);
  }
  code.insert(code.end(), {
                              BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPointer),
                              BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own_low, 0, 3),
                              BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPointer + 4),
                              BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own_high, 0, 1),
                              kAllow,
                              BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
                          });
  return code;
}

}  // namespace

void InstallSyscallCounter() {
  struct sigaction action = {};
  action.sa_sigaction = OnSyscall;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSYS, &action, nullptr);

  std::vector<sock_filter> code = Filter();
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
    Die(std::string("this system has no seccomp filters: ") + strerror(errno));
  }
}

SyscallCounts SyscallsHere() { return of_thread; }

SyscallCounts SyscallsOfAll() {
  return {of_all.calls.load(), of_all.futex_waits.load(), of_all.futex_wakes.load(),
          of_all.woken.load()};
}

}  // namespace trident::bench
