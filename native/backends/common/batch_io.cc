#include "backends/common/batch_io.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "backends/common/model_config.h"

namespace trident::backend {
namespace {

using Kind = BatchInput::Kind;

constexpr struct {
  std::string_view name;
  Kind kind;
} kKinds[] = {
    {"BATCH_ELEMENT_COUNT", Kind::kElementCount},
    {"BATCH_ACCUMULATED_ELEMENT_COUNT", Kind::kAccumulatedElementCount},
    {"BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", Kind::kAccumulatedWithZero},
    {"BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", Kind::kMaxElementCountAsShape},
    {"BATCH_ITEM_SHAPE", Kind::kItemShape},
    {"BATCH_ITEM_SHAPE_FLATTEN", Kind::kItemShapeFlatten},
};

Status ReadKind(std::string_view name, Kind* kind) {
  for (const auto& known : kKinds) {
    if (known.name != name) continue;
    *kind = known.kind;
    return Status();
  }
  return InvalidArg("batch_input: unknown kind '", name, "'");
}

Status ReadSource(const Json& item, const char* field, std::string* source) {
  const std::vector<Json>& sources = item.FindItems("source_input");
  if (sources.size() != 1) {
    return InvalidArg(field, ": expected one source_input, found ", sources.size());
  }
  *source = sources[0].text();
  return Status();
}

// Appends numbers of one of the two datatypes.
class Writer {
 public:
  Writer(const BatchInput& input, std::vector<char>* to) : input_(input), to_(*to) {}

  Status Add(int64_t number) {
    if (input_.datatype == TRITONSERVER_TYPE_FP32) {
      Append(static_cast<float>(number));
      return Status();
    }
    if (number > std::numeric_limits<int32_t>::max()) {
      return InvalidArg("batch input '", input_.targets[0], "': ", number, ", counted of input '",
                        input_.source, "', does not fit INT32");
    }
    Append(static_cast<int32_t>(number));
    return Status();
  }

 private:
  template <typename T>
  void Append(T value) {
    const char* bytes = reinterpret_cast<const char*>(&value);
    to_.insert(to_.end(), bytes, bytes + sizeof(value));
  }

  const BatchInput& input_;
  std::vector<char>& to_;
};

Status CountElements(const BatchInput& input, SourceShape shape, int64_t* count) {
  *count = 1;
  for (const int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(*count, dim, count)) {
      return InvalidArg("batch input '", input.targets[0], "': input '", input.source,
                        "' has the impossible shape ", ShapeText(shape.data(), shape.size()));
    }
  }
  return Status();
}

Status WriteCounts(const BatchInput& input, std::span<const SourceShape> sources, Writer* writer) {
  const bool accumulated = input.kind != Kind::kElementCount;
  int64_t total = 0;
  if (input.kind == Kind::kAccumulatedWithZero) BACKEND_RETURN_IF_ERROR(writer->Add(0));
  for (const SourceShape source : sources) {
    int64_t count = 0;
    BACKEND_RETURN_IF_ERROR(CountElements(input, source, &count));
    if (__builtin_add_overflow(total, count, &total)) total = std::numeric_limits<int64_t>::max();
    BACKEND_RETURN_IF_ERROR(writer->Add(accumulated ? total : count));
  }
  return Status();
}

Status LargestCount(const BatchInput& input, std::span<const SourceShape> sources,
                    int64_t* largest) {
  *largest = 0;
  for (const SourceShape source : sources) {
    int64_t count = 0;
    BACKEND_RETURN_IF_ERROR(CountElements(input, source, &count));
    *largest = std::max(*largest, count);
  }
  return Status();
}

// Also sets `items` and the `rank` that all of them have.
Status WriteItemShapes(const BatchInput& input, bool batched, std::span<const SourceShape> sources,
                       int64_t* items, int64_t* rank, Writer* writer) {
  const size_t skipped = batched ? 1 : 0;
  *items = 0;
  for (const SourceShape source : sources) {
    const auto dims = source.subspan(std::min(skipped, source.size()));
    if (*items > 0 && static_cast<int64_t>(dims.size()) != *rank) {
      return InvalidArg("batch input '", input.targets[0], "': expected shapes of rank ", *rank,
                        " for input '", input.source, "', found rank ", dims.size());
    }
    *rank = static_cast<int64_t>(dims.size());
    const int64_t count = batched && !source.empty() ? source[0] : 1;
    for (int64_t i = 0; i < count; ++i) {
      for (const int64_t dim : dims) BACKEND_RETURN_IF_ERROR(writer->Add(dim));
    }
    *items += count;
  }
  return Status();
}

}  // namespace

Status ReadBatchInputs(const Json& config, std::vector<BatchInput>* inputs) {
  inputs->clear();
  for (const Json& item : config.FindItems("batch_input")) {
    BatchInput input;
    const std::string_view kind = item.FindString("kind");
    if (!kind.empty()) BACKEND_RETURN_IF_ERROR(ReadKind(kind, &input.kind));
    BACKEND_RETURN_IF_ERROR(ReadSource(item, "batch_input", &input.source));
    for (const Json& target : item.FindItems("target_name")) {
      input.targets.emplace_back(target.text());
    }
    if (input.targets.empty()) return InvalidArg("batch_input: expected a target_name, found none");
    input.datatype = DatatypeOfConfig(item.FindString("data_type"));
    if (input.datatype != TRITONSERVER_TYPE_INT32 && input.datatype != TRITONSERVER_TYPE_FP32) {
      return InvalidArg("batch input '", input.targets[0],
                        "': expected data_type TYPE_INT32 or TYPE_FP32, found '",
                        item.FindString("data_type"), "'");
    }
    inputs->push_back(std::move(input));
  }
  return Status();
}

Status ReadBatchOutputs(const Json& config, std::vector<BatchOutput>* outputs) {
  outputs->clear();
  for (const Json& item : config.FindItems("batch_output")) {
    const std::string_view kind = item.FindString("kind");
    if (!kind.empty() && kind != "BATCH_SCATTER_WITH_INPUT_SHAPE") {
      return InvalidArg("batch_output: unknown kind '", kind, "'");
    }
    BatchOutput output;
    BACKEND_RETURN_IF_ERROR(ReadSource(item, "batch_output", &output.source));
    const std::vector<Json>& targets = item.FindItems("target_name");
    if (targets.size() != 1) {
      return InvalidArg("batch_output: expected one target_name, found ", targets.size());
    }
    output.target = targets[0].text();
    outputs->push_back(std::move(output));
  }
  return Status();
}

Status MakeBatchInput(const BatchInput& input, bool batched, std::span<const SourceShape> sources,
                      std::vector<int64_t>* shape, std::vector<char>* contents) {
  contents->clear();
  Writer writer(input, contents);
  switch (input.kind) {
    case Kind::kElementCount:
    case Kind::kAccumulatedElementCount:
    case Kind::kAccumulatedWithZero:
      BACKEND_RETURN_IF_ERROR(WriteCounts(input, sources, &writer));
      shape->assign(1, static_cast<int64_t>(contents->size() / 4));
      return Status();
    case Kind::kMaxElementCountAsShape: {
      int64_t largest = 0;
      BACKEND_RETURN_IF_ERROR(LargestCount(input, sources, &largest));
      shape->assign(1, largest);
      contents->resize(static_cast<size_t>(largest) * 4);
      return Status();
    }
    case Kind::kItemShape:
    case Kind::kItemShapeFlatten: {
      int64_t items = 0;
      int64_t rank = 0;
      BACKEND_RETURN_IF_ERROR(WriteItemShapes(input, batched, sources, &items, &rank, &writer));
      if (input.kind == Kind::kItemShape) {
        shape->assign({items, rank});
      } else {
        shape->assign(1, items * rank);
      }
      return Status();
    }
  }
  return Internal("batch input '", input.targets[0], "' has an unknown kind");
}

Status ScatteredShape(const BatchOutput& output, const std::vector<int64_t>& dims,
                      SourceShape source, std::vector<int64_t>* shape) {
  *shape = dims;
  for (size_t i = 0; i < shape->size(); ++i) {
    if ((*shape)[i] != -1) continue;
    if (i >= source.size()) {
      return InvalidArg("batch output '", output.target, "' has a variable dimension ", i,
                        ", which its source input '", output.source, "' of shape ",
                        ShapeText(source.data(), source.size()), " does not tell");
    }
    (*shape)[i] = source[i];
  }
  return Status();
}

}  // namespace trident::backend
