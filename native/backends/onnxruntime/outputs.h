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
// destination when the batch is one request, or the destinations lie side by side. Otherwise it is
// copied once: from memory of the instance, or, when the run decides on the shape, from ONNX
// Runtime's. A batch output is cut along the shapes of its source input instead of the batch
// dimension. State outputs become the new states of the requests that succeed. Instance thread
// only.
class Outputs {
 public:
  Outputs(const Model& model, const Session& session);

  // Reads which outputs the requests want and prepares the destinations of those of known shape.
  // `inputs` has been bound.
  Status Prepare(backend::RequestBatch* batch, const Inputs& inputs);
  // Puts the results of a run where the requests want them.
  void Deliver(backend::RequestBatch* batch, const Inputs& inputs, CopyCount* copies);
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

    Slot(const Model& model, const TensorInfo& tensor);
  };
  struct Part {
    bool wanted = false;
    char* data = nullptr;  // the destination, once known
    TRITONBACKEND_State* state = nullptr;
  };

  Part& part(size_t r, size_t s) { return parts_[r * slots_.size() + s]; }
  Status ReadWanted(TRITONBACKEND_Request* request, size_t r);
  // Sizes the output and asks the requester where it shall go.
  Status AskDestination(const Slot& slot, TRITONBACKEND_Response* response, int64_t items,
                        uint64_t bytes, char** data);
  Status PrepareKnown(backend::RequestBatch* batch, const Inputs& inputs, size_t s);
  Status ReadResult(size_t s, const Inputs& inputs, OrtValue* value);
  void DeliverKnown(backend::RequestBatch* batch, const Inputs& inputs, size_t s,
                    CopyCount* copies);
  void DeliverComputed(backend::RequestBatch* batch, const Inputs& inputs, size_t s,
                       CopyCount* copies);
  Status ScatteredShapes(const backend::RequestBatch& batch, const Inputs& inputs, size_t s);
  void DeliverScattered(backend::RequestBatch* batch, const Inputs& inputs, size_t s,
                        CopyCount* copies);
  // The elements [first, first + elements) of a result, for an output of shape `shape_`.
  Status DeliverPart(const Slot& slot, TRITONBACKEND_Response* response, int64_t items,
                     size_t first, size_t elements, CopyCount* copies);
  void DeliverStates(backend::RequestBatch* batch, const Inputs& inputs, CopyCount* copies);
  Status WriteState(const Slot& slot, TRITONBACKEND_Request* request, int64_t items, size_t first,
                    size_t elements, TRITONBACKEND_State** state, CopyCount* copies);
  Status PartBytes(const Slot& slot, size_t first, size_t elements, uint64_t* bytes) const;
  Status CopyPart(const Slot& slot, size_t first, size_t elements, uint64_t bytes, char* to,
                  CopyCount* copies) const;

  const Model& model_;
  const bool batched_;
  bool has_states_ = false;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Part> parts_;       // by request, then slot
  std::vector<size_t> selected_;  // the slots of this run, in the order of values_
  std::vector<int64_t> shape_;
  std::vector<std::vector<int64_t>> scattered_shapes_;  // by request, of one batch output
  std::vector<const char*> names_;
  std::vector<OrtValue*> values_;
};

}  // namespace trident::ort
