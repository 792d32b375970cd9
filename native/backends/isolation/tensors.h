#pragma once

#include <vector>

#include "backends/common/batch_copies.h"
#include "backends/common/status.h"
#include "isolation/channel.h"
#include "isolation/wire.h"
#include "triton/core/tritonbackend.h"

// What passes between requests and responses of the server and messages to a child.
namespace trident::isolated {

// `message` becomes the request, its inputs copied to blocks of `channel`, which `blocks` gets;
// they are filled when `copies` has been synchronised. After a failure the blocks made are the
// caller's.
backend::Status ReadRequest(TRITONBACKEND_Request* request, const char* host_policy,
                            isolation::Channel* channel, backend::BatchCopies* copies,
                            isolation::Request* message, std::vector<isolation::Block>* blocks);

// Outputs and parameters of `message`; the outputs are filled when `copies` has been synchronised.
backend::Status FillResponse(const isolation::Response& message, isolation::Channel* channel,
                             backend::BatchCopies* copies, TRITONBACKEND_Response* response);

// Makes `states`, as a backend has written them, those of the request's sequence.
backend::Status WriteStates(const std::vector<isolation::Tensor>& states,
                            isolation::Channel* channel, backend::BatchCopies* copies,
                            TRITONBACKEND_Request* request);

}  // namespace trident::isolated
