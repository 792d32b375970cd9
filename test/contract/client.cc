#include "client.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "environment.h"
#include "trident/extension.h"

namespace trident::contract {
namespace {

using Json = nlohmann::json;

}  // namespace

Outcome Outcome::Of(TRITONSERVER_Error* error) {
  if (error == nullptr) return {};
  Outcome outcome{TRITONSERVER_ErrorCode(error), TRITONSERVER_ErrorMessage(error)};
  TRITONSERVER_ErrorDelete(error);
  return outcome;
}

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  if (outcome.ok()) return out << "success";
  return out << "error " << *outcome.code << " \"" << outcome.message << '"';
}

testing::AssertionResult Succeeded(const Outcome& outcome) {
  return (outcome.ok() ? testing::AssertionSuccess() : testing::AssertionFailure()) << outcome;
}

testing::AssertionResult FailedWith(const Outcome& outcome, TRITONSERVER_Error_Code code,
                                    std::initializer_list<std::string> texts) {
  if (outcome.code != code) {
    return testing::AssertionFailure() << "expected error " << code << ", found " << outcome;
  }
  for (const std::string& text : texts) {
    if (outcome.message.find(text) == std::string::npos) {
      return testing::AssertionFailure() << "expected to read \"" << text << "\" in " << outcome;
    }
  }
  return testing::AssertionSuccess();
}

void Must(TRITONSERVER_Error* error) {
  const Outcome outcome = Outcome::Of(error);
  if (!outcome.ok()) throw std::runtime_error(outcome.message);
}

void Event::Set() {
  const std::lock_guard lock(mutex_);
  happened_ = true;
  changed_.notify_all();
}

void Event::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return happened_; });
}

bool Event::happened() const {
  const std::lock_guard lock(mutex_);
  return happened_;
}

Document::Document(TRITONSERVER_Message* message) {
  const char* base = nullptr;
  size_t byte_size = 0;
  Must(TRITONSERVER_MessageSerializeToJson(message, &base, &byte_size));
  text_.assign(base, byte_size);
  Must(TRITONSERVER_MessageDelete(message));
}

bool Document::Has(const std::string& place) const {
  return Json::parse(text_).contains(Json::json_pointer(place));
}

int64_t Document::Number(const std::string& place) const {
  const Json value = Json::parse(text_).at(Json::json_pointer(place));
  // Protobuf's JSON has 64-bit integers as strings.
  return value.is_string() ? std::stoll(value.get<std::string>()) : value.get<int64_t>();
}

std::string Document::Text(const std::string& place) const {
  return Json::parse(text_).at(Json::json_pointer(place)).get<std::string>();
}

size_t Document::Size(const std::string& place) const {
  return Json::parse(text_).at(Json::json_pointer(place)).size();
}

Server::Server(ServerSettings settings) {
  TRITONSERVER_ServerOptions* options = nullptr;
  Must(TRITONSERVER_ServerOptionsNew(&options));
  const std::unique_ptr<TRITONSERVER_ServerOptions,
                        TRITONSERVER_Error* (*)(TRITONSERVER_ServerOptions*)>
      owned(options, TRITONSERVER_ServerOptionsDelete);
  Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, repository_.root().c_str()));
  Must(TRITONSERVER_ServerOptionsSetBackendDirectory(options, environment.backends.c_str()));
  Must(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  Must(TRITONSERVER_ServerOptionsSetStrictModelConfig(options, settings.strict_config));
  Must(TRITONSERVER_ServerOptionsSetExitTimeout(options, settings.exit_timeout_s));
  Must(TRITONSERVER_ServerOptionsSetLogInfo(options, false));
  Must(TRITONSERVER_ServerOptionsSetLogWarn(options, false));
  Must(TRITONSERVER_ServerOptionsSetLogError(options, false));  // many tests provoke errors
  settings.onnxruntime.emplace("library", environment.onnxruntime);
  for (const auto& [setting, value] : settings.onnxruntime) {
    Must(TRITONSERVER_ServerOptionsSetBackendConfig(options, "onnxruntime", setting.c_str(),
                                                    value.c_str()));
  }
  if (environment.lane == Lane::kSpin) {
    Must(TRITONSERVER_TridentServerOptionsSetSpinMicroseconds(options, 50));
  }
  if (settings.more) settings.more(options);
  Must(TRITONSERVER_ServerNew(&server_, options));
}

Server::~Server() { EXPECT_TRUE(Succeeded(Delete())); }

Outcome Server::Delete() {
  if (server_ == nullptr) return {};
  Outcome outcome = Outcome::Of(TRITONSERVER_ServerDelete(server_));
  if (outcome.ok()) server_ = nullptr;
  return outcome;
}

Outcome Server::Load(const std::string& model) {
  return Outcome::Of(TRITONSERVER_ServerLoadModel(server_, model.c_str()));
}

Outcome Server::LoadWithConfig(const std::string& model, const std::string& json,
                               const Files& files) {
  std::vector<const TRITONSERVER_Parameter*> parameters = {
      TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, json.c_str())};
  for (const auto& [path, bytes] : files) {
    parameters.push_back(
        TRITONSERVER_ParameterBytesNew(("file:" + path).c_str(), bytes.data(), bytes.size()));
  }
  return LoadWithParameters(model, parameters);
}

Outcome Server::LoadWithParameters(const std::string& model,
                                   const std::vector<const TRITONSERVER_Parameter*>& parameters) {
  std::vector<const TRITONSERVER_Parameter*> given = parameters;
  Outcome outcome = Outcome::Of(TRITONSERVER_ServerLoadModelWithParameters(
      server_, model.c_str(), given.data(), given.size()));
  for (const TRITONSERVER_Parameter* parameter : given) {
    TRITONSERVER_ParameterDelete(const_cast<TRITONSERVER_Parameter*>(parameter));
  }
  return outcome;
}

Outcome Server::Unload(const std::string& model) {
  return Outcome::Of(TRITONSERVER_ServerUnloadModel(server_, model.c_str()));
}

Outcome Server::UnloadAndWait(const std::string& model, uint64_t timeout_ms) {
  return Outcome::Of(TRITONSERVER_TridentServerUnloadModelAndWait(
      server_, model.c_str(), /*unload_dependents=*/false, timeout_ms));
}

bool Server::Ready(const std::string& model, int64_t version) const {
  bool ready = false;
  const Outcome outcome =
      Outcome::Of(TRITONSERVER_ServerModelIsReady(server_, model.c_str(), version, &ready));
  return outcome.ok() && ready;
}

Outcome Server::Knows(const std::string& model, int64_t version) const {
  TRITONSERVER_InferenceRequest* request = nullptr;
  Outcome outcome =
      Outcome::Of(TRITONSERVER_InferenceRequestNew(&request, server_, model.c_str(), version));
  if (outcome.ok()) Must(TRITONSERVER_InferenceRequestDelete(request));
  return outcome;
}

Document Server::Config(const std::string& model, int64_t version) const {
  TRITONSERVER_Message* message = nullptr;
  Must(TRITONSERVER_ServerModelConfig(server_, model.c_str(), version, 1, &message));
  return Document(message);
}

std::string Server::State(const std::string& model, int64_t version) const {
  return IndexText(model, version, "state");
}

std::string Server::Reason(const std::string& model, int64_t version) const {
  return IndexText(model, version, "reason");
}

std::string Server::IndexText(const std::string& model, int64_t version,
                              const std::string& key) const {
  TRITONSERVER_Message* message = nullptr;
  Must(TRITONSERVER_ServerModelIndex(server_, 0, &message));
  for (const Json& row : Json::parse(Document(message).text())) {
    const bool wanted =
        row.at("name") == model && row.value("version", "") == std::to_string(version);
    if (wanted) return row.value(key, "");
  }
  return "";
}

Document Server::Statistics(const std::string& model, int64_t version) const {
  TRITONSERVER_Message* message = nullptr;
  Must(TRITONSERVER_ServerModelStatistics(server_, model.c_str(), version, &message));
  return Document(message);
}

Outcome Server::StatisticsOutcome(const std::string& model) const {
  TRITONSERVER_Message* message = nullptr;
  Outcome outcome =
      Outcome::Of(TRITONSERVER_ServerModelStatistics(server_, model.c_str(), -1, &message));
  if (outcome.ok()) Must(TRITONSERVER_MessageDelete(message));
  return outcome;
}

int64_t Server::Successes(const std::string& model) const {
  return Statistics(model).Number("/model_stats/0/inference_stats/success/count");
}

int64_t Server::Failures(const std::string& model) const {
  return Statistics(model).Number("/model_stats/0/inference_stats/fail/count");
}

int64_t Server::Copies(const std::string& model) const {
  return Statistics(model).Number("/model_stats/0/copy_stats/count");
}

int64_t Server::CopiedBytes(const std::string& model) const {
  return Statistics(model).Number("/model_stats/0/copy_stats/byte_size");
}

std::map<int64_t, int64_t> Server::Batches(const std::string& model) const {
  const Json statistics = Json::parse(Statistics(model).text());
  std::map<int64_t, int64_t> batches;
  for (const Json& row : statistics.at("/model_stats/0/batch_stats"_json_pointer)) {
    batches[row.at("batch_size")] = row.at("/compute_infer/count"_json_pointer);
  }
  return batches;
}

}  // namespace trident::contract
