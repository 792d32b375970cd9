#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "echo.h"
#include "trident/extension.h"

// What the tests of the models' life cycle share.
namespace trident::contract {

// What a host hears of its models, as "name:version STATE completed/total", with a reason behind it
// where there is one.
class Heard {
 public:
  void ListenIn(TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_TridentServerOptionsSetModelEventFn(options, &Heard::OnEvent, this));
  }
  // Since the last call.
  std::vector<std::string> Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(lines_, {});
  }
  // Runs inside of the call for such a line, once.
  void On(const std::string& line, std::function<void()> action) {
    const std::lock_guard<std::mutex> lock(mutex_);
    actions_[line] = std::move(action);
  }

 private:
  static void OnEvent(const TRITONSERVER_TridentModelEvent* event, void* userp) {
    static const char* const kStates[] = {"LOADING", "READY", "UNAVAILABLE", "UNLOADING",
                                          "UNLOADED"};
    std::string line = std::string(event->model) + ":" + std::to_string(event->version) + " " +
                       kStates[event->state];
    if (event->total > 0) {
      line += " " + std::to_string(event->completed) + "/" + std::to_string(event->total);
    }
    if (*event->reason != '\0') line += " (" + std::string(event->reason) + ")";
    static_cast<Heard*>(userp)->Note(line);
  }
  void Note(const std::string& line) {
    std::function<void()> action;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.push_back(line);
      const auto found = actions_.find(line);
      if (found != actions_.end()) action = std::exchange(found->second, nullptr);
    }
    if (action) action();
  }

  std::mutex mutex_;
  std::vector<std::string> lines_;
  std::map<std::string, std::function<void()>> actions_;
};

inline ServerSettings In(TRITONSERVER_ModelControlMode mode,
                         std::function<void(TRITONSERVER_ServerOptions*)> more = nullptr) {
  ServerSettings settings;
  settings.more = [mode, more](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetModelControlMode(options, mode));
    Must(TRITONSERVER_TridentServerOptionsSetPollSettleTimeMs(options, 0));
    if (more) more(options);
  };
  return settings;
}

// A model that echoes, without a file.
inline std::string Identity(const std::string& more = "", int instances = 1) {
  return EchoConfig("identity", TRITONSERVER_TYPE_FP32, "dynamic_batching { } " + more, instances);
}
inline std::string Broken() {
  return Identity("parameters { key: \"fail\" value { string_value: \"model_initialize\" } }");
}

// An ensemble that passes its input through `steps`, one after the other.
inline std::string Chain(const std::vector<std::string>& steps, int64_t version = -1) {
  std::string config =
      "platform: \"ensemble\" max_batch_size: 8 "
      "input { name: \"input\" data_type: TYPE_FP32 dims: -1 } "
      "output { name: \"output\" data_type: TYPE_FP32 dims: -1 } ensemble_scheduling { ";
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string from = i == 0 ? "input" : "between" + std::to_string(i);
    const std::string to = i + 1 == steps.size() ? "output" : "between" + std::to_string(i + 1);
    config += "step { model_name: \"" + steps[i] + "\" model_version: " + std::to_string(version) +
              " input_map { key: \"input\" value: \"" + from +
              "\" } output_map { key: \"output\" value: \"" + to + "\" } } ";
  }
  return config + "}";
}

inline bool Answers(const Server& server, const std::string& model) {
  const Answer answer = EchoRequest(server, model, {1, 2}).Infer();
  return answer.ok() && answer.output("output").bytes == BytesOf(std::vector<float>{1, 2});
}

inline bool IsReady(const Server& server) {
  bool ready = false;
  Must(TRITONSERVER_ServerIsReady(server.handle(), &ready));
  return ready;
}

inline Outcome Poll(const Server& server) {
  return Outcome::Of(TRITONSERVER_ServerPollModelRepository(server.handle()));
}

inline std::string Index(const Server& server) {
  TRITONSERVER_Message* message = nullptr;
  Must(TRITONSERVER_ServerModelIndex(server.handle(), 0, &message));
  return Document(message).text();
}

}  // namespace trident::contract
