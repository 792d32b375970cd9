#include "virtual_threads.h"

#include <algorithm>

#include "base/clock.h"

#if defined(__SANITIZE_ADDRESS__)
#include <dlfcn.h>
#include <sanitizer/asan_interface.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace trident {
namespace simulation {
namespace {

constexpr size_t kStackBytes = 256 * 1024;
constexpr size_t kMaxSwitches = 200000;

// Stacks outlive worlds: a million seeds should not ask the system for each.
std::vector<std::unique_ptr<char[]>>& SpareStacks() {
  static std::vector<std::unique_ptr<char[]>> stacks;
  return stacks;
}

std::unique_ptr<char[]> TakeStack() {
  auto& spare = SpareStacks();
  if (spare.empty()) return std::unique_ptr<char[]>(new char[kStackBytes]);
  std::unique_ptr<char[]> stack = std::move(spare.back());
  spare.pop_back();
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack.get(), kStackBytes);  // of frames that never returned
#endif
  return stack;
}

void SwapContext(ucontext_t* from, const ucontext_t* to) {
#if defined(__SANITIZE_ADDRESS__)
  // Its own one warns about stacks it can't know; it is told of ours below.
  using Function = int (*)(ucontext_t*, const ucontext_t*);
  static const auto original =
      reinterpret_cast<Function>(dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "swapcontext"));
  original(from, to);
#else
  swapcontext(from, to);
#endif
}

}  // namespace

VirtualThreads* VirtualThreads::current = nullptr;

struct VirtualThreads::Thread {
  std::function<void()> body;
  std::unique_ptr<char[]> stack = TakeStack();
  ucontext_t context;
  const CondVar* waits_on = nullptr;
  uint64_t deadline_ns = kNever;
  bool ready = true;
  bool notified = false;
  bool ended = false;
  void* fiber = nullptr;
  void* fake_stack = nullptr;
};

VirtualThreads::VirtualThreads(Random* random, const uint64_t* now_ns)
    : random_(random), now_ns_(now_ns) {
  current = this;
}

VirtualThreads::~VirtualThreads() { current = nullptr; }

void VirtualThreads::Start(std::function<void()> body) {
  threads_.push_back(std::make_unique<Thread>());
  Thread* const thread = threads_.back().get();
  thread->body = std::move(body);
  getcontext(&thread->context);
  thread->context.uc_stack.ss_sp = thread->stack.get();
  thread->context.uc_stack.ss_size = kStackBytes;
  thread->context.uc_link = nullptr;
  const auto address = reinterpret_cast<uintptr_t>(this);
  makecontext(&thread->context, reinterpret_cast<void (*)()>(&Enter), 2,
              static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
#if defined(__SANITIZE_THREAD__)
  thread->fiber = __tsan_create_fiber(0);
#endif
}

void VirtualThreads::Enter(unsigned high, unsigned low) {
  const uintptr_t address = (static_cast<uintptr_t>(high) << 32) | low;
  auto* const threads = reinterpret_cast<VirtualThreads*>(address);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &threads->loop_stack_, &threads->loop_stack_size_);
#endif
  threads->running_->body();
  threads->running_->ended = true;
  threads->SwitchBack();
}

void VirtualThreads::SwitchTo(Thread* thread) {
  running_ = thread;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&loop_fake_stack_, thread->stack.get(), kStackBytes);
#elif defined(__SANITIZE_THREAD__)
  loop_fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(thread->fiber, 0);
#endif
  SwapContext(&loop_, &thread->context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(loop_fake_stack_, nullptr, nullptr);
#endif
  running_ = nullptr;
}

void VirtualThreads::SwitchBack() {
  Thread* const thread = running_;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(thread->ended ? nullptr : &thread->fake_stack, loop_stack_,
                                 loop_stack_size_);
#elif defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(loop_fiber_, 0);
#endif
  SwapContext(&thread->context, &loop_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(thread->fake_stack, &loop_stack_, &loop_stack_size_);
#endif
}

bool VirtualThreads::RunAll() {
  bool any = false;
  for (size_t switches = 0;; ++switches) {
    if (switches == kMaxSwitches) Violation("threads go on for ever without time passing");
    ready_.clear();
    for (const auto& thread : threads_) {
      if (!thread->ready && thread->deadline_ns <= *now_ns_) thread->ready = true;
      if (thread->ready) ready_.push_back(thread.get());
    }
    if (ready_.empty()) return any;
    any = true;
    Thread* const next = ready_[random_->Below(ready_.size())];
    next->ready = false;
    SwitchTo(next);
    if (!next->ended) continue;
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(next->fiber);
#endif
    SpareStacks().push_back(std::move(next->stack));
    std::erase_if(threads_, [&](const auto& thread) { return thread.get() == next; });
  }
}

uint64_t VirtualThreads::NextDeadline() const {
  uint64_t next = kNever;
  for (const auto& thread : threads_) next = std::min(next, thread->deadline_ns);
  return next;
}

void VirtualThreads::SleepUntil(uint64_t when_ns) {
  if (running_ == nullptr) Violation("the world's own loop was asked to sleep");
  Thread* const self = running_;
  self->deadline_ns = when_ns;
  while (*now_ns_ < when_ns) SwitchBack();
  self->deadline_ns = kNever;
}

void VirtualThreads::Yield() {
  if (running_ == nullptr) Violation("the world's own loop was asked to wait");
  running_->ready = true;
  SwitchBack();
}

void VirtualThreads::MaybePreempt() {
  if (running_ == nullptr || settings.preemption == 0) return;
  if (random_->Chance(settings.preemption)) Yield();
}

void VirtualThreads::BeforeLock() {
  if (held_ == 0) MaybePreempt();
}

void VirtualThreads::AfterUnlock() {
  --held_;
  if (held_ == 0) MaybePreempt();
}

bool VirtualThreads::Wait(const CondVar* condition, Mutex& mutex, uint64_t deadline_ns) {
  if (running_ == nullptr) Violation("a call that must not block waits for a condition");
  if (held_ != 1) Violation("a thread waits while it holds another lock");
  Thread* const self = running_;
  self->waits_on = condition;
  self->deadline_ns = deadline_ns;
  self->notified = false;
  if (settings.spurious > 0 && random_->Chance(settings.spurious)) self->ready = true;
  mutex.Unlock();
  if (!self->notified) SwitchBack();
  self->waits_on = nullptr;
  self->deadline_ns = kNever;
  self->ready = false;
  mutex.Lock();
  return self->notified;
}

void VirtualThreads::Notify(const CondVar* condition, bool all) {
  for (const auto& thread : threads_) {
    if (thread->waits_on != condition || thread->notified) continue;
    thread->notified = true;
    thread->ready = true;
    if (!all) return;
  }
}

}  // namespace simulation

using simulation::VirtualThreads;

void Mutex::Lock() {
  VirtualThreads* const threads = VirtualThreads::current;
  if (threads != nullptr) threads->BeforeLock();
  // Threads switch only where they hold no lock, so it is the caller who holds this one.
  if (locked_) simulation::Violation("a lock is taken twice by one thread");
  locked_ = true;
  if (threads != nullptr) threads->AfterLock();
}

bool Mutex::TryLock() {
  if (locked_) return false;
  Lock();
  return true;
}

void Mutex::Unlock() {
  locked_ = false;
  if (VirtualThreads::current != nullptr) VirtualThreads::current->AfterUnlock();
}

void CondVar::Wait(Mutex& mutex) { WaitUntil(mutex, kNever); }

bool CondVar::WaitUntil(Mutex& mutex, uint64_t deadline_ns) {
  return VirtualThreads::current->Wait(this, mutex, deadline_ns);
}

void CondVar::NotifyOne() {
  if (VirtualThreads::current != nullptr) VirtualThreads::current->Notify(this, false);
}

void CondVar::NotifyAll() {
  if (VirtualThreads::current != nullptr) VirtualThreads::current->Notify(this, true);
}

}  // namespace trident
