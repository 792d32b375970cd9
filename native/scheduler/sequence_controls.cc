#include "scheduler/sequence_controls.h"

namespace trident {
namespace {

std::shared_ptr<InputTensor> MakeTensor(const std::string& name, DataType datatype,
                                        const Shape& shape, const void* bytes, size_t size) {
  auto copy = std::make_shared<std::string>(static_cast<const char*>(bytes), size);
  ConstBuffer buffer{copy->data(), {}};
  buffer.attributes.byte_size = size;
  auto tensor = std::make_shared<InputTensor>(name, datatype, shape);
  tensor->Own(std::move(copy), buffer);
  return tensor;
}

std::shared_ptr<InputTensor> MakeBoolean(const std::string& name, const SequenceControl& control,
                                         const Shape& shape, bool value) {
  if (!control.int32_false_true.empty()) {
    const int32_t number = control.int32_false_true[value ? 1 : 0];
    return MakeTensor(name, DataType::kInt32, shape, &number, sizeof(number));
  }
  if (!control.fp32_false_true.empty()) {
    const float number = control.fp32_false_true[value ? 1 : 0];
    return MakeTensor(name, DataType::kFp32, shape, &number, sizeof(number));
  }
  const bool truth = control.bool_false_true[value ? 1 : 0];
  return MakeTensor(name, DataType::kBool, shape, &truth, sizeof(truth));
}

}  // namespace

SequenceControls::SequenceControls(const ModelSequenceBatching& batching, bool model_batches)
    : shape_(model_batches ? Shape{1, 1} : Shape{1}) {
  for (const SequenceControlInput& input : batching.control_input) {
    for (const SequenceControl& control : input.control) {
      if (control.kind == SequenceControlKind::kCorrid) {
        correlation_name_ = input.name;
        correlation_type_ = control.data_type;
        continue;
      }
      const auto no = MakeBoolean(input.name, control, shape_, false);
      const auto yes = MakeBoolean(input.name, control, shape_, true);
      const bool start = control.kind == SequenceControlKind::kStart;
      const bool end = control.kind == SequenceControlKind::kEnd;
      const bool ready = control.kind == SequenceControlKind::kReady;
      by_position_[kStart].push_back(start || ready ? yes : no);
      by_position_[kMiddle].push_back(ready ? yes : no);
      by_position_[kEnd].push_back(end || ready ? yes : no);
      by_position_[kOnly].push_back(yes);
      by_position_[kNull].push_back(no);
    }
  }
  if (!correlation_type_) return;
  const bool is_string = *correlation_type_ == DataType::kBytes;
  null_correlation_ = MakeCorrelation({.is_string = is_string});
}

Status SequenceControls::Check(const CorrelationId& id, const std::string& model) const {
  if (!correlation_type_ || id.is_string == (*correlation_type_ == DataType::kBytes)) {
    return Status::Ok();
  }
  return InvalidArg("sequence batching control '", correlation_name_, "' data-type is '",
                    id.is_string ? "BYTES" : "UINT64", "', but model '", model, "' expects '",
                    DataTypeName(*correlation_type_), "'");
}

std::shared_ptr<InputTensor> SequenceControls::MakeCorrelation(const CorrelationId& id) const {
  if (!correlation_type_) return nullptr;
  if (*correlation_type_ == DataType::kBytes) {
    // A number only where the scheduler gives the ids.
    const std::string text = id.is_string ? id.text : std::to_string(id.number);
    const auto length = static_cast<uint32_t>(text.size());
    std::string element(reinterpret_cast<const char*>(&length), sizeof(length));
    element += text;
    return MakeTensor(correlation_name_, DataType::kBytes, shape_, element.data(), element.size());
  }
  // The low bytes come first on every machine Trident runs on.
  return MakeTensor(correlation_name_, *correlation_type_, shape_, &id.number,
                    DataTypeByteSize(*correlation_type_));
}

void SequenceControls::AddTo(InferenceRequest* request,
                             const std::shared_ptr<InputTensor>& correlation) const {
  const bool start = (request->flags & kSequenceStart) != 0;
  const bool end = (request->flags & kSequenceEnd) != 0;
  const Position position = start ? (end ? kOnly : kStart) : (end ? kEnd : kMiddle);
  for (const auto& tensor : by_position_[position]) request->AddOverrideInput(tensor);
  if (correlation != nullptr) request->AddOverrideInput(correlation);
}

void SequenceControls::AddToNull(InferenceRequest* request) const {
  for (const auto& tensor : by_position_[kNull]) request->AddOverrideInput(tensor);
  if (null_correlation_ != nullptr) request->AddOverrideInput(null_correlation_);
}

}  // namespace trident
