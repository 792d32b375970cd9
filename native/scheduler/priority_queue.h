#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/shared_count.h"
#include "scheduler/expiry_wheel.h"
#include "scheduler/queue_policy.h"
#include "scheduler/request_queue.h"

namespace trident {

// The waiting requests of a model in the order in which they are to be served: by level; in a level
// first those that have time left, then those whose time is over but who may still wait; in each
// the first to come. Costs the same at any length and, once a level has been in use, allocates
// nothing. Owns what it holds. Externally synchronised by its scheduler, but for size().
class PriorityQueue {
 public:
  explicit PriorityQueue(QueuePolicies policies);

  // When `request` will have waited too long (kNever: it may for ever), or nothing, and it stays
  // where it is, when its level is full.
  std::optional<uint64_t> PushBack(RequestPtr& request);
  RequestPtr PopFront();
  // Null when `request` is not here.
  RequestPtr Remove(InferenceRequest* request);

  // Applies the timeouts: who has waited too long by `now_ns` goes to `rejected` or, where the
  // policy says so, behind the others of its level.
  void Expire(uint64_t now_ns, RequestQueue* rejected);
  // No timeout is over before; kNever when there is none.
  uint64_t NextExpiryAtLeast() const;
  bool has_timeouts() const { return wheel_ != nullptr; }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  uint64_t items() const { return items_; }  // sum of batch sizes
  const QueuePolicies& policies() const { return policies_; }

 private:
  struct Level {
    const LevelPolicy* policy = nullptr;
    RequestQueue in_time;
    RequestQueue late;
    size_t size() const { return in_time.size() + late.size(); }
  };
  // Only levels where somebody waits, but for the one of a queue without priorities.
  using Levels = std::map<uint64_t, Level>;

  Levels::iterator Open(uint64_t number);
  void CloseIfEmpty(Levels::iterator level);
  RequestPtr Take(Levels::iterator level, RequestQueue* from, InferenceRequest* request);

  const QueuePolicies policies_;
  Levels levels_;
  std::vector<Levels::node_type> closed_;  // to be opened again without an allocation
  std::unique_ptr<ExpiryWheel> wheel_;     // only where there are timeouts: it is some KiB
  SharedCount size_;
  uint64_t items_ = 0;

 public:
  // Goes through the waiting requests in their order; void when the queue changes.
  class Cursor {
   public:
    explicit Cursor(const PriorityQueue& queue)
        : level_(queue.levels_.begin()), end_(queue.levels_.end()) {
      if (level_ != end_) Settle(level_->second.in_time.front());
    }
    InferenceRequest* get() const { return request_; }  // null: at the end
    void Advance() { Settle(RequestQueue::Next(*request_)); }

   private:
    void Settle(InferenceRequest* next);

    Levels::const_iterator level_;
    const Levels::const_iterator end_;
    bool late_ = false;
    InferenceRequest* request_ = nullptr;
  };
};

}  // namespace trident
