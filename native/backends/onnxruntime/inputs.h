#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/common/batch_copies.h"
#include "backends/common/request_batch.h"
#include "backends/onnxruntime/model.h"
#include "backends/onnxruntime/tensor_memory.h"

namespace trident::ort {

// The input side of one instance: makes the tensors of a run from the inputs of a batch, each where
// the session reads it. An input that lies there in one block, or whose requests lie there side by
// side, is used in place, unless its address must not change; otherwise it is gathered into memory
// of the instance. A batch is a set: its requests take the order of their
// memory when they fill one block in another order than they came in. Requests of a ragged input
// may have different shapes; the model sees all their elements in one dimension. BYTES become ONNX
// Runtime's strings. Batch inputs are made here. Sequence controls and states come with the
// requests. Instance thread only.
class Inputs {
 public:
  Inputs(const Model& model, const Session& session, backend::BatchCopies* copies);

  // Looks at every request's inputs, fails the requests whose inputs do not fit the model or the
  // rest of the batch, and decides on the order of the others.
  void Collect(backend::RequestBatch* batch);
  // Makes the tensors from the requests that Collect has let pass, of which there is at least one.
  // A request whose contents cannot be read fails, but keeps its place in the run. What is read on
  // the host is there then; the rest is on its way on the stream of the copies.
  Status Bind(backend::RequestBatch* batch);
  // Lets go of what a run has used up.
  void Reset();

  // The arguments of the run.
  const char* const* names() const { return names_.data(); }
  const OrtValue* const* values() const { return values_.data(); }
  size_t count() const { return values_.size(); }

  // The requests with a place in the run, in the order of their places.
  const std::vector<size_t>& order() const { return order_; }
  // The batch size of request r, 0 if it has no place in the run; and their sum.
  int64_t items(size_t r) const { return items_[r]; }
  int64_t total_items() const { return total_items_; }
  // The shape of a configured input in request r; empty when the request lacks it.
  backend::SourceShape ShapeOf(std::string_view input, size_t r) const;

 private:
  struct Slot {
    TensorInfo info;
    std::string title;     // "model 'm' version 1: input 'x'", for messages
    size_t element_bytes;  // 0 for BYTES
    bool optional = false;
    bool ragged = false;
    BoundTensor bound;
    Scratch scratch;
    OrtValue* strings = nullptr;

    Slot(const Model& model, const Session& session, TensorInfo tensor,
         TRITONBACKEND_MemoryManager* manager);
  };
  // A batch input, the same for each of its targets.
  struct Made {
    struct Target {
      TensorInfo info;
      BoundTensor bound;
      Scratch scratch;  // where the session does not read `contents`
    };
    const backend::BatchInput& config;
    std::vector<std::unique_ptr<Target>> targets;
    std::vector<char> contents;

    Made(const Session& session, const Runtime& runtime, const backend::BatchInput& config,
         TRITONBACKEND_MemoryManager* manager);
  };
  // One request's part of a slot's input; `input` is null when an optional one is absent.
  struct Part {
    TRITONBACKEND_Input* input = nullptr;
    const int64_t* shape = nullptr;
    uint32_t dims_count = 0;
    uint32_t buffer_count = 0;
    uint64_t bytes = 0;
    int64_t elements = 0;
    const char* data = nullptr;  // when all of it lies in one block, where the session reads it
  };

  Part& part(size_t r, size_t s) { return parts_[r * slots_.size() + s]; }
  const Part& part(size_t r, size_t s) const { return parts_[r * slots_.size() + s]; }
  Status CollectRequest(const backend::RequestBatch& batch, size_t r, size_t first, int64_t* items);
  Status CollectPart(TRITONBACKEND_Request* request, const Slot& slot, Part* part) const;
  Status CheckByteSize(const Slot& slot, Part* part) const;
  Status CheckAgainstFirst(const Slot& slot, const Part& part, const Part& first) const;
  // Changes the order to that of the requests' memory, if that makes an input one block and no
  // other is one already.
  void OrderByAddress();
  bool FillsOneBlock(size_t s) const;
  // The shape of the slot's tensor in this run.
  Status SetShape(size_t s);
  Status BindMade(Made* made);
  Status BindBlock(backend::RequestBatch* batch, size_t s);
  Status BindStrings(backend::RequestBatch* batch, size_t s);
  // How many bytes to keep for a tensor of so many: all of one address are as large as the largest.
  uint64_t BytesToKeep(uint64_t bytes) const;
  // Where the slot's parts lie side by side in order, and aligned; null when they do not.
  const char* CommonBlock(size_t s) const;
  Status CopyPart(const Slot& slot, const Part& part, char* to);

  const Model& model_;
  backend::BatchCopies& copies_;
  const bool batched_;
  const bool fixed_addresses_;
  bool gathers_to_host_ = false;  // in this run
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Made> made_;
  std::vector<Part> parts_;  // by request, then slot
  std::vector<int64_t> items_;
  int64_t total_items_ = 0;
  std::vector<size_t> order_;
  std::vector<int64_t> shape_;
  std::vector<backend::SourceShape> sources_;
  std::vector<const char*> names_;
  std::vector<const OrtValue*> values_;
};

}  // namespace trident::ort
