#pragma once

#include <string>

#include "samples.h"
#include "triton/core/tritonserver.h"

namespace trident::bench {

// Ends the program unless `error` is null.
void Must(TRITONSERVER_Error* error);

struct ServerSettings {
  std::string repository;
  std::string backends;     // holds <name>/libtriton_<name>.so
  std::string onnxruntime;  // path of libonnxruntime; may be empty
  uint64_t inline_budget_ns = 0;
};

// A server; what does not work ends the program. The models it has loaded go with it. Thread-safe.
class Server {
 public:
  explicit Server(const ServerSettings& settings);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  TRITONSERVER_Server* handle() const { return server_; }
  // Returns the metadata of the model, which is loaded from then on.
  Json Load(const std::string& model);

 private:
  TRITONSERVER_Server* server_ = nullptr;
};

}  // namespace trident::bench
