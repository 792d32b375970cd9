#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/common/request_batch.h"
#include "backends/onnxruntime/inputs.h"
#include "backends/onnxruntime/model.h"
#include "backends/onnxruntime/tensor_memory.h"

namespace trident::ort {

// The output side of one instance: has a run write the outputs that a batch asks for, and hands
// each request its part. An output whose shape is known before the run goes straight to its
// destination when that is where the session writes it, and the batch is one request or the
// destinations lie side by side, unless its address must not change. Otherwise it is
// copied once: from memory of the instance, or, when the run decides on the shape, from ONNX
// Runtime's. A batch output is cut along the shapes of its source input instead of the batch
// dimension. State outputs become the new states of the requests that succeed. Instance thread
// only.
class Outputs {
 public:
  Outputs(const Model& model, const Session& session, backend::BatchCopies* copies);

  // Reads which outputs the requests want and prepares the destinations of those of known shape.
  // `inputs` has been bound.
  Status Prepare(backend::RequestBatch* batch, const Inputs& inputs);
  // Puts the results of a run where the requests want them; they are there when the copies are.
  void Deliver(backend::RequestBatch* batch, const Inputs& inputs);
  // Makes the delivered states those of their sequences. A request that fails leaves its sequence
  // as it was.
  void UpdateStates(backend::RequestBatch* batch);
  // Lets go of what a run has allocated.
  void Reset();

  // The arguments of the run; a count of 0 says that no output is wanted, so there is none.
  const char* const* names() const { return names_.data(); }
  OrtValue** values() { return values_.data(); }
  size_t count() const { return values_.size(); }

 private:
  // What a run made of an output.
  struct Result {
    const OrtValue* value = nullptr;
    const char* data = nullptr;  // null for BYTES
    std::vector<int64_t> shape;
    size_t item_elements = 0;  // of one batch item, or of the whole without batching
  };
  struct Slot {
    TensorInfo info;
    std::string title;         // "model 'm' version 1: output 'y'", for messages
    size_t element_bytes;      // 0 for BYTES
    bool known_shape = false;  // but for the batch dimension
    bool is_state = false;
    const backend::BatchOutput* scattered = nullptr;
    uint64_t item_bytes = 0;  // of one batch item, or of the whole without batching
    // Of the model file, or of the configuration when scattered; dims[0] is the batch dimension
    // when there is one.
    std::vector<int64_t> dims;
    BoundTensor bound;
    Scratch scratch;
    // Of the current run:
    bool wanted = false;
    bool direct = false;
    Result result;

    Slot(const Model& model, const Session& session, const TensorInfo& tensor,
         TRITONBACKEND_MemoryManager* manager);
  };
  struct Destination {
    char* data = nullptr;
    backend::MemoryPlace place;
  };
  struct Part {
    bool wanted = false;
    Destination to;  // once known
    TRITONBACKEND_State* state = nullptr;
  };

  Part& part(size_t r, size_t s) { return parts_[r * slots_.size() + s]; }
  Status ReadWanted(TRITONBACKEND_Request* request, size_t r);
  // Sizes the output and asks the requester where it shall go.
  Status AskDestination(const Slot& slot, TRITONBACKEND_Response* response, int64_t items,
                        uint64_t bytes, Destination* to);
  Status PrepareKnown(backend::RequestBatch* batch, const Inputs& inputs, size_t s);
  Status ReadResult(size_t s, const Inputs& inputs, OrtValue* value);
  void DeliverKnown(backend::RequestBatch* batch, const Inputs& inputs, size_t s);
  void DeliverComputed(backend::RequestBatch* batch, const Inputs& inputs, size_t s);
  Status ScatteredShapes(const backend::RequestBatch& batch, const Inputs& inputs, size_t s);
  void DeliverScattered(backend::RequestBatch* batch, const Inputs& inputs, size_t s);
  // The elements [first, first + elements) of a result, for an output of shape `shape_`.
  Status DeliverPart(const Slot& slot, TRITONBACKEND_Response* response, int64_t items,
                     size_t first, size_t elements);
  void DeliverStates(backend::RequestBatch* batch, const Inputs& inputs);
  Status WriteState(const Slot& slot, TRITONBACKEND_Request* request, int64_t items, size_t first,
                    size_t elements, TRITONBACKEND_State** state);
  // Where the memory of an output or a state is best.
  backend::MemoryPlace PreferredPlace(const Slot& slot) const;
  Status PartBytes(const Slot& slot, size_t first, size_t elements, uint64_t* bytes) const;
  Status CopyPart(const Slot& slot, size_t first, size_t elements, uint64_t bytes,
                  const Destination& to);
  Status CopyStrings(const Slot& slot, size_t first, size_t elements, uint64_t bytes,
                     const Destination& to);

  const Model& model_;
  backend::BatchCopies& copies_;
  const bool batched_;
  const bool fixed_addresses_;
  bool has_states_ = false;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Part> parts_;       // by request, then slot
  std::vector<size_t> selected_;  // the slots of this run, in the order of values_
  std::vector<int64_t> shape_;
  std::vector<std::vector<int64_t>> scattered_shapes_;  // by request, of one batch output
  std::vector<std::vector<char>> uploads_;  // BYTES of this run on their way to a device
  std::vector<const char*> names_;
  std::vector<OrtValue*> values_;
};

}  // namespace trident::ort
