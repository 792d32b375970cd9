#include "model/supported.h"

namespace trident {
namespace {

constexpr char kShapeTensor[] = "TensorRT batches such tensors in another way than all others";
constexpr char kNonLinear[] = "the byte size of such a tensor of TensorRT is not that of its shape";

Status Refuse(const ModelConfig& config, const std::string& field, const char* why) {
  return Unsupported("model '", config.name, "' sets ", field,
                     ", which this version of Trident does not support: ", why);
}

}  // namespace

Status CheckSupported(const ModelConfig& config) {
  for (const ModelInput& input : config.input) {
    const std::string field = "input '" + input.name + "' ";
    if (input.is_shape_tensor) return Refuse(config, field + "is_shape_tensor", kShapeTensor);
    if (input.is_non_linear_format_io)
      return Refuse(config, field + "is_non_linear_format_io", kNonLinear);
  }
  for (const ModelOutput& output : config.output) {
    const std::string field = "output '" + output.name + "' ";
    if (output.is_shape_tensor) return Refuse(config, field + "is_shape_tensor", kShapeTensor);
    if (output.is_non_linear_format_io)
      return Refuse(config, field + "is_non_linear_format_io", kNonLinear);
  }
  return Status::Ok();
}

}  // namespace trident
