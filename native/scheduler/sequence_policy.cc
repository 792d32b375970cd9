#include "scheduler/sequence_policy.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/checked.h"

namespace trident {
namespace {

// A slip in the dims must not cost the machine's memory; every sequence has its own copy.
constexpr uint64_t kMaxInitialStateBytes = uint64_t{1} << 32;

constexpr const char* kInitialStateDirectory = "initial_state";

uint64_t Nanoseconds(uint64_t microseconds) {
  uint64_t ns = 0;
  return CheckedMultiply(microseconds, uint64_t{1000}, &ns) ? ns : kNever;
}

// Elements of BYTES as the backend will read them; whole, and as many as the shape says.
Status CheckStrings(const std::vector<char>& bytes, uint64_t expected) {
  uint64_t found = 0;
  size_t at = 0;
  while (at < bytes.size()) {
    uint32_t length = 0;
    if (bytes.size() - at < sizeof(length)) {
      return InvalidArg("ends inside the length of element ", found);
    }
    memcpy(&length, &bytes[at], sizeof(length));
    at += sizeof(length);
    if (bytes.size() - at < length) return InvalidArg("ends inside element ", found);
    at += length;
    ++found;
  }
  if (found == expected) return Status::Ok();
  return InvalidArg("has ", found, " elements, but the state has ", expected);
}

// `bytes_needed` 0: as many as the file has.
Result<std::vector<char>> ReadStateFile(const std::string& model_directory, const std::string& file,
                                        uint64_t bytes_needed) {
  const std::filesystem::path inside = std::filesystem::path(file).lexically_normal();
  if (inside.empty() || inside.is_absolute() || *inside.begin() == "..") {
    return InvalidArg("'data_file' \"", file, "\" is not inside '", kInitialStateDirectory, "'");
  }
  const auto path = std::filesystem::path(model_directory) / kInitialStateDirectory / inside;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return NotFound("there is no file ", path.string());
  }
  const uint64_t available = std::filesystem::file_size(path, error);
  if (error) return Internal("can't read ", path.string(), ": ", error.message());
  if (bytes_needed == 0 && available > kMaxInitialStateBytes) {
    return InvalidArg(file, " is larger than ", kMaxInitialStateBytes, " bytes");
  }
  if (available < bytes_needed) {
    return InvalidArg("initial_state setting expects ", bytes_needed,
                      " bytes, but the data provided from ", file, " only has ", available,
                      " bytes");
  }
  std::vector<char> bytes(bytes_needed > 0 ? bytes_needed : available);
  std::ifstream in(path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in) return Internal("can't read ", path.string());
  return bytes;
}

Result<std::vector<char>> InitialBytes(const SequenceState& state, const Shape& shape,
                                       const std::string& model_directory) {
  TRIDENT_ASSIGN_OR_RETURN(const uint64_t elements, ElementCount(shape.data(), shape.size()));
  const bool strings = state.data_type == DataType::kBytes;
  const bool from_file = !state.initial_state.empty() && state.initial_state[0].data_file;
  uint64_t byte_size = 0;
  if (!CheckedMultiply(elements,
                       uint64_t{strings ? sizeof(uint32_t) : DataTypeByteSize(state.data_type)},
                       &byte_size) ||
      byte_size > kMaxInitialStateBytes) {
    return InvalidArg("its initial value is larger than ", kMaxInitialStateBytes, " bytes");
  }
  // Zeros are empty strings, too.
  if (!from_file) return std::vector<char>(byte_size);
  TRIDENT_ASSIGN_OR_RETURN(
      std::vector<char> bytes,
      ReadStateFile(model_directory, *state.initial_state[0].data_file, strings ? 0 : byte_size));
  if (strings) {
    TRIDENT_RETURN_IF_ERROR(
        CheckStrings(bytes, elements).WithPrefix(StrCat(*state.initial_state[0].data_file, " ")));
  }
  return bytes;
}

Result<StateSpec> SpecOf(const SequenceState& state, bool model_batches,
                         const std::string& model_directory) {
  StateSpec spec;
  spec.input_name = state.input_name;
  spec.output_name = state.output_name;
  spec.datatype = state.data_type;
  spec.variable = HasWildcard(state.dims);
  spec.same_buffer = state.use_same_buffer_for_input_output;
  spec.growable = state.use_growable_memory;
  if (model_batches) spec.shape.push_back(1);
  const Shape& dims = state.initial_state.empty() ? state.dims : state.initial_state[0].dims;
  for (const int64_t dim : dims) spec.shape.push_back(dim == -1 ? 1 : dim);
  TRIDENT_ASSIGN_OR_RETURN(std::vector<char> bytes,
                           InitialBytes(state, spec.shape, model_directory));
  spec.initial = std::make_shared<const std::vector<char>>(std::move(bytes));
  return spec;
}

}  // namespace

Result<SequencePolicy> MakeSequencePolicy(const ModelConfig& config,
                                          const std::string& model_directory) {
  const ModelSequenceBatching& batching = *config.sequence_batching;
  const auto max_batch_size = static_cast<uint32_t>(std::max(1, config.max_batch_size));
  SequencePolicy policy;
  policy.slots = max_batch_size;
  policy.max_idle_ns = Nanoseconds(batching.max_sequence_idle_microseconds);
  policy.iterative = batching.iterative_sequence;
  if (batching.direct) {
    policy.max_queue_delay_ns = Nanoseconds(batching.direct->max_queue_delay_microseconds);
    policy.minimum_slot_utilization = batching.direct->minimum_slot_utilization;
  }
  if (batching.oldest) {
    const SequenceStrategyOldest& oldest = *batching.oldest;
    if (oldest.max_candidate_sequences > 0) {
      policy.slots = static_cast<size_t>(oldest.max_candidate_sequences);
    }
    policy.preserve_ordering = oldest.preserve_ordering;
    policy.batching.dynamic = true;
    policy.batching.max_batch_size = max_batch_size;
    policy.batching.max_queue_delay_ns = Nanoseconds(oldest.max_queue_delay_microseconds);
    policy.batching.preferred.assign(oldest.preferred_batch_size.begin(),
                                     oldest.preferred_batch_size.end());
    std::sort(policy.batching.preferred.begin(), policy.batching.preferred.end());
  }
  if (!batching.control_input.empty()) {
    policy.controls = std::make_shared<const SequenceControls>(batching, config.max_batch_size > 0);
  }
  if (batching.state.empty()) return policy;
  auto specs = std::make_shared<StateSpecs>();
  for (const SequenceState& state : batching.state) {
    auto spec = SpecOf(state, config.max_batch_size > 0, model_directory);
    if (!spec.ok()) {
      return spec.status().WithPrefix(
          StrCat("model '", config.name, "': state '", state.input_name, "': "));
    }
    specs->push_back(std::move(spec).value());
  }
  policy.states = std::move(specs);
  return policy;
}

DirectDecision DecideDirect(size_t ready, uint64_t oldest_ns, const SequencePolicy& policy,
                            uint64_t now_ns) {
  if (policy.max_queue_delay_ns == 0 || policy.minimum_slot_utilization == 0) return {.run = true};
  const float utilization = static_cast<float>(ready) / static_cast<float>(policy.slots);
  if (utilization >= policy.minimum_slot_utilization) return {.run = true};
  uint64_t deadline = 0;
  if (!CheckedAdd(oldest_ns, policy.max_queue_delay_ns, &deadline)) deadline = kNever;
  if (now_ns >= deadline) return {.run = true};
  return {.look_again_ns = deadline};
}

}  // namespace trident
