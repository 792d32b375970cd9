#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"
#include "base/status.h"
#include "memory/suballocator.h"

namespace trident::isolation {

// The descriptor at which a child finds its channel.
inline constexpr int kChannelDescriptor = 3;

// A stretch of the shared memory. It is the sender's from Allocate to Send, then the receiver's
// until it gives it back.
struct Block {
  uint64_t offset = 0;
  uint64_t byte_size = 0;
  bool operator==(const Block&) const = default;
};

// Memory that two processes share, and messages both ways through it. It has no name and lasts as
// long as one of the two. Address space for all it can hold is taken at once, so pointers stay
// good; the machine gives pages when they are first touched, and has back what lies beyond the
// first `kKeptBytes` of a direction as soon as it is no longer used. Its size never changes, so no
// process can take pages from under the other.
//
// Neither side trusts the other: what it reads it has copied first and checked then, and its own
// bookkeeping lies in its own memory. A peer that writes rubbish is an INTERNAL error of the calls
// that meet it, from then on of all. Thread-safe, but that one thread receives.
class Channel {
 public:
  // How much the blocks in use may amount to, by direction.
  static constexpr uint64_t kCapacityBytes = uint64_t{16} << 30;
  static constexpr uint64_t kKeptBytes = uint64_t{64} << 20;
  static constexpr uint64_t kMaxMessageBytes = uint64_t{16} << 20;
  // As many blocks and messages may be in use at once, by direction.
  static constexpr uint32_t kSlots = 1 << 15;
  // A child whose messages are not read waits when they amount to more.
  static constexpr uint64_t kUnreadBytes = uint64_t{64} << 20;

  // UNAVAILABLE when memory or address space can't be had.
  static Result<std::unique_ptr<Channel>> Create();
  // The child's end. INVALID_ARG when the descriptor is no channel.
  static Result<std::unique_ptr<Channel>> Attach(int descriptor);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int descriptor() const { return descriptor_; }
  // The process that has created it.
  pid_t maker() const;

  // A block to write to, aligned as Suballocator::kAlignment. Never waits: UNAVAILABLE when the
  // direction is full.
  Result<Block> Allocate(uint64_t byte_size) EXCLUDES(sending_);
  std::byte* Data(const Block& own) { return outgoing_.bytes + own.offset; }
  // For a block that is not sent after all.
  void Free(const Block& own) EXCLUDES(sending_);

  // Sends a message and the blocks that it names, which are the receiver's from then on. A child
  // waits while too much is unread; UNAVAILABLE when that lasts until the deadline, or the channel
  // is closed: the blocks are the caller's still.
  Status Send(std::string_view message, std::span<const Block> blocks, uint64_t deadline_ns)
      EXCLUDES(sending_);

  // The next message; none when there is none by the deadline. UNAVAILABLE when the channel is
  // closed and all that was sent before has been read.
  Result<std::optional<std::string>> Receive(uint64_t deadline_ns);
  // The bytes of a block that a message named, whose owner may write to them still. INTERNAL when
  // it is none.
  Result<std::span<const std::byte>> View(const Block& received) const;
  // To its sender, to be used anew.
  void GiveBack(const Block& received);

  // The other side is dead: every wait here ends.
  void Close();

 private:
  struct Direction;
  struct End {
    Direction* words = nullptr;
    std::byte* bytes = nullptr;
    uint64_t file_offset = 0;
  };

  Channel(int descriptor, std::byte* mapping, bool parent);
  static End EndOf(std::byte* mapping, int direction);

  Result<Block> AllocateLocked(uint64_t byte_size) REQUIRES(sending_);
  bool TooMuchUnread() const REQUIRES(sending_);
  void MarkUnread(const Block& block) REQUIRES(sending_);
  Status Reclaim() REQUIRES(sending_);  // what the receiver has given back
  Result<std::optional<std::string>> TakeMessage();
  void GivePagesBack(const End& end, const Block& block);
  Status Break(const char* what);
  void WakeOwn();

  const int descriptor_;
  std::byte* const mapping_;
  const End outgoing_;
  const End incoming_;
  const bool waits_to_send_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> broken_{false};

  Mutex sending_;
  Suballocator heap_ GUARDED_BY(sending_){kCapacityBytes};
  std::unordered_map<uint64_t, uint64_t> unread_ GUARDED_BY(sending_);  // sizes by offset
  uint64_t unread_bytes_ GUARDED_BY(sending_) = 0;
  uint32_t blocks_in_use_ GUARDED_BY(sending_) = 0;
  uint32_t messages_sent_ GUARDED_BY(sending_) = 0;
  uint32_t returns_taken_ GUARDED_BY(sending_) = 0;

  Mutex returning_;
  uint32_t returns_made_ GUARDED_BY(returning_) = 0;
  uint32_t messages_read_ = 0;  // the receiving thread's
};

}  // namespace trident::isolation
