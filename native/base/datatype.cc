#include "base/datatype.h"

namespace trident {
namespace {

struct Row {
  const char* name;
  const char* config_name;
  uint32_t byte_size;
};

// One row per DataType, in enum order.
constexpr Row kTable[] = {
    {"<invalid>", "TYPE_INVALID", 0}, {"BOOL", "TYPE_BOOL", 1},     {"UINT8", "TYPE_UINT8", 1},
    {"UINT16", "TYPE_UINT16", 2},     {"UINT32", "TYPE_UINT32", 4}, {"UINT64", "TYPE_UINT64", 8},
    {"INT8", "TYPE_INT8", 1},         {"INT16", "TYPE_INT16", 2},   {"INT32", "TYPE_INT32", 4},
    {"INT64", "TYPE_INT64", 8},       {"FP16", "TYPE_FP16", 2},     {"FP32", "TYPE_FP32", 4},
    {"FP64", "TYPE_FP64", 8},         {"BYTES", "TYPE_STRING", 0},  {"BF16", "TYPE_BF16", 2},
};
constexpr int kCount = sizeof(kTable) / sizeof(kTable[0]);

const Row& RowOf(DataType type) {
  const int index = static_cast<int>(type);
  return kTable[index > 0 && index < kCount ? index : 0];
}

template <const char* Row::*member>
DataType Find(std::string_view name) {
  for (int i = 1; i < kCount; ++i) {
    if (name == kTable[i].*member) return static_cast<DataType>(i);
  }
  return DataType::kInvalid;
}

}  // namespace

const char* DataTypeName(DataType type) { return RowOf(type).name; }
DataType DataTypeFromName(std::string_view name) { return Find<&Row::name>(name); }
const char* DataTypeConfigName(DataType type) { return RowOf(type).config_name; }
DataType DataTypeFromConfigName(std::string_view name) { return Find<&Row::config_name>(name); }
uint32_t DataTypeByteSize(DataType type) { return RowOf(type).byte_size; }

}  // namespace trident
