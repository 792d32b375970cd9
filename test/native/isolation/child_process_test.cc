#include "isolation/child_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "base/clock.h"
#include "isolation/wire.h"

namespace trident::isolation {
namespace {

// A process of child.cc and the channel to it, which is closed when the process ends.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments,
                 std::vector<std::string> environment = CopyEnvironment()) {
    auto channel = Channel::Create();
    EXPECT_TRUE(channel.ok()) << channel.status().message();
    channel_ = std::move(*channel);
    arguments.insert(arguments.begin(), ISOLATION_CHILD);
    auto process = ChildProcess::Start({arguments, environment, channel_->descriptor()},
                                       [this](const ProcessEnd&) {
                                         ++ends_;
                                         channel_->Close();
                                       });
    EXPECT_TRUE(process.ok()) << process.status().message();
    process_ = std::move(*process);
  }

  // What the child tells next; "" when it has ended.
  std::string Told() {
    const auto bytes = channel_->Receive(kNever);
    if (!bytes.ok()) return "";
    const auto message = DecodeToParent(**bytes);
    EXPECT_TRUE(message.ok()) << message.status().message();
    return std::get<Loaded>(*message).configuration;
  }

  void Stop() { EXPECT_TRUE(channel_->Send(Encode(ToChild(Finalize{})), {}, kNever).ok()); }

  std::string End() {
    const std::string description = process_->WaitUntil(kNever)->Description();
    EXPECT_EQ(ends_, 1);
    return description;
  }

  ChildProcess& process() { return *process_; }
  Channel& channel() { return *channel_; }

 private:
  std::unique_ptr<Channel> channel_;
  std::atomic<int> ends_{0};
  std::unique_ptr<ChildProcess> process_;
};

void ExpectNoZombies() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

size_t CountDescriptors() {
  size_t count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// Until the process, which need not be a child of this one, is gone.
void AwaitEnd(int pidfd) {
  if (pidfd < 0) {
    EXPECT_EQ(errno, ESRCH);
    return;
  }
  pollfd event{pidfd, POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, -1), 1);
  close(pidfd);
}

int OpenProcess(const std::string& number) {
  return static_cast<int>(syscall(SYS_pidfd_open, std::stoi(number), 0));
}

TEST(ChildProcessTest, TellsHowItEnded) {
  EXPECT_EQ(Child({"exit", "0"}).End(), "exited with code 0");
  EXPECT_EQ(Child({"exit", "3"}).End(), "exited with code 3");
  EXPECT_EQ(Child({"raise", std::to_string(SIGABRT)}).End(), "was killed by SIGABRT");
  EXPECT_EQ(Child({"raise", std::to_string(SIGKILL)}).End(), "was killed by SIGKILL");
  EXPECT_EQ(Child({"raise", std::to_string(SIGRTMIN)}).End(),
            "was killed by signal " + std::to_string(SIGRTMIN));
  ExpectNoZombies();
}

TEST(ChildProcessTest, IsKilledWhenAskedToAndWhenDestroyed) {
  const size_t before = CountDescriptors();
  {
    Child child({"wait"});
    EXPECT_FALSE(child.process().WaitUntil(0).has_value());
    child.process().Kill();
    EXPECT_EQ(child.End(), "was killed by SIGKILL");
    child.process().Kill();
    const Child other({"wait"});
  }
  ExpectNoZombies();
  EXPECT_EQ(CountDescriptors(), before);
}

TEST(ChildProcessTest, ProgramsThatCanNotBeStartedAreErrors) {
  const auto start = [](const std::string& path) {
    return ChildProcess::Start({{path}, {}, 0}, [](const ProcessEnd&) { ADD_FAILURE(); }).status();
  };
  EXPECT_EQ(start("/nowhere/program").code(), StatusCode::kNotFound);
  EXPECT_EQ(start("/nowhere/program").message(),
            "can't start '/nowhere/program': No such file or directory");
  EXPECT_EQ(start("/dev/null").code(), StatusCode::kUnavailable);
  ExpectNoZombies();
}

TEST(ChildProcessTest, InheritsItsChannelAndNothingElse) {
  const int other = open("/dev/null", O_RDONLY);
  ASSERT_GE(other, 0);
  const auto ignored = signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  setenv("ISOLATION_TEST", "of the host", 1);

  Child child({"look", "ISOLATION_TEST"}, {"ISOLATION_TEST=of the child"});
  EXPECT_EQ(child.Told(), "0 1 2 3 ");
  EXPECT_EQ(child.Told(), "");
  EXPECT_EQ(child.Told(), "leads its session");
  EXPECT_EQ(child.Told(), "of the child");
  EXPECT_EQ(child.End(), "exited with code 0");
  const std::vector<std::string> environment = CopyEnvironment();
  setenv("ISOLATION_TEST", "of the host, later", 1);
  Child plain({"look", "ISOLATION_TEST"}, environment);
  for (int i = 0; i < 3; ++i) (void)plain.Told();
  EXPECT_EQ(plain.Told(), "of the host");

  unsetenv("ISOLATION_TEST");
  pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  signal(SIGPIPE, ignored);
  close(other);
}

TEST(ChildProcessTest, TensorsGoThereAndBack) {
  Child child({"echo"});
  for (uint64_t execution = 0; execution < 100; ++execution) {
    Execute execute{execution, {Request{}}};
    const uint64_t byte_size = execution * 1'000;
    const auto block = child.channel().Allocate(byte_size);
    ASSERT_TRUE(block.ok());
    std::fill_n(child.channel().Data(*block), byte_size, std::byte(execution));
    execute.requests[0].inputs = {{"x", DataType::kUint8, {int64_t(byte_size)}, *block}};
    ASSERT_TRUE(child.channel().Send(Encode(ToChild(execute)), std::vector{*block}, kNever).ok());
    const auto bytes = child.channel().Receive(kNever);
    ASSERT_TRUE(bytes.ok());
    const auto message = DecodeToParent(**bytes);
    ASSERT_TRUE(message.ok());
    const auto& response = std::get<Response>(*message);
    EXPECT_EQ(response.execution, execution);
    const auto output = child.channel().View(response.outputs.at(0).data);
    ASSERT_TRUE(output.ok());
    EXPECT_EQ(output->size(), byte_size);
    EXPECT_TRUE(std::all_of(output->begin(), output->end(),
                            [&](std::byte value) { return value == std::byte(execution); }));
    child.channel().GiveBack(response.outputs.at(0).data);
  }
  child.Stop();
  EXPECT_EQ(child.End(), "exited with code 0");
}

TEST(ChildProcessTest, WhoWaitsForADeadChildIsWoken) {
  Child child({"echo"});
  std::thread receiver([&] {
    EXPECT_EQ(child.channel().Receive(kNever).status().code(), StatusCode::kUnavailable);
  });
  child.process().Kill();
  receiver.join();
}

TEST(ChildProcessTest, WhatItHasStartedEndsWithIt) {
  Child child({"leave"});
  const int other = OpenProcess(child.Told());
  ASSERT_GE(other, 0);
  child.Stop();
  EXPECT_EQ(child.End(), "exited with code 0");
  AwaitEnd(other);
}

TEST(ChildProcessTest, DiesWithAHostThatIsKilled) {
  Child host({"host"});
  const int other = OpenProcess(host.Told());
  // Only the host's own number: the other leads another group.
  kill(host.process().pid(), SIGKILL);
  EXPECT_EQ(host.End(), "was killed by SIGKILL");
  AwaitEnd(other);
}

TEST(ChildProcessTest, WorksWhereTheKernelHasNoDescriptorsForProcesses) {
  EXPECT_EQ(Child({"old-kernel"}).End(), "exited with code 7");
}

TEST(ChildProcessTest, LeavesOtherChildrenOfTheHostAlone) {
  const pid_t own = fork();
  if (own == 0) _exit(5);
  EXPECT_EQ(Child({"exit", "1"}).End(), "exited with code 1");
  int status = 0;
  ASSERT_EQ(waitpid(own, &status, 0), own);
  EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST(ChildProcessTest, EndsAreSeenWhereTheHostIgnoresThem) {
  const auto before = signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(Child({"exit", "1"}).End(), "ended");
  signal(SIGCHLD, before);
}

TEST(ChildProcessTest, ManyAtOnceLeaveNothing) {
  const size_t before = CountDescriptors();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([] {
      for (int i = 0; i < 10; ++i) {
        Child child({"wait"});
        child.process().Kill();
        EXPECT_EQ(child.End(), "was killed by SIGKILL");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectNoZombies();
  EXPECT_EQ(CountDescriptors(), before);
}

}  // namespace
}  // namespace trident::isolation
