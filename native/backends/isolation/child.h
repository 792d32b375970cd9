#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "isolation/channel.h"
#include "isolation/child_process.h"
#include "isolation/wire.h"

namespace trident::isolated {

// A child process that serves an instance, from its start to its end. Thread-safe, but that one
// thread receives.
class Child {
 public:
  // The program's channel is this one's to say.
  static Result<std::shared_ptr<Child>> Start(isolation::Program program);
  // How long a process may take to end in order.
  static constexpr uint64_t kTimeToEndNs = 1'000'000'000;
  // Ends the process, in order if it has loaded its model.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The completed configuration; or why the child can't load the model, or how it ended: one that
  // takes longer is killed.
  Result<std::string> Load(const isolation::Load& load, uint64_t limit_ns = kNever);
  // How long that took.
  uint64_t load_ns() const { return load_ns_; }

  isolation::Channel& channel() { return *channel_; }
  Status Send(const isolation::ToChild& message, std::span<const isolation::Block> blocks = {});
  // The next message that is for an instance; none when there is none by the deadline. UNAVAILABLE
  // when the process has ended and all that it had sent has been read.
  Result<std::optional<isolation::ToParent>> Receive(uint64_t deadline_ns);

  // Kills the process; EndKind and EndReason then say `kind` and `why`, which is about the model.
  void Kill(const std::string& kind, const std::string& why);
  // Kills the process, which can't be talked with: Send or Receive have failed so.
  void GiveUp(const Status& failed);
  // Waits for the end: "its process 17 was killed by SIGSEGV", or why it was killed from here.
  std::string EndReason();
  // For metrics, when it has ended: "SIGSEGV", "exit", or why it was killed from here, "timeout" or
  // "channel".
  std::string EndKind();

 private:
  explicit Child(std::unique_ptr<isolation::Channel> channel) : channel_(std::move(channel)) {}

  const std::unique_ptr<isolation::Channel> channel_;
  bool loaded_ = false;
  uint64_t load_ns_ = 0;
  Mutex mutex_;
  std::string kill_kind_ GUARDED_BY(mutex_);  // empty: it was not killed from here
  std::string kill_reason_ GUARDED_BY(mutex_);
  std::unique_ptr<isolation::ChildProcess> process_;  // goes before the channel that its end closes
};

}  // namespace trident::isolated
