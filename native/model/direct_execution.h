#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inference/request.h"
#include "inference/sequence_state.h"
#include "inference/target.h"

namespace trident {

class DirectSink;
class ModelInstance;

// One execution that no scheduler and no client knows of, straight on an instance that is not in
// service yet: warm-up and golden samples. Externally synchronised by the instance's loader.
class DirectExecution {
 public:
  struct Input {
    std::string name;
    DataType datatype;
    Shape shape;    // as the request has it
    bool of_model;  // else handed over as it is, as the scheduler does with controls and states
    std::shared_ptr<const std::string> bytes;
  };
  // Called for each response that is more than a flag, in order, one at a time.
  using OnResponse = std::function<void(const InferenceResponse&)>;

  // `states`: what requests of the model may write; null when it keeps none.
  DirectExecution(std::shared_ptr<InferenceTarget> model, std::shared_ptr<const StateSpecs> states,
                  OnResponse on_response = nullptr);
  ~DirectExecution();

  // A request of the batch, for the caller to prepare. `inputs` outlive Run.
  Result<InferenceRequest*> Add(std::span<const Input> inputs);
  // Returns when all requests have ended, with the first failure. To be called once.
  Status Run(ModelInstance* instance);

 private:
  struct Entry {
    std::unique_ptr<InferenceRequest> request;
    std::span<const Input> inputs;
  };

  const std::shared_ptr<InferenceTarget> model_;
  const std::shared_ptr<const StateSpecs> states_;
  const std::shared_ptr<DirectSink> sink_;
  std::vector<Entry> entries_;
};

}  // namespace trident
