#include "model/executor_pool.h"

#include <algorithm>
#include <exception>

namespace trident {
namespace {

constexpr uint64_t kPatienceNs = 1000 * 1000;
constexpr uint64_t kLongestPatienceNs = 4 * kPatienceNs;

// Tells the core that this is a loop that waits.
void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Executors::Seat::Wake() { pool->Call(this); }

void Executors::Line::PushBack(Seat* seat) {
  seat->before = last_;
  seat->behind = nullptr;
  (last_ == nullptr ? first_ : last_->behind) = seat;
  last_ = seat;
  ++size_;
}

void Executors::Line::Remove(Seat* seat) {
  (seat->before == nullptr ? first_ : seat->before->behind) = seat->behind;
  (seat->behind == nullptr ? last_ : seat->behind->before) = seat->before;
  --size_;
}

void Executors::Pool::Lock::Unlock() {
  const uint64_t alarm_ns = pool_->NextAlarm();
  pool_->line_length_.store(pool_->line_.size(), std::memory_order_relaxed);
  pool_->next_due_ns_.store(pool_->first_due_ns(), std::memory_order_relaxed);
  pool_->mutex_.Unlock();
  if (alarm_ns != kNever) pool_->options_.timer->RingBy(pool_, alarm_ns);
  if (Worker* const worker = std::exchange(wake, nullptr)) worker->wake.NotifyOne();
  if (std::exchange(start_, false)) (void)pool_->StartThread();
}

void Executors::Pool::Lock::StartOne() {
  if (!std::exchange(start_, true)) pool_->CountThreadToStart();
}

// Threads ----------------------------------------------------------------------------------------

Status Executors::Pool::Start() {
  {
    MutexLock lock(mutex_);
    if (threads_ > 0) return Status::Ok();
    CountThreadToStart();
  }
  return StartThread();
}

void Executors::Pool::CountThreadToStart() {
  ++threads_;
  ++looking_;
}

// Who waits for it stays in line when that fails, and the alarm tries again.
Status Executors::Pool::StartThread() {
  Status status;
  try {
    options_.start_thread([pool = shared_from_this()] { pool->Run(); });
    return status;
  } catch (const std::exception& error) {
    status = Unavailable("can't start a thread: ", error.what());
  }
  Lock lock(this);
  --threads_;
  --looking_;
  thread_ended_.NotifyAll();
  return status;
}

void Executors::Pool::Run() {
  Lock lock(this);
  --looking_;
  Worker* const self = NewWorker();
  while (Seat* const seat = NextSeat(self, &lock)) {
    uint64_t look_again_ns = kNever;
    bool left = false;
    self->driving = std::this_thread::get_id();
    lock.Without([&] { left = Drive(seat, &look_again_ns); });
    self->driving = {};
    LetGo(seat, left, look_again_ns);
  }
  unused_.push_back(self);
  --threads_;
  thread_ended_.NotifyAll();
}

Executors::Pool::Worker* Executors::Pool::NewWorker() {
  if (unused_.empty()) unused_.push_back(&workers_.emplace_back());
  Worker* const worker = unused_.back();
  unused_.pop_back();
  return worker;
}

// Without the mutex. False when the instance has not been left, but others wait in line.
bool Executors::Pool::Drive(Seat* seat, uint64_t* look_again_ns) {
  while (seat->instance->RunBatch(look_again_ns)) {
    if (line_length_.load(std::memory_order_relaxed) > 0) return false;
  }
  return true;
}

// Null: the thread is to end.
Executors::Seat* Executors::Pool::NextSeat(Worker* self, Lock* lock) {
  for (bool spun = options_.spin_ns == 0;;) {
    PutThoseDueInLine();
    if (!line_.empty()) {
      Seat* const first = line_.front();
      LeaveLine(first);
      first->state = Seat::State::kTaken;
      FindThread(lock);  // several may have become due
      FindKeeper(lock);
      return first;
    }
    if (ended_.load() || idle() >= limit_) return nullptr;
    if (!std::exchange(spun, true) && !spinning_) {
      Spin(lock);
      continue;
    }
    Park(self);
    if (Seat* const handed = std::exchange(self->handed, nullptr)) {
      // Whoever handed it over could wake only one; several may have become due.
      FindThread(lock);
      FindKeeper(lock);
      return handed;
    }
  }
}

void Executors::Pool::Spin(Lock* lock) {
  const uint64_t now_ns = options_.clock.Now();
  const uint64_t end_ns = options_.spin_ns < kNever - now_ns ? now_ns + options_.spin_ns : kNever;
  ++looking_;
  spinning_ = true;
  lock->Without([&] {
    const auto nothing_to_do = [&](uint64_t now_ns) {
      return line_length_.load(std::memory_order_relaxed) == 0 && !ended_.load() &&
             now_ns < next_due_ns_.load(std::memory_order_relaxed);
    };
    for (uint64_t now_ns = 0; now_ns < end_ns && nothing_to_do(now_ns);) {
      Pause();
      now_ns = options_.clock.Now();
    }
  });
  spinning_ = false;
  --looking_;
}

void Executors::Pool::Park(Worker* self) {
  const uint64_t due_ns = first_due_ns();
  if (due_ns < keeper_ns_) {
    if (keeper_ != nullptr) parked_.push_back(keeper_);
    keeper_ = self;
    keeper_ns_ = due_ns;
    options_.clock.WaitUntil(self->wake, mutex_, due_ns);
  } else {
    parked_.push_back(self);
    self->wake.Wait(mutex_);
  }
  if (std::exchange(self->looks, false)) --looking_;
  std::erase(parked_, self);
  if (keeper_ != self) return;
  keeper_ = nullptr;
  keeper_ns_ = kNever;
}

void Executors::Pool::End() {
  {
    Lock lock(this);
    ended_.store(true);
    for (Worker& worker : workers_) worker.wake.NotifyOne();
    const auto self = std::this_thread::get_id();
    const bool mine = std::any_of(workers_.begin(), workers_.end(),
                                  [&](const Worker& worker) { return worker.driving == self; });
    while (threads_ > (mine ? 1 : 0)) thread_ended_.Wait(mutex_);
  }
}

// Instances --------------------------------------------------------------------------------------

void Executors::Pool::Call(Seat* seat) {
  Lock lock(this);
  if (seat->state == Seat::State::kTaken) seat->called = true;
  if (seat->state != Seat::State::kLeft) return;
  PutInLine(seat);
  FindThread(&lock);
}

void Executors::Pool::LetGo(Seat* seat, bool left, uint64_t look_again_ns) {
  if (seat->retiring) {
    seat->state = Seat::State::kRetired;
    retired_.NotifyAll();
    return;
  }
  seat->state = Seat::State::kLeft;
  const bool again = std::exchange(seat->called, false) || !left;
  seat->look_again_ns = again ? kNever : look_again_ns;
  if (again) return PutInLine(seat);
  if (look_again_ns != kNever) seat->waits = waiting_.emplace(look_again_ns, seat);
}

void Executors::Pool::StopWaiting(Seat* seat) {
  if (seat->state == Seat::State::kLeft && seat->look_again_ns != kNever) {
    waiting_.erase(seat->waits);
  }
}

void Executors::Pool::PutInLine(Seat* seat) {
  StopWaiting(seat);
  seat->state = Seat::State::kInLine;
  line_.PushBack(seat);
}

void Executors::Pool::LeaveLine(Seat* seat) {
  line_.Remove(seat);
  ++turns_;
  if (line_.empty()) stall_ns_ = kNever;
}

void Executors::Pool::PutThoseDueInLine() {
  if (waiting_.empty()) return;
  const uint64_t now_ns = options_.clock.Now();
  while (first_due_ns() <= now_ns) PutInLine(waiting_.begin()->second);
}

// For the first in line that none of those who look will take.
void Executors::Pool::FindThread(Lock* lock) {
  if (line_.size() <= looking_) return;
  Seat* const first = line_.front();
  if (Worker* const worker = ChooseParked()) {
    LeaveLine(first);
    first->state = Seat::State::kTaken;
    worker->handed = first;
    std::erase(parked_, worker);
    if (worker == keeper_) {
      keeper_ = nullptr;
      keeper_ns_ = kNever;
    }
    ++notifications_;
    lock->wake = worker;
  } else if (threads_ < limit_) {
    lock->StartOne();
  }
}

// The keeper, unless somebody still needs it to keep time: then it is the last resort.
Executors::Pool::Worker* Executors::Pool::ChooseParked() {
  if (keeper_ != nullptr && waiting_.empty()) return keeper_;
  if (!parked_.empty()) return parked_.back();
  return threads_ < limit_ ? nullptr : keeper_;
}

// For a thread that goes to work though some wait for their time. Without one it is the alarm's.
void Executors::Pool::FindKeeper(Lock* lock) {
  if (waiting_.empty() || keeper_ != nullptr || looking_ > 0) return;
  if (lock->wake != nullptr || parked_.empty()) return;
  lock->wake = parked_.back();
  parked_.pop_back();
  lock->wake->looks = true;
  ++looking_;
  ++notifications_;
}

void Executors::Pool::Retire(Seat* seat) {
  Lock lock(this);
  StopWaiting(seat);
  if (seat->state == Seat::State::kInLine) LeaveLine(seat);
  if (seat->state == Seat::State::kTaken) {
    seat->retiring = true;
    while (seat->state != Seat::State::kRetired) retired_.Wait(mutex_);
  }
  seat->state = Seat::State::kRetired;
}

void Executors::Pool::CountInstances(size_t before, size_t now) {
  Lock lock(this);
  const auto counted = instance_counts_.find(before);
  if (counted != instance_counts_.end()) instance_counts_.erase(counted);
  if (now > 0) instance_counts_.insert(now);
  limit_ = options_.core_count;
  if (!instance_counts_.empty()) limit_ = std::max(limit_, *instance_counts_.rbegin());
  FindThread(&lock);
  // Those that are too many find that nothing is left for them to do.
  for (size_t i = 0; i + limit_ < parked_.size(); ++i) parked_[i]->wake.NotifyOne();
}

Executors::Counts Executors::Pool::counts() const {
  MutexLock lock(mutex_);
  return {threads_, idle(), looking_, line_.size(), notifications_};
}

// Time -------------------------------------------------------------------------------------------

// What the alarm has to be set for, if it is not set already: a line that does not move, and
// instances whose time will come while no parked thread knows of it.
uint64_t Executors::Pool::NextAlarm() {
  if (ended_.load()) return kNever;
  uint64_t next_ns = kNever;
  if (line_.size() > looking_) {
    if (stall_ns_ == kNever) {
      stall_ns_ = options_.clock.Now() + PatienceNs();
      turns_seen_ = turns_;
    }
    next_ns = stall_ns_;
  }
  if (looking_ == 0 && first_due_ns() < keeper_ns_) next_ns = std::min(next_ns, first_due_ns());
  if (next_ns >= alarm_ns_) return kNever;
  alarm_ns_ = next_ns;
  return next_ns;
}

uint64_t Executors::Pool::PatienceNs() const {
  const size_t extra = threads_ > limit_ ? threads_ - limit_ : 0;
  return std::min(kPatienceNs * (1 + extra), kLongestPatienceNs);
}

void Executors::Pool::Ring() {
  Lock lock(this);
  alarm_ns_ = kNever;
  PutThoseDueInLine();
  FindThread(&lock);
  const uint64_t now_ns = options_.clock.Now();
  if (line_.empty() || now_ns < stall_ns_) return;
  const bool stalled = turns_ == turns_seen_ && !lock.starts_one();
  if (stalled) lock.StartOne();
  turns_seen_ = turns_ + (stalled ? 1 : 0);  // the turn of the new thread shows nothing
  stall_ns_ = now_ns + PatienceNs();
}

}  // namespace trident
