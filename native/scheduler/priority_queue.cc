#include "scheduler/priority_queue.h"

#include <algorithm>

#include "base/clock.h"

namespace trident {

PriorityQueue::PriorityQueue(QueuePolicies policies) : policies_(std::move(policies)) {
  if (policies_.AnyTimeout() || policies_.deadlines) wheel_ = std::make_unique<ExpiryWheel>();
}

PriorityQueue::Levels::iterator PriorityQueue::Open(uint64_t number) {
  const auto at = levels_.lower_bound(number);
  if (at != levels_.end() && at->first == number) return at;
  if (closed_.empty()) {
    const auto opened = levels_.try_emplace(at, number);
    opened->second.policy = &policies_.PolicyOf(number);
    return opened;
  }
  Levels::node_type node = std::move(closed_.back());
  closed_.pop_back();
  node.key() = number;
  node.mapped().policy = &policies_.PolicyOf(number);
  return levels_.insert(at, std::move(node));
}

void PriorityQueue::CloseIfEmpty(Levels::iterator level) {
  if (policies_.levels > 1 && level->second.size() == 0) {
    closed_.push_back(levels_.extract(level));
  }
}

std::optional<uint64_t> PriorityQueue::PushBack(RequestPtr& request) {
  const auto at = Open(policies_.LevelOf(request->priority));
  Level& level = at->second;
  if (level.policy->max_size != 0 && level.size() >= level.policy->max_size) return std::nullopt;
  uint64_t deadline = kNever;
  if (wheel_ != nullptr) {
    const uint64_t start = request->start_ns();
    request->set_deadline_ns(AnswerDue(policies_, start, request->deadline_us));
    deadline =
        std::min(DeadlineOf(*level.policy, start, request->timeout_us), request->deadline_ns());
    if (deadline != kNever) wheel_->Add(request.get(), deadline, start);
  }
  ++size_;
  items_ += request->batch_size();
  level.in_time.PushBack(std::move(request));
  return deadline;
}

RequestPtr PriorityQueue::PopFront() {
  const auto first = levels_.begin();
  Level& level = first->second;
  RequestQueue& from = level.in_time.empty() ? level.late : level.in_time;
  return Take(first, &from, from.front());
}

RequestPtr PriorityQueue::Remove(InferenceRequest* request) {
  RequestQueue* const queue = RequestQueue::Holding(*request);
  if (queue == nullptr) return nullptr;
  const auto level = levels_.find(policies_.LevelOf(request->priority));
  if (level == levels_.end()) return nullptr;
  if (queue != &level->second.in_time && queue != &level->second.late) return nullptr;
  return Take(level, queue, request);
}

RequestPtr PriorityQueue::Take(Levels::iterator level, RequestQueue* from,
                               InferenceRequest* request) {
  RequestPtr taken = from->Remove(request);
  if (wheel_ != nullptr) wheel_->Remove(request);
  --size_;
  items_ -= taken->batch_size();
  CloseIfEmpty(level);
  return taken;
}

void PriorityQueue::Expire(uint64_t now_ns, RequestQueue* rejected) {
  if (wheel_ == nullptr) return;
  while (InferenceRequest* const request = wheel_->PopExpired(now_ns)) {
    const auto level = levels_.find(policies_.LevelOf(request->priority));
    if (level->second.policy->delay) {
      level->second.late.PushBack(level->second.in_time.Remove(request));
    } else {
      rejected->PushBack(Take(level, &level->second.in_time, request));
    }
  }
}

uint64_t PriorityQueue::NextExpiryAtLeast() const {
  return wheel_ != nullptr ? wheel_->EarliestAtLeast() : kNever;
}

void PriorityQueue::Cursor::Settle(InferenceRequest* next) {
  while (next == nullptr) {
    if (!late_) {
      late_ = true;
      next = level_->second.late.front();
    } else {
      late_ = false;
      if (++level_ == end_) break;
      next = level_->second.in_time.front();
    }
  }
  request_ = next;
}

}  // namespace trident
