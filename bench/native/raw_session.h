#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/onnxruntime/ort_api.h"

namespace trident::bench {

// ONNX Runtime used directly, as the peer of ours: one session of one thread, inputs and outputs
// allocated once per batch size. Every variable dimension but the first counts as 1; inputs hold
// small numbers of a fixed sequence. What goes wrong ends the program. Externally synchronised.
class RawSession {
 public:
  // `library` and `model` are paths of libonnxruntime and of an .onnx file.
  RawSession(const std::string& library, const std::string& model);

  void SetBatch(int64_t batch);
  void Run();
  // The first numbers of the first output after a Run, at most `count`; none unless it is FP32.
  std::vector<float> FirstValues(size_t count) const;
  const std::string& version() const { return version_; }

 private:
  struct Tensors {
    std::vector<std::string> names;
    std::vector<const char*> name_pointers;
    std::vector<ort::OrtElementType> types;
    std::vector<std::vector<int64_t>> shapes;  // -1 where variable
    std::vector<std::vector<char>> data;
    std::vector<ort::OrtValue*> values;
  };

  void Check(ort::OrtStatus* status) const;
  void Open(const std::string& model);
  Tensors Describe(bool inputs) const;
  void Allocate(Tensors* tensors, int64_t batch) const;

  ort::OrtApi api_;
  std::string version_;
  ort::OrtSession* session_ = nullptr;
  ort::OrtMemoryInfo* memory_ = nullptr;
  Tensors inputs_;
  Tensors outputs_;
};

// Fills `data` with `elements` small numbers, the same ones in every program.
void FillWithNumbers(float* data, size_t elements);

}  // namespace trident::bench
