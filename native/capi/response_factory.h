#pragma once

#include <memory>
#include <utility>

#include "inference/response.h"

namespace trident {

// The object behind TRITONBACKEND_ResponseFactory: keeps a request's line to its sink open.
struct ResponseFactory {
  explicit ResponseFactory(std::shared_ptr<ResponseChannel> line) : channel(std::move(line)) {
    channel->MarkShared();
    channel->Hold();
  }
  ~ResponseFactory() { channel->LetGo(); }
  ResponseFactory(const ResponseFactory&) = delete;
  ResponseFactory& operator=(const ResponseFactory&) = delete;

  const std::shared_ptr<ResponseChannel> channel;
};

}  // namespace trident
