#include "model/executors.h"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "model/executor_pool.h"

namespace trident {

Executors::Executors(Options options) : pool_(std::make_shared<Pool>(std::move(options))) {}

Executors::~Executors() { pool_->End(); }

Status Executors::Start() { return pool_->Start(); }

std::shared_ptr<Waker> Executors::Add(Driven* instance) {
  return std::make_shared<Seat>(pool_.get(), instance);
}

void Executors::Retire(Waker* waker) { pool_->Retire(static_cast<Seat*>(waker)); }

void Executors::CountInstances(size_t before, size_t now) { pool_->CountInstances(before, now); }

Executors::Counts Executors::counts() const { return pool_->counts(); }

size_t Executors::CoreCount() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  // Fails where there are more cores than the set has room for.
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
    return static_cast<size_t>(CPU_COUNT(&cores));
  return std::max(1U, std::thread::hardware_concurrency());
}

void Executors::StartDetached(std::function<void()> body) { std::thread(std::move(body)).detach(); }

}  // namespace trident
