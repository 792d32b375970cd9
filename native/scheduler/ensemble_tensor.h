#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "inference/copy_buffer.h"
#include "inference/request.h"
#include "inference/sink.h"

namespace trident {

// The bytes of one step's output: where its backend wished them, or the ensemble's client's when
// the output is one of the ensemble's. Freed with the last reference, unless the client's response
// has taken it over. Thread-safe but for TakeOver.
class TensorMemory {
 public:
  explicit TensorMemory(OwnedBuffer own);
  // `buffer` comes from `sink`, the client's.
  TensorMemory(std::shared_ptr<ResponseSink> sink, const OutputBuffer& buffer)
      : sink_(std::move(sink)), buffer_(buffer) {}
  ~TensorMemory();
  TensorMemory(const TensorMemory&) = delete;
  TensorMemory& operator=(const TensorMemory&) = delete;

  const OutputBuffer& buffer() const { return buffer_; }
  bool is_clients() const { return sink_ != nullptr; }
  // The client's buffer, which somebody else frees from now on.
  const OutputBuffer& TakeOver() {
    taken_over_ = true;
    return buffer_;
  }

 private:
  const OwnedBuffer own_;
  const std::shared_ptr<ResponseSink> sink_;  // null: `own_` are its bytes
  OutputBuffer buffer_;
  bool taken_over_ = false;
};

// The place of a request in its sequence.
struct SequencePlace {
  CorrelationId id;
  uint32_t flags = 0;
  bool operator==(const SequencePlace&) const = default;
};

// One value of an ensemble's tensor: described as its writer, a step or the request, sees it.
// Immutable once it is in the flow, but for its memory being taken over.
struct EnsembleTensor {
  DataType datatype = DataType::kInvalid;
  Shape shape;
  uint32_t batch_size = 0;  // 0: the writer's tensors have no batch dimension
  // From a step: its bytes.
  std::shared_ptr<TensorMemory> memory;
  uint64_t byte_size = 0;
  // From the request: its input, which it keeps until the ensemble ends.
  const InputTensor* input = nullptr;
  // What its writer, or somebody before it, said of the sequence for those that follow.
  std::optional<SequencePlace> place;
};

// The shape of `tensor` for a reader with these `dims`, which adds or takes away a batch dimension
// of one where the writer batches and the reader doesn't, or the other way round.
Shape ShapeFor(const EnsembleTensor& tensor, const Shape& dims, bool batching);

// Makes `tensor` an input of `request`, to be read where it lies.
Status AddAsInput(const std::shared_ptr<const EnsembleTensor>& tensor, const TensorSpec& spec,
                  bool batching, InferenceRequest* request);

// Where its bytes lie.
BufferAttributes PlaceOf(const EnsembleTensor& tensor);
Status CopyBytes(const EnsembleTensor& tensor, const OutputBuffer& to);

// What a step's response says in parameters `sequence_id`, `sequence_start` and `sequence_end`;
// `before` is what its request said. Nothing when it says nothing.
Result<std::optional<SequencePlace>> ReadPlace(const std::vector<Parameter>& parameters,
                                               const SequencePlace& before);
void WritePlace(const SequencePlace& place, std::vector<Parameter>* parameters);

}  // namespace trident
