// What the stress programs share: clients of the C ABI that end the process at the first failure.

#ifndef TRIDENT_TEST_STRESS_STRESS_H_
#define TRIDENT_TEST_STRESS_STRESS_H_

#include <cstdint>
#include <string>

#include "trident/extension.h"
#include "triton/core/tritonserver.h"

inline constexpr int64_t kShape[] = {1, 4};

[[noreturn]] void Fail(const std::string& what);
// Consumes `error`; true for success. Any code but those of a model that is away is a failure.
bool OkOrAway(TRITONSERVER_Error* error, const char* what);
void Must(TRITONSERVER_Error* error, const char* what);

// A directory with the empty models "m" and "n"; and its end.
std::string MakeRepository();
void RemoveRepository(const std::string& path);
// In explicit mode, without a model.
TRITONSERVER_Server* StartServer(const std::string& repository, const char* backends);
// Loads `model` with the identity backend and this many instances.
TRITONSERVER_Error* LoadIdentity(TRITONSERVER_Server* server, const char* model, int instances);
// An allocator whose buffer is the `userp` of its allocations.
TRITONSERVER_ResponseAllocator* MakeAllocator();

#endif
