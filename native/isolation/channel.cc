#include "isolation/channel.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>

#include "base/clock.h"

namespace trident::isolation {

// What both processes write: counts of what has passed so far, modulo 2^32, the stretches
// themselves in rings, and a bell for who waits. The count is stored before the bell is rung and
// read after the bell, so whoever sees no news and then sleeps on the bell it has read is woken.
struct Channel::Direction {
  struct Stretch {
    std::atomic<uint64_t> offset;
    std::atomic<uint64_t> byte_size;
  };

  std::atomic<pid_t> maker;
  alignas(64) std::atomic<uint32_t> messages;
  std::atomic<uint32_t> message_bell;
  alignas(64) std::atomic<uint32_t> returns;
  std::atomic<uint32_t> return_bell;
  Stretch message_slots[kSlots];
  std::atomic<uint64_t> return_slots[kSlots];
};

namespace {

static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

constexpr uint64_t kPageBytes = 4096;
// The words of both directions, then the blocks of one, then those of the other.
constexpr uint64_t kWordsBytes = uint64_t{2} << 20;
constexpr uint64_t kTotalBytes = kWordsBytes + 2 * Channel::kCapacityBytes;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// The futex is found by the memory, not by the address: the other process has another.
void Ring(std::atomic<uint32_t>& bell) {
  bell.fetch_add(1, std::memory_order_release);
  syscall(SYS_futex, &bell, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// Until the bell is no longer `heard`, or the deadline. May return for no reason.
void Sleep(std::atomic<uint32_t>& bell, uint32_t heard, uint64_t deadline_ns) {
  constexpr uint64_t kSecondNs = 1'000'000'000;
  const timespec deadline{static_cast<time_t>(deadline_ns / kSecondNs),
                          static_cast<int64_t>(deadline_ns % kSecondNs)};
  syscall(SYS_futex, &bell, FUTEX_WAIT_BITSET, heard, deadline_ns == kNever ? nullptr : &deadline,
          nullptr, FUTEX_BITSET_MATCH_ANY);
}

Result<std::byte*> Map(int descriptor) {
  void* const mapping =
      mmap(nullptr, kTotalBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
  if (mapping == MAP_FAILED) {
    return Unavailable("can't map ", kTotalBytes,
                       " bytes of shared memory: ", std::strerror(errno));
  }
  // Tensors are nothing that a dump of a crashed process should have.
  madvise(mapping, kTotalBytes, MADV_DONTDUMP);
  return static_cast<std::byte*>(mapping);
}

Status Rubbish(const char* what) {
  return Internal("the other process has written ", what, " into its channel");
}

Status Closed() { return Unavailable("the other process has ended"); }

}  // namespace

Channel::Channel(int descriptor, std::byte* mapping, bool parent)
    : descriptor_(descriptor),
      mapping_(mapping),
      outgoing_(EndOf(mapping, parent ? 0 : 1)),
      incoming_(EndOf(mapping, parent ? 1 : 0)),
      waits_to_send_(!parent) {
  static_assert(2 * sizeof(Direction) <= kWordsBytes);
}

Channel::End Channel::EndOf(std::byte* mapping, int direction) {
  const uint64_t bytes = kWordsBytes + direction * kCapacityBytes;
  return {reinterpret_cast<Direction*>(mapping + direction * sizeof(Direction)), mapping + bytes,
          bytes};
}

Result<std::unique_ptr<Channel>> Channel::Create() {
  // Beyond this limit ftruncate would end the process with a signal.
  rlimit file_size{};
  getrlimit(RLIMIT_FSIZE, &file_size);
  if (file_size.rlim_cur < kTotalBytes) {
    return Unavailable("the limit on the size of files is ", file_size.rlim_cur,
                       " bytes; shared memory for a process needs ", kTotalBytes,
                       ", of which few are ever used");
  }
  const int descriptor = memfd_create("trident-isolation", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return Unavailable("can't make shared memory: ", std::strerror(errno));
  if (ftruncate(descriptor, static_cast<off_t>(kTotalBytes)) != 0 ||
      fcntl(descriptor, F_ADD_SEALS, kSeals) != 0) {
    const Status status = Unavailable("can't size shared memory: ", std::strerror(errno));
    close(descriptor);
    return status;
  }
  const Result<std::byte*> mapping = Map(descriptor);
  if (!mapping.ok()) {
    close(descriptor);
    return mapping.status();
  }
  std::unique_ptr<Channel> channel(new Channel(descriptor, *mapping, true));
  channel->outgoing_.words->maker.store(getpid(), std::memory_order_relaxed);
  return channel;
}

Result<std::unique_ptr<Channel>> Channel::Attach(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || status.st_size != static_cast<off_t>(kTotalBytes) ||
      fcntl(descriptor, F_GET_SEALS) != kSeals) {
    return InvalidArg("descriptor ", descriptor, " is no channel");
  }
  fcntl(descriptor, F_SETFD,
        FD_CLOEXEC);  // programs that the child starts are none of its business
  TRIDENT_ASSIGN_OR_RETURN(std::byte* const mapping, Map(descriptor));
  return std::unique_ptr<Channel>(new Channel(descriptor, mapping, false));
}

Channel::~Channel() {
  munmap(mapping_, kTotalBytes);
  close(descriptor_);
}

pid_t Channel::maker() const {
  const Direction* const words = waits_to_send_ ? incoming_.words : outgoing_.words;
  return words->maker.load(std::memory_order_relaxed);
}

Result<Block> Channel::Allocate(uint64_t byte_size) {
  MutexLock lock(sending_);
  return AllocateLocked(byte_size);
}

Result<Block> Channel::AllocateLocked(uint64_t byte_size) {
  TRIDENT_RETURN_IF_ERROR(Reclaim());
  std::optional<uint64_t> offset;
  if (blocks_in_use_ < kSlots) offset = heap_.Allocate(byte_size);
  if (!offset) {
    return Unavailable("no room for ", byte_size, " bytes: ", blocks_in_use_, " blocks of ",
                       heap_.used_bytes(), " bytes are in use, of at most ", kSlots, " and ",
                       kCapacityBytes);
  }
  ++blocks_in_use_;
  return Block{*offset, byte_size};
}

void Channel::Free(const Block& own) {
  GivePagesBack(outgoing_, own);
  MutexLock lock(sending_);
  heap_.Free(own.offset);
  --blocks_in_use_;
}

Status Channel::Send(std::string_view message, std::span<const Block> blocks,
                     uint64_t deadline_ns) {
  if (message.size() > kMaxMessageBytes) {
    return InvalidArg("a message of ", message.size(), " bytes is longer than ", kMaxMessageBytes);
  }
  MutexLock lock(sending_);
  while (true) {
    const uint32_t heard = outgoing_.words->return_bell.load(std::memory_order_acquire);
    if (closed_.load(std::memory_order_acquire)) return Closed();
    TRIDENT_RETURN_IF_ERROR(Reclaim());
    if (!TooMuchUnread()) break;
    if (NowNs() >= deadline_ns) {
      return Unavailable(unread_bytes_, " bytes are still unread by the other process");
    }
    sending_.Unlock();
    Sleep(outgoing_.words->return_bell, heard, deadline_ns);
    sending_.Lock();
  }
  TRIDENT_ASSIGN_OR_RETURN(const Block own, AllocateLocked(message.size()));
  std::memcpy(Data(own), message.data(), message.size());
  MarkUnread(own);
  for (const Block& block : blocks) MarkUnread(block);

  Direction::Stretch& slot = outgoing_.words->message_slots[messages_sent_ % kSlots];
  slot.offset.store(own.offset, std::memory_order_relaxed);
  slot.byte_size.store(own.byte_size, std::memory_order_relaxed);
  outgoing_.words->messages.store(++messages_sent_, std::memory_order_release);
  Ring(outgoing_.words->message_bell);
  return Status::Ok();
}

bool Channel::TooMuchUnread() const {
  return waits_to_send_ && (unread_bytes_ > kUnreadBytes || unread_.size() > kSlots / 2);
}

void Channel::MarkUnread(const Block& block) {
  unread_.emplace(block.offset, block.byte_size);
  unread_bytes_ += block.byte_size;
}

Status Channel::Reclaim() {
  if (broken_.load(std::memory_order_acquire)) return Rubbish("rubbish");
  const uint32_t made = outgoing_.words->returns.load(std::memory_order_acquire);
  if (made - returns_taken_ > kSlots) return Break("more returns than there are blocks");
  for (; returns_taken_ != made; ++returns_taken_) {
    const uint64_t offset =
        outgoing_.words->return_slots[returns_taken_ % kSlots].load(std::memory_order_relaxed);
    const auto block = unread_.find(offset);
    if (block == unread_.end()) return Break("the return of a block that it doesn't have");
    unread_bytes_ -= block->second;
    unread_.erase(block);
    heap_.Free(offset);
    --blocks_in_use_;
  }
  return Status::Ok();
}

Result<std::optional<std::string>> Channel::Receive(uint64_t deadline_ns) {
  while (true) {
    const uint32_t heard = incoming_.words->message_bell.load(std::memory_order_acquire);
    const bool closed = closed_.load(std::memory_order_acquire);
    if (broken_.load(std::memory_order_acquire)) return Rubbish("rubbish");
    const uint32_t sent = incoming_.words->messages.load(std::memory_order_acquire);
    if (sent - messages_read_ > kSlots) return Break("more messages than there are slots");
    if (sent != messages_read_) return TakeMessage();
    if (closed) return Closed();
    if (NowNs() >= deadline_ns) return std::optional<std::string>();
    Sleep(incoming_.words->message_bell, heard, deadline_ns);
  }
}

Result<std::optional<std::string>> Channel::TakeMessage() {
  const Direction::Stretch& slot = incoming_.words->message_slots[messages_read_ % kSlots];
  const Block block{slot.offset.load(std::memory_order_relaxed),
                    slot.byte_size.load(std::memory_order_relaxed)};
  const auto bytes = View(block);
  if (!bytes.ok() || block.byte_size > kMaxMessageBytes) return Break("a message out of bounds");
  ++messages_read_;
  std::string message(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  GiveBack(block);
  return std::optional<std::string>(std::move(message));
}

Result<std::span<const std::byte>> Channel::View(const Block& received) const {
  if (received.byte_size > kCapacityBytes ||
      received.offset > kCapacityBytes - received.byte_size) {
    return Rubbish("a block out of bounds");
  }
  return std::span<const std::byte>(incoming_.bytes + received.offset, received.byte_size);
}

void Channel::GiveBack(const Block& received) {
  if (!View(received).ok()) return;
  GivePagesBack(incoming_, received);
  MutexLock lock(returning_);
  incoming_.words->return_slots[returns_made_ % kSlots].store(received.offset,
                                                              std::memory_order_relaxed);
  incoming_.words->returns.store(++returns_made_, std::memory_order_release);
  Ring(incoming_.words->return_bell);
}

void Channel::GivePagesBack(const End& end, const Block& block) {
  const uint64_t first =
      std::max((block.offset + kPageBytes - 1) / kPageBytes * kPageBytes, kKeptBytes);
  const uint64_t last = (block.offset + block.byte_size) / kPageBytes * kPageBytes;
  if (first >= last) return;
  fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
            static_cast<off_t>(end.file_offset + first), static_cast<off_t>(last - first));
}

void Channel::Close() {
  closed_.store(true, std::memory_order_release);
  WakeOwn();
}

Status Channel::Break(const char* what) {
  broken_.store(true, std::memory_order_release);
  WakeOwn();
  return Rubbish(what);
}

void Channel::WakeOwn() {
  Ring(incoming_.words->message_bell);
  Ring(outgoing_.words->return_bell);
}

}  // namespace trident::isolation
