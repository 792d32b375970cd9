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
// Runtime's. Instance thread only.
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
  struct Slot {
    TensorInfo info;
    std::string title;          // "model 'm' version 1: output 'y'", for messages
    size_t element_bytes;       // 0 for BYTES
    bool known_shape;           // but for the batch dimension
    uint64_t item_bytes = 0;    // of one batch item, or of the whole without batching
    std::vector<int64_t> dims;  // of the model; dims[0] is the batch dimension when there is one
    BoundTensor bound;
    Scratch scratch;
    // Of the current run:
    bool wanted = false;
    bool direct = false;

    Slot(const Model& model, const TensorInfo& tensor);
  };
  struct Part {
    bool wanted = false;
    char* data = nullptr;  // the destination, once known
  };

  Part& part(size_t r, size_t s) { return parts_[r * slots_.size() + s]; }
  Status ReadWanted(TRITONBACKEND_Request* request, size_t r);
  // Sizes the output and asks the requester where it shall go.
  Status AskDestination(const Slot& slot, TRITONBACKEND_Response* response, int64_t items,
                        uint64_t bytes, char** data);
  Status PrepareKnown(backend::RequestBatch* batch, const Inputs& inputs, size_t s);
  void DeliverKnown(backend::RequestBatch* batch, const Inputs& inputs, size_t s,
                    CopyCount* copies);
  Status DeliverComputed(backend::RequestBatch* batch, const Inputs& inputs, size_t s,
                         OrtValue* value, CopyCount* copies);
  Status DeliverPart(const Slot& slot, TRITONBACKEND_Response* response, const OrtValue* value,
                     const char* data, int64_t items, size_t first, size_t elements,
                     CopyCount* copies);

  const Model& model_;
  const bool batched_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Part> parts_;       // by request, then slot
  std::vector<size_t> selected_;  // the slots of this run, in the order of values_
  std::vector<int64_t> shape_;
  std::vector<const char*> names_;
  std::vector<OrtValue*> values_;
};

}  // namespace trident::ort
