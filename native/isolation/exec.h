#pragma once

#include <sys/types.h>

#include "base/status.h"
#include "isolation/child_process.h"

namespace trident::isolation {

// Starts the program as ChildProcess promises.
Result<pid_t> Spawn(const Program& program);

}  // namespace trident::isolation
