#include "world.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace trident::simulation {

// A world that has not come to rest by then will not.
constexpr uint64_t kMaxEvents = 1'000'000;

World* World::current = nullptr;

void Violation(const char* what) { World::current->Report(what); }

// Timer ------------------------------------------------------------------------------------------

void WorldTimer::RingBy(Alarm* alarm, uint64_t when_ns) {
  if (when_ns == kNever) return;
  const auto set = std::find_if(settings_.begin(), settings_.end(),
                                [&](const Setting& s) { return s.alarm == alarm; });
  if (set == settings_.end()) {
    settings_.push_back({alarm, when_ns});
  } else {
    set->when_ns = std::min(set->when_ns, when_ns);
  }
}

void WorldTimer::Forget(Alarm* alarm) {
  std::erase_if(settings_, [&](const Setting& s) { return s.alarm == alarm; });
  VirtualThreads& threads = World::current->threads;
  while (ringing_ == alarm && ringing_thread_ != threads.self()) threads.Yield();
}

uint64_t WorldTimer::Next() const {
  uint64_t next = kNever;
  for (const Setting& setting : settings_) next = std::min(next, setting.when_ns);
  return next > kNever - lateness_ns ? kNever : next + lateness_ns;
}

void WorldTimer::RingNext() {
  if (settings_.empty()) return;
  const auto first =
      std::min_element(settings_.begin(), settings_.end(),
                       [](const Setting& a, const Setting& b) { return a.when_ns < b.when_ns; });
  Alarm* const alarm = first->alarm;
  settings_.erase(first);
  ringing_ = alarm;
  ringing_thread_ = World::current->threads.self();
  alarm->Ring();
  ringing_ = nullptr;
}

// World ------------------------------------------------------------------------------------------

World::World(const Options& options)
    : seed(options.seed),
      random(options.seed * 2 + 1),
      threads(&random, &clock.now_ns),
      verbose_(options.verbose) {
  current = this;
  tail_.resize(kTail);
}

World::~World() { current = nullptr; }

// Where there are few, there is sometimes no thread to be had, but for the first.
Executors::StartThread World::ThreadStarter() {
  const double failing = few_executors && random.Chance(0.5) ? random.Unit() * 0.8 : 0;
  return [this, failing, first = true](std::function<void()> body) mutable {
    if (!std::exchange(first, false) && failing > 0 && random.Chance(failing)) {
      throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    }
    threads.Start(std::move(body));
  };
}

Executors& World::executors() {
  if (executors_ == nullptr) {
    Executors::Options options{.timer = timer, .clock = spinning_clock};
    options.core_count = few_executors ? random.Between(1, 3) : 1000;
    // Who spins comes late, as a free instance may where threads are few.
    if (few_executors && random.Chance(0.5)) {
      options.spin_ns = random.Between(1, 20) * SpinningClock::kLookNs;
    }
    options.start_thread = ThreadStarter();
    executors_ = std::make_unique<Executors>(std::move(options));
    Require(executors_->Start().ok(), "the executors have no thread");
  }
  return *executors_;
}

void World::EndExecutors() {
  if (executors_ == nullptr) return;
  threads.Start([this] { executors_ = nullptr; });
  Run();
  Require(executors_ == nullptr && threads.AllEnded(), "a thread of the executors has not ended");
}

void World::At(uint64_t when_ns, std::function<void()> action) {
  events_.push({when_ns, ++order_, std::move(action)});
}

uint64_t World::Grained(uint64_t when_ns) const {
  return (when_ns + grain_ns - 1) / grain_ns * grain_ns;
}

void World::Do(std::function<void()> action) {
  if (preemptive()) {
    threads.Start(std::move(action));
  } else {
    action();
  }
}

void World::Settle() {
  for (bool again = true; again;) {
    again = threads.RunAll();
    for (size_t i = 0; i < residents_.size(); ++i) again = residents_[i]->Step() || again;
  }
}

uint64_t World::NextTime() const {
  uint64_t next = std::min(timer->Next(), threads.NextDeadline());
  if (!events_.empty()) next = std::min(next, events_.top().when_ns);
  return next;
}

void World::PassTo(uint64_t next_ns) {
  if (next_ns <= clock.now_ns) return;
  for (Resident* resident : residents_) resident->InstantOver(next_ns);
  if (next_ns != kNever) clock.now_ns = next_ns;
}

bool World::StartOneDue() {
  const bool event = !events_.empty() && events_.top().when_ns <= now();
  const bool ring = timer->Next() <= now();
  if (event && (!ring || random.Chance(0.5))) {
    std::function<void()> action = events_.top().action;
    events_.pop();
    Do(std::move(action));
  } else if (ring) {
    Do([this] { timer->RingNext(); });
  }
  return event || ring;
}

void World::Run() {
  for (uint64_t count = 0;; ++count) {
    if (count == kMaxEvents) Violation("the world does not come to rest");
    Settle();
    const uint64_t next = NextTime();
    PassTo(next);
    if (next == kNever) return;
    // Where threads interleave, some of what is due starts together.
    while (StartOneDue() && preemptive() && random.Chance(0.7)) continue;
  }
}

// Trace ------------------------------------------------------------------------------------------

void World::Hash(const void* bytes, size_t count) {
  const auto* byte = static_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < count; ++i) hash_ = (hash_ ^ byte[i]) * 0x100000001b3;
}

void World::Note(const char* what, int64_t a, int64_t b, int64_t c) {
  Line& line = tail_[lines_++ % kTail];
  line = {now(), what, {a, b, c}};
  Hash(what, strlen(what));
  Hash(&line.when_ns, sizeof(line.when_ns));
  Hash(line.values, sizeof(line.values));
  if (verbose_) Print(line);
}

void World::Describe(std::function<std::string()> text) {
  if (verbose_) printf("%s\n", text().c_str());
  descriptions_.push_back(std::move(text));
}

void World::Print(const Line& line) {
  printf("%14.3f us  %-28s", static_cast<double>(line.when_ns) / 1000, line.what);
  for (const int64_t value : line.values) {
    if (value != kNone) printf(" %" PRId64, value);
  }
  printf("\n");
}

void World::Report(const char* what) const {
  if (!verbose_) {
    for (const auto& text : descriptions_) printf("%s\n", text().c_str());
    printf("--- the last steps\n");
    for (size_t i = lines_ > kTail ? lines_ - kTail : 0; i < lines_; ++i) Print(tail_[i % kTail]);
  }
  printf("seed %" PRIu64 " FAILED after %zu steps, at %.3f us: %s\n", seed, lines_,
         static_cast<double>(now()) / 1000, what);
  printf("run it again: trident_simulation --seed %" PRIu64 " --verbose\n", seed);
  fflush(stdout);
  _Exit(1);
}

}  // namespace trident::simulation
