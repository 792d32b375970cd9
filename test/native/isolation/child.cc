// What tests of isolation/ do in other processes. The channel is where ChildProcess leaves it.
//
// exit CODE         ends so
// raise SIGNAL      ends of it
// wait              until it is killed
// echo              answers each Execute with a Response that has its inputs, until Finalize
// look VARIABLE     tells what it has inherited: Seen
// leave             starts a process that waits, tells its number, and ends with the next message
// host              starts one that waits, tells its number, and waits until it is killed
// old-kernel        as a host of `exit 7` where the kernel has no descriptors for processes
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "isolation/child_process.h"
#include "isolation/wire.h"

namespace trident::isolation {
namespace {

std::unique_ptr<Channel> Attach() {
  auto channel = Channel::Attach(kChannelDescriptor);
  if (!channel.ok()) _exit(101);
  return std::move(*channel);
}

void Tell(Channel& channel, const std::string& text) {
  if (!channel.Send(Encode(ToParent(Loaded{text})), {}, kNever).ok()) _exit(102);
}

ToChild Next(Channel& channel) {
  const auto bytes = channel.Receive(kNever);
  if (!bytes.ok()) _exit(103);
  auto message = DecodeToChild(**bytes);
  if (!message.ok()) _exit(104);
  return std::move(*message);
}

int Wait() {
  while (true) pause();
}

int Echo(Channel& channel) {
  while (true) {
    const ToChild message = Next(channel);
    if (std::holds_alternative<Finalize>(message)) return 0;
    Response response{.execution = std::get<Execute>(message).execution, .last = true};
    std::vector<Block> blocks;
    for (const Tensor& input : std::get<Execute>(message).requests.at(0).inputs) {
      const auto bytes = channel.View(input.data);
      const auto block = channel.Allocate(input.data.byte_size);
      if (!bytes.ok() || !block.ok()) return 105;
      std::copy(bytes->begin(), bytes->end(), channel.Data(*block));
      channel.GiveBack(input.data);
      response.outputs.push_back({input.name, input.datatype, input.shape, *block});
      blocks.push_back(*block);
    }
    if (!channel.Send(Encode(ToParent(response)), blocks, kNever).ok()) return 106;
  }
}

std::string OpenDescriptors() {
  std::vector<int> numbers;
  DIR* const folder = opendir("/proc/self/fd");
  while (const dirent* const entry = readdir(folder)) {
    const int number = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && number != dirfd(folder)) numbers.push_back(number);
  }
  closedir(folder);
  std::sort(numbers.begin(), numbers.end());
  std::string text;
  for (const int number : numbers) text += std::to_string(number) + " ";
  return text;
}

int Look(Channel& channel, const char* variable) {
  Tell(channel, OpenDescriptors());
  std::string signals;
  for (int number = 1; number < SIGRTMIN; ++number) {
    struct sigaction action {};
    sigset_t blocked;
    // The C library keeps those before SIGRTMIN to itself, and answers with an error.
    if (sigaction(number, nullptr, &action) != 0) continue;
    sigprocmask(SIG_BLOCK, nullptr, &blocked);
    if (action.sa_handler == SIG_IGN) signals += StrCat(number, " is ignored ");
    if (sigismember(&blocked, number) != 0) signals += StrCat(number, " is blocked ");
  }
  Tell(channel, signals);
  Tell(channel, getsid(0) == getpid() ? "leads its session" : "is in another session");
  const char* const value = getenv(variable);
  Tell(channel, value == nullptr ? "none" : value);
  return 0;
}

int Leave(Channel& channel) {
  const pid_t other = fork();
  if (other == 0) Wait();
  Tell(channel, std::to_string(other));
  (void)Next(channel);
  return 0;
}

int Host(Channel& channel, char* program) {
  const auto other = Channel::Create();
  if (!other.ok()) return 110;
  const auto child = ChildProcess::Start({{program, "wait"}, {}, (*other)->descriptor()},
                                         [](const ProcessEnd&) {});
  if (!child.ok()) return 107;
  Tell(channel, std::to_string((*child)->pid()));
  return Wait();
}

int OldKernel(char* program) {
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(steps), steps};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0 ||
      syscall(SYS_pidfd_open, getpid(), 0) != -1 || errno != ENOSYS) {
    return 108;
  }
  const auto other = Channel::Create();
  if (!other.ok()) return 110;
  const auto child = ChildProcess::Start({{program, "exit", "7"}, {}, (*other)->descriptor()},
                                         [](const ProcessEnd&) {});
  if (!child.ok()) return 109;
  return (*child)->WaitUntil(kNever)->number;
}

int Run(int argc, char** argv) {
  const auto channel = Attach();
  EndWith(channel->maker());
  const std::string task = argc > 1 ? argv[1] : "";
  if (task == "exit") return atoi(argv[2]);
  if (task == "raise") return raise(atoi(argv[2]));
  if (task == "wait") return Wait();
  if (task == "echo") return Echo(*channel);
  if (task == "look") return Look(*channel, argv[2]);
  if (task == "leave") return Leave(*channel);
  if (task == "host") return Host(*channel, argv[0]);
  if (task == "old-kernel") return OldKernel(argv[0]);
  return 100;
}

}  // namespace
}  // namespace trident::isolation

int main(int argc, char** argv) { return trident::isolation::Run(argc, argv); }
