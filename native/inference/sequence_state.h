#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inference/request.h"
#include "memory/growable_memory.h"
#include "memory/memory_pools.h"

namespace trident {

// One state tensor of a model whose sequences keep their state here, and how it begins.
// Immutable after construction.
struct StateSpec {
  std::string input_name;   // as the backend reads it
  std::string output_name;  // as the backend writes it
  DataType datatype = DataType::kInvalid;
  Shape shape;  // at the start, with the batch dimension if the model batches
  std::shared_ptr<const std::vector<char>> initial;  // the bytes at the start
  bool variable = false;                             // some dim may change
  bool same_buffer = false;                          // output is written over input
  bool growable = false;                             // same_buffer, and it grows in place
};
using StateSpecs = std::vector<StateSpec>;

// Address space for a growable state: as much as Triton reserves on a device.
inline constexpr uint64_t kGrowableStateCapacity = uint64_t{1} << 30;

// One state of one sequence; the object behind TRITONBACKEND_State.
//
//     current: what the next request reads      next: what the backend writes
//
// Update makes `next` the current one; until then the sequence keeps what it had (with same_buffer
// only as long as the backend writes no byte). Externally synchronised by SequenceStates.
class StateTensor {
 public:
  explicit StateTensor(const StateSpec& spec);
  // A dummy of the same form as `real`, all zero.
  StateTensor(const StateTensor& real, std::shared_ptr<const void> zeros);

  const StateSpec& spec() const { return spec_; }
  // The tensor the backend reads; unchanged by Update for whoever holds it.
  std::shared_ptr<InputTensor> CurrentInput();
  const Shape& current_shape() const { return current_.shape; }
  // Bytes of a dummy of this form.
  uint64_t zero_bytes() const;
  // Where memory comes from that is not of the host's heap.
  void set_pools(std::shared_ptr<MemoryPools> pools) { pools_ = std::move(pools); }

  // The backend's side ----------------------------------------------------------------------------
  // What the backend is about to write.
  Status Describe(DataType datatype, Shape shape);
  // Memory of exactly the described size; the same again when nothing has changed. On the device
  // that `attributes` wish for, unless it is to be that of the input, or the device is full; on
  // return they say where it is.
  Status Buffer(uint64_t byte_size, void** data, BufferAttributes* attributes);
  Result<BufferAttributes*> attributes();
  Status Update();

  // For a state that another server keeps ---------------------------------------------------------

  // Begins with `input`. What is written in place is written to a copy, which the input is then of.
  Status ResumeFrom(InputTensor* input);
  // What the backend has written; null: nothing.
  const InputTensor* written() { return updated_ ? CurrentInput().get() : nullptr; }

 private:
  struct Value {
    std::shared_ptr<void> memory;  // null: none yet
    bool constant = false;         // shared with other sequences: never written
    BufferAttributes attributes;
    DataType datatype = DataType::kInvalid;
    Shape shape;
    std::shared_ptr<InputTensor> tensor;  // of these bytes; made when first asked for
  };
  Result<uint64_t> DescribedBytes() const;
  Status Reallocate(uint64_t byte_size, const BufferAttributes& wished);

  const StateSpec& spec_;
  const bool same_buffer_;
  std::shared_ptr<MemoryPools> pools_;
  std::shared_ptr<GrowableMemory> growable_;  // null where address space is short: then it moves
  Value current_;
  Value next_;
  BufferAttributes wished_;  // where the backend has last wished `next_` to be
  bool buffered_ = false;    // `next_` has memory for what was described last
  bool updated_ = false;
};

// The implicit state of one sequence, from its START to the next or its end. Belongs to one request
// at a time: externally synchronised by the sequence scheduler, which has at most one request of a
// sequence in flight.
class SequenceStates {
 public:
  static std::shared_ptr<SequenceStates> Begin(std::shared_ptr<const StateSpecs> specs);
  // Dummies of the same form for a null request: what it writes reaches no sequence.
  std::shared_ptr<SequenceStates> MakeNull(std::shared_ptr<const void> zeros) const;
  // Bytes of zeros that MakeNull needs.
  uint64_t largest_state() const;

  // Of a sequence that another server keeps: `request` has their inputs already.
  static Result<std::shared_ptr<SequenceStates>> Resume(std::shared_ptr<const StateSpecs> specs,
                                                        const InferenceRequest& request);
  // Gives `request` the input tensors and this object.
  static void Attach(const std::shared_ptr<SequenceStates>& states, InferenceRequest* request);

  const std::vector<std::unique_ptr<StateTensor>>& all() const { return states_; }
  // By the output's name; INVALID_ARG when there is none.
  Result<StateTensor*> Find(const std::string& output_name);
  // Whether requests with these states may share a batch: equal beyond the batch dimension.
  bool SameForm(const SequenceStates& other) const;

 private:
  explicit SequenceStates(std::shared_ptr<const StateSpecs> specs) : specs_(std::move(specs)) {}

  const std::shared_ptr<const StateSpecs> specs_;
  std::vector<std::unique_ptr<StateTensor>> states_;  // as in specs_
};

}  // namespace trident
