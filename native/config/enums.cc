#include "config/enums.h"

namespace trident {
namespace {

template <typename E>
struct EnumRow {
  std::string_view name;
  E value;
};

// Never destroyed: a thread may still be reading a configuration while the process exits.
template <typename E>
const EnumSchema& Build(std::initializer_list<EnumRow<E>> rows) {
  auto* schema = new EnumSchema;
  for (const auto& row : rows) {
    schema->values.push_back({row.name, static_cast<int>(row.value)});
  }
  return *schema;
}

const EnumSchema& BuildDataTypes() {
  auto* schema = new EnumSchema;
  for (int i = 0; i <= static_cast<int>(DataType::kBf16); ++i) {
    schema->values.push_back({DataTypeConfigName(static_cast<DataType>(i)), i});
  }
  return *schema;
}

}  // namespace

template <>
const EnumSchema& EnumOf<DataType>() {
  static const EnumSchema& schema = BuildDataTypes();
  return schema;
}

template <>
const EnumSchema& EnumOf<TensorFormat>() {
  using E = TensorFormat;
  static const EnumSchema& schema = Build<E>({
      {"FORMAT_NONE", E::kNone},
      {"FORMAT_NHWC", E::kNhwc},
      {"FORMAT_NCHW", E::kNchw},
  });
  return schema;
}

template <>
const EnumSchema& EnumOf<BatchInputKind>() {
  using E = BatchInputKind;
  static const EnumSchema& schema = Build<E>({
      {"BATCH_ELEMENT_COUNT", E::kElementCount},
      {"BATCH_ACCUMULATED_ELEMENT_COUNT", E::kAccumulatedElementCount},
      {"BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", E::kAccumulatedElementCountWithZero},
      {"BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", E::kMaxElementCountAsShape},
      {"BATCH_ITEM_SHAPE", E::kItemShape},
      {"BATCH_ITEM_SHAPE_FLATTEN", E::kItemShapeFlatten},
  });
  return schema;
}

template <>
const EnumSchema& EnumOf<BatchOutputKind>() {
  using E = BatchOutputKind;
  static const EnumSchema& schema = Build<E>({
      {"BATCH_SCATTER_WITH_INPUT_SHAPE", E::kScatterWithInputShape},
  });
  return schema;
}

template <>
const EnumSchema& EnumOf<InstanceGroupKind>() {
  using E = InstanceGroupKind;
  static const EnumSchema& schema = Build<E>({
      {"KIND_AUTO", E::kAuto},
      {"KIND_GPU", E::kGpu},
      {"KIND_CPU", E::kCpu},
      {"KIND_MODEL", E::kModel},
  });
  return schema;
}

template <>
const EnumSchema& EnumOf<SecondaryDeviceKind>() {
  using E = SecondaryDeviceKind;
  static const EnumSchema& schema = Build<E>({
      {"KIND_NVDLA", E::kNvdla},
  });
  return schema;
}

template <>
const EnumSchema& EnumOf<ModelPriority>() {
  using E = ModelPriority;
  static const EnumSchema& schema = Build<E>({
      {"PRIORITY_DEFAULT", E::kDefault},
      {"PRIORITY_MAX", E::kMax},
      {"PRIORITY_MIN", E::kMin},
  });
  return schema;
}

template <>
const EnumSchema& EnumOf<TimeoutAction>() {
  using E = TimeoutAction;
  static const EnumSchema& schema = Build<E>({
      {"REJECT", E::kReject},
      {"DELAY", E::kDelay},
  });
  return schema;
}

template <>
const EnumSchema& EnumOf<SequenceControlKind>() {
  using E = SequenceControlKind;
  static const EnumSchema& schema = Build<E>({
      {"CONTROL_SEQUENCE_START", E::kStart},
      {"CONTROL_SEQUENCE_READY", E::kReady},
      {"CONTROL_SEQUENCE_END", E::kEnd},
      {"CONTROL_SEQUENCE_CORRID", E::kCorrid},
  });
  return schema;
}

}  // namespace trident
