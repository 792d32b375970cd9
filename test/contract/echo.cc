#include "echo.h"

#include <algorithm>
#include <cstdint>

namespace trident::contract {
namespace {

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return tolower(c); });
  return text;
}

}  // namespace

std::string EchoConfig(const std::string& backend, TRITONSERVER_DataType datatype,
                       const std::string& more, int instances) {
  const std::string name = TRITONSERVER_DataTypeString(datatype);
  const std::string type = "TYPE_" + (name == "BYTES" ? "STRING" : name);
  return "backend: \"" + backend +
         "\" max_batch_size: 8 input { name: \"input\" data_type: " + type +
         " dims: -1 } output { name: \"output\" data_type: " + type +
         " dims: -1 } instance_group { kind: KIND_CPU count: " + std::to_string(instances) + " } " +
         more;
}

void LoadEcho(Server* server, const std::string& model, const std::string& backend,
              TRITONSERVER_DataType datatype, const std::string& more, int instances) {
  const std::string config = EchoConfig(backend, datatype, more, instances);
  if (backend == "onnxruntime") {
    const std::string file = "identity_" + LowerCase(TRITONSERVER_DataTypeString(datatype));
    server->repository().AddOnnx(model, file, config);
  } else {
    server->repository().Add(model, config);
  }
  ASSERT_TRUE(Succeeded(server->Load(model)));
}

Request EchoRequest(const Server& server, const std::string& model,
                    const std::vector<float>& numbers, int64_t version) {
  Request request(server, model, version);
  request.Input("input", TRITONSERVER_TYPE_FP32, {1, static_cast<int64_t>(numbers.size())},
                BytesOf(numbers));
  return request;
}

Occupied Occupy(const Server& server, const std::string& model) {
  return Occupied(EchoRequest(server, model, {0}));
}

std::string Strings(const std::vector<std::string>& elements) {
  std::string bytes;
  for (const std::string& element : elements) {
    const auto length = static_cast<uint32_t>(element.size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
    bytes += element;
  }
  return bytes;
}

}  // namespace trident::contract
