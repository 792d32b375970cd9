#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/model_config.h"
#include "inference/request.h"

namespace trident {

// Bits of a request's flags; values equal TRITONSERVER_requestflag_enum.
inline constexpr uint32_t kSequenceStart = 1;
inline constexpr uint32_t kSequenceEnd = 2;

// The tensors that tell a backend where in its sequence a request is: made once for each
// combination and shared by all requests. Immutable after construction.
class SequenceControls {
 public:
  SequenceControls(const ModelSequenceBatching& batching, bool model_batches);

  // INVALID_ARG when the model can't be given a correlation id of this kind.
  Status Check(const CorrelationId& id, const std::string& model) const;
  // The tensor that carries `id`; null when the model asks for none.
  std::shared_ptr<InputTensor> MakeCorrelation(const CorrelationId& id) const;

  void AddTo(InferenceRequest* request, const std::shared_ptr<InputTensor>& correlation) const;
  // For the request that fills an empty slot: START, END and READY false, correlation id 0.
  void AddToNull(InferenceRequest* request) const;

 private:
  enum Position { kStart, kMiddle, kEnd, kOnly, kNull, kPositionCount };
  using Tensors = std::vector<std::shared_ptr<InputTensor>>;

  const Shape shape_;
  Tensors by_position_[kPositionCount];
  std::string correlation_name_;
  std::optional<DataType> correlation_type_;
  std::shared_ptr<InputTensor> null_correlation_;
};

}  // namespace trident
