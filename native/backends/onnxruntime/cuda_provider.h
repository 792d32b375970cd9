#pragma once

#include <map>
#include <set>
#include <string>

#include "backends/common/model_config.h"
#include "backends/onnxruntime/runtime.h"
#include "cuda/stream.h"

namespace trident::ort {

// How sessions of one model use a GPU. Read from, the later ones going first:
//   optimization { execution_accelerators { gpu_execution_accelerator { name: "cuda" parameters } }
//   }
//     the options of ONNX Runtime's CUDA provider, as it names them; but for the device and its
//     stream, which are the instance's, and what would be an address
//   parameters cudnn_conv_algo_search (0 exhaustive, 1 heuristic, 2 default), gpu_mem_limit,
//     arena_extend_strategy (0 next power of two, 1 as requested), do_copy_in_default_stream
//   optimization { cuda { graphs } }, or the provider's enable_cuda_graph
//   optimization { cuda { graph_spec { batch_size } } }    only these batch sizes have a graph
struct CudaOptions {
  std::map<std::string, std::string> provider;
  bool graphs = false;
  std::set<int64_t> graph_batch_sizes;  // none: all

  bool HasGraph(int64_t batch_size) const {
    return graphs && (graph_batch_sizes.empty() || graph_batch_sizes.contains(batch_size));
  }
};

Status ReadCudaOptions(const backend::ModelConfig& config, CudaOptions* options);

// NOT_FOUND when a file of the CUDA provider is not beside ONNX Runtime's own library, from where
// it loads them and from nowhere else.
Status FindCudaProvider(const OrtApi& api);

// Whether a session on a GPU can be made: OK, or what is missing of the driver, the provider's
// files or the libraries that those need. Loads the provider, once there are a driver and its
// files.
Status LoadCudaProvider(const Runtime& runtime);

// The session will run on the stream's device, and put its work on the stream.
Status AppendCudaProvider(const Runtime& runtime, const CudaOptions& options,
                          const cuda::Stream& stream, const std::string& context,
                          OrtSessionOptions* session);

}  // namespace trident::ort
