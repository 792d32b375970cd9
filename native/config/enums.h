#pragma once

#include <string_view>

#include "config/model_config.h"
#include "config/schema.h"

namespace trident {

// The names of an enum's values as config.pbtxt spells them.
template <typename E>
const EnumSchema& EnumOf();
template <>
const EnumSchema& EnumOf<DataType>();
template <>
const EnumSchema& EnumOf<TensorFormat>();
template <>
const EnumSchema& EnumOf<BatchInputKind>();
template <>
const EnumSchema& EnumOf<BatchOutputKind>();
template <>
const EnumSchema& EnumOf<InstanceGroupKind>();
template <>
const EnumSchema& EnumOf<SecondaryDeviceKind>();
template <>
const EnumSchema& EnumOf<ModelPriority>();
template <>
const EnumSchema& EnumOf<TimeoutAction>();
template <>
const EnumSchema& EnumOf<SequenceControlKind>();

template <typename E>
std::string_view EnumName(E value) {
  const EnumSchema::Value* row = EnumOf<E>().Find(static_cast<int64_t>(value));
  return row == nullptr ? "<unknown>" : row->name;
}

}  // namespace trident
