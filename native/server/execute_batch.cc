// Batches that the server's host has made.

#include "base/scratch.h"
#include "server/server.h"

namespace trident {

Status Server::ExecuteBatch(std::span<InferenceRequest* const> requests) {
  if (!options_.batch_host) {
    return Unsupported("the server schedules its requests itself: it has no batch host");
  }
  if (requests.empty()) return InvalidArg("a batch must have a request");
  const std::shared_ptr<InferenceTarget> target = requests.front()->target();
  size_t claimed = 0;
  Status status;
  for (InferenceRequest* request : requests) {
    if (!request->Claim()) {
      status = InvalidArg(request->LogPrefix(), "the request is in flight or twice in its batch");
      break;
    }
    ++claimed;
    if (request->target() == target) continue;
    status = InvalidArg(request->LogPrefix(), "a batch is of one version of one model");
    break;
  }
  if (status.ok()) return std::static_pointer_cast<Model>(target)->ExecuteBatch(requests);
  for (InferenceRequest* request : requests.first(claimed)) request->Unclaim();
  return status;
}

}  // namespace trident
