#include "hand_off.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace trident::bench {
namespace {

// One place for a word. Thread-safe.
class Mailbox {
 public:
  void Put(int word) {
    {
      const std::lock_guard lock(mutex_);
      word_ = word;
    }
    filled_.notify_one();
  }

  int Take() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return word_ != kEmpty; });
    return std::exchange(word_, kEmpty);
  }

 private:
  static constexpr int kEmpty = 0;
  std::mutex mutex_;
  std::condition_variable filled_;
  int word_ = kEmpty;
};

constexpr int kGo = 1;
constexpr int kEnd = 2;

}  // namespace

Summary MeasureHandOff(double seconds) {
  Mailbox out, back;
  std::thread other([&] {
    while (out.Take() != kEnd) back.Put(kGo);
  });
  std::vector<uint64_t> times_ns;
  const uint64_t end = NowNs() + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t now = NowNs(); now < end;) {
    out.Put(kGo);
    back.Take();
    const uint64_t after = NowNs();
    times_ns.push_back(after - now);
    now = after;
  }
  out.Put(kEnd);
  other.join();
  return Summarise(times_ns);
}

}  // namespace trident::bench
