#pragma once

#include <string>
#include <vector>

#include "client.h"

// Models that answer with their input, one per backend, so that a promise of all backends is tested
// once for each: tensors "input" and "output", of any datatype, with one variable dimension.
namespace trident::contract {

inline constexpr const char* kBackends[] = {"identity", "onnxruntime"};

// A configuration with batches of up to 8 and `more`.
std::string EchoConfig(const std::string& backend, TRITONSERVER_DataType datatype,
                       const std::string& more = "dynamic_batching { }", int instances = 1);

// Writes such a model to the server's repository and loads it.
void LoadEcho(Server* server, const std::string& model, const std::string& backend,
              TRITONSERVER_DataType datatype, const std::string& more = "dynamic_batching { }",
              int instances = 1);

// FP32 of shape [1, numbers].
Request EchoRequest(const Server& server, const std::string& model,
                    const std::vector<float>& numbers, int64_t version = -1);
// Keeps the model's instance busy with a request of its own: a batch of 1.
Occupied Occupy(const Server& server, const std::string& model);

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Elements of datatype BYTES.
std::string Strings(const std::vector<std::string>& elements);

}  // namespace trident::contract
