#include "witness.h"

#include <fstream>

#include "echo.h"

namespace trident::contract {

std::string WitnessConfig(Server* server, const std::string& model, const std::string& more) {
  const bool groups = more.find("instance_group") != std::string::npos;
  return "backend: \"witness\" max_batch_size: 4 "
         "input { name: \"input\" data_type: TYPE_FP32 dims: 2 } "
         "output { name: \"output\" data_type: TYPE_FP32 dims: 2 } "
         "parameters { key: \"log\" value { string_value: \"" +
         server->repository().Path(model + ".log") + "\" } } " +
         (groups ? "" : "instance_group { kind: KIND_CPU count: 1 } ") + more;
}

Outcome LoadWitness(Server* server, const std::string& model, const std::string& more) {
  server->repository().Add(model, WitnessConfig(server, model, more));
  return server->Load(model);
}

Request WitnessRequest(const Server& server, const std::string& model, float number) {
  Request request(server, model);
  request.Input("input", TRITONSERVER_TYPE_FP32, {1, 2},
                BytesOf(std::vector<float>{number, number}));
  return request;
}

std::vector<std::string> Witnessed(Server* server, const std::string& model,
                                   const std::string& word) {
  std::ifstream log(server->repository().Path(model + ".log"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(log, line);) {
    if (line.rfind(word + " ", 0) == 0) lines.push_back(line);
  }
  return lines;
}

std::string ValueOf(const std::string& line, const std::string& key) {
  const size_t at = line.find(" " + key + "=");
  if (at == std::string::npos) return "(no " + key + " in: " + line + ")";
  const size_t begin = at + key.size() + 2;
  return line.substr(begin, line.find(' ', begin) - begin);
}

}  // namespace trident::contract
