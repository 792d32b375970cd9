#include "scheduler/ordering.h"

#include <utility>
#include <vector>

namespace trident {

// One place in the line, between a request's backend and its client. Its links and `held` are
// guarded by the order's mutex. Thread-safe.
class OrderedSink : public ForwardingSink, public std::enable_shared_from_this<OrderedSink> {
 public:
  OrderedSink(std::shared_ptr<ResponseOrder> order, std::shared_ptr<ResponseSink> client)
      : ForwardingSink(std::move(client)), order_(std::move(order)) {}
  ~OrderedSink() override { order_->Leave(this); }

  void Deliver(ResponsePtr response, uint32_t flags) override {
    // The order may lose its last other holder to what this delivers.
    const std::shared_ptr<ResponseOrder> order = order_;
    order->Deliver(this, std::move(response), flags);
  }

 private:
  friend class ResponseOrder;
  struct Held {
    ResponsePtr response;
    uint32_t flags;
  };

  const std::shared_ptr<ResponseOrder> order_;

  bool in_line = false;
  OrderedSink* next = nullptr;
  OrderedSink* previous = nullptr;
  std::vector<Held> held;
  std::shared_ptr<OrderedSink> self;  // while something is held
};

void ResponseOrder::Reserve(InferenceRequest* request) {
  if (std::exchange(request->in_order, true)) return;
  ResponseChannel& channel = *request->channel();
  auto place = std::make_shared<OrderedSink>(shared_from_this(), channel.sink());
  {
    MutexLock lock(mutex_);
    place->in_line = true;
    place->previous = last_;
    (last_ != nullptr ? last_->next : first_) = place.get();
    last_ = place.get();
  }
  channel.Decorate(std::move(place));
}

void ResponseOrder::Unlink(OrderedSink* place) {
  (place->previous != nullptr ? place->previous->next : first_) = place->next;
  (place->next != nullptr ? place->next->previous : last_) = place->previous;
  place->in_line = false;
}

void ResponseOrder::Deliver(OrderedSink* place, ResponsePtr response, uint32_t flags) {
  {
    MutexLock lock(mutex_);
    place->held.push_back({std::move(response), flags});
    if (place->self == nullptr) place->self = place->shared_from_this();
    if (place != first_ || delivering_) return;
    delivering_ = true;
  }
  DeliverWhatMayGo();
}

void ResponseOrder::Leave(OrderedSink* place) {
  {
    MutexLock lock(mutex_);
    if (!place->in_line) return;  // as after every final response
    const bool was_first = place == first_;
    Unlink(place);
    if (!was_first || delivering_ || first_ == nullptr || first_->held.empty()) return;
    delivering_ = true;
  }
  DeliverWhatMayGo();
}

void ResponseOrder::DeliverWhatMayGo() {
  std::vector<OrderedSink::Held> going;
  for (;;) {
    std::shared_ptr<OrderedSink> place;
    {
      MutexLock lock(mutex_);
      if (first_ == nullptr || first_->held.empty()) {
        delivering_ = false;
        return;
      }
      place = std::move(first_->self);
      going.swap(place->held);
      // A place after its final response gets no more, so the next one's turn comes after this.
      if ((going.back().flags & kResponseFinal) != 0) Unlink(place.get());
    }
    for (OrderedSink::Held& one : going) {
      place->client().Deliver(std::move(one.response), one.flags);
    }
    going.clear();
  }
}

}  // namespace trident
