// The repository agent "checksum": a model is loaded only if its files have the checksums that its
// configuration gives, as parameters "<algorithm>:<file>" with the sum in lower-case hexadecimal.
// Parameters, texts and codes are those of Triton's agent of this name, which knows MD5 only.

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <vector>

#include "repoagents/checksum/digest.h"
#include "triton/core/tritonrepoagent.h"

namespace trident {
namespace {

TRITONSERVER_Error* Fail(TRITONSERVER_Error_Code code, const std::string& message) {
  return TRITONSERVER_ErrorNew(code, message.c_str());
}

// Null for a name it does not have.
const HashFunction* FindFunction(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  for (const HashFunction* function : {&Md5(), &Sha256()}) {
    if (name == function->name) return function;
  }
  return nullptr;
}

TRITONSERVER_Error* CheckFile(const std::string& directory, const std::string& key,
                              const std::string& expected) {
  const size_t colon = key.find(':');
  if (colon == std::string::npos) {
    return Fail(TRITONSERVER_ERROR_INVALID_ARG, "failed to parse key: " + key);
  }
  const std::string algorithm = key.substr(0, colon);
  const std::string file = key.substr(colon + 1);
  const HashFunction* const function = FindFunction(algorithm);
  if (function == nullptr) {
    return Fail(TRITONSERVER_ERROR_UNSUPPORTED, "Unsupported checksum algorithm: " + algorithm);
  }
  std::ifstream in(directory + "/" + file, std::ios::binary);
  FileDigest digest(*function);
  std::vector<char> chunk(1 << 16);
  while (in) {
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    digest.Add(chunk.data(), static_cast<size_t>(in.gcount()));
  }
  if (!in.is_open() || in.bad()) {
    return Fail(TRITONSERVER_ERROR_INVALID_ARG,
                "failed to open text file for read " + file + ": " + strerror(errno));
  }
  const std::string got = digest.Finish();
  if (got == expected) return nullptr;
  return Fail(TRITONSERVER_ERROR_INVALID_ARG, "Mismatched " + std::string(function->name) +
                                                  " hash for file " + file +
                                                  ", expect: " + expected + ", got: " + got);
}

TRITONSERVER_Error* CheckModel(TRITONREPOAGENT_Agent* agent, TRITONREPOAGENT_AgentModel* model) {
  TRITONREPOAGENT_ArtifactType type = TRITONREPOAGENT_ARTIFACT_FILESYSTEM;
  const char* directory = nullptr;
  TRITONSERVER_Error* error =
      TRITONREPOAGENT_ModelRepositoryLocation(agent, model, &type, &directory);
  if (error != nullptr) return error;
  if (type != TRITONREPOAGENT_ARTIFACT_FILESYSTEM) {
    return Fail(TRITONSERVER_ERROR_UNSUPPORTED, "Unsupported filesystem: " + std::to_string(type));
  }
  uint32_t count = 0;
  error = TRITONREPOAGENT_ModelParameterCount(agent, model, &count);
  for (uint32_t i = 0; error == nullptr && i < count; ++i) {
    const char* key = nullptr;
    const char* expected = nullptr;
    error = TRITONREPOAGENT_ModelParameter(agent, model, i, &key, &expected);
    if (error == nullptr) error = CheckFile(directory, key, expected);
  }
  return error;
}

}  // namespace
}  // namespace trident

extern "C" TRITONSERVER_Error* TRITONREPOAGENT_ModelAction(TRITONREPOAGENT_Agent* agent,
                                                           TRITONREPOAGENT_AgentModel* model,
                                                           TRITONREPOAGENT_ActionType action_type) {
  if (action_type != TRITONREPOAGENT_ACTION_LOAD) return nullptr;
  try {
    return trident::CheckModel(agent, model);
  } catch (const std::exception& error) {
    return trident::Fail(TRITONSERVER_ERROR_INTERNAL, error.what());
  }
}
