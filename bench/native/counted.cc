// Runs an exact number of warm requests of each case, for whoever counts what they take: callgrind,
// which is told when each case begins and ends, or, with --count system, this program itself:
// system calls, futex calls, context switches, page faults. Prints a JSON array with one object per
// case; counts are totals of its requests. With --compiler it prints which one has built it
// instead.

#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "arguments.h"
#include "callgrind.h"
#include "raw_session.h"
#include "samples.h"
#include "slot.h"
#include "syscall_counter.h"

namespace {

using namespace trident::bench;  // NOLINT: a program of one file

constexpr char kUsage[] =
    "usage: trident_counted --repository DIR --backends DIR --library LIBONNXRUNTIME\n"
    "                       [--requests 2000] [--count instructions|system]\n"
    "       trident_counted --compiler\n"
    "The repository has models 'identity' and 'digits'.\n";
constexpr size_t kTogether = 64;

// Lets one thread wait until all of a number of requests are over. A bare futex: one system call to
// wait and one to wake who waits, so that whatever else is counted is the server's.
class AllOver : public SlotOwner {
 public:
  void Over(Slot*) override {
    if (going_.fetch_sub(1) > 1) return;
    thread_local const pid_t thread = gettid();
    last_thread_.store(thread);
    if (state_.exchange(kOver) == kWaiting) syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1);
  }

  // Waits until the thread that saw the last of them has gone to sleep. Looks at the thread from
  // outside, which works in every way of counting.
  void WaitForRest() const {
    const std::string path = "/proc/self/task/" + std::to_string(last_thread_) + "/syscall";
    for (long number = 0; number != SYS_futex; std::this_thread::yield()) {
      std::ifstream file(path);
      if (!file) Die("'" + path + "' can't be read");
      if (!(file >> number)) number = 0;  // "running"
    }
  }

  void Expect(size_t requests) {
    state_.store(kGoing);
    going_.store(requests);
  }

  void Wait() {
    uint32_t state = kGoing;
    state_.compare_exchange_strong(state, kWaiting);
    while (state_.load() != kOver) {
      syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, kWaiting, nullptr);
    }
  }

 private:
  static constexpr uint32_t kGoing = 0, kWaiting = 1, kOver = 2;
  std::atomic<pid_t> last_thread_{0};
  std::atomic<size_t> going_{0};
  std::atomic<uint32_t> state_{kOver};
};

struct Case {
  std::string name;
  size_t requests_per_step;
  std::function<void()> step;
  // A step begins when the thread that executed the last one has gone to sleep; null: there is
  // none.
  const AllOver* executed = nullptr;
};

class SystemCounts {
 public:
  // Waiting for the others to rest is not counted for this thread.
  void Step(const Case& one) {
    if (one.executed != nullptr) {
      callgrind::Ask(callgrind::Request::kToggleThread);
      one.executed->WaitForRest();
      callgrind::Ask(callgrind::Request::kToggleThread);
    }
    const SyscallCounts before = SyscallsHere();
    one.step();
    Add(SyscallsHere() - before, &here_);
  }

  void Begin() {
    getrusage(RUSAGE_SELF, &usage_);
    others_ = Others();
  }

  Json End() {
    const SyscallCounts others = Others() - others_;
    rusage now;
    getrusage(RUSAGE_SELF, &now);
    return {{"client", ToJson(here_)},
            {"others", ToJson(others)},
            {"context_switches", now.ru_nvcsw - usage_.ru_nvcsw + now.ru_nivcsw - usage_.ru_nivcsw},
            {"page_faults", now.ru_minflt - usage_.ru_minflt + now.ru_majflt - usage_.ru_majflt}};
  }

 private:
  static SyscallCounts Others() { return SyscallsOfAll() - SyscallsHere(); }
  static void Add(const SyscallCounts& counts, SyscallCounts* sum) {
    sum->calls += counts.calls;
    sum->futex_waits += counts.futex_waits;
    sum->futex_wakes += counts.futex_wakes;
    sum->woken += counts.woken;
  }
  static Json ToJson(const SyscallCounts& counts) {
    return {{"syscalls", counts.calls},
            {"futex_waits", counts.futex_waits},
            {"futex_wakes", counts.futex_wakes},
            {"woken", counts.woken}};
  }

  SyscallCounts here_;
  SyscallCounts others_;
  rusage usage_ = {};
};

size_t Threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

Json Count(const Case& one, size_t requests, bool count_syscalls) {
  const size_t steps = (requests + one.requests_per_step - 1) / one.requests_per_step;
  SystemCounts warm, counts;
  for (size_t i = 0; i < steps / 10 + 10; ++i) warm.Step(one);
  counts.Begin();
  callgrind::Ask(callgrind::Request::kStartCounting);
  for (size_t i = 0; i < steps; ++i) counts.Step(one);
  callgrind::Ask(callgrind::Request::kStopCounting);
  callgrind::Ask(callgrind::Request::kDumpCounts);
  Json row = {{"case", one.name}, {"requests", steps * one.requests_per_step}};
  if (count_syscalls) row.update(counts.End());
  row["threads"] = Threads();
  return row;
}

using Slots = std::vector<std::unique_ptr<Slot>>;

Case OneByOne(std::string name, const Slots& slots, AllOver* owner) {
  return {std::move(name), 1, [&slot = *slots.front(), owner] {
            owner->Expect(1);
            slot.Submit();
            owner->Wait();
          }};
}

Case OneByOneFromRest(std::string name, const Slots& slots, AllOver* owner) {
  Case one = OneByOne(std::move(name), slots, owner);
  one.executed = owner;
  return one;
}

Case Together(std::string name, const Slots& slots, AllOver* owner) {
  return {std::move(name), slots.size(),
          [&slots, owner] {
            owner->Expect(slots.size());
            Slot::SubmitTogether(slots);
            owner->Wait();
          },
          owner};
}

Slots MakeSlots(const ModelClient& client, size_t count, AllOver* owner) {
  Slots slots;
  while (slots.size() < count) slots.push_back(client.MakeSlot(owner));
  return slots;
}

struct Service {
  explicit Service(const ServerSettings& settings)
      : server(settings), identity(&server, "identity"), digits(&server, "digits") {}

  Server server;
  ModelClient identity;
  ModelClient digits;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(
      argc, argv, kUsage, {"repository", "backends", "library", "requests", "count"}, {"compiler"});
  if (arguments.Has("compiler")) {
    printf("\"%s\"\n", __VERSION__);
    return 0;
  }
  const size_t requests = arguments.Count("requests", 2000);
  const bool system = arguments.Choice("count", {"instructions", "system"}) == "system";
  ServerSettings settings;
  settings.repository = arguments.Required("repository");
  settings.backends = arguments.Required("backends");
  settings.onnxruntime = arguments.Required("library");
  LimitRunTime(system ? 30 : 100);  // callgrind takes its time
  // ONNX Runtime 1.30 keeps a thread of its own for telemetry, whose work is nobody's request.
  setenv("ORT_DISABLE_TELEMETRY", "1", /*overwrite=*/1);

  AllOver offloaded, inlined;
  Service offloading(settings);
  settings.inline_budget_ns = UINT64_MAX;
  Service inlining(settings);
  RawSession raw(settings.onnxruntime, settings.repository + "/digits/1/model.onnx");

  const Slots identity_inline = MakeSlots(inlining.identity, 1, &inlined);
  const Slots digits_inline = MakeSlots(inlining.digits, 1, &inlined);
  const Slots identity_one = MakeSlots(offloading.identity, 1, &offloaded);
  const Slots identity_together = MakeSlots(offloading.identity, kTogether, &offloaded);
  const Case cases[] = {
      {"digits raw", 1, [&] { raw.Run(); }},
      OneByOne("digits inline", digits_inline, &inlined),
      OneByOne("identity inline", identity_inline, &inlined),
      OneByOneFromRest("identity offloaded", identity_one, &offloaded),
      Together("identity together", identity_together, &offloaded),
  };
  // Threads that execute start with the first request, and none may once the counter is there.
  for (const Case& one : cases) one.step();
  if (system) InstallSyscallCounter();
  Json rows = Json::array();
  for (const Case& one : cases) rows.push_back(Count(one, requests, system));
  printf("%s\n", rows.dump(1).c_str());
  fflush(stdout);
  _exit(0);  // the counter does not survive the end of the servers' threads
}
