#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/text_format.h"
#include "ensemble_fakes.h"
#include "scheduler/ensemble_scheduler.h"

namespace trident::ensemble_test {

class Ensemble;

// A request to the ensemble, owned by the test.
class Client {
 public:
  explicit Client(Ensemble* ensemble);
  ~Client() { sink->on_deliver = nullptr; }

  Client& Input(const std::string& name, const Numbers& numbers, Shape shape = {}) {
    if (shape.empty()) shape = {static_cast<int64_t>(numbers.size())};
    data_.push_back(std::make_unique<Numbers>(numbers));
    InputTensor* const input = *request.AddInput(name, DataType::kInt32, shape);
    ConstBuffer buffer{data_.back()->data(), {}};
    buffer.attributes.byte_size = numbers.size() * sizeof(int32_t);
    EXPECT_TRUE(input->Append(buffer).ok());
    return *this;
  }
  // Where the bytes of the n-th input are.
  const void* address(size_t input) const { return data_[input]->data(); }
  Client& Output(const std::string& name) {
    EXPECT_TRUE(request.AddRequestedOutput(name).ok());
    return *this;
  }
  Client& Send();

  bool done() const { return releases == 1 && sink->finals == 1; }
  // Ended exactly once, and the last thing it got.
  const Received& last() const {
    EXPECT_EQ(releases, 1);
    EXPECT_EQ(sink->finals, 1);
    static const Received nothing;
    return sink->received.empty() ? nothing : sink->received.back();
  }

  std::shared_ptr<ClientSink> sink;
  std::atomic<int> releases{0};
  InferenceRequest request;

 private:
  Ensemble* const ensemble_;
  std::vector<std::unique_ptr<Numbers>> data_;
};

// An ensemble under test, over fake models.
class Ensemble {
 public:
  // `steps` is what ensemble_scheduling holds; tensors have dims [-1].
  Ensemble(const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
           const std::string& steps, int max_batch_size = 0, bool decoupled = false,
           const std::vector<std::string>& optional = {})
      : target(
            std::make_shared<FakeStep>("E", std::vector<TensorSpec>{}, std::vector<TensorSpec>{})) {
    std::string text =
        "name: 'E' platform: 'ensemble' max_batch_size: " + std::to_string(max_batch_size) + " ";
    ModelSignature& signature = target->mutable_signature();
    signature.max_batch_size = static_cast<uint32_t>(max_batch_size);
    signature.decoupled = decoupled;
    for (const std::string& name : inputs) {
      const bool may_lack = std::find(optional.begin(), optional.end(), name) != optional.end();
      text += "input { name: '" + name + "' data_type: TYPE_INT32 dims: -1 }";
      signature.inputs.push_back(Spec(name, {-1}, may_lack));
    }
    for (const std::string& name : outputs) {
      text += "output { name: '" + name + "' data_type: TYPE_INT32 dims: -1 }";
      signature.outputs.push_back(Spec(name));
    }
    const auto parsed = ParseModelConfigText(text + "ensemble_scheduling { " + steps + " }", "E");
    EXPECT_TRUE(parsed.ok()) << parsed.status().message();
    config = *parsed;
    scheduler = std::make_unique<EnsembleScheduler>(
        config, SchedulerContext{target->signature(), clock, std::make_shared<ManualTimer>()},
        [this](size_t step) -> Result<std::shared_ptr<InferenceTarget>> {
          ++look_ups;
          const std::string& name = config.ensemble_scheduling->step[step].model_name;
          if (models.count(name) == 0) return NotFound("no model ", name);
          return std::shared_ptr<InferenceTarget>(models.at(name));
        });
  }
  ~Ensemble() {
    for (const auto& [name, model] : models) {
      EXPECT_EQ(model->in_flight, 0) << name;
      EXPECT_EQ(model->reservations, 0) << name;
    }
    EXPECT_EQ(target->in_flight, 0);
  }

  FakeStep& Add(const std::string& name, std::vector<TensorSpec> inputs,
                std::vector<TensorSpec> outputs) {
    models[name] = std::make_shared<FakeStep>(name, std::move(inputs), std::move(outputs));
    return *models[name];
  }
  // A model from "in" to "out".
  FakeStep& Add(const std::string& name) { return Add(name, {Spec("in")}, {Spec("out")}); }
  // That adds `number` at once.
  FakeStep& AddAdder(const std::string& name, int32_t number) {
    FakeStep& model = Add(name);
    model.on_submit = [number](RequestPtr request) { AnswerPlus(std::move(request), number); };
    return model;
  }
  static void AnswerPlus(RequestPtr request, int32_t number) {
    Numbers numbers = In(*request, "in");
    for (int32_t& value : numbers) value += number;
    const Shape shape = (*request->FindInput("in"))->shape();
    Reply(*request).Output("out", numbers, shape).Send();
  }

  VirtualClock clock;
  std::shared_ptr<FakeStep> target;
  std::map<std::string, std::shared_ptr<FakeStep>> models;
  ModelConfig config;
  std::atomic<int> look_ups{0};
  std::unique_ptr<EnsembleScheduler> scheduler;
};

inline Client::Client(Ensemble* ensemble)
    : sink(std::make_shared<ClientSink>()), request(ensemble->target, -1), ensemble_(ensemble) {
  request.sink = sink;
  request.on_release = [this](InferenceRequest*, uint32_t) { ++releases; };
}

inline Client& Client::Send() {
  EXPECT_TRUE(request.Claim());
  const Status prepared = request.Prepare();
  EXPECT_TRUE(prepared.ok()) << prepared.message();
  request.Submit(1);
  RequestPtr submitted(&request);
  Status outcome;
  ensemble_->scheduler->Enqueue({&submitted, 1}, {&outcome, 1});
  EXPECT_TRUE(outcome.ok()) << outcome.message();
  return *this;
}

// A step of the model `model` in text form: "in=A,out=B" maps.
inline std::string Step(const std::string& model, const std::string& inputs,
                        const std::string& outputs) {
  const auto map = [](const std::string& field, const std::string& pairs) {
    std::string text;
    for (size_t at = 0; at < pairs.size();) {
      const size_t equals = pairs.find('=', at);
      size_t end = pairs.find(',', at);
      if (end == std::string::npos) end = pairs.size();
      text += field + " { key: '" + pairs.substr(at, equals - at) + "' value: '" +
              pairs.substr(equals + 1, end - equals - 1) + "' } ";
      at = end + 1;
    }
    return text;
  };
  return "step { model_name: '" + model + "' model_version: -1 " + map("input_map", inputs) +
         map("output_map", outputs) + "} ";
}

// A chain of models, each from "in" to "out", from tensor X to tensor Y.
inline std::string Chain(const std::vector<std::string>& models) {
  std::string text;
  for (size_t i = 0; i < models.size(); ++i) {
    const std::string from = i == 0 ? "X" : "t" + std::to_string(i);
    const std::string to = i + 1 == models.size() ? "Y" : "t" + std::to_string(i + 1);
    text += Step(models[i], "in=" + from, "out=" + to);
  }
  return text;
}

inline testing::AssertionResult FailedWith(const Received& received, StatusCode code,
                                           const std::string& message) {
  if (received.status.code() == code &&
      received.status.message().find(message) != std::string::npos) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "code " << static_cast<int>(received.status.code()) << ": "
                                     << received.status.message();
}

}  // namespace trident::ensemble_test
